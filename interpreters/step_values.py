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
    A matrix of which the first rows are valid.

    The others are padding, and zero, so that sums may be taken over all rows.
    """

    array: Array
    """Shape (rows, columns)."""
    valid_rows: int

    @staticmethod
    def of(array: npt.ArrayLike) -> "Tile":
        """A tile without padding; a number is a tile [1, 1], a vector one row."""
        matrix = np.atleast_2d(np.asarray(array))
        return Tile(matrix, len(matrix))

    @staticmethod
    def masked(array: Array, valid_rows: int) -> "Tile":
        """A tile with padding, where `array` may hold anything there."""
        if valid_rows < len(array):
            array = array.copy()
            array[valid_rows:] = 0
        return Tile(array, valid_rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, padding included."""
        rows, columns = self.array.shape
        return rows, columns

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


def parts(value: Any) -> tuple[Any, ...]:
    """What an element is made of: the parts of a tuple, of tuples in it too, else itself."""
    match value:
        case (*inner,):
            return tuple(part for one in inner for part in parts(one))
        case _:
            return (value,)


def padding_like(value: Any) -> Any:
    """What fills a chunk behind its last value: nothing valid, of the same type."""
    match value:
        case Tile():
            return Tile(np.zeros_like(value.array), 0)
        case frozenset():
            return frozenset[int]()
        case (*inner,):
            return tuple(padding_like(part) for part in inner)
        case _:
            return type(value)(0)


def _leaves(nested: Nested, depth: int) -> Iterator[Any]:
    if depth == 0:
        yield nested
    else:
        for item in nested:
            yield from _leaves(item, depth - 1)
