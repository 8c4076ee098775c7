"""
The product of a sparse matrix, in compressed rows, and a dense one.

    for i in 0..rows:
      for p in pointers[i]..pointers[i+1]:
        j = indices[p]; a = values[p]
        for e in 0..width: out[i,e] += a * x[j,e]
"""

from typing import Any

from headrace.frontends.aten.elementwise import add, scaled
from headrace.frontends.aten.registry import Call, Result, lowers_to_nest
from headrace.frontends.builder import View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.call import Output, call_nest
from headrace.frontends.nests.compressed import CompressedRows, dense_operand


@lowers_to_nest(
    "aten._sparse_mm.default", "aten.mm.default", "aten.matmul.default", "aten.mv.default"
)
def matmul(c: Call, x: Any, y: Any) -> Result:
    """A product of dense matrices is not a nest."""
    y = dense_operand(y)
    if not isinstance(x, CompressedRows):
        return NotImplemented
    if y.rank == 1:
        return product(c, x, y.insert(1)).drop(1)
    return product(c, x, y)


@lowers_to_nest("aten.addmm.default", "aten.addmv.default")
def addmm(c: Call, x: View, y: Any, z: Any, *, beta: float = 1, alpha: float = 1) -> Result:
    """`beta x + alpha (y z)`; where `beta` is 0, `x` is not read."""
    found = matmul(c, y, z)
    if not isinstance(found, View):
        return found
    found = scaled(c, found, alpha)
    return found if beta == 0 else add(c, found, scaled(c, x, beta))


def product(c: Call, matrix: CompressedRows, x: View) -> View:
    """`matrix` times `x`, which is columns x width."""

    def build(nest: NestBuilder) -> None:
        s, element = nest.scalars, nest.element("out")
        with nest.loop("i", nest.size("out", 0)) as i:
            lower, upper = nest.segment("pointers", i)
            with nest.loop("p", upper, lower) as p:
                column = nest.load_index("indices", p)
                value = s.cast(nest.load("values", p), element)
                with nest.loop("e", nest.size("out", 1)) as e:
                    factor = s.cast(nest.load("x", column, e), element)
                    nest.update("add", "out", (i, e), s.binary("mul", value, factor))

    inputs = {
        "pointers": matrix.pointers,
        "indices": matrix.indices,
        "values": matrix.values,
        "x": x,
    }
    outputs = {"out": Output((matrix.shape[0], x.shape[1]), x.element, sums=True)}
    return call_nest(c.emit, "sparse_matmul", inputs, outputs, build)[0]
