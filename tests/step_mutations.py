"""Damaged texts: characters, words, numbers and lines of MLIR, and values of JSON."""

import json
import re
import signal
from collections.abc import Generator
from contextlib import contextmanager
from copy import deepcopy
from random import Random
from typing import Any, cast

CHARACTERS = '%@!#<>[](){},:=-+*0123456789~eabx"\\ \n\t?\x00é'
NUMBERS = (*"0 1 2 3 4 -1 5 7 64 65".split(), str(2**31), str(2**40), str(2**64), str(10**30))
VALUES: tuple[object, ...] = (
    *(0, 1, 2, 3, -1, 64, 2**31, 2**40, 2**64, 10**30, 1.5, -0.0, float("nan"), float("inf")),
    *(None, True, "", "x", [], [1], {}, "Dyn", [0, 0], [[1]]),
)


@contextmanager
def limited(seconds: int) -> Generator[None]:
    """Raise `TimeoutError` in what does not end."""

    def expired(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def broken_text(random: Random, text: str) -> str:
    """The text with one to three changes."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        place = random.randrange(len(text) + 1)
        lines = text.split("\n")
        line, other = random.randrange(len(lines)), random.randrange(len(lines))
        match random.randrange(8):
            case 0:
                text = text[:place] + text[place + 1 :]
            case 1:
                text = text[:place] + random.choice(CHARACTERS) + text[place:]
            case 2 | 3 | 4:
                text = _replaced(random, text, r"\d+", random.choice(NUMBERS))
            case 5:
                del lines[line]
                text = "\n".join(lines)
            case 6:
                lines[line], lines[other] = lines[other], lines[line]
                text = "\n".join(lines)
            case _:
                word = random.choice(re.findall(r"[%!@\w.]+", text) or [""])
                text = _replaced(random, text, r"[%!@\w.]+", word)
    return text


def _replaced(random: Random, text: str, pattern: str, new: str) -> str:
    """The text with one of the matches of a pattern replaced."""
    found = [match.span() for match in re.finditer(pattern, text)]
    if not found:
        return text
    start, end = random.choice(found)
    return text[:start] + new + text[end:]


def broken_json(random: Random, text: str) -> str:
    """JSON with one or two values changed, removed or put elsewhere, or cut off."""
    if not random.randrange(10):
        return text[: random.randrange(len(text))]
    data = json.loads(text)
    for _ in range(random.choice((1, 1, 1, 2))):
        paths = _paths(data)[1:]
        if not paths:
            return "{}"
        *outer, last = random.choice(paths)
        inside = _at(data, outer)
        match random.randrange(4):
            case 0:
                del inside[last]
            case 1 if isinstance(inside[last], int):
                inside[last] += random.choice((-1, 1, 2))
            case 2:
                inside[last] = deepcopy(_at(data, random.choice(paths)))
            case _:
                inside[last] = random.choice(VALUES)
    return json.dumps(data)


def _paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places in a JSON value, its own first; of long lists only those at the beginning."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(data, dict):
        inner = list(cast("dict[str, Any]", data).items())
    elif isinstance(data, list):
        inner = list(enumerate(cast("list[Any]", data)[:12]))
    return [path, *(deep for key, value in inner for deep in _paths(value, (*path, key)))]


def _at(data: Any, path: Any) -> Any:
    for key in path:
        data = data[key]
    return data
