"""The published values, read from `published.toml`, which says where each is from."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any


@cache
def table(name: str) -> Sequence[Mapping[str, Any]]:
    """All lines of a table."""
    tables = tomllib.loads((Path(__file__).parent / "published.toml").read_text())
    lines: Sequence[Mapping[str, Any]] = tables[name]
    return lines


def published(name: str, **key: object) -> Mapping[str, Any]:
    """The first line of a table that has all of `key`, or an empty one."""
    for line in table(name):
        if key.items() <= line.items():
            return line
    return {}
