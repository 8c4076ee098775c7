"""
`nn.EmbeddingBag` as a loop nest over compressed rows.

    for b in 0..bags:
      for p in offsets[b]..offsets[b+1]:
        r = indices[p]
        for e in 0..width: out[b,e] += table[r,e]

The entry function appends the number of indices to offsets that lack it, so that every bag has
two bounds in memory; 2-D indices, whose bags all have one length, have bounds without memory.
Modes and options change only what happens with a row and at the end of a bag.
"""

import math

from xdsl.dialects import arith
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from headrace.frontends.aten.registry import Call, Result, lowers_to_nest
from headrace.frontends.builder import View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.call import Output, call_nest
from headrace.frontends.nests.segments import Segments, segments_of
from headrace.frontends.nests.tables import Stored, Table
from headrace.storage.errors import InputError

SUM, MEAN, MAX = range(3)
"""The modes of the operator."""


@lowers_to_nest("aten._embedding_bag.default", "aten._embedding_bag_forward_only.default")
def embedding_bag(
    c: Call,
    table: View,
    indices: View,
    offsets: View,
    scale_grad_by_freq: bool = False,
    mode: int = SUM,
    sparse: bool = False,
    weights: View | None = None,
    include_last_offset: bool = False,
    padding_index: int = -1,
) -> Result:
    """
    The sum, mean or maximum of the rows of each bag; bags without entries are 0.

    `scale_grad_by_freq` and `sparse` say how gradients are made.
    """
    segments = segments_of(c, offsets, indices, include_last_offset)
    return bags(c, Stored(table), indices, segments, mode, weights, padding_index)


def bags(
    c: Call,
    table: Table,
    indices: View,
    segments: Segments,
    mode: int,
    weights: View | None,
    padding_index: int,
) -> Result:
    """The nest of `segments` of `indices`; a negative padding index is none."""
    if weights is not None and mode != SUM:
        raise InputError("weights of the samples need mode 'sum'; mean and max have none")
    padding = padding_index if padding_index >= 0 else None
    inputs = {**segments.inputs, "indices": indices, **table.inputs}
    if weights is not None:
        inputs["weights"] = weights
    start = -math.inf if mode == MAX else 0.0
    outputs = {"out": Output(c.shape, table.element, start, sums=mode != MAX)}
    if padding is not None and mode != SUM:
        # In front of the result: what a nest computes is its last argument.
        outputs = {"counts": Output(c.shape[:1], i64), **outputs}
    build = _Bags(segments, table, mode, padding, weights is not None).build
    result = call_nest(c.emit, "embedding_bag", inputs, outputs, build)[-1]
    return result, None, None, None


class _Bags:
    """The loops of all modes; `padding` is the index whose rows do not count."""

    def __init__(
        self, segments: Segments, table: Table, mode: int, padding: int | None, weighted: bool
    ):
        self.segments = segments
        self.table = table
        self.mode = mode
        self.padding = padding
        self.weighted = weighted

    def build(self, nest: NestBuilder) -> None:
        bags, width = nest.size("out", 0), nest.size("out", 1)
        with self.segments.loop(nest, "b", bags) as (b, lower, upper):
            with nest.loop("p", upper, lower) as p:
                self.entry(nest, b, p, width)
            if self.mode != SUM:
                self.end(nest, b, self.count(nest, b, lower, upper), width)

    def entry(self, nest: NestBuilder, b: SSAValue, p: SSAValue, width: SSAValue) -> None:
        """One row of a bag."""
        s, index = nest.scalars, nest.load("indices", p)
        row = nest.index(index)
        weight = s.cast(nest.load("weights", p), nest.element("out")) if self.weighted else None
        counts = None
        if self.padding is not None:
            counts = s.compare("ne", index, s.constant(self.padding, index.type))
        if counts is not None and self.mode != SUM:
            with nest.where(counts):
                nest.update("add", "counts", [b], s.constant(1, i64))
        at = self.table.row(nest, row)
        with nest.loop("e", width) as e:
            value = at(e)
            if counts is None:
                self.combine(nest, (b, e), value, weight)
            else:
                with nest.where(counts):
                    self.combine(nest, (b, e), value, weight)

    def combine(
        self,
        nest: NestBuilder,
        place: tuple[SSAValue, SSAValue],
        value: SSAValue,
        weight: SSAValue | None,
    ) -> None:
        if self.mode != MAX:
            s, element = nest.scalars, nest.element("out")
            value = s.cast(value, element)
            if weight is not None:
                value = s.binary("mul", weight, value)
            nest.update("add", "out", place, value)
            return
        # As in PyTorch, NaN is kept if it comes first and passed over later. What comes first
        # replaces minus infinity, so that NaN does so too behind entries that are all of that.
        s, before = nest.scalars, nest.load("out", *place)
        replaced = s.select(
            s.compare("gt", value, before),
            value,
            s.select(s.compare("eq", before, s.constant(-math.inf, before.type)), value, before),
        )
        nest.store(replaced, "out", *place)

    def count(self, nest: NestBuilder, b: SSAValue, lower: SSAValue, upper: SSAValue) -> SSAValue:
        """How many entries of a bag count, as an i64."""
        if self.padding is not None:
            return nest.load("counts", b)
        entries = nest.insert(arith.SubiOp(upper, lower)).results[0]
        return nest.scalars.cast(entries, i64)

    def end(self, nest: NestBuilder, b: SSAValue, count: SSAValue, width: SSAValue) -> None:
        """What the mode makes of a bag behind its last entry."""
        s = nest.scalars
        if self.mode == MEAN:
            element = nest.element("out")
            divisor = s.cast(s.binary("max", count, s.constant(1, i64)), element)
            with nest.loop("e", width) as e:
                nest.update("div", "out", (b, e), divisor)
            return
        with nest.where(s.compare("eq", count, s.constant(0, i64))), nest.loop("e", width) as e:
            nest.store(s.constant(0, nest.element("out")), "out", b, e)
