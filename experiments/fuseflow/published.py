"""The published values, read from `published.toml`, and the cautions that go with them."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _tables() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads((Path(__file__).parent / "published.toml").read_text())


def published(table: str, **key: object) -> Mapping[str, Any]:
    """The first line of a table that has all of `key`, or an empty one."""
    for line in _tables()[table]:
        if key.items() <= line.items():
            return line
    return {}


def caution(**settings: object) -> str:
    """What is to be known about the published value of a row, or an empty text."""
    texts = [
        line["text"]
        for line in _tables()["caution"]
        if {name: value for name, value in line.items() if name != "text"}.items()
        <= settings.items()
    ]
    return "; ".join(texts)
