"""
What is known of the padding of tiles: the elements beyond the end of an axis.

Stored tensors hold zeros there, and functions of known elements are known. What a product, a
reduction or a broadcast puts there is not: an infinity in one factor meets the zeros of the
other, and 0 * inf is NaN.
"""

import math
from collections.abc import Mapping, Sequence

from headrace.passes.sam.expression import Axis, Map
from headrace.storage.functions import evaluate

Padding = Mapping[Axis, float]
"""The one number in the padding along an axis at all other coordinates; absent if unknown."""


def of_map(expression: Map, axes: Sequence[Axis], operands: Sequence[Padding]) -> Padding:
    """The padding along `axes` of a function of operands with the given padding."""
    found: dict[Axis, float] = {}
    for axis in axes:
        value = _value(expression, [operand.get(axis) for operand in operands])
        if value is not None and not math.isnan(value):
            found[axis] = value
    return found


def _value(expression: Map, operands: Sequence[float | None]) -> float | None:
    """The value where the operands have these; None if unknown."""
    match expression.op, operands:
        case "mask", [value, float(condition)]:
            return value if condition else expression.scalar
        case "fill", [value, float(condition)]:
            return expression.scalar if condition else value
        case "where", [float(condition), chosen, other]:
            return chosen if condition else other
        case _:
            known = [value for value in operands if value is not None]
            if len(known) < len(operands):
                return None
            scalar = () if expression.scalar is None else (expression.scalar,)
            return float(evaluate(expression.op, (*known, *scalar)))
