"""
Parallel lanes are as much faster as there are lanes, and compute the same.

Attention without a mask, whose work is the same for every query: 4 heads, 256 positions, head size
16. What stays serial is the output, 4 * 256 * 16 values: it bounds the speed-up by 256 + 16, and a
size with fewer positions would show that bound rather than the lanes.

Source: "FuseFlow", ASPLOS 2026, figure on parallelisation: 2.00 and 4.00 on one axis, 16.0 for 4 on
each of two, near linear up to 64.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from headrace.backends.compiled import Program
from headrace.cli.driver import lower
from headrace.models.graphs import as_matrix, random_graph
from headrace.models.transformer import bigbird_mask
from headrace.tests import oracles
from headrace.tests.fusion import Array, translated

ATTENTION = "Y(b,h,i,e) = softmax(Q(b,h,i,d) * K(b,h,j,d) / 4, j) * V(b,h,j,e)"
MASKED = "Y(b,h,i,e) = masked_softmax(Q(b,h,i,d) * K(b,h,j,d) / 4, M(i,j), j) * V(b,h,j,e)"
HEADS, QUERIES, KEYS = 1, 2, 4
"""The numbers of the axes h, i and j in the region."""


def lanes(axis: int, factor: int, balance: str = "turns") -> str:
    return f"sam-parallelize{{axis={axis} factor={factor} balance={balance}}}"


def compiled(
    text: str, inputs: Mapping[str, Array], formats: dict[str, str], result: Array, *passes: str
) -> Program:
    module = translated(text, formats, {**inputs, "Y": result})
    return lower(module, ",".join(["sam-fuse{regions=all}", *passes, "sam-lower"]))


def arguments(program: Program, inputs: Mapping[str, Array]) -> list[Array]:
    return [inputs[argument.name] for argument in program.arguments]


def heads(positions: int) -> tuple[Mapping[str, Array], Array]:
    """Q, K and V of one sequence, and what attention makes of them."""
    draw = np.random.default_rng(0)
    inputs = {name: draw.standard_normal((1, 4, positions, 16)) for name in "QKV"}
    return inputs, oracles.attention(inputs["Q"], inputs["K"], inputs["V"], 4)


@cache
def attention(positions: int, *passes: str, depth: int | None = None) -> int | None:
    """Cycles of attention in lanes; None if it deadlocks. The values are checked."""
    inputs, expected = heads(positions)
    formats = dict.fromkeys((*inputs, "Y"), "dddd")
    program = compiled(ATTENTION, inputs, formats, expected, *passes)
    result = program.run(*arguments(program, inputs), depth=depth)
    if result.deadlock is not None:
        return None
    np.testing.assert_allclose(result.outputs[0], expected, rtol=1e-9)
    return result.cycles


@cache
def masked_attention(*passes: str) -> int:
    """Cycles of attention under a BigBird mask of 16 x 16 blocks. The values are checked."""
    inputs, _ = heads(256)
    mask = np.asarray(bigbird_mask(256, 16), dtype=np.float64)
    expected = oracles.attention(inputs["Q"], inputs["K"], inputs["V"], 4, mask)
    formats = {**dict.fromkeys((*inputs, "Y"), "dddd"), "M": "ds"}
    program = compiled(MASKED, {**inputs, "M": mask}, formats, expected, *passes)
    result = program.run(*arguments(program, {**inputs, "M": mask}))
    np.testing.assert_allclose(result.outputs[0], expected, rtol=1e-9)
    return result.cycles


def speed_up(*passes: str) -> float:
    serial, parallel = attention(256), attention(256, *passes)
    assert serial is not None
    assert parallel is not None
    return serial / parallel


@pytest.mark.parametrize(("factor", "least"), [(2, 1.95), (4, 3.9), (16, 15), (64, 50)])
def test_lanes_of_queries_divide_the_time_of_attention(factor: int, least: float) -> None:
    assert least <= speed_up(lanes(QUERIES, factor)) <= factor


@pytest.mark.parametrize(
    ("factor", "balance", "least"),
    [(2, "turns", 1.95), (4, "turns", 3.9), (16, "turns", 15), (64, "nonzeros", 50)],
)
def test_lanes_of_queries_divide_the_time_of_bigbird(
    factor: int, balance: str, least: float
) -> None:
    passes = lanes(QUERIES, factor, balance)
    assert least <= masked_attention() / masked_attention(passes) <= factor


def test_balance_helps_bigbird_whose_global_rows_are_full() -> None:
    """16 queries for each of 64 lanes, of which some have every key and most two in five."""
    turns, balanced = (masked_attention(lanes(QUERIES, 64, b)) for b in ("turns", "nonzeros"))
    assert balanced < 0.9 * turns


@pytest.mark.parametrize("inner_first", [False, True])
def test_four_lanes_on_each_of_two_axes_are_sixteen(inner_first: bool) -> None:
    passes = [lanes(QUERIES, 4), lanes(KEYS, 4)]
    assert 15 <= speed_up(*(passes[::-1] if inner_first else passes)) <= 16


def test_lanes_of_heads_end_together_and_are_written_one_after_another() -> None:
    """The order of the result is kept: the output of three heads follows the last product."""
    output = 256 * 16
    parallel = attention(256, lanes(HEADS, 4))
    serial = attention(256)
    assert serial is not None
    assert parallel is not None
    assert serial / 4 + 3 * output < parallel < serial / 4 + 5 * output


def test_lanes_of_attention_need_no_deeper_channels_than_one_lane() -> None:
    """A softmax holds one row of 64 scores; the lanes share what is outside of it."""
    shallow = 64 + 2
    assert attention(64, depth=shallow - 1) is None
    for passes in ([], [lanes(QUERIES, 4)], [lanes(HEADS, 4)], [lanes(QUERIES, 4), lanes(KEYS, 4)]):
        assert attention(64, *passes, depth=shallow) is not None
    assert attention(64, lanes(KEYS, 4), depth=shallow - 2) is not None


@pytest.mark.parametrize("by_degree", [False, True])
def test_balancing_entries_beats_turns_on_a_power_law_graph(by_degree: bool) -> None:
    graph = random_graph(256, 4096, features=8, skew=0.9)
    adjacency: Array = as_matrix(graph.adjacency).toarray()
    if by_degree:
        rank = np.argsort(-adjacency.sum(axis=1), kind="stable")
        adjacency = adjacency[np.ix_(rank, rank)]
    inputs = {"A": adjacency, "X": graph.features}
    expected = adjacency @ graph.features
    cycles: dict[str, int] = {}
    for balance in ("turns", "nonzeros"):
        formats = {"A": "ds", "X": "dd", "Y": "dd"}
        text = "Y(i,f) = A(i,k) * X(k,f)"
        program = compiled(text, inputs, formats, expected, lanes(0, 16, balance))
        result = program.run(*arguments(program, inputs))
        np.testing.assert_allclose(result.outputs[0], expected, rtol=1e-9)
        cycles[balance] = result.cycles
    assert cycles["nonzeros"] < 0.9 * cycles["turns"]


NEGATIVE = -1.0 - np.random.default_rng(1).integers(0, 9, (5, 7))
SPARSE = np.where(np.random.default_rng(2).random((5, 7)) < 0.4, NEGATIVE, 0.0)
OTHER = np.random.default_rng(3).integers(-3, 4, (7, 6)) * 1.0
PRODUCTS = SPARSE[:, :, None] * OTHER[None]

REDUCTIONS: dict[str, tuple[str, str, int, Array]] = {
    "sum": ("Y(i) = sum(j, A(i,j))", "0,1", 1, SPARSE.sum(axis=1)),
    "maximum": ("Y(i) = amax(j, A(i,j))", "0,1", 1, SPARSE.max(axis=1)),
    "maximum of negative numbers": ("Y(i) = amax(j, N(i,j))", "0,1", 1, NEGATIVE.max(axis=1)),
    "sum of rows": ("Y(j) = sum(i, A(i,j))", "0,1", 0, SPARSE.sum(axis=0)),
    "maximum of rows": ("Y(j) = amax(i, N(i,j))", "0,1", 0, NEGATIVE.max(axis=0)),
    "dot products": ("Y(i,j) = A(i,k) * B(k,j)", "0,2,1", 1, SPARSE @ OTHER),
    "products of rows": ("Y(i,j) = A(i,k) * B(k,j)", "0,1,2", 1, SPARSE @ OTHER),
    "outer products": ("Y(i,j) = A(i,k) * B(k,j)", "1,0,2", 1, SPARSE @ OTHER),
    "largest products": ("Y(i,j) = amax(k, A(i,k) * B(k,j))", "0,1,2", 1, PRODUCTS.max(axis=1)),
}
"""Program, order of its axes (those of the first operand first), reduced axis, result."""


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("factor", [2, 3, 16])
def test_partial_reductions_are_combined(name: str, factor: int) -> None:
    """Also where lanes have nothing to reduce: a maximum of nothing is minus infinity."""
    text, order, axis, expected = REDUCTIONS[name]
    inputs = {"A": SPARSE, "B": OTHER, "N": NEGATIVE}
    inputs = {name: value for name, value in inputs.items() if f"{name}(" in text}
    formats = {"A": "ss", "B": "ss", "N": "dd", "Y": "d" * expected.ndim}
    sort = f"sam-order{{priority={order} copies=any}}"
    program = compiled(text, inputs, formats, expected, sort, lanes(axis, factor))
    (output,) = program.run(*arguments(program, inputs)).outputs
    np.testing.assert_allclose(output, expected, rtol=1e-9)


def test_a_reduced_axis_in_lanes_is_faster() -> None:
    """Queries one after another, but the products of each with 256 keys in four lanes."""
    assert 3.9 <= speed_up(lanes(KEYS, 4)) <= 4
