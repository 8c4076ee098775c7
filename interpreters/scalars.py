"""The meaning of `arith` and `math` operations on NumPy arrays, element by element."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import arith
from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import (
    AnyFloat,
    AnyTensorType,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    TensorType,
    i1,
)
from xdsl.ir import Attribute, Operation

from headrace.storage.errors import InputError

Array: TypeAlias = npt.NDArray[Any]
Scalar: TypeAlias = Callable[..., Any]

_ORDERED: Mapping[str, Scalar] = {
    "eq": np.equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "ne": np.not_equal,
}


_MODULO_2: Mapping[type[Operation], Scalar] = {
    arith.AddiOp: np.logical_xor,
    arith.SubiOp: np.logical_xor,
    arith.MuliOp: np.logical_and,
    arith.MaxSIOp: np.logical_and,
    arith.MinSIOp: np.logical_or,
    math_dialect.AbsIOp: np.asarray,
}
"""Arithmetic on integers of one bit, of which the signed values are 0 and -1."""


def _rsqrt(x: Array) -> Array:
    return 1.0 / np.sqrt(x)


def _fma(x: Array, y: Array, z: Array) -> Array:
    return x * y + z


_erf: Scalar = np.vectorize(math.erf, otypes=[np.float64])

FUNCTIONS: Mapping[type[Operation], Scalar] = {
    arith.AddfOp: np.add,
    arith.SubfOp: np.subtract,
    arith.MulfOp: np.multiply,
    arith.DivfOp: np.divide,
    arith.NegfOp: np.negative,
    arith.MaximumfOp: np.maximum,
    arith.MinimumfOp: np.minimum,
    arith.MaxnumfOp: np.fmax,
    arith.MinnumfOp: np.fmin,
    arith.AddiOp: np.add,
    arith.SubiOp: np.subtract,
    arith.MuliOp: np.multiply,
    arith.MaxSIOp: np.maximum,
    arith.MinSIOp: np.minimum,
    arith.AndIOp: np.bitwise_and,
    arith.OrIOp: np.bitwise_or,
    arith.XOrIOp: np.bitwise_xor,
    arith.SelectOp: np.where,
    math_dialect.AbsFOp: np.abs,
    math_dialect.AbsIOp: np.abs,
    math_dialect.ExpOp: np.exp,
    math_dialect.LogOp: np.log,
    math_dialect.SqrtOp: np.sqrt,
    math_dialect.RsqrtOp: _rsqrt,
    math_dialect.SinOp: np.sin,
    math_dialect.CosOp: np.cos,
    math_dialect.TanhOp: np.tanh,
    math_dialect.ErfOp: _erf,
    math_dialect.PowFOp: np.power,
    math_dialect.FmaOp: _fma,
}
"""Operations whose meaning is one function of their operands."""

REDUCTIONS: Mapping[type[Operation], np.ufunc] = {
    arith.AddfOp: np.add,
    arith.MulfOp: np.multiply,
    arith.MaximumfOp: np.maximum,
    arith.MinimumfOp: np.minimum,
    arith.AddiOp: np.add,
    arith.MuliOp: np.multiply,
    arith.MaxSIOp: np.maximum,
    arith.MinSIOp: np.minimum,
}
"""Associative operations, by which a dimension can be reduced in any order."""

_CASTS = (
    arith.FPToSIOp,
    arith.FPToUIOp,
    arith.ExtFOp,
    arith.TruncFOp,
    arith.IndexCastOp,
)


def dtype(type: Attribute) -> np.dtype[Any]:
    """The NumPy type in which values of a scalar or tensor type are computed."""
    element = cast(AnyTensorType, type).element_type if isinstance(type, TensorType) else type
    if isinstance(element, AnyFloat):
        return np.dtype(np.float64)
    if element == i1:
        return np.dtype(np.bool_)
    if isinstance(element, IntegerType | IndexType):
        return np.dtype(np.int64)
    raise InputError(f"values of type {type} cannot be interpreted")


def evaluate(op: Operation, operands: Sequence[Array]) -> Array:
    """
    The result of one `arith` or `math` operation.

    Raises `InputError` for an operation that has no meaning here.
    """
    if type(op) in _MODULO_2 and op.results[0].type == i1:
        return _MODULO_2[type(op)](*operands)
    if function := FUNCTIONS.get(type(op)):
        return function(*operands)
    match op:
        case arith.ConstantOp():
            return constant(op)
        case arith.CmpfOp():
            predicate = arith.CMPF_COMPARISON_OPERATIONS[op.predicate.value.data]
            return _compare_floats(predicate, *operands)
        case arith.CmpiOp():
            predicate = arith.CMPI_COMPARISON_OPERATIONS[op.predicate.value.data]
            read = _unsigned if predicate[0] == "u" else _signed
            return _ORDERED[predicate[-2:]](*map(read, operands))
        case arith.ExtSIOp() | arith.SIToFPOp():
            return _signed(operands[0]).astype(dtype(op.results[0].type))
        case arith.ExtUIOp() | arith.UIToFPOp():
            bits = cast(IntegerType, op.operands[0].type).bitwidth
            value = _unsigned(operands[0]) & np.uint64(2**bits - 1)
            return value.astype(dtype(op.results[0].type))
        case arith.TruncIOp() if op.result.type == i1:
            return (operands[0] & 1).astype(np.bool_)
        case arith.TruncIOp():
            dropped = 64 - op.result.type.bitwidth
            return (operands[0] << dropped) >> dropped
        case _ if isinstance(op, _CASTS):
            return operands[0].astype(dtype(op.results[0].type))
        case _:
            raise InputError(f"the operation {op.name} is not part of the entry IR")


def constant(op: arith.ConstantOp) -> Array:
    """The value of `arith.constant`: a scalar, or a tensor of its shape."""
    wanted = dtype(op.result.type)
    match op.value:
        case FloatAttr() | IntegerAttr():
            return np.asarray(op.value.value.data).astype(wanted)
        case DenseIntOrFPElementsAttr():
            shape = cast(AnyTensorType, op.result.type).get_shape()
            values = np.asarray(cast(Any, op.value).get_values()).astype(wanted)
            return np.broadcast_to(values, shape) if values.size == 1 else values.reshape(shape)
        case _:
            raise InputError(f"a constant {op.value} cannot be interpreted")


def _signed(x: Array) -> Array:
    """Integers as they are, booleans as integers of one bit: true is -1."""
    return -x.astype(np.int64) if x.dtype == np.bool_ else x


def _unsigned(x: Array) -> Array:
    """The bits of integers as a number without a sign."""
    return x.astype(np.int64).view(np.uint64)


def _compare_floats(predicate: str, x: Array, y: Array) -> Array:
    unordered = np.isnan(x) | np.isnan(y)
    match predicate:
        case "true" | "false":
            return np.full(unordered.shape, predicate == "true")
        case "ord":
            return ~unordered
        case "uno":
            return unordered
        case _:
            holds = _ORDERED[predicate[1:]](x, y)
            return holds | unordered if predicate[0] == "u" else holds & ~unordered
