"""
A number for each row: a norm or the sum of an expression of rows, as in knowledge graphs.

    for p in 0..samples:
      h = head[p]; r = relation[p]; t = tail[p]
      for e in 0..width: score[p] += | entities[h,e] + relations[r,e] - entities[t,e] |

Sums are in the order of the columns. The norm of order 2 is the root of the sum of squares,
taken behind the last column.
"""

from collections.abc import Mapping

from headrace.frontends.aten.registry import Call
from headrace.frontends.builder import Extent, View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.call import Output, call_nest
from headrace.frontends.nests.expressions import Expression, at_row

SUM, NORM_1, NORM_2 = "sum", "norm_1", "norm_2"
"""What becomes of a row."""


def scores(
    c: Call,
    inputs: Mapping[str, View],
    expression: Expression,
    kind: str,
    shape: tuple[Extent, Extent],
) -> View:
    """The scores of `shape[0]` rows of `shape[1]` elements."""

    def build(nest: NestBuilder) -> None:
        build_scores(nest, expression, kind, nest_width)

    nest_width = next(name for name, view in inputs.items() if view.shape[-1] == shape[1])
    outputs = {"score": Output(shape[:1], c.element, sums=True)}
    return call_nest(c.emit, "row_scores", inputs, outputs, build)[0]


def build_scores(nest: NestBuilder, expression: Expression, kind: str, wide: str) -> None:
    """The loops; `wide` is an argument whose last dimension is that of a row."""
    s, element = nest.scalars, nest.element("score")
    rank = len(nest.shape(wide))
    with nest.loop("p", nest.size("score", 0)) as p:
        at = at_row(nest, expression, p, element)
        with nest.loop("e", nest.size(wide, rank - 1)) as e:
            value = at(e)
            if kind == NORM_1:
                value = s.unary("abs", value)
            if kind == NORM_2:
                value = s.binary("mul", value, value)
            nest.update("add", "score", (p,), value)
        if kind == NORM_2:
            nest.store(s.unary("sqrt", nest.load("score", p)), "score", p)
