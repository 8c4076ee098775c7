"""
Rows added at places that indices name: messages along edges that are listed in any order.

    for p in 0..edges:
      d = target[p]; s = source[p]
      for e in 0..width: out[d,e] += weight[p] * x[s,e]

The edges need no order: the place of a sum is data of the core, and sums are added in the order
of the edges, as PyTorch does. So nothing is sorted.
"""

from collections.abc import Mapping

from headrace.frontends.aten.registry import Call
from headrace.frontends.builder import View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.call import Output, call_nest
from headrace.frontends.nests.expressions import Expression, at_row


def add_at(
    c: Call, inputs: Mapping[str, View], expression: Expression, start: View | float
) -> View:
    """`start` and, for each p, the row `expression` at `target[p]` of `inputs`."""

    def build(nest: NestBuilder) -> None:
        build_add_at(nest, expression)

    outputs = {"out": Output(c.shape, c.element, start, sums=True)}
    return call_nest(c.emit, "add_at", inputs, outputs, build)[0]


def build_add_at(nest: NestBuilder, expression: Expression) -> None:
    """The loops."""
    with nest.loop("p", nest.size("target", 0)) as p:
        place = nest.load_index("target", p)
        at = at_row(nest, expression, p, nest.element("out"))
        with nest.loop("e", nest.size("out", 1)) as e:
            nest.update("add", "out", (place, e), at(e))
