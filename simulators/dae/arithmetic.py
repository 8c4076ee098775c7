"""Arithmetic of the machine: what an opcode makes of numbers, and rounding to element types."""

import math

import numpy as np

from headrace.simulators.dae.jit import compiled
from headrace.simulators.dae.opcodes import Element, Op
from headrace.simulators.dae.small_floats import rounded_small


@compiled
def rounded(x: float, element: int) -> float:
    """The nearest number of a type of floats."""
    if element == Element.F64:
        return x
    if element == Element.F32:
        return float(np.float32(x))
    if element == Element.F16:
        return rounded_small(x, 10, -14)
    return rounded_small(x, 7, -126)


@compiled
def wrapped(x: int, element: int) -> int:
    """The integer of a type that has the same lowest bits."""
    if element == Element.I64:
        return x
    if element == Element.I32:
        return ((x + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    if element == Element.I16:
        return ((x + (1 << 15)) & 0xFFFF) - (1 << 15)
    if element == Element.I8:
        return ((x + (1 << 7)) & 0xFF) - (1 << 7)
    return x & 1


@compiled
def without_sign(x: int, element: int) -> int:
    """The bits of an integer of at most 32 bits as a number."""
    if element == Element.I32:
        return x & 0xFFFFFFFF
    if element == Element.I16:
        return x & 0xFFFF
    if element == Element.I8:
        return x & 0xFF
    return x & 1 if element == Element.I1 else x


@compiled
def maximum(x: float, y: float) -> float:
    """The larger number; NaN if one is."""
    if x != x or y != y:
        return math.nan
    return x if x > y else y


@compiled
def minimum(x: float, y: float) -> float:
    if x != x or y != y:
        return math.nan
    return x if x < y else y


@compiled
def combined(op: int, x: float, y: float) -> float:
    """Two floats by an opcode."""
    if op == Op.ADD_F:
        return x + y
    if op == Op.SUBTRACT_F:
        return x - y
    if op == Op.MULTIPLY_F:
        return x * y
    if op == Op.DIVIDE_F:
        return np.divide(x, y)
    if op == Op.MAXIMUM_F:
        return maximum(x, y)
    if op == Op.MINIMUM_F:
        return minimum(x, y)
    if op == Op.MAXIMUM_NUMBER_F:
        return np.fmax(x, y)
    if op == Op.MINIMUM_NUMBER_F:
        return np.fmin(x, y)
    return np.power(x, y)


@compiled
def function_of(op: int, x: float) -> float:
    """A float by an opcode."""
    if op == Op.NEGATE:
        return -x
    if op == Op.ABSOLUTE_F:
        return abs(x)
    if op == Op.SQUARE_ROOT:
        return np.sqrt(x)
    if op == Op.RECIPROCAL_ROOT:
        return np.divide(1.0, np.sqrt(x))
    if op == Op.EXPONENTIAL:
        return np.exp(x)
    if op == Op.LOGARITHM:
        return np.log(x)
    if op == Op.SINE:
        return np.sin(x)
    if op == Op.COSINE:
        return np.cos(x)
    if op == Op.TANGENT_H:
        return np.tanh(x)
    if op == Op.ERROR_FUNCTION:
        return math.erf(x)
    return np.floor(x) if op == Op.FLOOR else np.ceil(x)


@compiled
def combined_integers(op: int, x: int, y: int) -> int:
    """Two integers by an opcode; the divisor is not 0."""
    if op == Op.ADD_I:
        return x + y
    if op == Op.SUBTRACT_I:
        return x - y
    if op == Op.MULTIPLY_I:
        return x * y
    if op == Op.DIVIDE_I or op == Op.REMAINDER:
        quotient = x // y
        if quotient < 0 and quotient * y != x:
            quotient += 1
        return quotient if op == Op.DIVIDE_I else x - quotient * y
    if op == Op.FLOOR_DIVIDE:
        return x // y
    if op == Op.CEIL_DIVIDE:
        return -(-x // y)
    if op == Op.MAXIMUM_I:
        return max(x, y)
    if op == Op.MINIMUM_I:
        return min(x, y)
    if op == Op.AND:
        return x & y
    return x | y if op == Op.OR else x ^ y


@compiled
def floats_compare(predicate: int, x: float, y: float) -> bool:
    """As `arith.cmpf` numbers its predicates: false, 6 ordered, ord, 6 unordered, uno, true."""
    unordered = x != x or y != y
    if predicate == 0 or predicate == 15:
        return predicate == 15
    if predicate == 7:
        return not unordered
    if predicate == 14:
        return unordered
    if unordered:
        return predicate > 7
    relation = predicate if predicate < 7 else predicate - 7
    if relation == 1:
        return x == y
    if relation == 2:
        return x > y
    if relation == 3:
        return x >= y
    if relation == 4:
        return x < y
    return x <= y if relation == 5 else x != y


@compiled
def integers_compare(predicate: int, x: int, y: int) -> bool:
    """As `arith.cmpi` numbers them: eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge."""
    if predicate == 0:
        return x == y
    if predicate == 1:
        return x != y
    if predicate > 5 and (x < 0) != (y < 0):
        x, y = y, x
    relation = (predicate - 2) % 4
    if relation == 0:
        return x < y
    if relation == 1:
        return x <= y
    return x > y if relation == 2 else x >= y
