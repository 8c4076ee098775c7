"""Published values, read from a `published.toml`, which says where each is from."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Published:
    """The tables of a file."""

    path: Path

    @cached_property
    def _tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        return tomllib.loads(self.path.read_text())

    def table(self, name: str) -> Sequence[Mapping[str, Any]]:
        """All lines of a table."""
        return self._tables[name]

    def first(self, name: str, /, **key: object) -> Mapping[str, Any]:
        """The first line of a table that has all of `key`, or an empty one."""
        for line in self.table(name):
            if key.items() <= line.items():
                return line
        return {}
