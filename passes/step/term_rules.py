"""
Functions that the entry IR spells out of primitives, put back together.

`1 / (1 + exp(-x))` is a sigmoid, `x * sigmoid(x)` is SiLU; a product with an indicator is a choice.
"""

import math
from collections.abc import Sequence

from headrace.passes.step.term import Term


def simplified(kind: str, args: Sequence[Term]) -> tuple[str, tuple[Term, ...]] | None:
    """Another expression of the same value, an operand itself where the kind is empty; or None."""
    match kind:
        case "divf":
            return _sigmoid(*args)
        case "mulf":
            return _product(*args)
        case "maximumf":
            x, y = _constant_last(args)
            return ("relu", (x,)) if y.number == 0 else None
        case "compare_eq" if args[1].number == 0 and args[0].kind.startswith(("compare_", "not")):
            return "not", (args[0],)
        case "not" if args[0].kind == "not":
            return "", args[0].args
        case "compare_ne" if args[0].kind == "indicator" and args[1].number == 0:
            return "", args[0].args
        case "sitofp" if args[0].kind == "indicator":
            return "", (args[0],)
        case "select":
            return _wrapped(*args)
        case _:
            return None


def _constant_last(args: Sequence[Term]) -> tuple[Term, Term]:
    x, y = args
    return (y, x) if x.number is not None else (x, y)


def _sigmoid(x: Term, y: Term) -> tuple[str, tuple[Term, ...]] | None:
    if x.number != 1 or y.kind != "addf":
        return None
    power, one = _constant_last(y.args)
    if one.number == 1 and power.kind == "exp" and power.args[0].kind == "negf":
        return "sigmoid", power.args[0].args
    return None


def _product(x: Term, y: Term) -> tuple[str, tuple[Term, ...]] | None:
    for one, other in ((x, y), (y, x)):
        if other.kind == "sigmoid" and other.args[0] is one:
            return "silu", (one,)
        if other.number == 1:
            return "", (one,)
        if other.number == 0.5 and one.kind == "mulf" and (inner := _gelu(*one.args)) is not None:
            return "gelu", (inner,)
    return ("square", (x,)) if x is y else None


def _gelu(x: Term, y: Term) -> Term | None:
    """`x * (1 + erf(x / sqrt(2)))`"""
    if y.kind != "addf":
        return None
    error, one = _constant_last(y.args)
    if one.number != 1 or error.kind != "erf" or error.args[0].kind != "mulf":
        return None
    inner, scale = _constant_last(error.args[0].args)
    near = scale.number is not None and math.isclose(scale.number, math.sqrt(0.5))
    return x if inner is x and near else None


def _wrapped(condition: Term, other: Term, index: Term) -> tuple[str, tuple[Term, ...]] | None:
    """`index < 0 ? .. : index` is `index` for every index that counts from the start."""
    if condition.kind == "compare_lt" and condition.args[0] is index:
        return ("", (index,)) if condition.args[1].number == 0 and _counts(other) else None
    return None


def _counts(term: Term) -> bool:
    """Whether it is the coordinate `index + size`, where that is one."""
    return term.kind == "select" and term.args[0].kind == "compare_ge"
