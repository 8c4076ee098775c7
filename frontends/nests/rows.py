"""
Rows of a table that indices name: `nn.Embedding`, `index_select`, blocks of a matrix.

    for p in 0..indices:
      r = index[p]
      for e in 0..width: out[p,e] = table[r,e]

A row may be a block of several, such as the keys of a block in sparse attention, given as a table
of blocks x rows x width. Then one more loop walks the rows of the block, and both matrices keep two
dimensions: row t of block r is row `r * rows + t`.
"""

from xdsl.dialects.builtin import i1
from xdsl.ir import SSAValue

from headrace.frontends.aten.registry import Call, Result, dimension, lowers_to_nest
from headrace.frontends.aten.shapes import wrapped
from headrace.frontends.builder import View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.call import Output, call_nest
from headrace.frontends.nests.tables import Stored, Table
from headrace.frontends.reshape import element_count, reshape


@lowers_to_nest("aten.embedding.default")
def embedding(
    c: Call,
    table: View,
    indices: View,
    padding_index: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Result:
    """The options say how gradients are made."""
    return rows(c, "embedding", table, indices)


@lowers_to_nest("aten.index_select.default")
def index_select(c: Call, x: View, dim: int, index: View) -> Result:
    return rows(c, "index_select", x, index) if dimension(dim, x.rank) == 0 else NotImplemented


@lowers_to_nest("aten.index.Tensor")
def index(c: Call, x: View, indices: list[View | None]) -> Result:
    """Negative numbers count from the end."""
    first = indices[0] if indices else None
    if len(indices) != 1 or first is None or first.element == i1:
        return NotImplemented
    return rows(c, "index_select", x, wrapped(c, first, x.shape[0]))


@lowers_to_nest("aten.gather.default")
def gather(c: Call, x: View, dim: int, index: View, *, sparse_grad: bool = False) -> Result:
    """With an index that is the same along all other dimensions, whole rows."""
    same = all(axis is None for axis in index.axes[1:]) and index.shape[1:] == x.shape[1:]
    if dimension(dim, x.rank) != 0 or not same:
        return NotImplemented
    vector = index
    while vector.rank > 1:
        vector = vector.drop(1)
    return rows(c, "gather", x, vector)


def rows(c: Call, kind: str, table: View, index: View) -> Result:
    """The nest called `kind`; `index` of any rank comes in place of the table's first dimension."""
    *block, width = table.shape[1:] or [1]
    height = element_count(block)
    if table.rank < 2 or not isinstance(height, int):
        return NotImplemented
    flat = reshape(c.emit, table, (element_count(table.shape[:-1]), width))
    return table_rows(c, kind, Stored(flat), index, height)


def table_rows(c: Call, kind: str, table: Table, index: View, height: int = 1) -> View:
    """The same where `height` rows of `table` are one of the result."""
    count = element_count(index.shape)
    inputs = {"index": reshape(c.emit, index, (count,)), **table.inputs}
    shape = (element_count((*index.shape, height)), table.shape[1])

    def build(nest: NestBuilder) -> None:
        with nest.loop("p", nest.size("index", 0)) as p:
            row = nest.load_index("index", p)
            if height == 1:
                copy(nest, row, p)
                return
            size = nest.number(height)
            first, into = nest.multiply(row, size), nest.multiply(p, size)
            with nest.loop("t", size) as t:
                copy(nest, nest.add(first, t), nest.add(into, t))

    def copy(nest: NestBuilder, row: SSAValue, into: SSAValue) -> None:
        at = table.row(nest, row)
        with nest.loop("e", nest.size("out", 1)) as e:
            nest.store(at(e), "out", into, e)

    outputs = {"out": Output(shape, table.element)}
    (result,) = call_nest(c.emit, kind, inputs, outputs, build)
    return reshape(c.emit, result, c.shape)
