"""
Tokens of streams, and their text form `0 2 S0 S1~1 N D`.

| text | token |
|---|---|
| `7`, `2.5` | a value: coordinate, reference or number (a tile has no text form) |
| `Sn`, `Sn~m` | `Stop(n, m)`: ends n + 1 fibers; the m innermost of them do not exist |
| `N` | `ABSENT`: the operand has nothing here |
| `R`, `S` | `REPEAT`, `NEXT`: signals for `sam.repeat` |
| `D` | `DONE`: the end of the stream |

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 3.2; the mark m is ours: without it
an empty row and a row with one empty fiber cannot be told apart behind a reduction.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from headrace.storage.errors import InputError


@dataclass(frozen=True)
class Stop:
    """Ends `level + 1` nested fibers, of which the `hollow` innermost do not exist."""

    level: int
    hollow: int = 0

    def __str__(self) -> str:
        return f"S{self.level}~{self.hollow}" if self.hollow else f"S{self.level}"


class Mark(Enum):
    """Tokens that carry nothing else."""

    ABSENT = "N"
    REPEAT = "R"
    NEXT = "S"
    DONE = "D"

    def __str__(self) -> str:
        return self.value


ABSENT, REPEAT, NEXT, DONE = Mark.ABSENT, Mark.REPEAT, Mark.NEXT, Mark.DONE

Token = Any
"""A `Stop`, a `Mark`, or a value: int, float, or array (tile)."""

Tokens = tuple[Token, ...]


def parse_tokens(text: str) -> Tokens:
    """Read the text form; raises `InputError` naming the word that is no token."""
    return tuple(_parse_token(word) for word in text.split())


def _parse_token(word: str) -> Token:
    if match := re.fullmatch(r"S(\d+)(?:~(\d+))?", word):
        return Stop(int(match[1]), int(match[2] or 0))
    if word in {mark.value for mark in Mark}:
        return Mark(word)
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            continue
    raise InputError(f"'{word}' is not a token; use numbers, Sn, Sn~m, N, R, S or D")


def format_tokens(tokens: Iterable[Token]) -> str:
    """The text form; floats without a fraction print as integers."""
    return " ".join(
        str(int(token)) if isinstance(token, float) and token.is_integer() else str(token)
        for token in tokens
    )
