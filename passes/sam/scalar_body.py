"""
Scalar bodies of linalg operations as expressions.

One pattern table from `arith` and `math` operations to the operations of `sam.alu`, with
constants folded into the `scalar` of their user. Streams carry float64, whatever the type in the
body: casts to a wider type change nothing, and `truncf` does not round. Where `sam.alu` would
compute something else than `arith` (booleans that are added, integers read as unsigned), the
operation is refused.
"""

import math
from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    i1,
    i64,
)
from xdsl.ir import Attribute, Operation

from headrace.passes.sam.expression import (
    Constant,
    Expression,
    Expressions,
    Map,
    Scalar,
)
from headrace.passes.sam.refusal import fail
from headrace.storage.functions import evaluate

ALU_OF: dict[type[Operation], str] = {
    arith.AddfOp: "add",
    arith.AddiOp: "add",
    arith.SubfOp: "sub",
    arith.SubiOp: "sub",
    arith.MulfOp: "mul",
    arith.MuliOp: "mul",
    arith.DivfOp: "div",
    arith.MaximumfOp: "max",
    arith.MaxSIOp: "max",
    arith.MinimumfOp: "min",
    arith.MinSIOp: "min",
    arith.NegfOp: "neg",
    math_dialect.AbsFOp: "abs",
    math_dialect.AbsIOp: "abs",
    math_dialect.ExpOp: "exp",
    math_dialect.LogOp: "log",
    math_dialect.SqrtOp: "sqrt",
    math_dialect.RsqrtOp: "rsqrt",
    math_dialect.SinOp: "sin",
    math_dialect.CosOp: "cos",
    math_dialect.TanhOp: "tanh",
    math_dialect.ErfOp: "erf",
    math_dialect.PowFOp: "pow",
}
"""One operation of `sam.alu` each; on integers of two bits or more, or on floats."""

_LOGIC: dict[type[Operation], str] = {
    arith.AndIOp: "mul",
    arith.OrIOp: "max",
    arith.XOrIOp: "ne",
}
"""Operations on booleans; those on the bits of wider integers have no counterpart."""

NUMBER_OF: dict[type[Operation], str] = {arith.MaxnumfOp: "max", arith.MinnumfOp: "min"}
"""Maxima and minima that are NaN only where both operands are."""

_CASTS = (
    arith.ExtFOp,
    arith.TruncFOp,
    arith.ExtSIOp,
    arith.ExtUIOp,
    arith.SIToFPOp,
    arith.UIToFPOp,
    arith.IndexCastOp,
)

FLOAT_PREDICATES: dict[str, tuple[str, bool]] = {
    "oeq": ("eq", True),
    "ogt": ("gt", True),
    "oge": ("ge", True),
    "olt": ("lt", True),
    "ole": ("le", True),
    "une": ("ne", True),
    "ugt": ("le", False),
    "uge": ("lt", False),
    "ult": ("ge", False),
    "ule": ("gt", False),
}
"""The comparison of `sam.alu` behind a predicate, and whether it must hold or must not."""

INTEGER_PREDICATES = {
    "eq": "eq",
    "ne": "ne",
    "slt": "lt",
    "sle": "le",
    "sgt": "gt",
    "sge": "ge",
}
BOOLEAN_PREDICATES = {
    "eq": "eq",
    "ne": "ne",
    "ult": "lt",
    "ule": "le",
    "ugt": "gt",
    "uge": "ge",
}
"""A signed comparison of `i1` would take true for -1."""


_SWAPPED = {
    "add": "add",
    "mul": "mul",
    "max": "max",
    "min": "min",
    "sub": "rsub",
    "rsub": "sub",
    "div": "rdiv",
    "rdiv": "div",
    "gt": "lt",
    "lt": "gt",
    "ge": "le",
    "le": "ge",
    "eq": "eq",
    "ne": "ne",
}

_NEUTRAL = {("add", 0.0), ("sub", 0.0), ("mul", 1.0), ("div", 1.0), ("pow", 1.0)}


def constant_of(attribute: Attribute) -> float | None:
    """The number that an attribute holds, also where a dense attribute repeats one number."""
    match attribute:
        case IntegerAttr(type=type) if type == i1:
            # xDSL stores `true` as -1.
            return float(attribute.value.data != 0)
        case FloatAttr() | IntegerAttr():
            return float(attribute.value.data)
        case DenseIntOrFPElementsAttr() if attribute.is_splat():
            value = attribute.get_values()[0]
            if not isinstance(value, int | float):
                return None
            return float(value != 0) if attribute.get_element_type() == i1 else float(value)
        case _:
            return None


def apply(expressions: Expressions, op: str, operands: Sequence[Scalar]) -> Scalar:
    """`op` of `sam.alu` on scalars, with constants folded."""
    match operands:
        case (Constant(left), Constant(right)):
            return Constant(float(evaluate(op, (left, right))))
        case (Constant(value),):
            return Constant(float(evaluate(op, (value,))))
        case (Constant(left), right) if not isinstance(right, Constant):
            if op == "pow":
                return _power(expressions, left, right)
            return expressions.map(_SWAPPED[op], (right,), left)
        case (left, Constant(right)) if not isinstance(left, Constant):
            return left if (op, right) in _NEUTRAL else expressions.map(op, (left,), right)
        case _:
            return expressions.map(op, [o for o in operands if not isinstance(o, Constant)])


def _power(expressions: Expressions, base: float, exponent: Expression) -> Scalar:
    """A number to the power of a stream, which the scalar of `sam.alu` cannot be."""
    if base == 1:
        return Constant(1.0)
    if 0 < base < math.inf:
        scaled = expressions.map("mul", (exponent,), math.log(base))
        return expressions.map("exp", (scaled,))
    return expressions.map("pow", (_everywhere(expressions, base, exponent), exponent))


def _everywhere(expressions: Expressions, value: float, like: Expression) -> Expression:
    """`value` wherever `like` is computed: where it is zero, and where it is not."""
    where_nonzero = expressions.map("fill", (like, like), value)
    return expressions.map("mask", (where_nonzero, like), value)


def _number(expressions: Expressions, op: str, x: Scalar, y: Scalar) -> Scalar:
    """The maximum or minimum of what is a number."""
    both = apply(expressions, op, (x, y))
    x_or_both = _where(expressions, apply(expressions, "ne", (y, y)), x, both)
    return _where(expressions, apply(expressions, "ne", (x, x)), y, x_or_both)


def _where(expressions: Expressions, condition: Scalar, chosen: Scalar, other: Scalar) -> Scalar:
    if isinstance(condition, Constant):
        return chosen if condition.value else other
    if isinstance(condition, Map) and condition.scalar == 0.0 and len(condition.operands) == 1:
        tested = condition.operands[0]
        if condition.op in ("le", "lt") and other is tested and chosen == Constant(0.0):
            # With NaN, which is not smaller, as in `max`; a test of "greater" would drop it.
            return expressions.map("max", (tested,), 0.0)
        if condition.op == "ne":
            return _where(expressions, tested, chosen, other)
        if condition.op == "eq":
            return _where(expressions, tested, other, chosen)
    match chosen, other:
        case Constant(one), Constant(zero):
            zero_kept = expressions.map("mask", (condition, condition), zero)
            return expressions.map("fill", (zero_kept, condition), one)
        case kept, Constant(value) if not isinstance(kept, Constant):
            return expressions.map("mask", (kept, condition), value)
        case Constant(value), kept if not isinstance(kept, Constant):
            return expressions.map("fill", (kept, condition), value)
        case left, right if not isinstance(left, Constant) and not isinstance(right, Constant):
            return expressions.map("where", (condition, left, right))
        case _:
            raise AssertionError("a pair of scalars is one of the four cases")


def _compare(
    expressions: Expressions, op: arith.CmpfOp | arith.CmpiOp, x: Scalar, y: Scalar
) -> Scalar:
    if isinstance(op, arith.CmpfOp):
        name = arith.CMPF_COMPARISON_OPERATIONS[op.predicate.value.data]
        known: dict[str, tuple[str, bool]] = FLOAT_PREDICATES
    else:
        name = arith.CMPI_COMPARISON_OPERATIONS[op.predicate.value.data]
        table = BOOLEAN_PREDICATES if op.lhs.type == i1 else INTEGER_PREDICATES
        known = {predicate: (alu, True) for predicate, alu in table.items()}
    if name not in known:
        raise fail(
            op,
            f"the comparison '{name}' of {op.lhs.type} has no counterpart in sam.alu; "
            f"supported are {', '.join(known)}",
        )
    alu, holds = known[name]
    compared = apply(expressions, alu, (x, y))
    return compared if holds else apply(expressions, "eq", (compared, Constant(0.0)))


def _cast(expressions: Expressions, op: Operation, value: Scalar) -> Scalar:
    source, target = op.operands[0].type, op.results[0].type
    if isinstance(op, arith.ExtSIOp | arith.SIToFPOp) and source == i1:
        # A signed integer of one bit is 0 or -1.
        return apply(expressions, "neg", (value,))
    unsigned = isinstance(op, arith.ExtUIOp | arith.UIToFPOp) and source != i1
    narrowed = isinstance(op, arith.IndexCastOp) and IndexType() == source and target != i64
    if unsigned or narrowed:
        raise fail(
            op,
            f"the cast from {source} to {target} may change the number, and values of "
            "streams are not cast; use a signed, wider type",
        )
    return value


def read_scalar_op(
    expressions: Expressions, op: Operation, read: Callable[[int], Scalar]
) -> Scalar:
    """
    The expression of a scalar operation; `read(k)` is its operand number k.

    Raises `PassFailedException` naming the operation that the pattern table lacks.
    """
    count = len(op.operands)
    if isinstance(op, arith.ConstantOp):
        value = constant_of(op.value)
        if value is not None:
            return Constant(value)
    if isinstance(op, _CASTS):
        return _cast(expressions, op, read(0))
    if isinstance(op, arith.CmpfOp | arith.CmpiOp):
        return _compare(expressions, op, read(0), read(1))
    if isinstance(op, arith.SelectOp):
        return _where(expressions, read(0), read(1), read(2))
    if type(op) in NUMBER_OF:
        return _number(expressions, NUMBER_OF[type(op)], read(0), read(1))
    is_boolean = count > 0 and op.results[0].type == i1
    if type(op) in _LOGIC and is_boolean:
        return apply(expressions, _LOGIC[type(op)], (read(0), read(1)))
    if type(op) in _LOGIC:
        raise fail(op, "sam.alu has no operations on the bits of integers, only those on i1")
    alu = ALU_OF.get(type(op))
    if alu is None:
        known = ", ".join(sorted(kind.name for kind in (*ALU_OF, *NUMBER_OF)))
        raise fail(op, f"it has no counterpart in sam.alu; supported are {known}")
    if is_boolean:
        raise fail(op, "sam.alu computes on numbers, not modulo 2; use andi, ori or xori on i1")
    return apply(expressions, alu, [read(k) for k in range(count)])
