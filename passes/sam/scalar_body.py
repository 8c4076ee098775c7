"""
Scalar bodies of linalg operations as expressions.

One pattern table from `arith` and `math` operations to the operations of `sam.alu`, with
constants folded into the `scalar` of their user.
"""

import math
from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects import math as math_dialect
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, FloatAttr, IntegerAttr, i1
from xdsl.ir import Attribute, Operation

from headrace.passes.sam.expression import (
    Constant,
    Expressions,
    Map,
    Scalar,
    evaluate_scalar,
)
from headrace.passes.sam.refusal import fail

_ALU_OF: dict[type[Operation], str] = {
    arith.AddfOp: "add",
    arith.AddiOp: "add",
    arith.SubfOp: "sub",
    arith.SubiOp: "sub",
    arith.MulfOp: "mul",
    arith.MuliOp: "mul",
    arith.DivfOp: "div",
    arith.MaximumfOp: "max",
    arith.MaxnumfOp: "max",
    arith.MaxSIOp: "max",
    arith.MinimumfOp: "min",
    arith.MinnumfOp: "min",
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

_LOGIC: dict[type[Operation], str] = {
    arith.AndIOp: "mul",
    arith.OrIOp: "max",
    arith.XOrIOp: "ne",
}
"""Operations on booleans; those on the bits of wider integers have no counterpart."""

_CASTS = (
    arith.ExtFOp,
    arith.TruncFOp,
    arith.ExtSIOp,
    arith.ExtUIOp,
    arith.SIToFPOp,
    arith.UIToFPOp,
    arith.IndexCastOp,
)

_PREDICATES = {"eq": "eq", "ne": "ne", "gt": "gt", "ge": "ge", "lt": "lt", "le": "le"}

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
            return Constant(evaluate_scalar(op, (left, right), None))
        case (Constant(value),):
            return Constant(evaluate_scalar(op, (value,), None))
        case (Constant(left), right) if not isinstance(right, Constant):
            if op == "pow":
                scaled = expressions.map("mul", (right,), math.log(left))
                return expressions.map("exp", (scaled,))
            return expressions.map(_SWAPPED[op], (right,), left)
        case (left, Constant(right)) if not isinstance(left, Constant):
            return left if (op, right) in _NEUTRAL else expressions.map(op, (left,), right)
        case _:
            return expressions.map(op, [o for o in operands if not isinstance(o, Constant)])


def _where(expressions: Expressions, condition: Scalar, chosen: Scalar, other: Scalar) -> Scalar:
    if isinstance(condition, Constant):
        return chosen if condition.value else other
    if isinstance(condition, Map) and condition.scalar == 0.0 and len(condition.operands) == 1:
        tested = condition.operands[0]
        if condition.op in ("gt", "ge") and chosen is tested and other == Constant(0.0):
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


def _predicate(op: arith.CmpfOp | arith.CmpiOp, names: Sequence[str]) -> str:
    name = names[op.predicate.value.data]
    for key, alu in _PREDICATES.items():
        if name.endswith(key):
            return alu
    raise fail(op, f"the comparison '{name}' has no counterpart in sam.alu; use eq, ne, gt, ..")


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
        return read(0)
    if isinstance(op, arith.CmpfOp):
        names = ("false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord")
        names += ("ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true")
        return apply(expressions, _predicate(op, names), (read(0), read(1)))
    if isinstance(op, arith.CmpiOp):
        names = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
        return apply(expressions, _predicate(op, names), (read(0), read(1)))
    if isinstance(op, arith.SelectOp):
        return _where(expressions, read(0), read(1), read(2))
    if type(op) in _LOGIC and op.results[0].type == i1:
        return apply(expressions, _LOGIC[type(op)], (read(0), read(1)))
    alu = _ALU_OF.get(type(op))
    if alu is None:
        known = ", ".join(sorted(kind.name for kind in _ALU_OF))
        raise fail(op, f"it has no counterpart in sam.alu; supported are {known}")
    return apply(expressions, alu, [read(k) for k in range(count)])
