"""f16 and bf16 for the machine: rounding of float64, and their bits."""

import math

import numpy as np
import numpy.typing as npt

from headrace.simulators.dae.jit import compiled


def decoding_tables() -> npt.NDArray[np.float64]:
    """[2, 65536] The numbers of all bit patterns: of f16, then of bf16."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    with np.errstate(invalid="ignore"):
        half = bits.view(np.float16).astype(np.float64)
        brain = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    return np.stack([half, brain])


@compiled
def rounded_small(x: float, digits: int, lowest: int) -> float:
    """
    The nearest number of `digits` bits behind the point and exponents from `lowest`, ties to even.

    f16 has 10 and -14, bf16 7 and -126; the largest exponent is 1 - lowest.
    """
    if x == 0.0 or not math.isfinite(x):
        return x
    exponent = max(math.frexp(x)[1] - 1, lowest)
    quantum = math.ldexp(1.0, exponent - digits)
    result = np.rint(x / quantum) * quantum
    if abs(result) >= math.ldexp(1.0, 2 - lowest):
        return math.copysign(np.inf, x)
    return result


@compiled
def small_bits(x: float, digits: int, lowest: int) -> int:
    """The bits of a number that `rounded_small` gave."""
    sign = 1 << 15 if math.copysign(1.0, x) < 0 else 0
    most = (1 - lowest + (-lowest) + 2) << digits
    if math.isnan(x):
        return most | (1 << (digits - 1))
    if math.isinf(x):
        return sign | most
    magnitude = abs(x)
    if magnitude < math.ldexp(1.0, lowest):
        return sign | int(math.ldexp(magnitude, digits - lowest))
    exponent = math.frexp(magnitude)[1] - 1
    fraction = int(math.ldexp(magnitude, digits - exponent)) - (1 << digits)
    return sign | ((exponent - lowest + 1) << digits) | fraction
