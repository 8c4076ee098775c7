"""
What the functions of `step` compute, on tiles.

Values beyond the valid rows and columns of a tile are padding. A function of the elements has the
valid rows and columns of its first operand, or of the one that is not repeated; a product of
matrices the valid rows of the first and the valid columns of the second; a sum over tiles all that
is valid in one of them. Arithmetic is that of the arrays' type; division by zero and the like give
inf and NaN.

Source: "Streaming Tensor Programs", ASPLOS 2026, section 3.2, for the functions. That columns can
be padding is ours: the score of a key that does not exist must not enter a sum.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from headrace.interpreters.step_values import Array, Tile
from headrace.storage.errors import InputError
from headrace.storage.functions import FUNCTIONS


def _silu(x: Array) -> Array:
    return x * FUNCTIONS["sigmoid"](x)


def _gelu(x: Array) -> Array:
    return x * 0.5 * (1 + FUNCTIONS["erf"](x / math.sqrt(2)).astype(x.dtype))


UNARY: Mapping[str, Callable[[Any], Any]] = {
    "silu": _silu,
    "gelu": _gelu,
    "relu": lambda x: np.maximum(x, 0),
    "reciprocal": np.reciprocal,
    "square": np.square,
    "negate": np.negative,
    **{name: FUNCTIONS[name] for name in ("sigmoid", "tanh", "exp", "log", "sqrt")},
}
"""Functions of each element."""

BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "maximum": np.maximum,
    **{name: FUNCTIONS[name] for name in ("add", "sub", "mul", "div")},
}
"""Functions of two elements; a tile of one row or column is repeated."""

SCALAR: Mapping[str, Callable[[Any, float], Any]] = {
    "scale": lambda x, scalar: x * scalar,
    "shift": lambda x, scalar: x + scalar,
}
"""Functions of each element and of one number of the program."""

IDENTITY: Mapping[str, float] = {"add": 0.0, "mul": 1.0, "maximum": -math.inf}
"""Folds of elements, and what they give for nothing."""


def unary(function: Callable[[Any], Any], x: Any) -> Any:
    """The function of each element of a tile, or of a number."""
    with np.errstate(all="ignore"):
        if not isinstance(x, Tile):
            return np.asarray(function(np.asarray(x))).item()
        return Tile.masked(function(x.array), x.valid_rows, x.valid_columns)


def binary(function: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    """The function of the elements at the same place of two tiles, or of two numbers."""
    with np.errstate(all="ignore"):
        if not isinstance(x, Tile) or not isinstance(y, Tile):
            return np.asarray(function(np.asarray(x), np.asarray(y))).item()
        array = function(x.array, y.array)
    rows = x.valid_rows if x.shape[0] == array.shape[0] else y.valid_rows
    columns = x.valid_columns if x.shape[1] == array.shape[1] else y.valid_columns
    return Tile.masked(array, rows, columns)


def fold(name: str, state: Any, x: Any) -> Any:
    """One more tile (or number) in a fold of elements; padding counts as nothing."""
    function, identity = BINARY[name], IDENTITY[name]
    if not isinstance(x, Tile) or not isinstance(state, Tile):
        return binary(function, state, x)
    if not state.array.size:
        return x
    rows = max(state.valid_rows, x.valid_rows)
    columns = max(state.valid_columns, x.valid_columns)
    return Tile.masked(function(_filled(state, identity), _filled(x, identity)), rows, columns)


def _filled(tile: Tile, number: float) -> Array:
    """The matrix with this number as padding."""
    if number == 0 or tile.valid.shape == tile.shape:
        return tile.array
    array = np.full_like(tile.array, number)
    array[: tile.valid_rows, : tile.valid_columns] = tile.valid
    return array


def matmul(x: Tile, y: Tile) -> Tile:
    """The product of two matrices."""
    return Tile(x.array @ y.array, x.valid_rows, y.valid_columns)


def matmul_transposed(x: Tile, y: Tile) -> Tile:
    """The product of a matrix with the transpose of another."""
    return Tile(x.array @ y.array.T, x.valid_rows, y.valid_rows)


def row_sum(x: Tile) -> Tile:
    """The sum of every row, one column."""
    return Tile(x.array.sum(axis=1, keepdims=True), x.valid_rows, 1)


def row_max(x: Tile) -> Tile:
    """The largest valid value of every row, one column; -inf where no column is valid."""
    columns = x.array[:, : x.valid_columns]
    largest = columns.max(axis=1, keepdims=True, initial=-math.inf).astype(x.array.dtype)
    return Tile.masked(largest, x.valid_rows, 1)


def set_offset(where: str, x: Tile, rows: Any) -> Tile:
    """The tile of which only the first rows are valid."""
    if not 0 <= (count := number(rows)) <= x.shape[0]:
        raise InputError(f"{where}: {count} rows of a tile of shape {x.shape} cannot be valid")
    return Tile.masked(x.array, count, x.valid_columns)


def row_append(where: str, x: Tile, row: Tile) -> Tile:
    """The tile with one more valid row behind the others."""
    if x.valid_rows == x.shape[0]:
        raise InputError(f"{where}: all {x.valid_rows} rows are in use; set the offset before")
    array = x.array.copy()
    array[x.valid_rows] = row.array[0]
    return Tile.masked(array, x.valid_rows + 1, row.valid_columns)


def retile_rows(state: Tile, x: Tile) -> Tile:
    """The rows of both, valid ones first."""
    if not state.array.size:
        return x
    rows = state.shape[0] + x.shape[0]
    array = np.zeros((rows, x.shape[1]), x.array.dtype)
    valid = np.concatenate([state.array[: state.valid_rows], x.array[: x.valid_rows]])
    array[: len(valid)] = valid
    return Tile(array, len(valid), x.valid_columns)


def retile_columns(state: Tile, x: Tile) -> Tile:
    """The columns of both, valid ones first."""
    return transposed(retile_rows(transposed(state), transposed(x)))


def transposed(x: Tile) -> Tile:
    """Rows as columns."""
    return Tile(x.array.T, x.valid_columns, x.valid_rows)


def split_rows(x: Tile, *, masked: bool) -> list[Tile]:
    """Every row as a tile; of a masked split only the valid ones."""
    count = x.valid_rows if masked else x.shape[0]
    return [Tile(x.array[n : n + 1], int(n < x.valid_rows), x.valid_columns) for n in range(count)]


def split_columns(x: Tile, *, masked: bool) -> list[Tile]:
    """Every column as a tile; of a masked split only the valid ones."""
    return [transposed(row) for row in split_rows(transposed(x), masked=masked)]


def number(value: Any) -> int:
    """The integer that a stream of integers, or of tiles [1, 1], carries."""
    return int(value.array.item()) if isinstance(value, Tile) else int(value)
