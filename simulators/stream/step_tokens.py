"""
Elements of the streams of streaming tensor programs: words, and text for people.

The layout of a word is in `primitives/step_word.py`. As text, a stream of integers is written as
`1 2 S1 S1 3`, where a stop belongs to the integer before it, if there is one.
"""

from collections.abc import Iterable

from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.primitives import step_word as layout


def item(value: int, stop: int = 0) -> int:
    """An integer, or the index of a selector, with the stop behind it (0: none)."""
    if not 0 <= value < layout.INTEGERS:
        raise ProgramError(f"an element cannot carry {value}; it carries 0 to 2^57 - 1")
    return value << layout.PAYLOAD | _level(stop)


def tile(
    rows: int, columns: int, valid: int | None = None, *, stop: int = 0, resident: bool = False
) -> int:
    """A tile of which the first `valid` rows, else all, are not padding."""
    valid = rows if valid is None else valid
    if not all(0 <= size <= layout.FIELD for size in (rows, columns, valid)):
        raise ProgramError(
            f"an element cannot carry a tile of {rows} x {columns} with {valid} valid rows; sizes "
            f"are 0 to {layout.FIELD}"
        )
    sizes = rows << layout.ROWS | columns << layout.COLUMNS | valid << layout.VALID
    return sizes | (layout.RESIDENT if resident else 0) | _level(stop)


def bare(stop: int) -> int:
    """A stop without a value."""
    return layout.BARE | _level(stop)


def _level(stop: int) -> int:
    if not 0 <= stop <= layout.LEVELS:
        raise ProgramError(
            f"an element cannot carry the stop S{stop}; the last is S{layout.LEVELS}"
        )
    return stop


def sizes_of(word: int) -> tuple[int, int, int]:
    """Rows, columns and valid rows of a tile."""
    columns, valid = word >> layout.COLUMNS & layout.FIELD, word >> layout.VALID & layout.FIELD
    return word >> layout.ROWS, columns, valid


def words(text: str) -> list[int]:
    """The words of a stream of integers that is given as text."""
    found: list[int] = []
    for part in text.split():
        if not part.startswith("S"):
            found.append(item(int(part)))
        elif found and not found[-1] & (layout.LEVELS | layout.BARE):
            found[-1] |= _level(int(part[1:]))
        else:
            found.append(bare(int(part[1:])))
    return found


def text(stream: Iterable[int]) -> str:
    """A stream of integers as text."""
    parts: list[str] = []
    for word in stream:
        if not word & layout.BARE:
            parts.append(str(word >> layout.PAYLOAD))
        if level := word & layout.LEVELS:
            parts.append(f"S{level}")
    return " ".join(parts)
