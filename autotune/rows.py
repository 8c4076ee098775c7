"""
Configurations as lines of text, in the manner of the reference.

Commas separate fields, but not inside parentheses, in which permutations stand: `4,(0, 2, 1),fast`.
Fields may be quoted as in CSV.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import cast

from headrace.autotune.parameter import Categorical, Permutation, Value
from headrace.autotune.space import Space
from headrace.storage.errors import InputError

FIELD = re.compile(r'\s*(?:"((?:[^"]|"")*)"|((?:\([^()]*\)|[^,()"])*))\s*,')


def split(line: str) -> list[str]:
    """The fields of a line. Raises `InputError` that quotes a line that cannot be read."""
    fields: list[str] = []
    place, closed = 0, line.rstrip("\r\n") + ","
    while place < len(closed):
        found = FIELD.match(closed, place)
        if found is None:
            raise InputError(
                f"the line '{line.strip()}' has a parenthesis or a quote that does not close"
            )
        quoted, plain = found.groups()
        fields.append(plain.strip() if quoted is None else quoted.replace('""', '"'))
        place = found.end()
    return fields


def joined(fields: Iterable[object]) -> str:
    """A line of fields; tuples in parentheses, None empty."""
    return ",".join(map(_text, fields))


def configuration(space: Space, fields: Mapping[str, str]) -> dict[str, Value]:
    """
    The values that fields give the parameters of a space; an empty one is that of an inactive one.

    Raises `InputError` for a parameter that is missing, and for what cannot be its value.
    """
    found: dict[str, Value] = {}
    for parameter in space.parameters:
        if parameter.name not in fields:
            raise InputError(f"there is no column '{parameter.name}'")
        text = fields[parameter.name]
        if not text:
            continue
        if isinstance(parameter, Categorical):
            found[parameter.name] = text
        elif isinstance(parameter, Permutation):
            entries = text.strip("()[] ").split(",")
            found[parameter.name] = tuple(int(number(one, parameter.name)) for one in entries)
        else:
            value = number(text, parameter.name)
            found[parameter.name] = int(value) if value.is_integer() else value
    return space.configurations(space.point(found)[None])[0]


def number(text: str, column: str) -> float:
    """The number of a field. Raises `InputError` that names its column if it is none."""
    try:
        return float(text)
    except ValueError:
        raise InputError(f"'{text}' in column '{column}' is no number") from None


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f"({', '.join(map(str, cast(tuple[int, ...], value)))})"
    text = value if isinstance(value, str) else repr(value)
    return '"' + text.replace('"', '""') + '"' if re.search(r'[,"()\s]', text) else text
