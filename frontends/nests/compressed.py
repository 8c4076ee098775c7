"""
Sparse matrices as the three dense tensors of compressed rows.

A loop nest reads memory, so that a sparse argument of the model becomes several arguments of
`@main`: `pointers` (rows + 1), `indices` and `values` (one an entry), each with the attribute
`headrace.part`; `dense`, all elements, where other operations read it.
"""

from dataclasses import dataclass

from headrace.frontends.builder import Extent, View


@dataclass(frozen=True)
class CompressedRows:
    """A sparse matrix; row i has the entries from `pointers[i]` up to `pointers[i + 1]`."""

    pointers: View
    """Rows + 1 numbers, i64."""
    indices: View
    """The column of each entry, i64."""
    values: View
    shape: tuple[Extent, ...]
