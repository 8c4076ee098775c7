"""
The dense arrays of a sparse matrix, for programs that read memory.

An argument of a program may be a part of one of the user's: `pointers`, `indices` and `values` of
compressed rows, or all elements, `dense`.
"""

from headrace.storage.levels import Format, Storage
from headrace.storage.values import CSR, in_format

PARTS = ("pointers", "indices", "values", "dense")


def part_of(matrix: Storage, part: str) -> Storage:
    """
    One of `PARTS` of a matrix, as a dense tensor.

    Row i has the entries from `pointers[i]` up to `pointers[i + 1]`; `indices` has their columns.
    """
    if part == "dense":
        return in_format(matrix, Format.dense(len(matrix.shape)))
    rows = in_format(matrix, CSR)
    arrays = {"pointers": rows.segments[1], "indices": rows.coordinates[1], "values": rows.values}
    array = arrays[part]
    assert array is not None
    return Storage.from_dense(array, Format.dense(1))
