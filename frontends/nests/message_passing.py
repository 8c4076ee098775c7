"""
Messages along the edges of a graph, weighted by a function of what both ends have (FusedMM).

    for i in 0..vertices:
      for e in 0..width: own[e] = x[i,e]; sum[e] = 0
      for p in pointers[i]..pointers[i+1]:
        j = indices[p]
        for e in 0..width: other[e] = y[j,e]
        s = f( sum over e of own[e] * other[e] )
        for e in 0..width: sum[e] += s * other[e]
      for e in 0..width: out[i,e] = sum[e]

The row of a vertex is read once, beside the loop over its edges. The product and the sum walk
temporary vectors, which need no access to memory outside.

Source: "FusedMM: A Unified SDDMM-SpMM Kernel for Graph Embedding and Graph Neural Networks",
IPDPS 2021.
"""

from collections.abc import Callable

from xdsl.ir import SSAValue

from headrace.frontends.aten.registry import Call
from headrace.frontends.builder import View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.call import Output, call_nest
from headrace.frontends.nests.compressed import CompressedRows
from headrace.frontends.scalars import Scalars

Weight = Callable[[Scalars, SSAValue, SSAValue | None], SSAValue]
"""The weight of a message, of the product of both ends and the value of the edge, if read."""


def message_passing(
    c: Call, graph: CompressedRows, own: View, other: View, weight: Weight, scaled: bool
) -> View:
    """
    The messages that reach each vertex; `own` is vertices x width, `other` columns x width.

    With `scaled`, `weight` takes the value of each edge of `graph`.
    """
    inputs = {"pointers": graph.pointers, "indices": graph.indices, "own": own, "other": other}
    if scaled:
        inputs["values"] = graph.values
    outputs = {"out": Output(own.shape, own.element, sums=True)}

    def build(nest: NestBuilder) -> None:
        build_message_passing(nest, weight, scaled)

    return call_nest(c.emit, "message_passing", inputs, outputs, build)[0]


def build_message_passing(nest: NestBuilder, weight: Weight, scaled: bool) -> None:
    """The loops."""
    s, element, width = nest.scalars, nest.element("out"), nest.size("out", 1)
    zero = s.constant(0, element)
    for name in ("mine", "theirs", "sum"):
        nest.temporary(name, width, element)

    def product(e: SSAValue) -> SSAValue:
        return s.binary("mul", nest.load("mine", e), nest.load("theirs", e))

    with nest.loop("i", nest.size("out", 0)) as i:
        with nest.loop("e", width) as e:
            nest.store(s.cast(nest.load("own", i, e), element), "mine", e)
            nest.store(zero, "sum", e)
        lower, upper = nest.segment("pointers", i)
        with nest.loop("p", upper, lower) as p:
            column = nest.load_index("indices", p)
            value = s.cast(nest.load("values", p), element) if scaled else None
            with nest.loop("e", width) as e:
                nest.store(s.cast(nest.load("other", column, e), element), "theirs", e)
            factor = weight(s, nest.total("e", width, zero, product), value)
            with nest.loop("e", width) as e:
                nest.update("add", "sum", (e,), s.binary("mul", factor, nest.load("theirs", e)))
        with nest.loop("e", width) as e:
            nest.store(nest.load("sum", e), "out", i, e)
