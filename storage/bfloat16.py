"""
The numbers of bfloat16, kept in arrays of float32.

NumPy has no such type. A bfloat16 is the upper half of a float32: 8 bits of exponent, 7 of
mantissa, so that every one of them is a float32, and the result of an operation is the float32
result rounded.
"""

from typing import Any

import numpy as np
import numpy.typing as npt


def round_to_bfloat16(array: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """
    The nearest bfloat16 of every number, ties to even, as float32 of the same shape.

    Numbers beyond the largest bfloat16 become infinite; NaN stays NaN. Numbers of float64 are
    rounded once, not first to float32.
    """
    given = np.asarray(array)
    single = _to_odd(given) if given.dtype == np.float64 else given.astype(np.float32)
    bits = single.view(np.uint32)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + even) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(single), np.float32(np.nan), rounded.view(np.float32))


def _to_odd(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """
    Float64 as float32, inexact ones with the last bit set: another rounding is as the only one.

    (Boldo and Melquiond, "When double rounding is odd", 2005.)
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        nearest = array.astype(np.float32)
        toward_zero = np.where(
            np.abs(nearest.astype(np.float64)) > np.abs(array),
            np.nextafter(nearest, np.float32(0)),
            nearest,
        ).astype(np.float32)
    inexact = np.isfinite(array) & (toward_zero.astype(np.float64) != array)
    return (toward_zero.view(np.uint32) | inexact.astype(np.uint32)).view(np.float32)
