"""The Gaussian process, the acquisition and the strategy that they make up."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.autotune.acquisition import (
    expected_improvement,
    log_expected_improvement,
    log_probability,
    lower_confidence_bound,
)
from headrace.autotune.gaussian_process import (
    Flat,
    Gamma,
    LogNormal,
    Priors,
    distances,
    fit,
    likelihood,
    matern,
)
from headrace.autotune.headrace_strategy import Headrace
from headrace.autotune.history import History
from headrace.autotune.parameter import Floats, Ordinal, Permutation, Real, Value
from headrace.autotune.search import Search
from headrace.autotune.space import Space

PRIORS = [
    Priors(LogNormal(0.3, 1), Flat(), LogNormal(-6, 1.5)),
    Priors(Gamma(1.3, 0.1), Gamma(2, 0.15), Gamma(1.1, 0.05)),
]


def random_data(seed: int, points: int = 20) -> tuple[np.random.Generator, Floats, Floats]:
    random = np.random.default_rng(seed)
    return random, random.random((points, 4)), random.normal(size=points)


def test_the_kernel_at_distance_one() -> None:
    assert float(matern(np.array(1.0), 1.0)) == pytest.approx(0.523994, abs=1e-6)


@pytest.mark.parametrize("priors", PRIORS)
@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_that_of_finite_differences(priors: Priors, seed: int) -> None:
    random, inputs, targets = random_data(seed)
    squares = np.stack([distances(part, part) for part in (inputs[:, :2], inputs[:, 2:])])
    here = random.normal(size=4) * 0.3
    slope = likelihood(squares, targets, here, priors)[1]
    for place in range(4):
        step = np.zeros(4)
        step[place] = 1e-6
        above = likelihood(squares, targets, here + step, priors)[0]
        below = likelihood(squares, targets, here - step, priors)[0]
        assert (above - below) / 2e-6 == pytest.approx(slope[place], rel=1e-5, abs=1e-6)


def test_a_fit_interpolates_what_is_smooth_and_knows_where_it_knows_little() -> None:
    inputs = np.linspace(0, 0.5, 12)[:, None]
    values = np.sin(6 * inputs[:, 0])
    model = fit(inputs, values, [0], PRIORS[0], [np.array([0.0, 0.0, -6.0])])
    mean, deviation = model.predict(np.array([[0.23], [1.0]]))
    assert mean[0] == pytest.approx(math.sin(6 * 0.23), abs=0.02)
    assert deviation[1] > 5 * deviation[0]


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [1.0, 2.0]])
def test_one_value_and_equal_values_are_fitted(values: list[float]) -> None:
    inputs = np.arange(len(values))[:, None] / 2
    model = fit(inputs, np.array(values), [0], PRIORS[0], [np.array([0.0, 0.0, -6.0])])
    assert np.isfinite(model.predict(np.array([[0.3]]))).all()


def test_expected_improvement_has_the_stated_values() -> None:
    zero, one = np.zeros(1), np.ones(1)
    assert expected_improvement(zero, one, 0.0, 1e-4)[0] == pytest.approx(0.398892, abs=1e-6)
    assert log_expected_improvement(zero + 40, one, 0.0)[0] == pytest.approx(-808.29857, rel=1e-5)


@given(st.floats(-6, 6), st.floats(0.1, 5))
def test_the_logarithm_is_that_of_expected_improvement(mean: float, deviation: float) -> None:
    means, deviations = np.array([mean]), np.array([deviation])
    plain = expected_improvement(means, deviations, 0.5)[0]
    if plain > 1e-200:
        found = log_expected_improvement(means, deviations, 0.5)[0]
        assert found == pytest.approx(math.log(plain), rel=1e-6, abs=1e-7)


def improvement(mean: Floats, deviation: Floats) -> Floats:
    return expected_improvement(mean, deviation, 0.0)


def log_improvement(mean: Floats, deviation: Floats) -> Floats:
    return log_expected_improvement(mean, deviation, 0.0)


def confidence(mean: Floats, deviation: Floats) -> Floats:
    return lower_confidence_bound(mean, deviation, 10)


@pytest.mark.parametrize("worth", [improvement, log_improvement, confidence])
def test_lower_means_and_larger_deviations_are_preferred(
    worth: Callable[[Floats, Floats], Floats],
) -> None:
    low, high = worth(np.array([0.1, 0.2]), np.ones(2))
    assert low > high
    narrow, wide = worth(np.full(2, 0.2), np.array([0.5, 1.0]))
    assert wide > narrow


def test_the_probability_of_validity_grows_with_the_mean() -> None:
    invalid, valid = np.exp(log_probability(np.array([-1.0, 1.0]), np.array([0.1, 0.1])))
    assert invalid < 0.05 < 0.95 < valid


SPACE = Space(
    [
        Ordinal("chunk", values=(2, 4, 8, 16, 32), transform="log"),
        Ordinal("unroll", values=(2, 4, 8, 16, 32), transform="log"),
        Permutation("order", length=4),
        Real("share", low=0.0, high=2.0),
    ],
    ["unroll < chunk", "order_i0 < order_i2"],
)
QUICK = Headrace(SPACE, search=Search(candidates=200, starts=2, coupled=8, steps=5))


def cost(configuration: Mapping[str, Value]) -> float:
    chunk, share = configuration["chunk"], configuration["share"]
    assert isinstance(chunk, int)
    assert isinstance(share, float)
    return 1 + (math.log2(chunk) - 4) ** 2 / 4 + (share - 1.3) ** 2


def searched(strategy: Headrace, budget: int, seed: int, fails: int = 0) -> History:
    history = History.empty(SPACE.columns)
    for number in range(budget):
        point = strategy.propose(history, np.random.default_rng([seed, number]))
        (configuration,) = SPACE.configurations(point[None])
        if number < fails:
            history = history.told(point, math.nan, "failed", "compile")
        else:
            history = history.told(point, cost(configuration), "done")
    return history


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 12))
def test_proposals_are_legal_new_and_determined(seed: int, fails: int) -> None:
    history = searched(QUICK, 12, seed, fails)
    assert SPACE.contains(history.points).all()
    assert len(set(SPACE.keys(history.points))) == len(history)
    np.testing.assert_array_equal(history.points, searched(QUICK, 12, seed, fails).points)


def test_twenty_trials_come_near_the_optimum() -> None:
    assert np.median([np.nanmin(searched(QUICK, 20, seed).values) for seed in range(3)]) < 1.01
