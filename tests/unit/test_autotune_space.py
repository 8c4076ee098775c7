"""Search spaces: counts, draws, neighbours, conditions."""

import itertools
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from headrace.autotune.parameter import (
    INACTIVE,
    Categorical,
    Floats,
    Gaussian,
    Integer,
    Ordinal,
    Parameter,
    Permutation,
    Real,
    Weights,
)
from headrace.autotune.space import Space
from headrace.storage.errors import InputError
from headrace.tests.reference import reference_path
from headrace.tests.tuner_problems import SCENARIOS, evaluator, problem, scenario

CHUNKS = Space(
    [Ordinal("chunk", values=(2, 4, 8)), Ordinal("unroll", values=(2, 4, 8))], ["unroll < chunk"]
)
OPTIONAL = Space(
    [
        Categorical("layout", values=("row", "tile")),
        Integer("size", low=1, high=4, default=2),
        Ordinal("step", values=(1, 2, 4, 8)),
        Real("share", low=-2, high=2),
        Permutation("order", length=3),
    ],
    ["step <= size", "order_i0 < order_i1"],
    {"size": "layout == 'tile'", "share": "size > 2"},
)
"""`size` is active for tiles, `share` for large tiles."""


def frequencies(space: Space, points: Floats, *names: str) -> Counter[tuple[Any, ...]]:
    return Counter(
        tuple(configuration.get(name) for name in names)
        for configuration in space.configurations(points)
    )


def expect_shares(found: Counter[Any], expected: dict[Any, float]) -> None:
    """Within 4 standard errors of the expected shares, and nothing else."""
    total = sum(found.values())
    assert set(found) == set(expected)
    for value, share in expected.items():
        assert abs(found[value] - total * share) < 4 * (total * share * (1 - share)) ** 0.5, value


def test_uniform_and_walking_draws_of_chunk_and_unroll() -> None:
    assert CHUNKS.count == 3
    random = np.random.default_rng(1)
    uniform = frequencies(CHUNKS, CHUNKS.sample(30_000, random), "chunk", "unroll")
    expect_shares(uniform, {(4, 2): 1 / 3, (8, 2): 1 / 3, (8, 4): 1 / 3})
    walked = frequencies(CHUNKS, CHUNKS.walk(30_000, random), "chunk", "unroll")
    expect_shares(walked, {(4, 2): 1 / 2, (8, 2): 1 / 4, (8, 4): 1 / 4})


def test_a_draw_depends_on_the_generator_only() -> None:
    def draw() -> Floats:
        return OPTIONAL.sample(50, np.random.default_rng(7))

    assert (draw() == draw()).all()


def test_kmeans_is_drawn_uniformly() -> None:
    space, _ = scenario("rise/kmeans__1024__bolog_cot_1024")
    keys = Counter(space.keys(space.sample(100_000, np.random.default_rng(2))))
    expected = 100_000 / 3641
    statistic = sum((count - expected) ** 2 / expected for count in keys.values())
    statistic += (3641 - len(keys)) * expected
    assert chi2.sf(statistic, 3640) > 1e-3


def test_the_marginals_of_the_matrix_product_are_those_of_counting() -> None:
    """A count of what v5 is tied to, from the description of the kernel."""
    space, _ = scenario("rise/mm__1024__bolog_cot_1024")
    powers = [2**k for k in range(11)]
    four = powers[2:]
    exact: Counter[int] = Counter()
    for v5, v7, v8 in itertools.product(four, four, powers):
        if 4 * (v5 * v7 + v5 * v8 + v7 * v8) > 49_152:
            continue
        v3 = sum(v7 % one == 0 for one in four)
        v4 = sum(v5 % one == 0 for one in powers)
        v6 = sum(v5 * v8 % one == 0 for one in four)
        exact[v5] += v3 * v4 * v6
    total = sum(exact.values())
    assert total in space.leaves
    drawn = frequencies(space, space.sample(40_000, np.random.default_rng(3)), "tuned_v5")
    expect_shares(drawn, {(v5,): count / total for v5, count in exact.items()})


@pytest.mark.parametrize(
    ("name", "count", "leaves"),
    [
        ("taco/cpp_taco_SpMM", 46_656, [36, 12, 9, 6, 2]),
        ("taco/cpp_taco_SDDMM", 77_760, [36, 20, 9, 6, 2]),
        ("taco/cpp_taco_MTTKRP", 680_400, [120, 45, 9, 7, 2]),
        ("taco/cpp_taco_SpMV", 3_024_000, None),
        ("rise/mm__1024__bolog_cot_1024", 154_888_140, [42_540, 3_641]),
        ("rise/mmCPU__1024__bolog_cot_1024", 41_503, [49, 11, 11, 7]),
        ("rise/asum__16777216__bolog_cot_16777216", 63_954, [969, 66]),
        ("rise/scal__33554432__bolog_cot_33554432", 4_201_714, [3_641, 1_154]),
        ("rise/kmeans__1024__bolog_cot_1024", 3_641, [3_641]),
        ("rise/stencil__1024__bolog_cot_1024", 3_641, [3_641]),
        ("rise/harris__1024__bolog_cot_1024", 10_482_439, [3_641, 2_879]),
        ("synthetic/rs_cot_1024_scenario", 339_724_440, [42_540, 66, 11, 11]),
        ("synthetic/perm", 77_760, [45, 16, 9, 6, 2]),
    ],
)
def test_the_feasible_sets_of_the_published_spaces(
    name: str, count: int, leaves: list[int] | None
) -> None:
    space, _ = scenario(name)
    assert space.count == count
    if leaves is not None:
        assert sorted((one for one in space.leaves if one is not None), reverse=True) == leaves


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("taco_spmm_2630", 383_040),
        ("taco_spmm_6242", 201_600),
        ("taco_sddmm_2630", 1_436_400),
        ("taco_mttkrp_2630", 13_543_200),
        ("taco_spmv_2630", 26_544_672),
        ("local_taco_spmm", 432),
        ("local_taco_spmm_hidden", 4_320),
    ],
)
def test_the_feasible_sets_of_the_problems(name: str, count: int) -> None:
    assert problem(name)[0].count == count


def test_ten_integers_of_1024_values_are_drawn() -> None:
    """The product of the domains has 10^30 points."""
    space, _ = scenario("synthetic/rs_cot_1024")
    points = space.sample(1000, np.random.default_rng(0))
    assert space.contains(points).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_neighbours_are_feasible_and_lead_back(name: str) -> None:
    space, _ = scenario(name)
    for point in space.sample(2, np.random.default_rng(5)):
        near = space.neighbours(point)
        assert space.contains(near).all()
        keys = space.keys(near)
        assert len(set(keys)) == len(keys)
        changed = np.stack([(near[:, span] != point[span]).any(axis=1) for span in space.spans])
        assert (changed.sum(axis=0) == 1).all()
        (home,) = space.keys(point[None])
        for neighbour in near[:: max(1, len(near) // 12)]:
            assert home in space.keys(space.neighbours(neighbour))


def test_steps_of_an_ordinal_skip_infeasible_values() -> None:
    space = Space(
        [Ordinal("a", values=(1, 2, 3, 4, 6)), Integer("b", low=12, high=13)], ["b % a == 0"]
    )
    (twelve,) = space.neighbours(space.point({"a": 1, "b": 13})).tolist()
    assert space.configurations(np.array([twelve])) == [{"a": 1, "b": 12}]
    found = frequencies(space, space.neighbours(space.point({"a": 4, "b": 12})), "a", "b")
    assert set(found) == {(6, 12), (3, 12)}
    sparse = Space([Integer("a", low=0, high=20)], ["a in (2, 3, 11, 20)"])
    found = frequencies(sparse, sparse.neighbours(sparse.point({"a": 11})), "a")
    assert set(found) == {(20,), (3,)}


def test_moves_within_a_group_change_tied_parameters_together() -> None:
    """From (2, 2) no single step is feasible."""
    space = Space([Integer("a", low=1, high=4), Integer("b", low=1, high=4)], ["a == b"])
    here = space.point({"a": 2, "b": 2})
    assert not len(space.neighbours(here))
    found = frequencies(space, space.coupled(here, 60, np.random.default_rng(0)), "a", "b")
    assert set(found) == {(1, 1), (3, 3), (4, 4)}


def test_moves_within_a_group_hold_the_rest() -> None:
    space, _ = scenario("rise/mm__1024__bolog_cot_1024")
    random = np.random.default_rng(0)
    for point in space.sample(5, random):
        moved = space.coupled(point, 40, random)
        assert len(moved) > 10
        assert space.contains(moved).all()
        assert ((moved != point).sum(axis=1) <= 3).all()


def test_a_conditional_parameter_is_absent_unless_its_condition_holds() -> None:
    # row: no size, so that any of 4 steps; tile: size 1 to 4 has 1, 2, 2, 3 steps.
    assert sorted(one for one in OPTIONAL.leaves if one is not None) == [3, 12]
    points = OPTIONAL.sample(4000, np.random.default_rng(0))
    assert OPTIONAL.contains(points).all()
    assert np.isfinite(OPTIONAL.encode(points)).all()
    found = OPTIONAL.configurations(points)
    for configuration in found:
        assert ("size" in configuration) == (configuration["layout"] == "tile")
        large = "size" in configuration and configuration["size"] in (3, 4)
        assert ("share" in configuration) == large
        assert (OPTIONAL.configurations(OPTIONAL.point(configuration)[None])) == [configuration]
    expect_shares(
        frequencies(OPTIONAL, points, "layout", "size"),
        {
            ("row", None): 4 / 12,
            ("tile", 1): 1 / 12,
            ("tile", 2): 2 / 12,
            ("tile", 3): 2 / 12,
            ("tile", 4): 3 / 12,
        },
    )


def test_absent_parameters_are_alike_to_a_model() -> None:
    rows = OPTIONAL.sample(200, np.random.default_rng(0))
    rows = rows[rows[:, OPTIONAL.spans[1].start] == INACTIVE]
    for place in (1, 3):
        assert (OPTIONAL.encode(rows)[:, OPTIONAL.input_spans[place]] == 0.5).all()


def test_a_step_of_a_condition_settles_what_depends_on_it() -> None:
    here = OPTIONAL.point({"layout": "row", "step": 2, "order": (0, 1, 2)})
    tiles = [one for one in OPTIONAL.configurations(OPTIONAL.neighbours(here)) if "size" in one]
    assert tiles == [{"layout": "tile", "size": 2, "step": 2, "order": (0, 1, 2)}]
    large = OPTIONAL.point(
        {"layout": "tile", "size": 2, "step": 2, "order": (0, 1, 2)},
    )
    grown = [one for one in OPTIONAL.configurations(OPTIONAL.neighbours(large)) if "share" in one]
    assert [(one["size"], one["share"]) for one in grown] == [(3, 0.0)]
    moved = OPTIONAL.coupled(here, 100, np.random.default_rng(0))
    assert OPTIONAL.contains(moved).all()
    assert {one["layout"] for one in OPTIONAL.configurations(moved)} == {"row", "tile"}


def test_a_child_of_an_absent_parameter_is_absent() -> None:
    layers = Space(
        [Integer("a", low=0, high=1), Integer("b", low=0, high=1), Integer("c", low=0, high=1)],
        conditions={"b": "a == 1", "c": "b == 0"},
    )
    assert layers.count == 4
    found = frequencies(layers, layers.sample(200, np.random.default_rng(0)), "a", "b", "c")
    assert set(found) == {(0, None, None), (1, 1, None), (1, 0, 0), (1, 0, 1)}
    assert not layers.contains(np.array([[0, INACTIVE, 0]]))[0]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"a": "b == 1", "b": "a == 1"}, "the conditions of 'a' and 'b' wait for each other"),
        ({"a": "a == 1"}, "the conditions of 'a' wait for each other"),
        ({"a": "x > 0"}, "names a real parameter"),
        ({"q": "a == 1"}, "there is no parameter 'q'"),
    ],
)
def test_conditions_that_cannot_be_are_refused(conditions: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Space([Integer("a"), Integer("b"), Real("x")], conditions=conditions)


def test_reals_may_stand_in_constraints() -> None:
    space = Space([Real("x"), Real("y"), Integer("n", low=1, high=3)], ["x + y < 1", "x * n < 1"])
    assert space.count is None
    points = space.sample(2000, np.random.default_rng(0))
    assert space.contains(points).all()
    # Over the unit square with x + y < 1 and x < 1/n the areas are 1/2, 3/8, 5/18.
    areas = {1: 1 / 2, 2: 3 / 8, 3: 5 / 18}
    expect_shares(
        frequencies(space, points, "n"),
        {(n,): area / sum(areas.values()) for n, area in areas.items()},
    )


def test_a_real_may_be_minus_one() -> None:
    space = Space([Real("x", low=-1, high=1)])
    point = space.point({"x": -1.0})
    assert space.contains(point[None])[0]
    assert space.configurations(point[None]) == [{"x": -1.0}]
    assert space.encode(point[None])[0, 0] == 0


def test_a_real_on_a_logarithmic_scale_is_even_in_ratios() -> None:
    space = Space([Real("x", low=0.01, high=100, transform="log")])
    points = space.sample(4000, np.random.default_rng(0))
    expect_shares(Counter((points[:, 0] < 1).tolist()), {True: 0.5, False: 0.5})


def test_constraints_that_nothing_satisfies_are_refused() -> None:
    with pytest.raises(InputError, match="'1 > 2' never holds"):
        Space([Integer("a")], ["1 > 2"])
    with pytest.raises(InputError, match="no setting of 'a', 'b' satisfies 'a > b' and 'b > a'"):
        Space([Integer("a"), Integer("b")], ["a > b", "b > a"])
    with pytest.raises(InputError, match="draws found no point that satisfies 'x > 2'"):
        Space([Real("x")], ["x > 2"]).sample(1, np.random.default_rng(0))
    with pytest.raises(InputError, match="two parameters of the space are called 'p_0'"):
        Space([Permutation("p", length=2), Integer("p_0")])


def test_a_true_constraint_without_parameters_vanishes() -> None:
    assert Space([Integer("a")], ["1024 >= 0"]).count == 2


def test_large_integers_may_stand_in_constraints() -> None:
    space = Space(
        [Integer("a", low=1, high=10**6), Integer("b", low=1, high=10**9)],
        ["a % 7 == 0", "a * b < 100000000000000"],
    )
    assert space.count is None
    points = space.sample(200, np.random.default_rng(0))
    for one in space.configurations(points):
        assert isinstance(one["a"], int)
        assert isinstance(one["b"], int)
        assert one["a"] % 7 == 0
        assert one["a"] * one["b"] < 10**14
    assert space.contains(space.neighbours(points[0])).all()


def test_a_permutation_of_20_elements() -> None:
    chain = " and ".join(f"(p_i{k} < p_i{k + 1})" for k in range(4))
    space = Space([Permutation("p", length=20), Integer("n", low=1, high=3)], [chain])
    assert space.count == 3 * 20_274_183_401_472_000
    points = space.sample(50, np.random.default_rng(0))
    assert space.contains(points).all()
    for configuration in space.configurations(points):
        order = configuration["p"]
        assert isinstance(order, tuple)
        assert [one for one in order if one < 5] == [0, 1, 2, 3, 4]
    assert space.contains(space.neighbours(points[0])).all()
    with pytest.raises(InputError, match="'p_0 == 1' is no rule that a permutation of 20"):
        Space([Permutation("p", length=20)], ["p_0 == 1"])
    with pytest.raises(InputError, match="must order its elements only"):
        Space([Permutation("p", length=20), Integer("n")], ["p_i0 < n"])


def test_what_a_point_breaks_is_named() -> None:
    space = Space([Integer("a"), Integer("b"), Permutation("p", length=2)], ["a == b", "p_i0 == 0"])
    assert space.broken(space.point({"a": 0, "b": 1, "p": (1, 0)})) == ["a == b", "p_i0 == 0"]
    assert space.broken(space.point({"a": 1, "b": 1, "p": (0, 1)})) == []


def test_the_default_needs_all_active_parameters() -> None:
    plain = [Integer("a", default=1), Integer("b", default=0)]
    found = Space(plain, conditions={"b": "a == 1"}).default
    assert found is not None
    assert found.tolist() == [1, 0]
    found = Space(plain, conditions={"b": "a == 0"}).default
    assert found is not None
    assert found.tolist() == [1, INACTIVE]
    assert Space([Integer("a", default=1), Integer("b")]).default is None


def test_configurations_have_one_key_however_they_are_written() -> None:
    space = Space([Ordinal("a", values=(1, 4)), Permutation("p", length=2), Real("x", low=-1)])
    written = [
        {"a": 4, "p": (1, 0), "x": 0},
        {"x": -0.0, "p": [1.0, 0], "a": 4.0},
    ]
    keys = [space.keys(space.point(one)[None])[0] for one in written]
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ([Ordinal("a", values=(1.0, 2.0)), Integer("b")], True),
        ([Integer("b"), Ordinal("a", values=(1, 2))], False),
        ([Ordinal("a", values=(1, 2), default=2), Integer("b")], False),
        ([Ordinal("a", values=(1, 2, 3)), Integer("b")], False),
        ([Ordinal("a", values=(1, 2), transform="log"), Integer("b")], False),
        ([Ordinal("a", values=(1, 2), prior=Weights((1, 2))), Integer("b")], False),
    ],
)
def test_the_identity_of_a_space(other: list[Parameter], same: bool) -> None:
    plain = Space([Ordinal("a", values=(1, 2)), Integer("b")])
    assert (Space(other).identity == plain.identity) == same
    assert Space(other, ["b > 0"]).identity != plain.identity


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"chunk": 4}, "no value for parameter 'unroll'"),
        ({"chunk": 4, "unroll": 2, "more": 1}, "there is no parameter 'more'"),
        ({"chunk": 5, "unroll": 2}, "parameter 'chunk' cannot be 5"),
    ],
)
def test_what_is_no_configuration_is_refused(configuration: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CHUNKS.point(configuration)


def test_the_prior_of_a_point_is_the_product_of_those_of_its_active_parameters() -> None:
    space = Space(
        [
            Integer("a", low=0, high=1, prior=Weights((1, 3))),
            Real("x", low=0, high=4, prior=Gaussian(2, 1)),
            Integer("b"),
        ],
        conditions={"x": "a == 1"},
    )
    points = np.array([[0, INACTIVE, 1], [1, 2, 0], [1, 4, 0]])
    assert space.log_prior(points) == pytest.approx([0, np.log(3), np.log(3) - 2])


@pytest.mark.parametrize("name", ["local_taco_spmm", "rise_stencil_rtxtitan", "syn_hartmann6"])
def test_recorded_random_searches_repeat_through_our_space(name: str) -> None:
    """The recorded draws, made our points and back, have the recorded values."""
    theirs, (space, _) = evaluator().load(name), problem(name)
    curves = json.loads(reference_path("tuner/curves.json").read_text())["curves"][name]["random"]
    for run in curves[:3]:
        drawn = theirs.space.sample(np.random.RandomState(10_000 + run["seed"]), 60)
        points = np.stack([space.point(one) for one in drawn])
        assert space.contains(points).all()
        values, valid = theirs.evaluate_many(space.configurations(points))
        best = np.minimum.accumulate(np.where(valid, values, np.inf))
        assert best == pytest.approx(run["best"], rel=1e-6)


def test_numbers_are_one_space_however_they_are_written() -> None:
    one = Space([Real("x", low=0, high=2, default=1), Ordinal("n", values=(4,), default=4)])
    other = Space(
        [Real("x", low=0.0, high=2.0, default=1.0), Ordinal("n", values=(4.0,), default=4.0)]
    )
    assert one.identity == other.identity


def test_a_small_space_is_listed_whole() -> None:
    space = Space(
        [
            Integer("a", low=1, high=3),
            Ordinal("b", values=(1, 2, 4)),
            Categorical("c", values=("x", "y")),
            Permutation("p", length=10),
            Permutation("q", length=2),
        ],
        ["b <= a", " and ".join(f"p_i{k} < p_i{k + 1}" for k in range(9) if k != 4)],
        {"a": "c == 'x'"},
    )
    assert space.count == (1 + 2 + 2 + 3) * 252 * 2
    points = space.every(10_000)
    assert points is not None
    assert len(set(space.keys(points))) == len(points) == space.count
    assert space.contains(points).all()
    assert space.every(space.count - 1) is None
    assert Space([Real("x")]).every(10**6) is None


def test_a_space_has_parameters() -> None:
    with pytest.raises(InputError, match="one parameter at least"):
        Space([])
