"""
Numbers of 16 bits with the exponent of float32 (bfloat16), which NumPy does not have.

A bfloat16 is the upper half of a float32. Two forms stand for it here: its bits, as uint16, which
is how it is stored, and the float32 of the same value, which is how it is computed.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

BFLOAT16 = "bfloat16"
"""The name of the element type where others have their NumPy name."""


LARGEST_BFLOAT16 = (2 - 2.0**-7) * 2.0**127
"""The largest finite number."""


def in_type(array: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """The array in an element type; one of bfloat16 is rounded, as float32."""
    return round_to_bfloat16(array) if dtype == BFLOAT16 else array.astype(dtype)


def bfloat16_bits(numbers: npt.ArrayLike) -> npt.NDArray[np.uint16]:
    """
    The bits of the bfloat16 nearest to each number; of two that are as near, the even one.

    Rounds as PyTorch does: what is no float32 becomes one first, what is too large an infinity,
    and every NaN stays a NaN.
    """
    with np.errstate(over="ignore"):
        single = np.asarray(numbers).astype(np.float32)
    bits = single.view(np.uint32)
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    with np.errstate(over="ignore"):
        rounded = ((bits + half) >> np.uint32(16)).astype(np.uint16)
    return np.where(np.isnan(single), np.uint16(0x7FC0), rounded)


def from_bfloat16_bits(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """The float32 of the same value as each bfloat16."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def round_to_bfloat16(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The float32 of the same value as the bfloat16 nearest to each number, ties to even."""
    return from_bfloat16_bits(bfloat16_bits(numbers))
