"""What ALUs and reductions compute on values: Python numbers, or arrays (tiles)."""

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import AnyTensorType, IntegerType, TensorType
from xdsl.ir import Attribute

from headrace.dialects import sam

Value = int | float | npt.NDArray[Any]

Unary = Callable[[Any], Any]
Binary = Callable[[Any, Any], Any]
Ternary = Callable[[Any, Any, Any], Any]


def zero(type: Attribute) -> Value:
    """The zero of a stream's element type, which an absent value counts as."""
    assert isinstance(type, sam.StreamType)
    element = type.element_type
    if isinstance(element, TensorType):
        tile = cast(AnyTensorType, element)
        integers = isinstance(tile.element_type, IntegerType)
        return np.zeros(tile.get_shape(), np.int64 if integers else np.float64)
    return 0 if isinstance(element, IntegerType) else 0.0


def _rsqrt(x: Value) -> Any:
    return np.divide(1.0, np.sqrt(x))


def _sigmoid(x: Value) -> Any:
    return np.divide(1.0, np.add(1.0, np.exp(np.negative(x))))


def _where(condition: Value, x: Value, y: Value) -> npt.NDArray[Any]:
    return np.where(np.not_equal(condition, 0), x, y)


def _mask(x: Value, mask: Value, scalar: float) -> npt.NDArray[Any]:
    return _where(mask, x, scalar)


def _fill(x: Value, mask: Value, scalar: float) -> npt.NDArray[Any]:
    return _where(mask, scalar, x)


_BINARY: dict[sam.AluKind, Binary] = {
    sam.AluKind.ADD: np.add,
    sam.AluKind.SUB: np.subtract,
    sam.AluKind.MUL: np.multiply,
    sam.AluKind.DIV: np.divide,
    sam.AluKind.MAX: np.maximum,
    sam.AluKind.MIN: np.minimum,
    sam.AluKind.POW: np.power,
    sam.AluKind.GT: np.greater,
    sam.AluKind.GE: np.greater_equal,
    sam.AluKind.LT: np.less,
    sam.AluKind.LE: np.less_equal,
    sam.AluKind.EQ: np.equal,
    sam.AluKind.NE: np.not_equal,
    sam.AluKind.RSUB: lambda x, s: np.subtract(s, x),
    sam.AluKind.RDIV: lambda x, s: np.divide(s, x),
    sam.AluKind.MATMUL: np.matmul,
}

_UNARY: dict[sam.AluKind, Unary] = {
    sam.AluKind.NEG: np.negative,
    sam.AluKind.ABS: np.abs,
    sam.AluKind.EXP: np.exp,
    sam.AluKind.LOG: np.log,
    sam.AluKind.SQRT: np.sqrt,
    sam.AluKind.RSQRT: _rsqrt,
    sam.AluKind.SIN: np.sin,
    sam.AluKind.COS: np.cos,
    sam.AluKind.TANH: np.tanh,
    sam.AluKind.SIGMOID: _sigmoid,
    sam.AluKind.ERF: np.vectorize(math.erf, otypes=[np.float64]),
}

_CHOICE: dict[sam.AluKind, Ternary] = {
    sam.AluKind.MASK: _mask,
    sam.AluKind.FILL: _fill,
    sam.AluKind.WHERE: _where,
}

FUNCTIONS: dict[sam.AluKind, Unary | Binary | Ternary] = {**_BINARY, **_UNARY, **_CHOICE}


def compute(kind: sam.AluKind, inputs: list[Value], scalar: float | None, like: Value) -> Value:
    """
    One result of an ALU, a number or tile of the same type as `like`.

    Division by zero and the like give IEEE results (inf, nan).
    """
    function = cast(Callable[..., Any], FUNCTIONS[kind])
    operands = inputs if scalar is None else [*inputs, scalar]
    with np.errstate(all="ignore"):
        result = np.asarray(function(*operands))
    if np.ndim(like):
        return result.astype(np.asarray(like).dtype)
    return int(result) if isinstance(like, int) else float(result)


COMBINE: dict[sam.ReductionKind, Binary] = {
    sam.ReductionKind.ADD: lambda x, y: x + y,
    sam.ReductionKind.MAX: lambda x, y: _like(x, np.maximum(x, y)),
    sam.ReductionKind.MIN: lambda x, y: _like(x, np.minimum(x, y)),
}


def start(kind: sam.ReductionKind, zero: Value) -> Value:
    """What the reduction of nothing gives, of the same type as `zero`."""
    if kind is sam.ReductionKind.ADD:
        return zero
    if np.asarray(zero).dtype.kind == "i":
        bounds = np.iinfo(np.int64)
        return _like(zero, zero + (bounds.min if kind is sam.ReductionKind.MAX else bounds.max))
    return _like(zero, zero + (-math.inf if kind is sam.ReductionKind.MAX else math.inf))


def _like(model: Value, value: Any) -> Value:
    if np.ndim(model):
        return np.asarray(value)
    return int(value) if isinstance(model, int) else float(value)
