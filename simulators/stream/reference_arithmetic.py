"""
The arithmetic of the `alu` and `reduce` primitives, on floats and on tiles alike.

Division and logarithms follow IEEE 754: infinities and NaNs are results, not errors.
"""

import operator
from collections.abc import Callable
from math import erf
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Function = Callable[..., Any]
OfOne = Callable[[Any], Any]
OfTwo = Callable[[Any, Any], Any]

REDUCTIONS: dict[str, tuple[float, OfTwo]] = {
    "add": (0.0, operator.add),
    "max": (-np.inf, np.maximum),
    "min": (np.inf, np.minimum),
}
"""The value of an empty fiber, and how two values combine."""

EXACT: dict[str, OfTwo] = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
"""Python's own arithmetic never raises here and is faster than numpy's on single floats."""

BINARY: dict[str, OfTwo] = {
    "div": np.divide,
    "rsub": lambda a, b: b - a,
    "rdiv": lambda a, b: np.divide(b, a),
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "gt": lambda a, b: np.where(a > b, 1.0, 0.0),
    "ge": lambda a, b: np.where(a >= b, 1.0, 0.0),
    "lt": lambda a, b: np.where(a < b, 1.0, 0.0),
    "le": lambda a, b: np.where(a <= b, 1.0, 0.0),
    "eq": lambda a, b: np.where(a == b, 1.0, 0.0),
    "ne": lambda a, b: np.where(a != b, 1.0, 0.0),
    "matmul": np.dot,
}
"""On two streams, or on one stream and a scalar as second operand."""

UNARY: dict[str, OfOne] = {
    "neg": operator.neg,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "erf": np.vectorize(erf, otypes=[float]),
}

OF_TILES: dict[str, OfOne] = {
    "transpose": np.transpose,
    "row_add": lambda x: np.sum(x, axis=1, keepdims=True),
    "row_max": lambda x: np.max(x, axis=1, keepdims=True),
    "row_min": lambda x: np.min(x, axis=1, keepdims=True),
    "column_add": lambda x: np.sum(x, axis=0, keepdims=True),
    "column_max": lambda x: np.max(x, axis=0, keepdims=True),
    "column_min": lambda x: np.min(x, axis=0, keepdims=True),
}
"""On one tile: the transpose, and one column or row of what rows or columns combine to."""


def select(c: Array, a: Array, b: Array) -> Array:
    return np.where(c != 0, a, b)


def keep_where(scalar: float) -> OfTwo:
    return lambda x, m: np.where(m != 0, x, scalar)


def fill_where(scalar: float) -> OfTwo:
    return lambda x, m: np.where(m != 0, scalar, x)


MASKED: dict[str, Callable[[float], OfTwo]] = {"mask": keep_where, "fill": fill_where}


def arithmetic(op: str, operands: int, scalar: float) -> Function:
    """
    The function of `operands` operands that an `alu` computes.

    `mask` (x, m) is x where m != 0 else the scalar; `fill` (x, m) the scalar where m != 0 else x;
    `where` (c, a, b) is a where c != 0 else b. A binary operation with one operand takes the
    scalar as its second.
    """
    if op == "where":
        return on_arrays(select)
    if op in UNARY or op in OF_TILES:
        return on_arrays((UNARY | OF_TILES)[op])
    if op in MASKED and operands == 2:
        return on_arrays(MASKED[op](scalar))
    function = EXACT[op] if op in EXACT else on_arrays(BINARY[op])
    return function if operands == 2 else with_second(function, scalar)


def with_second(function: OfTwo, scalar: float) -> OfOne:
    return lambda x: function(x, scalar)


def on_arrays(function: Function) -> Function:
    """Apply a numpy function to floats or tiles; floats come back as floats."""

    def call(*operands: Any) -> Any:
        with np.errstate(all="ignore"):
            result = function(*(np.asarray(x, dtype=np.float64) for x in operands))
        return result if np.ndim(result) else float(result)

    return call


def on_tiles(function: Function, op: str, rows: int, columns: int, inner: int) -> Function:
    """
    `function` of tiles, with a result of rows x columns.

    A number among the operands is a tile of that number: absent tiles and empty sums are numbers.
    """
    shapes = {
        "matmul": [(rows, inner), (inner, columns)],
        "transpose": [(columns, rows)],
        "row": [(rows, inner)],
        "column": [(inner, columns)],
    }.get(op.split("_")[0])

    def call(*operands: Any) -> Array:
        if shapes is not None:
            operands = tuple(map(np.broadcast_to, operands, shapes))
        return np.broadcast_to(function(*operands), (rows, columns))

    return call


def flattened(values: list[Any], tile: tuple[int, int]) -> Array:
    """
    The entries of all values, tile after tile; a number among tiles is a tile of that number.

    Empty sums are numbers whatever the type of the stream.
    """
    tiles = [np.broadcast_to(value, tile).reshape(-1) for value in values]
    return np.concatenate(tiles) if tiles else np.zeros(0)
