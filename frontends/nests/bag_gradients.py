"""
Gradients of embedding bags as loop nests: of the table, and of the weights of the samples.

    for b in 0..bags:
      for e in 0..width: mine[e] = gradient[b,e]       (for the mean: divided by the entries)
      for p in offsets[b]..offsets[b+1]:
        r = indices[p]
        for e in 0..width: out[r,e] += mine[e]         (with weights: weights[p] * mine[e])

The gradient of a bag is read once, beside the loop over its entries. Rows are added where the
indices say, which is memory of the core, so that they may repeat and need no order. The gradient of
a weight is the product of two rows, `out[p] += mine[e] * table[r,e]`.

For the maximum the loop over the entries finds again from which row each element came, the first of
those that are equal; the gradient of the bag is then added there.
"""

import math
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from xdsl.dialects import arith
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from headrace.frontends.aten.registry import Call, Result, lowers_to_nest
from headrace.frontends.builder import View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.call import Output, call_nest
from headrace.frontends.nests.embedding_bag import MEAN
from headrace.frontends.nests.segments import Segments
from headrace.frontends.nests.tables import Table
from headrace.frontends.reshape import element_count, reshape
from headrace.storage.errors import InputError


@lowers_to_nest("aten.embedding_dense_backward.default")
def embedding_gradient(
    c: Call,
    gradient: View,
    indices: View,
    categories: int,
    padding_index: int,
    scale_grad_by_freq: bool,
) -> Result:
    """That of the table of single rows, where those at the padding index do not count."""
    refuse_scaling(scale_grad_by_freq)
    count, width = element_count(indices.shape), gradient.shape[-1]
    inputs = {
        "indices": reshape(c.emit, indices, (count,)),
        "gradient": reshape(c.emit, gradient, (count, width)),
    }

    def build(nest: NestBuilder) -> None:
        with nest.loop("p", nest.size("indices", 0)) as p:
            index = nest.load("indices", p)
            row = nest.index(index)
            with nest.loop("e", nest.size("out", 1)) as e:
                value = nest.load("gradient", p, e)
                with counted(nest, index, padding_index):
                    nest.update("add", "out", (row, e), value)

    outputs = {"out": Output(c.shape, gradient.element, sums=True)}
    return call_nest(c.emit, "embedding_gradient", inputs, outputs, build)[0]


def refuse_scaling(scale_by_frequency: bool) -> None:
    if scale_by_frequency:
        raise InputError(
            "gradients divided by how often a row occurs are not supported; leave "
            "scale_grad_by_freq out and scale the rows of the gradient"
        )


def table_gradient(
    c: Call,
    gradient: View,
    indices: View,
    segments: Segments,
    mode: int,
    weights: View | None,
    padding: int,
) -> View:
    """That of the table in mode sum or mean."""
    inputs = {**segments.inputs, "indices": indices, "gradient": gradient}
    if weights is not None:
        inputs["weights"] = weights

    def build(nest: NestBuilder) -> None:
        s = nest.scalars
        with _bags(nest, segments) as (b, lower, upper, width):
            share = None
            if mode == MEAN:
                share = _share(nest, lower, upper, padding)
            _own(nest, b, width, share)
            with nest.loop("p", upper, lower) as p:
                index = nest.load("indices", p)
                row = nest.index(index)
                weight = None if weights is None else nest.load("weights", p)
                with counted(nest, index, padding), nest.loop("e", width) as e:
                    value = nest.load("mine", e)
                    if weight is not None:
                        value = s.binary("mul", weight, value)
                    nest.update("add", "out", (row, e), value)

    return _call(c, "bag_gradient", inputs, build)


def maximum_gradient(
    c: Call, gradient: View, indices: View, segments: Segments, table: Table, padding: int
) -> View:
    """That of the table in mode max."""
    inputs = {**segments.inputs, "indices": indices, "gradient": gradient, **table.inputs}

    def build(nest: NestBuilder) -> None:
        s = nest.scalars
        nest.temporary("most", nest.size("gradient", 1), table.element)
        nest.temporary("origin", nest.size("gradient", 1), i64)
        none = s.constant(-1, i64)
        with _bags(nest, segments) as (b, lower, upper, width):
            with nest.loop("e", width) as e:
                nest.store(s.constant(-math.inf, table.element), "most", e)
                nest.store(none, "origin", e)
            with nest.loop("p", upper, lower) as p:
                index = nest.load("indices", p)
                at = table.row(nest, nest.index(index))
                row = s.cast(index, i64)
                with nest.loop("e", width) as e:
                    value = at(e)
                    with counted(nest, index, padding):
                        most, origin = nest.load("most", e), nest.load("origin", e)
                        # NaN is kept if it comes first and passed over later, as in PyTorch.
                        first, more = s.compare("eq", origin, none), s.compare("gt", value, most)
                        takes = s.binary("or", first, more)
                        nest.store(s.select(takes, value, most), "most", e)
                        nest.store(s.select(takes, row, origin), "origin", e)
            _own(nest, b, width, None)
            with nest.loop("e", width) as e:
                origin = nest.load("origin", e)
                with nest.where(s.compare("ne", origin, none)):
                    nest.update("add", "out", (nest.index(origin), e), nest.load("mine", e))

    return _call(c, "bag_max_gradient", inputs, build)


def weight_gradient(
    c: Call, gradient: View, indices: View, segments: Segments, table: Table, padding: int
) -> View:
    """That of the weights of the samples."""
    inputs = {**segments.inputs, "indices": indices, "gradient": gradient, **table.inputs}

    def build(nest: NestBuilder) -> None:
        with _bags(nest, segments) as (b, lower, upper, width):
            _own(nest, b, width, None)
            with nest.loop("p", upper, lower) as p:
                index = nest.load("indices", p)
                at = table.row(nest, nest.index(index))
                with nest.loop("e", width) as e:
                    value = at(e)
                    with counted(nest, index, padding):
                        product = nest.scalars.binary("mul", nest.load("mine", e), value)
                        nest.update("add", "out", (p,), product)

    return _call(c, "weight_gradient", inputs, build)


@contextmanager
def counted(nest: NestBuilder, index: SSAValue, padding: int) -> Generator[None]:
    """What is emitted inside happens unless `index` is that of the padding; negative is none."""
    if padding < 0:
        yield
        return
    s = nest.scalars
    with nest.where(s.compare("ne", index, s.constant(padding, index.type))):
        yield


@contextmanager
def _bags(
    nest: NestBuilder, segments: Segments
) -> Generator[tuple[SSAValue, SSAValue, SSAValue, SSAValue]]:
    """The loop over the bags: the number of one, its bounds, and the width of a row."""
    width = nest.size("gradient", 1)
    nest.temporary("mine", width, nest.element("gradient"))
    with segments.loop(nest, "b", nest.size("gradient", 0)) as (b, lower, upper):
        yield b, lower, upper, width


def _own(nest: NestBuilder, b: SSAValue, width: SSAValue, share: SSAValue | None) -> None:
    """Keep the gradient of a bag, times `share`."""
    with nest.loop("e", width) as e:
        value = nest.load("gradient", b, e)
        if share is not None:
            value = nest.scalars.binary("mul", share, value)
        nest.store(value, "mine", e)


def _share(nest: NestBuilder, lower: SSAValue, upper: SSAValue, padding: int) -> SSAValue:
    """1 over the number of entries of a bag that count."""
    s, element = nest.scalars, nest.element("gradient")
    if padding < 0:
        entries = s.cast(nest.insert(arith.SubiOp(upper, lower)).results[0], i64)
    else:
        one, zero = nest.number(1), nest.number(0)
        nest.temporary("count", one, i64)
        nest.store(s.constant(0, i64), "count", zero)
        with nest.loop("p", upper, lower) as p, counted(nest, nest.load("indices", p), padding):
            nest.update("add", "count", [zero], s.constant(1, i64))
        entries = nest.load("count", zero)
    counting = s.cast(s.binary("max", entries, s.constant(1, i64)), element)
    return s.binary("div", s.constant(1, element), counting)


def _call(
    c: Call, kind: str, inputs: Mapping[str, View], build: Callable[[NestBuilder], None]
) -> View:
    outputs = {"out": Output(c.shape, c.element, sums=True)}
    return call_nest(c.emit, kind, inputs, outputs, build)[0]
