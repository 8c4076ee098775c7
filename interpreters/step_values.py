"""
What travels on `step` streams: tiles, buffers, selectors, tuples, and Python numbers.

A selector is the frozenset of the selected indices, a tuple that of Python.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace.interpreters.step_tokens import Nested

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Tile:
    """
    A matrix of which the first rows and columns are valid.

    What lies beyond them is padding, and always zero, so that sums and products of matrices may
    be taken over all of it.
    """

    array: Array
    """Shape (rows, columns)."""
    valid_rows: int
    valid_columns: int

    @staticmethod
    def of(array: npt.ArrayLike) -> "Tile":
        """A tile without padding; a number is a tile [1, 1], a vector one row."""
        matrix = np.atleast_2d(np.asarray(array))
        return Tile(matrix, *matrix.shape)

    @staticmethod
    def masked(array: Array, valid_rows: int, valid_columns: int) -> "Tile":
        """A tile with padding, where `array` may hold anything there."""
        rows, columns = array.shape
        if valid_rows < rows or valid_columns < columns:
            array = array.copy()
            array[valid_rows:] = 0
            array[:, valid_columns:] = 0
        return Tile(array, min(valid_rows, rows), min(valid_columns, columns))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, padding included."""
        rows, columns = self.array.shape
        return rows, columns

    @property
    def valid(self) -> Array:
        """The matrix without its padding."""
        return self.array[: self.valid_rows, : self.valid_columns]

    def __str__(self) -> str:
        return f"tile{self.array.tolist()}"


@dataclass(frozen=True, eq=False)
class Buffer:
    """A read-only list of values, `rank` lists deep."""

    nested: Nested
    rank: int

    def values(self) -> list[Any]:
        """All values, in order."""
        return list(_leaves(self.nested, self.rank))

    def __str__(self) -> str:
        return f"buffer{self.nested}"


def padding_like(value: Any) -> Any:
    """What fills a chunk behind its last value: nothing valid, of the same type."""
    match value:
        case Tile():
            return Tile(np.zeros_like(value.array), 0, value.valid_columns)
        case frozenset():
            return frozenset[int]()
        case (*parts,):
            return tuple(padding_like(part) for part in parts)
        case _:
            return type(value)(0)


def _leaves(nested: Nested, depth: int) -> Iterator[Any]:
    if depth == 0:
        yield nested
    else:
        for item in nested:
            yield from _leaves(item, depth - 1)
