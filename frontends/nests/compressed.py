"""
Sparse matrices as the dense tensors of compressed rows.

A loop nest reads memory, so that a sparse argument of the model becomes several arguments of
`@main`, which have one name and the attribute `headrace.part` (see `headrace.storage.parts`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import i64
from xdsl.ir import Attribute

from headrace.frontends.builder import Extent, View
from headrace.frontends.nests.graph import operator
from headrace.storage.errors import InputError

if TYPE_CHECKING:
    from torch.fx import Node

_LEFT = {
    "aten._sparse_mm.default": 0,
    "aten.addmm.default": 1,
    "aten.addmv.default": 1,
    "aten.matmul.default": 0,
    "aten.mm.default": 0,
    "aten.mul.Tensor": 0,
    "aten.mv.default": 0,
    "aten.sparse_sampled_addmm.default": 0,
}
"""Operators that may read compressed rows, and which operand they are."""

NewArgument = Callable[[str, tuple[Extent, ...], Attribute], View]
"""Makes an argument of `@main`: a part, its shape, and its element type."""


@dataclass(frozen=True)
class CompressedRows:
    """A sparse matrix; row i has the entries from `pointers[i]` up to `pointers[i + 1]`."""

    pointers: View
    """Rows + 1 numbers, i64."""
    indices: View
    """The column of each entry, i64."""
    values: View
    shape: tuple[Extent, ...]
    dense: View | None = None
    """All elements, where other operations read them."""


def compressed_rows(
    node: "Node", shape: tuple[Extent, ...], element: Attribute, argument: NewArgument
) -> "CompressedRows | View":
    """The sparse matrix `node`, an argument; only a dense tensor if no operation reads rows."""
    users = [(user, position) for user in node.users for position in _places(node, user)]
    reads_rows = [_LEFT.get(operator(user)) == position for user, position in users]
    rows, columns = shape
    dense = None if reads_rows and all(reads_rows) else argument("dense", shape, element)
    if dense is not None and not any(reads_rows):
        return dense
    stored = f"nonzeros of {node.name}"
    pointers: Extent = rows + 1 if isinstance(rows, int) else f"{rows}+1"
    return CompressedRows(
        argument("pointers", (pointers,), i64),
        argument("indices", (stored,), i64),
        argument("values", (stored,), element),
        (rows, columns),
        dense,
    )


def _places(node: "Node", user: "Node") -> list[int]:
    """Which operands of `user` are `node`; -1 for others than plain ones."""
    return [place for place, one in enumerate(user.args) if one is node] or [-1]


def dense_operand(operand: Any) -> Any:
    """An operand of an operation that does not read compressed rows."""
    if not isinstance(operand, CompressedRows):
        return operand
    if operand.dense is None:
        raise InputError("a sparse operand is supported only on the left of a product")
    return operand.dense
