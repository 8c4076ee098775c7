"""
Tokens of a stream as 64-bit words.

A data word is a coordinate or reference (a non-negative integer) or the bits of a float64.
Control tokens are small negative integers. Read as float64 these are negative quiet NaNs with
almost all bits set. No such NaN enters a stream (`canonical`), and arithmetic makes none: it
propagates the NaNs of its operands or gives the default NaN, whose payload is empty. So integer
and value streams share one test for control: unsigned comparison with `FIRST_CONTROL`.

A stop `(n, m)` ends n + 1 fibers at once; its mark m counts the innermost levels that have no
fiber at this place. The mark tells a row without fibers from a row with one empty fiber.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 3.2 (stop tokens); the mark is ours
(docs/design/spine.md).
"""

import re
import struct
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream.errors import ProgramError

DONE = -1
"""End of stream: exactly one, last."""

EMPTY = -2
"""N, the absent operand: a data token that counts as 0."""

FIRST_STOP = -3
"""The stop (0, 0)."""

LEVEL = 256
"""Distance between the words of stops (n, m) and (n + 1, m)."""

FIRST_CONTROL = -(1 << 20)
"""No word below this one is a control token."""

CANONICAL_NAN = 0x7FF8 << 48
"""What replaces a NaN that looks like a control token."""


def stop(level: int, mark: int = 0) -> int:
    """The word of the stop that ends `level + 1` fibers, `mark` of them not there at all."""
    if not 0 <= mark <= level < -FIRST_CONTROL // LEVEL - 1 or mark >= LEVEL:
        raise ProgramError(f"stop S{level}~{mark} is outside what a token can carry")
    return FIRST_STOP - LEVEL * level - mark


def is_control(word: int) -> bool:
    return FIRST_CONTROL <= word < EMPTY or word == DONE


def number(word: int) -> float:
    """The value of a data word on a value stream; N counts as 0."""
    return 0.0 if word == EMPTY else struct.unpack("d", struct.pack("q", word))[0]


def bits(value: float) -> int:
    """The data word of a value."""
    return CANONICAL_NAN if value != value else struct.unpack("q", struct.pack("d", value))[0]


def canonical(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The values, without NaNs that look like control tokens."""
    words = values.view(np.uint64)
    control = words >= np.uint64(FIRST_CONTROL + (1 << 64))
    return np.where(control, np.nan, values) if control.any() else values


def text(word: int, values: bool = False) -> str:
    """The token as `Sn`, `Sn~m`, `N`, `D` or its data."""
    if word == DONE:
        return "D"
    if word == EMPTY:
        return "N"
    if is_control(word):
        level, mark = divmod(FIRST_STOP - word, LEVEL)
        return f"S{level}~{mark}" if mark else f"S{level}"
    return f"{number(word):g}" if values else str(word)


def filled_in(message: str, word: int) -> str:
    """A message with the token in place of `{token}`, or of `{value}` on a stream of values."""
    return message.replace("{token}", text(word)).replace("{value}", text(word, values=True))


def parse(tokens: str, values: bool = False) -> list[int]:
    """
    The words of a stream written as text, such as `0 2 S0 S1~1 N D`.

    Repeat signals may be written `R` and `S`.
    """

    def word(token: str) -> int:
        if match := re.fullmatch(r"S(\d*)(?:~(\d+))?", token):
            return stop(int(match[1] or 0), int(match[2] or 0))
        if token in ("D", "N", "R"):
            return {"D": DONE, "N": EMPTY, "R": 0}[token]
        return bits(float(token)) if values else int(token)

    return [word(token) for token in tokens.split()]


def format_stream(words: Iterable[int], values: bool = False) -> str:
    """The inverse of `parse`."""
    return " ".join(text(word, values) for word in words)
