"""
Scalar arithmetic inside the body of a `linalg.generic`.

`Scalars` picks the `arith` or `math` operation by the type of its operands, so that the same
body serves f32, f64 and integers. Operands of a binary operation must have one type; `cast`
changes it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, cast

from xdsl.dialects import arith, tensor
from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import (
    AnyFloat,
    AnyTensorType,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    f32,
    i1,
    i64,
)
from xdsl.dialects.linalg.ops import IndexOp
from xdsl.ir import Attribute, Operation, SSAValue

from headrace.storage.errors import InputError

Predicate = Literal["eq", "ne", "lt", "le", "gt", "ge"]

_FLOAT_BINARY: dict[str, Callable[[SSAValue, SSAValue], Operation]] = {
    "add": arith.AddfOp,
    "sub": arith.SubfOp,
    "mul": arith.MulfOp,
    "div": arith.DivfOp,
    "max": arith.MaximumfOp,
    "min": arith.MinimumfOp,
    "pow": math_dialect.PowFOp,
}
_INTEGER_BINARY: dict[str, Callable[[SSAValue, SSAValue], Operation]] = {
    "add": arith.AddiOp,
    "sub": arith.SubiOp,
    "mul": arith.MuliOp,
    "max": arith.MaxSIOp,
    "min": arith.MinSIOp,
}
_FLOAT_UNARY: dict[str, Callable[[SSAValue], Operation]] = {
    "neg": arith.NegfOp,
    "abs": math_dialect.AbsFOp,
    "exp": math_dialect.ExpOp,
    "log": math_dialect.LogOp,
    "sqrt": math_dialect.SqrtOp,
    "rsqrt": math_dialect.RsqrtOp,
    "sin": math_dialect.SinOp,
    "cos": math_dialect.CosOp,
    "tanh": math_dialect.TanhOp,
    "erf": math_dialect.ErfOp,
}

UNARY = frozenset(_FLOAT_UNARY)
"""Names that `Scalars.unary` takes for floating-point operands."""

BINARY = frozenset(_FLOAT_BINARY)
"""Names that `Scalars.binary` takes for floating-point operands."""


class Scalars:
    """Emits scalar operations through `insert`, which places an operation and returns it."""

    def __init__(self, insert: Callable[[Operation], Operation]):
        self._place = insert

    def constant(self, value: float, type: Attribute) -> SSAValue:
        """A constant of a float, integer or boolean type."""
        if isinstance(type, AnyFloat):
            return self._insert(arith.ConstantOp(FloatAttr(float(value), type)))
        if isinstance(type, IntegerType):
            if not math.isfinite(value) or value != int(value):
                raise InputError(f"the constant {value} does not fit the element type {type}")
            attribute: IntegerAttr[IntegerType] = IntegerAttr(int(value), cast(IntegerType, type))
            return self._insert(arith.ConstantOp(attribute))
        raise InputError(f"constants of type {type} are not supported")

    def unary(self, name: str, x: SSAValue) -> SSAValue:
        """Apply one of `UNARY`; integers know `neg` and `abs` only."""
        if isinstance(x.type, AnyFloat):
            return self._insert(_FLOAT_UNARY[name](x))
        if name == "neg":
            return self.binary("sub", self.constant(0, x.type), x)
        if name == "abs":
            return self._insert(math_dialect.AbsIOp(x))
        raise InputError(f"'{name}' needs a floating-point operand, not {x.type}")

    def binary(self, name: str, x: SSAValue, y: SSAValue) -> SSAValue:
        """Apply one of `BINARY`, or `and`, `or`, `xor` for booleans."""
        if x.type == i1 and name in ("and", "or", "xor"):
            return self._logical(name, x, y)
        table = _FLOAT_BINARY if isinstance(x.type, AnyFloat) else _INTEGER_BINARY
        if name not in table or x.type == i1:
            raise InputError(f"'{name}' of operands of type {x.type} is not supported")
        return self._insert(table[name](x, y))

    def _logical(self, name: str, x: SSAValue, y: SSAValue) -> SSAValue:
        """Booleans as choices, which machines without bits can follow."""
        if name == "xor":
            return self.select(x, self.compare("eq", y, self.constant(0, i1)), y)
        return self.select(x, y, x) if name == "and" else self.select(x, x, y)

    def compare(self, predicate: Predicate, x: SSAValue, y: SSAValue) -> SSAValue:
        """
        An `i1`, as in IEEE 754: every comparison with NaN is false but `ne`.

        Integers compare as signed numbers, booleans with false < true.
        """
        if isinstance(x.type, AnyFloat):
            ordered = "une" if predicate == "ne" else f"o{predicate}"
            return self._insert(arith.CmpfOp(x, y, ordered))
        equality = predicate in ("eq", "ne")
        sign = "" if equality else "u" if x.type == i1 else "s"
        return self._insert(arith.CmpiOp(x, y, sign + predicate))

    def select(self, condition: SSAValue, x: SSAValue, y: SSAValue) -> SSAValue:
        """`x` where the `i1` `condition` holds, else `y`."""
        return self._insert(arith.SelectOp(condition, x, y))

    def nonzero(self, x: SSAValue) -> SSAValue:
        """Whether `x` is not zero, as an `i1`; an `i1` is its own answer."""
        if x.type == i1:
            return x
        return self.compare("ne", x, self.constant(0, x.type))

    def loop(self, number: int) -> SSAValue:
        """The coordinate along a loop of the operation."""
        return self._insert(IndexOp(number))

    def element(self, source: SSAValue, places: Sequence[SSAValue]) -> SSAValue:
        """The element of a tensor at coordinates."""
        type = cast(AnyTensorType, source.type).element_type
        return self._insert(tensor.ExtractOp(source, places, type))

    def cast(self, x: SSAValue, type: Attribute) -> SSAValue:
        """The value of `x` in another type; floats go to integers by truncation."""
        source = x.type
        if source == type:
            return x
        if type == i1:
            return self.nonzero(x)
        if isinstance(type, IndexType):
            return self._insert(arith.IndexCastOp(self.cast(x, i64), type))
        if isinstance(source, IndexType):
            if type == i64:
                return self._insert(arith.IndexCastOp(x, type))
            return self.cast(self.cast(x, i64), type)
        if isinstance(source, IntegerType) and isinstance(type, IntegerType):
            if source.bitwidth > type.bitwidth:
                return self._insert(arith.TruncIOp(x, cast(IntegerType, type)))
            extend = arith.ExtUIOp if source == i1 else arith.ExtSIOp
            return self._insert(extend(x, cast(IntegerType, type)))
        if isinstance(source, IntegerType) and isinstance(type, AnyFloat):
            convert = arith.UIToFPOp if source == i1 else arith.SIToFPOp
            return self._insert(convert(x, type))
        if isinstance(source, AnyFloat) and isinstance(type, IntegerType):
            return self._insert(arith.FPToSIOp(x, cast(IntegerType, type)))
        if isinstance(source, AnyFloat) and isinstance(type, AnyFloat):
            if source.bitwidth == type.bitwidth:
                return self.cast(self.cast(x, f32), type)
            widen = source.bitwidth < type.bitwidth
            return self._insert((arith.ExtFOp if widen else arith.TruncFOp)(x, type))
        raise InputError(f"a value of type {source} cannot be cast to {type}")

    def _insert(self, op: Operation) -> SSAValue:
        return self._place(op).results[0]


Body: TypeAlias = Callable[[Scalars, Sequence[SSAValue]], SSAValue]
"""`body(scalars, values) -> value`: one scalar for each tensor operand."""


def unary(name: str) -> Body:
    """The body `name(x)`."""

    def body(s: Scalars, x: Sequence[SSAValue]) -> SSAValue:
        return s.unary(name, x[0])

    return body


def binary(name: str) -> Body:
    """The body `name(x, y)`."""

    def body(s: Scalars, x: Sequence[SSAValue]) -> SSAValue:
        return s.binary(name, x[0], x[1])

    return body
