"""
What the functions of `step` compute, on tiles and integers.

Rows of a tile beyond the valid ones are padding, and zero. A function of the elements has the
valid rows of its first operand, or of the one that is not repeated; a product of matrices those of
the first; a fold of tiles the most of any. Arithmetic is that of the arrays' type; division by
zero and the like give inf and NaN.

The names are those of `dialects/step_functions.py`, which says what the functions are for.

Source: "Streaming Tensor Programs", ASPLOS 2026, section 3.2.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from xdsl.dialects.builtin import IntegerType, f64
from xdsl.ir import Attribute

from headrace.dialects.step_types import TileType
from headrace.interpreters.step_values import Array, Tile
from headrace.storage.errors import InputError
from headrace.storage.functions import FUNCTIONS


def _silu(x: Array) -> Array:
    return x * FUNCTIONS["sigmoid"](x)


def _gelu(x: Array) -> Array:
    return x * 0.5 * (1 + FUNCTIONS["erf"](x / math.sqrt(2)).astype(x.dtype))


def _gelu_tanh(x: Array) -> Array:
    return x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _relu(x: Array) -> Array:
    return np.maximum(x, 0)


def _row_sum(x: Array) -> Array:
    return x.sum(axis=1, keepdims=True)


def _row_max(x: Array) -> Array:
    return x.max(axis=1, keepdims=True)


def _rotate_half(x: Array) -> Array:
    first, second = np.hsplit(x, 2)
    return np.concatenate([-second, first], axis=1)


def _top_columns(x: Array, count: float) -> Array:
    largest = np.argsort(-x, axis=1, kind="stable")[:, : int(count)]
    result = np.zeros_like(x)
    np.put_along_axis(result, largest, 1, axis=1)
    return result


def _greater(x: Array, y: Array) -> Array:
    return (x > y).astype(x.dtype)


def _greater_equal(x: Array, y: Array) -> Array:
    return (x >= y).astype(x.dtype)


Numbers = Callable[..., Any]

UNARY: Mapping[str, Numbers] = {
    "silu": _silu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "relu": _relu,
    "reciprocal": np.reciprocal,
    "square": np.square,
    "negate": np.negative,
    "row_sum": _row_sum,
    "row_max": _row_max,
    "rotate_half": _rotate_half,
    **{name: FUNCTIONS[name] for name in ("sigmoid", "tanh", "exp", "log", "sqrt", "sin", "cos")},
}
"""Functions of the rows of one matrix."""

SCALAR: Mapping[str, Numbers] = {
    "scale": np.multiply,
    "shift": np.add,
    "top_columns": _top_columns,
}
"""Functions of the rows of one matrix, and of a number of the program."""

BINARY: Mapping[str, Numbers] = {
    "maximum": np.maximum,
    "minimum": np.minimum,
    "greater": _greater,
    "greater_equal": _greater_equal,
    **{name: FUNCTIONS[name] for name in ("add", "sub", "mul", "div")},
}
"""Functions of the elements of two matrices; one row or column is repeated."""

FOLDS = ("add", "mul", "maximum", "minimum")
"""Functions of two elements that fold lists."""


def identity(name: str, type: np.dtype[Any]) -> float:
    """What a fold of nothing is, in numbers of this type."""
    whole = np.iinfo(type) if type.kind == "i" else None
    lowest, highest = (whole.min, whole.max) if whole else (-math.inf, math.inf)
    return {"mul": 1, "maximum": lowest, "minimum": highest}.get(name, 0)


def unary(function: Numbers, scalar: tuple[float | None, ...], x: Any) -> Any:
    """The function of the rows of a tile (and of a scalar), or of an integer."""
    with np.errstate(all="ignore"):
        if not isinstance(x, Tile):
            return int(function(np.asarray(x), *scalar))
        return Tile.masked(function(x.array, *scalar), x.valid_rows)


def binary(function: Numbers, x: Any, y: Any) -> Any:
    """The function of the elements at the same place of two tiles, or of two integers."""
    with np.errstate(all="ignore"):
        if not isinstance(x, Tile) or not isinstance(y, Tile):
            return int(function(np.asarray(x), np.asarray(y)))
        array = function(x.array, y.array)
    return Tile.masked(array, (x if len(x.array) == len(array) else y).valid_rows)


def matmul(x: Tile, y: Tile) -> Tile:
    """The product of two matrices."""
    return Tile(x.array @ y.array, x.valid_rows)


def matmul_transposed(x: Tile, y: Tile) -> Tile:
    """The product of a matrix with the transpose of another."""
    return Tile(x.array @ y.array.T, x.valid_rows)


def transpose(x: Tile) -> Tile:
    """Rows as columns; all of them are valid."""
    return Tile.of(x.array.T)


def to_selector(where: str, hot: float | None, x: Tile) -> frozenset[int]:
    """The columns of one row that are not 0; `InputError` unless they are `hot` (if given)."""
    chosen = frozenset(int(index) for index in np.flatnonzero(x.array[0]))
    if hot is not None and len(chosen) != hot:
        raise InputError(f"{where}: a row selects {len(chosen)} columns, not {hot:g}")
    return chosen


def set_offset(where: str, x: Tile, rows: int) -> Tile:
    """The tile of which only the first rows are valid."""
    if not 0 <= rows <= len(x.array):
        raise InputError(
            f"{where}: {rows} rows of a tile of shape {x.shape} cannot be valid; give a "
            "length from 0 to the rows that there are"
        )
    return Tile.masked(x.array, rows)


def row_append(where: str, x: Tile, row: Tile) -> Tile:
    """The tile with one more valid row behind the others."""
    if x.valid_rows == len(x.array):
        raise InputError(
            f"{where}: all {x.valid_rows} rows are in use; a length must "
            "leave room for what is appended: set the offset before"
        )
    array = x.array.copy()
    array[x.valid_rows] = row.array[0]
    return Tile(array, x.valid_rows + 1)


def mask_columns(where: str, number: float | None, x: Tile, columns: int) -> Tile:
    """The tile with a number, -inf if there is none, in all columns but the first."""
    if not 0 <= columns <= x.shape[1]:
        raise InputError(f"{where}: a tile of shape {x.shape} does not have {columns} columns")
    array = x.array.copy()
    array[:, columns:] = -math.inf if number is None else number
    return Tile.masked(array, x.valid_rows)


def cache_write_address(row_tiles: float | None, request: int, tiles: int) -> int:
    """The address of the last of the tiles of a request that has room for `row_tiles`."""
    return request * int(row_tiles or 0) + tiles - 1


def map_function(where: str, name: str, scalar: float | None) -> Callable[..., Any]:
    """What `step.map` computes."""
    functions: dict[str, Callable[..., Any]] = {
        **{one: partial(unary, function, ()) for one, function in UNARY.items()},
        **{one: partial(unary, function, (scalar,)) for one, function in SCALAR.items()},
        **{one: partial(binary, function) for one, function in BINARY.items()},
        "matmul": matmul,
        "matmul_transposed": matmul_transposed,
        "transpose": transpose,
        "to_selector": partial(to_selector, where, scalar),
        "set_offset": partial(set_offset, where),
        "row_append": partial(row_append, where),
        "mask_columns": partial(mask_columns, where, scalar),
        "cache_write_address": partial(cache_write_address, scalar),
    }
    return functions[name]


def fold_function(name: str) -> Callable[..., Any]:
    """
    What `step.accumulate` folds with: the next state of a state and values.

    The state of nothing is `None`.
    """
    folds: dict[str, Callable[..., Any]] = {
        **{one: partial(fold, one) for one in FOLDS},
        "matmul": partial(_add_product, matmul),
        "matmul_transposed": partial(_add_product, matmul_transposed),
        "retile_rows": retile_rows,
        "retile_columns": retile_columns,
        "multiply_add": _multiply_add,
        "signal": _signal,
    }
    return folds[name]


def initial_value(name: str, type: Attribute) -> Any:
    """
    What a fold of nothing gives, as an element of this type.

    Sizes that are not known are 0. Numbers are those of the identity, in single precision unless
    the type is double.
    """
    if not isinstance(type, TileType):
        return 1 if name == "signal" else int(identity(name, np.dtype(np.int64)))
    sizes = [size.value if size.is_static else 0 for size in (type.rows, type.columns)]
    whole = isinstance(type.element_type, IntegerType)
    numbers = np.int64 if whole else np.float64 if type.element_type == f64 else np.float32
    return Tile.of(np.full(sizes, identity(name, np.dtype(numbers)), numbers))


def _add_product(
    product: Callable[[Tile, Tile], Tile], state: Tile | None, x: Tile, y: Tile
) -> Tile:
    return fold("add", state, product(x, y))


def _multiply_add(state: Tile | None, x: Tile, y: Tile) -> Tile:
    return fold("add", None if state is None else binary(np.multiply, state, x), y)


def _signal(state: int | None, x: Any) -> int:
    return 1


def fold(name: str, state: Any, x: Any) -> Any:
    """One more tile (or integer) in a fold of elements; padding counts as nothing."""
    if state is None:
        return x
    if not isinstance(x, Tile):
        return binary(BINARY[name], state, x)
    array = BINARY[name](_filled(state, name), _filled(x, name))
    return Tile.masked(array, max(state.valid_rows, x.valid_rows))


def _filled(tile: Tile, name: str) -> Array:
    """The matrix with the identity of a fold as padding."""
    if tile.valid_rows == len(tile.array):
        return tile.array
    array = tile.array.copy()
    array[tile.valid_rows :] = identity(name, array.dtype)
    return array


def retile_rows(state: Tile | None, x: Tile) -> Tile:
    """The rows of both, valid ones first."""
    if state is None:
        return x
    valid = [state.array[: state.valid_rows], x.array[: x.valid_rows]]
    padding = [state.array[state.valid_rows :], x.array[x.valid_rows :]]
    return Tile(np.concatenate(valid + padding), state.valid_rows + x.valid_rows)


def retile_columns(state: Tile | None, x: Tile) -> Tile:
    """The columns of both."""
    if state is None:
        return x
    array = np.concatenate([state.array, x.array], axis=1)
    return Tile(array, max(state.valid_rows, x.valid_rows))


def split_rows(x: Tile, size: int, *, masked: bool) -> list[Tile]:
    """Tiles of `size` rows each; of a masked split only those with a valid row."""
    rows = x.valid_rows if masked else len(x.array)
    return [
        Tile(x.array[n : n + size], min(max(x.valid_rows - n, 0), size))
        for n in range(0, rows, size)
    ]


def split_columns(x: Tile, size: int) -> list[Tile]:
    """Tiles of `size` columns each."""
    return [Tile(x.array[:, n : n + size], x.valid_rows) for n in range(0, x.shape[1], size)]
