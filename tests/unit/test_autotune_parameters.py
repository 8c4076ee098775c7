"""Parameters of a search space: index forms, model inputs, priors."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from headrace.autotune.linear_extensions import LinearExtensions
from headrace.autotune.parameter import (
    Categorical,
    Gaussian,
    Integer,
    Ordinal,
    Parameter,
    Permutation,
    Real,
    Weights,
)
from headrace.autotune.permutations import ENCODINGS, Encoding, encoded, slots
from headrace.storage.errors import InputError

EXAMPLES: list[tuple[Parameter, list[Any]]] = [
    (Real("x", low=-5, high=10), [-5.0, -1.0, 0.5, 10.0]),
    (Real("x", low=0.001, high=10, transform="log"), [0.001, 1.0, 10.0]),
    (Integer("n", low=-3, high=4), [-3, -1, 0, 4]),
    (Ordinal("o", values=(1, 2, 4, 8), transform="log"), [1, 2, 8]),
    (Ordinal("o", values=(0, 0.1, 0.5, 1)), [0, 0.1, 1]),
    (Categorical("c", values=("row", "column")), ["row", "column"]),
    (Permutation("p", length=4), [(0, 1, 2, 3), (2, 0, 3, 1)]),
]


@pytest.mark.parametrize(("parameter", "values"), EXAMPLES)
def test_a_value_comes_back_from_its_index_form(parameter: Parameter, values: list[Any]) -> None:
    for value in values:
        found = parameter.value(parameter.point(value))
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(("parameter", "values"), EXAMPLES)
def test_model_inputs_are_from_0_to_1_and_tell_values_apart(
    parameter: Parameter, values: list[Any]
) -> None:
    inputs = parameter.encode(np.stack([parameter.point(value) for value in values]))
    assert inputs.shape == (len(values), parameter.inputs)
    assert inputs.min() >= 0
    assert inputs.max() <= 1
    assert len(np.unique(inputs, axis=0)) == len(values)


def test_whole_numbers_of_an_ordinal_are_int_however_they_are_written() -> None:
    written = Ordinal("o", values=(2.0, 4.0))
    assert written == Ordinal("o", values=(2, 4))
    assert type(written.value(written.point(4.0))) is int


def test_a_logarithmic_input_is_even_in_ratios() -> None:
    inputs = Ordinal("o", values=(1, 4, 16), transform="log").encode(np.array([[0.0], [1], [2]]))
    assert inputs[:, 0] == pytest.approx([0, 0.5, 1])


def test_two_categories_are_at_squared_distance_1_and_2_in_the_reference() -> None:
    category, points = Categorical("c", values=("a", "b", "c")), np.array([[0.0], [2.0]])
    for inputs, distance in ((category.encode(points), 1), (category.encode_compatible(points), 2)):
        assert ((inputs[0] - inputs[1]) ** 2).sum() == pytest.approx(distance)


@pytest.mark.parametrize(
    ("encoding", "compatible", "expected"),
    [
        ("spearman", False, [1 / 3, 2 / 3, 0]),
        ("spearman", True, [1 / 3, 2 / 3, 0]),
        # 0 is in slot 1, 1 in slot 2, 2 in slot 0: only 0 comes before 1.
        ("kendall", False, [1, 0, 0]),
        ("kendall", True, [0, 0, 1]),
        ("hamming", False, [0, 0, 1, 1, 0, 0, 0, 1, 0]),
        ("hamming", True, [0, 0, 1, 1, 0, 0, 0, 1, 0]),
        ("naive", False, [0, 0, 0, 0, 1, 0]),
    ],
)
def test_the_encodings_of_2_0_1(
    encoding: Encoding, compatible: bool, expected: list[float]
) -> None:
    parameter = Permutation("p", length=3, encoding=encoding)
    point = parameter.point((2, 0, 1))[None]
    inputs = parameter.encode_compatible(point) if compatible else parameter.encode(point)
    assert inputs.tolist() == [pytest.approx(expected)]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("length", [3, 4, 5, 6])
def test_renaming_the_elements_permutes_the_inputs(encoding: Encoding, length: int) -> None:
    """Of `kendall`, "i before j" may become "j before i" with i and j exchanged: 1 - the input."""
    random = np.random.default_rng(length)
    orders = random.permuted(np.tile(np.arange(length), (40, 1)), axis=1)
    names = random.permutation(length)
    before, after = encoded(orders, encoding), encoded(names[orders], encoding)
    columns = {tuple(column) for column in before.T}
    if encoding == "kendall":
        columns |= {tuple(1 - column) for column in before.T}
    assert all(tuple(column) in columns for column in after.T)
    between = [((rows[:, None] - rows[None]) ** 2).sum(axis=2) for rows in (before, after)]
    assert between[0] == pytest.approx(between[1])


def test_kendall_counts_the_pairs_that_are_ordered_otherwise() -> None:
    first, second = np.array([[0, 1, 2, 3]]), np.array([[3, 1, 0, 2]])
    places = slots(np.concatenate((first, second)))
    discordant = sum(
        (places[0, i] < places[0, j]) != (places[1, i] < places[1, j])
        for i, j in itertools.combinations(range(4), 2)
    )
    assert np.abs(encoded(first, "kendall") - encoded(second, "kendall")).sum() == discordant == 4


@pytest.mark.parametrize("length", [4, 7])
def test_steps_of_a_permutation_lead_back(length: int) -> None:
    parameter = Permutation("p", length=length)
    start = np.random.default_rng(0).permutation(length).astype(np.float64)
    steps = parameter.moves(start)
    assert len(np.unique(steps, axis=0)) == len(steps)
    assert not (steps == start).all(axis=1).any()
    for step in steps:
        assert (parameter.moves(step) == start).all(axis=1).any()


def test_steps_of_a_large_domain_are_powers_of_two() -> None:
    parameter = Integer("n", low=1, high=10**9)
    moves = parameter.value(parameter.moves(parameter.point(10**6))[3])
    assert moves == 10**6 + 8
    assert len(parameter.moves(parameter.point(10**6))) < 60


def test_an_integer_of_ratios_leaps_both_ways() -> None:
    parameter = Integer("n", low=1, high=1024, transform="log")
    leaps = {int(leap[0]) + 1 for leap in parameter.leaps(parameter.point(900))}
    assert leaps == {902, 904, 908, 916, 932, 964, 898, 896, 892, 884, 868, 836, 772, 644, 388}
    assert not len(Integer("n", low=1, high=1024).leaps(np.array([5.0])))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ordinal("o", values=(0, 1), transform="log"), "0, which has no logarithm"),
        (lambda: Ordinal("o", values=(2, 1)), "distinct numbers, ascending"),
        (lambda: Ordinal("o", values=(1, 1)), "distinct numbers, ascending"),
        (lambda: Ordinal("o"), "distinct numbers, ascending"),
        (lambda: Ordinal("o", values=(1, math.nan)), "'o'"),
        (lambda: Integer("n", low=2, high=1), "no values from 2 to 1"),
        (lambda: Integer("n", low=0, high=2**60), "at most 2\\^53"),
        (lambda: Integer("n", low=-1, high=4, transform="log"), "no logarithm"),
        (lambda: Real("x", low=0, high=math.inf), "no values from 0 to inf"),
        (lambda: Categorical("c", values=("a", "a")), "distinct names"),
        (lambda: Permutation("p", length=0), "a permutation of 0"),
        (lambda: Permutation("p", length=9, encoding="naive"), "choose another encoding"),
        (lambda: Ordinal("o", values=(1, 2), default=3), "cannot be 3; give one of 1, 2"),
        (lambda: Integer("n", prior=Weights((1, 2, 3))), "2 weights, one a value"),
        (lambda: Integer("n", prior=Weights((0, 0))), "not all 0"),
        (lambda: Integer("n", prior=Weights((1, -1))), "none negative"),
        (lambda: Real("x", prior=Weights((1.0,))), "gaussian or uniform"),
        (lambda: Real("x", prior=Gaussian(0, 0)), "give a positive one"),
        (lambda: Categorical("c", values=("a",), prior=Gaussian(0, 1)), "as weights"),
    ],
)
def test_a_domain_that_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (Real("x"), True),
        (Real("x"), math.nan),
        (Real("x"), 1.5),
        (Integer("n"), 0.5),
        (Integer("n"), True),
        (Integer("n"), 10**400),
        (Ordinal("o", values=(0, 1)), True),
        (Ordinal("o", values=(0, 1)), "0"),
        (Categorical("c", values=("0", "1")), 1),
        (Permutation("p", length=3), (0, 1, 1)),
        (Permutation("p", length=3), "012"),
        (Permutation("p", length=3), (0, 1)),
        (Permutation("p", length=2), (True, False)),
    ],
)
def test_what_is_no_value_is_refused(parameter: Parameter, value: object) -> None:
    with pytest.raises(InputError, match=f"parameter '{parameter.name}' cannot be"):
        parameter.point(value)


def test_priors() -> None:
    weighted = Integer("n", low=0, high=2, prior=Weights((0, 1, 3)))
    found = weighted.log_prior(np.array([[0.0], [1], [2]]))
    assert found[0] == -math.inf
    assert found[2] - found[1] == pytest.approx(math.log(3))
    normal = Real("x", low=0, high=15, prior=Gaussian(5, 2))
    found = normal.log_prior(np.array([[5.0], [9.0]]))
    assert found[0] - found[1] == pytest.approx(2)
    shifted = Integer("n", low=10, high=20, prior=Gaussian(12, 1))
    assert int(np.argmax(shifted.log_prior(np.arange(11.0)[:, None]))) == 2


def test_linear_extensions_are_counted_and_drawn_evenly() -> None:
    rules = [(0, 2), (1, 2), (2, 4)]
    extensions = LinearExtensions.of(5, rules)
    legal = {
        order
        for order in itertools.permutations(range(5))
        if all(order.index(a) < order.index(b) for a, b in rules)
    }
    assert extensions.count == len(legal) == 10
    drawn = extensions.sample(20_000, np.random.default_rng(0))
    orders, counts = np.unique(drawn, axis=0, return_counts=True)
    assert {tuple(map(int, order)) for order in orders} == legal
    # 9 degrees of freedom; 27.9 is exceeded once in 1000.
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9


def test_long_orders_are_counted_without_listing_them() -> None:
    halves = LinearExtensions.of(20, [(k, k + 1) for k in range(19) if k != 9])
    assert halves.count == math.comb(20, 10)
    with pytest.raises(InputError, match="order some of them in a circle"):
        LinearExtensions.of(4, [(0, 1), (1, 0)])
    with pytest.raises(InputError, match="at most 20"):
        LinearExtensions.of(21, [(0, 1)])
