"""
Bags given by their lengths, as in Caffe2's SparseLengthsSum: the bounds are running sums.

    EmbeddingBag(.., include_last_offset=True)(indices, cat([zeros(1), cumsum(lengths, 0)]))
    torch.segment_reduce(table[indices], "sum", lengths=lengths)

    for b in 0..bags, first = 0:
      last = first + lengths[b]
      for p in first..last: ..
      first = last
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from headrace.frontends.aten.registry import Call, Result
from headrace.frontends.aten.shapes import wrapped
from headrace.frontends.builder import Extent, View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.checks import assert_none
from headrace.frontends.nests.embedding_bag import SUM, bags
from headrace.frontends.nests.graph import Match, Value, argument, has_rank, is_integer, operator
from headrace.frontends.nests.row_graph import rows_of
from headrace.frontends.nests.segments import Bounds
from headrace.frontends.nests.tables import Stored

if TYPE_CHECKING:
    from torch.fx import Node


@dataclass(frozen=True)
class Lengths:
    """Segment b has `lengths[b]` elements and follows the one before."""

    lengths: View

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"lengths": self.lengths}

    @contextmanager
    def loop(self, nest: NestBuilder, variable: str, count: SSAValue) -> Generator[Bounds]:
        with nest.running(variable, count) as (b, first, keep):
            last = nest.add(first, nest.load_index("lengths", b))
            keep(last)
            yield b, first, last


def matched_segments(node: "Node") -> Match | None:
    """The nest of the reduction of segments that `node` is."""
    if operator(node) != "aten.segment_reduce.default":
        return None
    data, kind = cast("tuple[Node, str]", node.args[:2])
    options = dict(node.kwargs)
    lengths = options.pop("lengths", None)
    options.pop("unsafe", None)
    rows = rows_of(data)
    if rows is None or kind != "sum" or not has_rank(lengths, 1) or not is_integer(lengths):
        return None
    if len(node.args) > 2 or any(options[name] for name in options):
        return None

    def emit(c: Call, value: Value) -> Result:
        table, indices = value(rows.table), value(rows.index)
        if rows.wraps:
            indices = wrapped(c, indices, table.shape[0])
        checked = checked_lengths(c, value(cast("Node", lengths)), indices.shape[0], "eq")
        return cast("tuple[View]", bags(c, Stored(table), indices, checked, SUM, None, -1))[0]

    leaves = frozenset({rows.table, rows.index, cast("Node", lengths)})
    return Match(frozenset({data}), leaves, emit)


def running_sum(offsets: Any) -> "tuple[Node, set[Node]] | None":
    """The lengths of which `offsets` are 0 and the running sums."""
    zeros: Any = None
    match operator(offsets):
        case "aten.cat.default" if len(offsets.args[0]) == 2 and len(offsets.args) == 1:
            zeros, sums = offsets.args[0]
            if operator(zeros) not in ("aten.zeros.default", "aten.full.default"):
                return None
            if operator(zeros) == "aten.full.default" and zeros.args[1] != 0:
                return None
            if zeros.meta["val"].shape != (1,):
                return None
        case "aten.constant_pad_nd.default" if offsets.args[1] == [1, 0]:
            sums = offsets.args[0]
            if argument(offsets, 2, "value", 0) != 0:
                return None
        case _:
            return None
    if operator(sums) != "aten.cumsum.default" or sums.args[1] not in (0, -1):
        return None
    lengths = sums.args[0]
    if not has_rank(lengths, 1) or not is_integer(lengths):
        return None
    return lengths, {offsets, sums} | ({zeros} if zeros is not None else set())


def checked_lengths(c: Call, lengths: View, count: Extent, relation: str) -> Lengths:
    """Emit the checks of lengths: none negative, and their sum not above (or equal to) `count`."""
    emit = c.emit
    negative = emit.generic(
        [(lengths, ["bag"])],
        [],
        [],
        i64,
        lambda s, x: s.cast(s.compare("lt", x[0], s.constant(0, x[0].type)), i64),
        reduction="add",
    )
    assert_none(c, negative, "the lengths of the bags must not be negative")
    total = emit.generic(
        [(lengths, ["bag"])], [], [], i64, lambda s, x: s.cast(x[0], i64), reduction="add"
    )
    wrong = emit.generic(
        [(total, []), (emit.number(count, i64), [])],
        [],
        [],
        i64,
        lambda s, x: s.cast(s.compare("gt" if relation == "le" else "ne", x[0], x[1]), i64),
    )
    most = "at most" if relation == "le" else "exactly"
    assert_none(c, wrong, f"the lengths of the bags must sum to {most} the number of indices")
    return Lengths(lengths)
