"""
Exact arithmetic on columns: fractions as pairs of integers, as many bits as it takes.

Numbers are 64-bit integers as long as they fit and Python's own beyond. Where a column of floats
takes part the result is floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]

SAFE = 2.0**62
"""Products of 64-bit integers below this are exact."""


@dataclass(frozen=True)
class Numbers:
    """
    [rows] Fractions as two arrays of integers, or one of floats where a real is involved.

    `below` is positive, or 0 where the number is undefined; it is None for floats.
    """

    above: npt.NDArray[Any]
    below: npt.NDArray[Any] | None

    @staticmethod
    def of(column: npt.NDArray[Any]) -> Numbers:
        if column.dtype.kind == "f":
            return Numbers(column, None)
        if column.dtype == object:
            return Numbers(_above(column), _below(column))
        return Numbers(column, np.ones_like(column))

    @staticmethod
    def constant(value: Fraction) -> Numbers:
        """Of shape []."""
        return Numbers(_integer(value.numerator), _integer(value.denominator))

    def floats(self) -> npt.NDArray[np.float64]:
        if self.below is None:
            return self.above
        return np.asarray(_quotient(self.above, self.below), np.float64)


def _nearest(above: int, below: int) -> float:
    """The float nearest to a fraction of numbers of any size; NaN if it is undefined."""
    if below == 0:
        return math.nan
    try:
        return int(above) / int(below)
    except OverflowError:
        return math.inf if above > 0 else -math.inf


_quotient = np.frompyfunc(_nearest, 2, 1)
_above = np.frompyfunc(lambda one: one.numerator, 1, 1)
_below = np.frompyfunc(lambda one: one.denominator, 1, 1)


def _largest(array: npt.NDArray[Any]) -> float:
    return float(abs(int(max(array.min(), -array.max(), array.max())))) if array.size else 0.0


def _product(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Exact: integers that would not fit in 64 bits become Python's."""
    if a.dtype != object and b.dtype != object:
        bound = max(_largest(a), 1.0) * max(_largest(b), 1.0)
        if bound >= SAFE:
            a = a.astype(object)
    return _array(a * b)


def _sum(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if a.dtype != object and b.dtype != object and _largest(a) + _largest(b) >= SAFE:
        a = a.astype(object)
    return _array(a + b)


def _integer(value: int) -> npt.NDArray[Any]:
    return np.array(value, np.int64 if abs(value) < SAFE else object)


def _array(result: Any) -> npt.NDArray[Any]:
    """Of arrays of shape [] NumPy makes scalars, and of large ones Python's integers."""
    if isinstance(result, np.ndarray):
        return cast(npt.NDArray[Any], result)
    return _integer(int(result))


def _reduced(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> Numbers:
    """The fraction in lowest terms with a positive denominator; 0 below stays."""
    common = np.gcd(above, below)
    common = np.where(common == 0, 1, common) * np.where(below < 0, -1, 1)
    return Numbers(_array(above // common), _array(below // common))


def _add(a: Numbers, b: Numbers) -> Numbers:
    if a.below is None or b.below is None:
        return Numbers(a.floats() + b.floats(), None)
    above = _sum(_product(a.above, b.below), _product(b.above, a.below))
    return _reduced(above, _product(a.below, b.below))


def negative(a: Numbers) -> Numbers:
    return Numbers(-a.above if a.below is None else _array(-a.above), a.below)


def _subtract(a: Numbers, b: Numbers) -> Numbers:
    return _add(a, negative(b))


def _multiply(a: Numbers, b: Numbers) -> Numbers:
    if a.below is None or b.below is None:
        return Numbers(a.floats() * b.floats(), None)
    return _reduced(_product(a.above, b.above), _product(a.below, b.below))


def _divide(a: Numbers, b: Numbers) -> Numbers:
    if a.below is None or b.below is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = a.floats() / b.floats()
        return Numbers(np.where(np.isfinite(quotient), quotient, np.nan), None)
    # A divisor that is undefined must not turn into 0.
    below = np.where(b.below == 0, 0, b.above)
    return _reduced(_product(a.above, b.below), _product(a.below, below))


def _remainder(a: Numbers, b: Numbers) -> Numbers:
    """With the sign of the divisor, as in Python."""
    if a.below is None or b.below is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            return Numbers(np.mod(a.floats(), b.floats()), None)
    dividend, divisor = _product(a.above, b.below), _product(b.above, a.below)
    undefined = divisor == 0
    remainder = np.mod(dividend, np.where(undefined, 1, divisor))
    below = np.where(undefined, 0, _product(a.below, b.below))
    return _reduced(remainder, below)


def compare(sign: str, a: Numbers, b: Numbers) -> Bools:
    if a.below is None or b.below is None:
        left, right = a.floats(), b.floats()
        defined = ~(np.isnan(left) | np.isnan(right))
    else:
        left, right = _product(a.above, b.below), _product(b.above, a.below)
        defined = (a.below != 0) & (b.below != 0)
    return np.asarray(COMPARE[sign](left, right), np.bool_) & np.asarray(defined, np.bool_)


COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
ARITHMETIC: Mapping[str, Callable[[Numbers, Numbers], Numbers]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "%": _remainder,
}
