"""
What the machines' ALUs compute: one pure function for each operation, as in IEEE 754.

Operands are numbers or arrays. The names are those of `sam.alu`; the interpreter computes with
this table, and the compiler folds constants with it, so that both mean the same.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Function = Callable[..., Any]


def _rsub(x: Any, scalar: float) -> Any:
    return np.subtract(scalar, x)


def _rdiv(x: Any, scalar: float) -> Any:
    return np.divide(scalar, x)


def _rsqrt(x: Any) -> Any:
    return np.divide(1.0, np.sqrt(x))


def _sigmoid(x: Any) -> Any:
    return np.divide(1.0, np.add(1.0, np.exp(np.negative(x))))


def _where(condition: Any, x: Any, y: Any) -> npt.NDArray[Any]:
    numbers: npt.NDArray[Any] = np.asarray(x)
    return np.where(np.not_equal(condition, 0), numbers, y)


def _mask(x: Any, mask: Any, scalar: float) -> Any:
    return _where(mask, x, scalar)


def _fill(x: Any, mask: Any, scalar: float) -> Any:
    return _where(mask, scalar, x)


_erf: Function = np.vectorize(math.erf, otypes=[np.float64])

FUNCTIONS: Mapping[str, Function] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "rsub": _rsub,
    "rdiv": _rdiv,
    "matmul": np.matmul,
    "neg": np.negative,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": _rsqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "erf": _erf,
    "mask": _mask,
    "fill": _fill,
    "where": _where,
    "transpose": np.transpose,
    "row_add": partial(np.sum, axis=1, keepdims=True),
    "row_max": partial(np.max, axis=1, keepdims=True),
    "row_min": partial(np.min, axis=1, keepdims=True),
    "column_add": partial(np.sum, axis=0, keepdims=True),
    "column_max": partial(np.max, axis=0, keepdims=True),
    "column_min": partial(np.min, axis=0, keepdims=True),
}
"""Each operation by its name, of its streams and then its scalar."""


def evaluate(name: str, operands: Sequence[Any]) -> Any:
    """The function `name` of `operands`; division by zero and the like give inf and NaN."""
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[name](*operands))
