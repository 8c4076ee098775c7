"""
Lists and tokens tell the same story.

The interpreter of `sam` says what an operation makes of nested lists; the reference simulator
has the rules by which a machine makes one stream of another, token by token. On every stream
of random nested lists, a third of them empty, both give the same tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.ir import Operation

from headrace.dialects import sam
from headrace.interpreters.sam_nested import Nested, at, decode, encode, leaves, unzip_at
from headrace.interpreters.sam_tokens import ABSENT, Token, parse_tokens
from headrace.simulators.stream.program import Slot
from headrace.tests import sam_operations as operations
from headrace.tests.sam_operations import Operand, compressed, extent, run, stream, values
from headrace.tests.simulators import REFERENCE, run_streams, tokens

Draw = Callable[[st.SearchStrategy[Any]], Any]

OUTER = "abc"
"""Axes around the fibers that an operation works on."""


@dataclass(frozen=True)
class Case:
    """An operation on operands, and the node that is the same operation as a machine."""

    build: Callable[..., Operation]
    operands: tuple[Operand, ...]
    primitive: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    """Properties of the operation; parameters of the node by default."""
    parameters: dict[str, Any] | None = None
    arrays: dict[str, Any] = field(default_factory=dict[str, Any])
    inputs: tuple[int, ...] | None = None
    """Which operands the node reads, in its order; all streams by default."""


def nested(leaf: st.SearchStrategy[Any], depth: int) -> st.SearchStrategy[Nested]:
    for _ in range(depth):
        leaf = st.lists(leaf, max_size=3)
    return leaf


def fiber(extent: int = 6) -> st.SearchStrategy[list[int]]:
    """Coordinates in increasing order."""
    return st.lists(st.integers(0, extent - 1), unique=True, max_size=4).map(sorted)


def tree(levels: int, leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A fiber as a list of (coordinate, what is below); `levels` fibers deep."""
    below = leaf if levels == 1 else tree(levels - 1, leaf)
    items = st.dictionaries(st.integers(0, 4), below, max_size=3)
    return items.map(lambda found: sorted(found.items()))


def floats() -> st.SearchStrategy[float]:
    """Numbers that add without rounding."""
    return st.integers(-4, 4).map(float)


def crds_of(rows: Nested, depth: int, level: int) -> Nested:
    """The coordinates `level` levels down in trees that lie `depth` lists deep."""

    def level_of(items: list[tuple[int, Any]], down: int) -> Nested:
        if down == 0:
            return [crd for crd, _ in items]
        return [level_of(below, down - 1) for _, below in items]

    return at(rows, depth, lambda items: level_of(items, level))


def values_of(rows: Nested, depth: int, levels: int) -> Nested:
    def below(items: Any, down: int) -> Nested:
        return items if down == 0 else [below(item, down - 1) for _, item in items]

    return at(rows, depth, lambda items: below(items, levels))


def text_of(nest: Nested, depth: int) -> str:
    """The stream as text in which floats have a point."""
    return " ".join(
        repr(token) if isinstance(token, float) else str(token) for token in encode(nest, depth)
    )


def operand(kind: str, nest: Nested, outer: int, inner: str = "") -> Operand:
    axes = OUTER[:outer] + inner
    return stream(kind, text_of(nest, len(axes)), axes)


def around(draw: Draw) -> int:
    return draw(st.integers(0, 2))


def scan(draw: Draw) -> Case:
    depth, rows = around(draw), draw(st.lists(fiber(), min_size=3, max_size=3))
    refs = draw(nested(st.sampled_from([0, 1, 2, ABSENT]), depth))
    segments = np.cumsum([0, *(len(row) for row in rows)])
    coordinates = [crd for row in rows for crd in row]
    return Case(
        sam.ScanOp,
        (operand("ref", refs, depth), compressed(segments.tolist(), coordinates)),
        "scan_compressed",
        {"level": 1, "axis": "i"},
        {"segments": Slot("T.0.segments"), "coordinates": Slot("T.0.coordinates")},
        {"T.0.segments": segments, "T.0.coordinates": np.array(coordinates, dtype=np.int64)},
        (0,),
    )


def dense_scan(draw: Draw) -> Case:
    depth, size = around(draw), draw(st.integers(0, 3))
    refs = draw(nested(st.sampled_from([0, 1, 2, ABSENT]), depth))
    return Case(
        sam.RangeOp,
        (operand("ref", refs, depth), extent(size)),
        "scan_dense",
        {"axis": "i"},
        {"extent": size},
        inputs=(0,),
    )


def locate(draw: Draw) -> Case:
    depth = around(draw)
    rows = draw(nested(st.tuples(fiber(), st.sampled_from([0, 1, ABSENT])), depth))
    crds, refs = unzip_at(rows, depth, 2)
    return Case(
        operations.locate,
        (operand("crd", crds, depth, "i"), operand("ref", refs, depth), extent(6)),
        "locate",
        {},
        {"extent": 6},
        inputs=(0, 1),
    )


def repeat_signal(draw: Draw) -> Case:
    depth = around(draw)
    crds = draw(nested(fiber(), depth))
    return Case(sam.RepeatSignalOp, (operand("crd", crds, depth, "i"),), "repeat_signal")


def repeat(draw: Draw) -> Case:
    depth = around(draw)
    rows = draw(nested(st.tuples(fiber(), st.sampled_from([7, 8, ABSENT])), depth))
    crds, refs = unzip_at(rows, depth, 2)
    (signals,) = run(sam.RepeatSignalOp, operand("crd", crds, depth, "i"))
    axes = OUTER[:depth] + "i"
    return Case(sam.RepeatOp, (operand("ref", refs, depth), stream("sig", signals, axes)), "repeat")


def array(draw: Draw) -> Case:
    depth, numbers = around(draw), draw(st.lists(floats(), min_size=3, max_size=3))
    refs = draw(nested(st.sampled_from([0, 1, 2, ABSENT]), depth))
    return Case(
        sam.ArrayOp,
        (operand("ref", refs, depth), values(numbers)),
        "array",
        {},
        {"values": Slot("T.values")},
        {"T.values": np.array(numbers)},
        (0,),
    )


def join(build: Callable[..., Operation]) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        depth, count = around(draw), draw(st.integers(1, 3))
        pairs = st.lists(tree(1, st.integers(0, 9)), min_size=count, max_size=count)
        rows = unzip_at(draw(nested(pairs, depth)), depth, count)
        crds = [crds_of(row, depth, 0) for row in rows]
        refs = [values_of(row, depth, 1) for row in rows]
        return Case(
            build,
            (
                *(operand("crd", crd, depth, "i") for crd in crds),
                *(operand("ref", ref, depth, "i") for ref in refs),
            ),
            build.__name__,
        )

    return case


def alu(draw: Draw) -> Case:
    depth, op = around(draw), draw(st.sampled_from(["add", "sub", "mul", "max", "min", "gt", "ne"]))
    pairs = draw(nested(st.tuples(floats(), floats() | st.just(ABSENT)), depth))
    return Case(
        operations.alu,
        tuple(operand("val", half, depth) for half in unzip_at(pairs, depth, 2)),
        "alu",
        {"op": op},
    )


def scalar_alu(draw: Draw) -> Case:
    depth, scalar = around(draw), draw(floats())
    op = draw(st.sampled_from(["add", "rsub", "mul", "max", "min", "ge", "eq"]))
    x = draw(nested(floats(), depth))
    return Case(
        operations.alu,
        (operand("val", x, depth),),
        "alu",
        {"op": op, "scalar": scalar},
    )


def reduce(draw: Draw) -> Case:
    depth, op = around(draw), draw(st.sampled_from(["add", "max", "min"]))
    x = draw(nested(floats(), depth + 1))
    return Case(sam.ReduceOp, (operand("val", x, depth, "i"),), "reduce", {"op": op})


def accumulate(order: int) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        depth, op = draw(st.integers(0, 1)), draw(st.sampled_from(["add", "max"]))
        rows = draw(nested(tree(order + 1, floats()), depth))
        inner = "ijkl"
        return Case(
            operations.accumulate,
            (
                *(
                    operand("crd", crds_of(rows, depth, level), depth, inner[: level + 1])
                    for level in range(order + 1)
                ),
                operand("val", values_of(rows, depth, order + 1), depth, inner[: order + 1]),
            ),
            "accumulate",
            {"op": op},
        )

    return case


def two_levels(draw: Draw, build: Callable[..., Operation], primitive: str, **options: Any) -> Case:
    """Outer coordinates and, below each, a fiber of inner ones."""
    depth = around(draw)
    rows = draw(nested(tree(2, st.none()), depth))
    operands = (
        operand("crd", crds_of(rows, depth, 0), depth, "i"),
        operand("crd", crds_of(rows, depth, 1), depth, "ij"),
    )
    parameters = {name: value for name, value in options.items() if name != "axis"}
    return Case(build, operands, primitive, options, parameters)


def coordinate_drop(draw: Draw) -> Case:
    return two_levels(draw, sam.CoordinateDropOp, "coordinate_drop")


def coordinate_hold(draw: Draw) -> Case:
    return two_levels(draw, sam.CoordinateHoldOp, "coordinate_hold")


def flatten(draw: Draw) -> Case:
    return two_levels(draw, sam.FlattenOp, "flatten", factor=5, axis="i")


def value_drop(draw: Draw) -> Case:
    depth, empty = around(draw), draw(st.sampled_from(["keep", "drop"]))
    rows = draw(nested(tree(1, floats()), depth))
    return Case(
        sam.ValueDropOp,
        (
            operand("val", values_of(rows, depth, 1), depth, "i"),
            operand("crd", crds_of(rows, depth, 0), depth, "i"),
        ),
        "value_drop",
        {"empty": empty},
    )


def stop_drop(draw: Draw) -> Case:
    depth, mode = around(draw), draw(st.sampled_from(["all", "empty"]))
    crds = draw(nested(fiber(), depth))
    return Case(
        sam.StopDropOp,
        (operand("crd", crds, depth, "i"),),
        "stop_drop",
        {"mode": mode},
    )


def mask(draw: Draw) -> Case:
    depth = around(draw)
    predicate = draw(st.sampled_from(["gt", "ge", "lt", "le", "eq", "ne"]))
    rows = draw(nested(tree(2, st.integers(0, 9)), depth))
    return Case(
        sam.MaskOp,
        (
            operand("crd", crds_of(rows, depth, 0), depth, "i"),
            operand("crd", crds_of(rows, depth, 1), depth, "ij"),
            operand("ref", values_of(rows, depth, 2), depth, "ij"),
        ),
        "mask",
        {"predicate": predicate},
    )


def points_to_fibers(draw: Draw) -> Case:
    rows = [(outer, below) for outer, below in draw(tree(2, st.none())) if below]
    points = [(outer, inner) for outer, below in rows for inner, _ in below]
    lists = (" ".join([*(str(point[n]) for point in points), "D"]) for n in (0, 1))
    return Case(
        sam.PointsToFibersOp,
        tuple(stream("crd", text, "") for text in lists),
        "points_to_fibers",
        {"outer_axis": "i", "inner_axis": "j"},
        {},
    )


def split(draw: Draw) -> Case:
    depth = around(draw)
    crds = draw(nested(fiber(12), depth))
    return Case(
        sam.SplitOp,
        (operand("crd", crds, depth, "i"),),
        "split",
        {"factor": 4, "outer_axis": "io", "inner_axis": "ii"},
        {"factor": 4},
    )


def bitvector_build(draw: Draw) -> Case:
    depth = around(draw)
    crds = draw(nested(fiber(), depth))
    return Case(sam.BitvectorBuildOp, (operand("crd", crds, depth, "i"),), "bitvector_build")


def bitvector_chunk(draw: Draw) -> Case:
    depth = around(draw)
    words = draw(nested(st.integers(0, 255), depth + 1))
    return Case(
        sam.BitvectorChunkOp,
        (operand("bv", words, depth, "i"),),
        "bitvector_chunk",
        {"width": 3, "size": 8},
    )


def bitvector_intersect(draw: Draw) -> Case:
    depth = around(draw)
    number = st.integers(0, 15)
    words = draw(nested(st.tuples(number, number, number, number), depth + 1))
    word0, ref0, word1, ref1 = unzip_at(words, depth + 1, 4)
    return Case(
        sam.BitvectorIntersectOp,
        (
            operand("bv", word0, depth, "i"),
            operand("ref", ref0, depth, "i"),
            operand("bv", word1, depth, "i"),
            operand("ref", ref1, depth, "i"),
        ),
        "bitvector_intersect",
    )


def bitvector_drop(draw: Draw) -> Case:
    depth = around(draw)
    rows = draw(nested(tree(1, st.lists(st.integers(0, 3), max_size=1)), depth))

    def word(row: list[tuple[int, Any]]) -> list[int]:
        return [sum(1 << crd for crd, _ in row)] if row else []

    return Case(
        sam.BitvectorDropOp,
        (
            operand("bv", at(rows, depth, word), depth, "i"),
            operand("bv", values_of(rows, depth, 1), depth, "ij"),
        ),
        "bitvector_drop",
    )


def fork(draw: Draw) -> Case:
    depth, lanes = around(draw), draw(st.integers(1, 3))
    refs = draw(nested(st.integers(0, 9), depth + 1))
    return Case(sam.ForkOp, (operand("ref", refs, depth, "i"),), "fork", {"lanes": lanes})


def gather(draw: Draw) -> Case:
    """The lanes of a fork, in each of which every token became a fiber or a list of fibers."""
    depth, lanes, levels = around(draw), draw(st.integers(1, 3)), draw(st.integers(0, 2))
    below = draw(nested(nested(st.integers(0, 9), levels), depth + 1))
    items = list(leaves(below, depth + 1))
    numbers = iter(range(len(items)))
    numbered = operand("ref", at(below, depth + 1, lambda _: next(numbers)), depth, "i")
    *dealt, order = run(sam.ForkOp, numbered, lanes=lanes)
    axes = OUTER[:depth] + "i"

    def opened(lane: str) -> Operand:
        rows = decode(parse_tokens(lane), depth + 1, "lane")
        return operand("ref", at(rows, depth + 1, lambda n: items[n]), depth, "i" + "jk"[:levels])

    return Case(
        operations.gather,
        (*(opened(lane) for lane in dealt), stream("ref", order, axes)),
        "gather",
        {},
        {"levels": levels},
    )


def balance(draw: Draw) -> Case:
    depth, among = around(draw), draw(st.integers(1, 4))
    rows = draw(st.lists(fiber(), min_size=3, max_size=3))
    refs = draw(nested(st.sampled_from([0, 1, 2, ABSENT]), depth + 1))
    segments = np.cumsum([0, *(len(row) for row in rows)])
    return Case(
        sam.BalanceOp,
        (
            operand("ref", refs, depth, "i"),
            compressed(segments.tolist(), [crd for row in rows for crd in row]),
        ),
        "balance",
        {"level": 1, "among": among},
        {"segments": Slot("T.0.segments"), "among": among},
        {"T.0.segments": segments},
        (0,),
    )


def deal(draw: Draw) -> Case:
    depth, lanes = around(draw), draw(st.integers(1, 3))
    pairs = draw(nested(st.tuples(st.integers(0, 9), st.integers(0, lanes - 1)), depth + 1))
    refs, order = (operand("ref", one, depth, "i") for one in unzip_at(pairs, depth + 1, 2))
    return Case(sam.DealOp, (refs, order), "deal", {"lanes": lanes})


def indices(draw: Draw) -> Case:
    depth = around(draw) + 1
    indices = draw(nested(st.sampled_from([0.0, 1.0, 4.0, ABSENT]), depth))
    return Case(
        sam.CoordinatesOp,
        (operand("val", indices, depth), extent(5)),
        "coordinates",
        {},
        {"extent": 5},
        inputs=(0,),
    )


def number(draw: Draw) -> Case:
    depth = around(draw)
    return Case(sam.NumberOp, (operand("crd", draw(nested(fiber(), depth)), depth, "i"),), "number")


def select_fibers(draw: Draw) -> Case:
    depth, outer = around(draw), around(draw)
    crds = draw(nested(fiber(), outer))
    count = len(list(leaves(crds, outer)))
    picks = draw(nested(st.booleans() | st.none(), depth + 1))
    refs = rising(picks, depth + 1, count, repeats=False)
    return Case(
        sam.SelectFibersOp,
        (
            operand("ref", refs, depth, "i"),
            stream("crd", text_of(crds, outer + 1), "xyz"[: outer + 1]),
        ),
        "select_fibers",
    )


def select_values(draw: Draw) -> Case:
    depth, outer = around(draw), around(draw)
    found = draw(nested(floats(), outer + 1))
    count = len(list(leaves(found, outer + 1)))
    picks = draw(nested(st.booleans() | st.none(), depth + 1))
    refs = rising(picks, depth + 1, count, repeats=True)
    return Case(
        sam.SelectValuesOp,
        (
            operand("ref", refs, depth, "i"),
            stream("val", text_of(found, outer + 1), "xyz"[: outer + 1]),
        ),
        "select_values",
    )


def rising(picks: Nested, depth: int, count: int, repeats: bool) -> Nested:
    """Numbers below `count` that rise; a pick of None, and what is too much, is absent."""
    last = -1

    def ref(pick: bool | None) -> Token:
        nonlocal last
        step = 1 if pick or last < 0 or not repeats else 0
        step += bool(pick) and not repeats
        if pick is None or last + step >= count:
            return ABSENT
        last += step
        return last

    return at(picks, depth, ref)


CASES: list[Callable[[Draw], Case]] = [
    scan, dense_scan, locate, repeat_signal, repeat, array,
    join(operations.intersect), join(operations.union),
    alu, scalar_alu, reduce, accumulate(1), accumulate(2), accumulate(3),
    coordinate_drop, coordinate_hold, value_drop, stop_drop, mask,
    points_to_fibers, split, flatten,
    bitvector_build, bitvector_chunk, bitvector_intersect, bitvector_drop,
    fork, balance, deal, gather, indices, number, select_fibers, select_values,
]  # fmt: skip


@pytest.mark.parametrize("case_of", CASES, ids=lambda case: case.__qualname__.split(".")[0])
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_machine_makes_the_stream_of_the_list(
    case_of: Callable[[Draw], Case], data: st.DataObject
) -> None:
    case = case_of(data.draw)
    expected = run(case.build, *case.operands, **case.options)
    streams = [op for op in case.operands if isinstance(op.type, sam.StreamType)]
    chosen = case.inputs or range(len(streams))
    parameters = case.options if case.parameters is None else case.parameters
    inputs = [with_points(case.operands[n]) for n in chosen]
    found, _ = run_streams(
        REFERENCE,
        inputs,
        lambda builder, sources: builder.node(case.primitive, *sources, **parameters),
        expected,
        case.arrays,
    )
    assert found == [tokens(text) for text in expected]


def with_points(operand: Operand) -> str:
    return " ".join(
        repr(token) if isinstance(token, float) else str(token) for token in operand.value
    )
