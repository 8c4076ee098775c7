"""
The meaning of `arith` and `math` on numbers of exactly their types.

Where the interpreter of entry IR computes all floats as float64, the values of loop nests are what
a machine has: an operation on f16, f32 or f64 rounds to that type, integers wrap around. A value is
a NumPy scalar, or an array for a value of vector type. NumPy has no bfloat16: its numbers are
float32 that are rounded after each operation.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import arith, vector
from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import (
    BFloat16Type,
    DenseIntOrFPElementsAttr,
    Float16Type,
    Float32Type,
    Float64Type,
    IndexType,
    IntegerType,
    MemRefType,
    VectorType,
)
from xdsl.ir import Attribute, Operation

from headrace.interpreters import scalars
from headrace.storage.bfloat16 import round_to_bfloat16
from headrace.storage.errors import InputError

Number: TypeAlias = np.generic | npt.NDArray[Any]

_FLOATS: Mapping[type[Attribute], np.dtype[Any]] = {
    Float16Type: np.dtype(np.float16),
    BFloat16Type: np.dtype(np.float32),
    Float32Type: np.dtype(np.float32),
    Float64Type: np.dtype(np.float64),
}
_INTEGERS: Mapping[int, np.dtype[Any]] = {
    1: np.dtype(np.bool_),
    8: np.dtype(np.int8),
    16: np.dtype(np.int16),
    32: np.dtype(np.int32),
    64: np.dtype(np.int64),
}


def element_of(type: Attribute) -> Attribute:
    """The element type of a vector or memref, or the type of a scalar itself."""
    if isinstance(type, VectorType | MemRefType):
        return cast("VectorType[Attribute]", type).element_type
    return type


def exact_dtype(type: Attribute) -> np.dtype[Any]:
    """
    The NumPy type of the values of a scalar, vector or memref type; float32 for bf16.

    Raises `InputError` for types that NumPy does not have.
    """
    element = element_of(type)
    found = _FLOATS.get(element.__class__)
    if isinstance(element, IndexType):
        found = np.dtype(np.int64)
    if isinstance(element, IntegerType):
        found = _INTEGERS.get(element.bitwidth)
    if found is None:
        raise InputError(f"values of type {element} cannot be interpreted in a loop nest")
    return found


def as_typed(value: npt.ArrayLike, type: Attribute, copy: bool = True) -> npt.NDArray[Any]:
    """
    `value` as an array of the element type of `type`, rounded where that is bf16.

    Without `copy` it is `value` itself if that has the type.
    """
    if isinstance(element_of(type), BFloat16Type):
        return round_to_bfloat16(np.asarray(value))
    return np.asarray(value).astype(exact_dtype(type), copy=copy)


def _floor_quotient(x: Any, y: Any) -> Any:
    if np.any(y == 0):
        raise InputError("a loop nest divides an integer by zero")
    return x // y


def _ceil_quotient(x: Any, y: Any) -> Any:
    floor = _floor_quotient(x, y)
    return floor + (floor * y != x).astype(floor.dtype)


def _signed_quotient(x: Any, y: Any) -> Any:
    """Rounded towards zero."""
    floor = _floor_quotient(x, y)
    inexact = (floor * y != x) & (floor < 0)
    return floor + inexact.astype(floor.dtype)


def _remainder(x: Any, y: Any) -> Any:
    """With the sign of `x`."""
    return x - _signed_quotient(x, y) * y


def _unsigned(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the bits of integers as numbers without a sign."""

    def apply(x: Any, y: Any) -> Any:
        x, y = np.asarray(x), np.asarray(y)
        bits = np.dtype(f"u{x.dtype.itemsize}")
        return function(x.view(bits), y.view(bits)).astype(bits).view(x.dtype)

    return apply


def _shift(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(x: Any, y: Any) -> Any:
        width = x.dtype.itemsize * 8
        if np.any((y < 0) | (y >= width)):
            raise InputError(f"a loop nest shifts an integer of {width} bits by {y}")
        return function(x, y)

    return apply


def _fused(x: Any, y: Any, z: Any) -> Any:
    """
    x * y + z with one rounding.

    The product of narrower numbers is exact in float64, and of those the sum is rounded to more
    than twice the digits first.
    """
    if x.dtype != np.float64:
        wide = x.astype(np.float64) * y.astype(np.float64) + z.astype(np.float64)
        return wide.astype(x.dtype)
    return _fused_double(x, y, z)


def _one_fused_double(x: float, y: float, z: float) -> float:
    plain = x * y + z
    if not np.isfinite((x, y, z)).all():
        return plain
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    try:
        return float(exact) if exact else plain
    except OverflowError:
        return plain


_fused_double = np.vectorize(_one_fused_double, otypes=[np.float64])

_FUNCTIONS: Mapping[type[Operation], Callable[..., Any]] = {
    arith.DivSIOp: _signed_quotient,
    arith.RemSIOp: _remainder,
    arith.FloorDivSIOp: _floor_quotient,
    arith.CeilDivSIOp: _ceil_quotient,
    arith.DivUIOp: _unsigned(_floor_quotient),
    arith.CeilDivUIOp: _unsigned(_ceil_quotient),
    arith.RemUIOp: _unsigned(_remainder),
    arith.MinUIOp: _unsigned(np.minimum),
    arith.MaxUIOp: _unsigned(np.maximum),
    arith.ShLIOp: _shift(np.left_shift),
    arith.ShRSIOp: _shift(np.right_shift),
    arith.ShRUIOp: _shift(_unsigned(np.right_shift)),
    math_dialect.FmaOp: _fused,
    math_dialect.FloorOp: np.floor,
    math_dialect.CeilOp: np.ceil,
    math_dialect.TruncOp: np.trunc,
    math_dialect.RoundEvenOp: np.rint,
    math_dialect.Exp2Op: np.exp2,
    math_dialect.ExpM1Op: np.expm1,
    math_dialect.Log1pOp: np.log1p,
    math_dialect.Log2Op: np.log2,
    math_dialect.CopySignOp: np.copysign,
    vector.FMAOp: _fused,
}
"""Operations that the entry IR has not."""


def evaluate(op: Operation, operands: Sequence[Any]) -> Number:
    """
    The result of one `arith` or `math` operation: a scalar, or an array for a vector.

    Raises `InputError` for a division by zero, a shift beyond the width, and an operation without
    meaning here.
    """
    type = op.results[0].type
    match op:
        case arith.ConstantOp():
            value = constant(op)
        case arith.TruncIOp():
            value = np.asarray(operands[0]).astype(np.int64)
            value = (value & 1) if exact_dtype(type) == np.bool_ else value
        case arith.TruncFOp() | arith.ExtFOp():
            value = operands[0]
        case _ if function := _FUNCTIONS.get(op.__class__):
            value = function(*operands)
        case _:
            value = scalars.evaluate(op, operands)
    typed = as_typed(value, type)
    return typed if isinstance(type, VectorType) else typed[()]


def constant(op: arith.ConstantOp) -> npt.NDArray[Any]:
    """The value of `arith.constant`, of which vectors have all their elements."""
    if isinstance(op.value, DenseIntOrFPElementsAttr):
        values = np.asarray(cast(Any, op.value).get_values())
        shape = cast("VectorType[Attribute]", op.result.type).get_shape()
        return np.broadcast_to(values, shape) if values.size == 1 else values.reshape(shape)
    return scalars.constant(op)
