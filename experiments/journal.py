"""Finished rows on disk: a line each, so that a run that was stopped goes on where it was."""

import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import headrace
from headrace.experiments.experiment import Case, Row
from headrace.storage.errors import InputError

_UNRELATED = {"agent", "benchmarks", "cli", "docs", "tests", "typings"}
"""Folders of the package on which no measured value depends."""


def code_version() -> str:
    """A hash of the code that rows depend on; a row of another version is not used."""
    root = Path(headrace.__file__).parent
    hashed = sha256()
    for room in sorted(root.iterdir()):
        if room.name in _UNRELATED or not (room / "__init__.py").exists():
            continue
        for file in sorted(room.rglob("*")):
            if file.suffix in (".py", ".toml"):
                hashed.update(file.read_bytes())
    return hashed.hexdigest()[:16]


@dataclass(frozen=True)
class Journal:
    """Rows of one experiment in a file of JSON lines, with the version of the code of each."""

    path: Path
    version: str

    def rows(self) -> dict[str, Row]:
        """The rows of this version by the keys of their cases; the last row of a case counts."""
        return {Case(row.settings).key: row for row in self._read()}

    def prepare(self) -> None:
        """Make the file, so that one that cannot be written is known before a row is measured."""
        with self._access("written"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.open("ab").close()

    def append(self, row: Row) -> None:
        """Write a row so that it survives a crash of the machine."""
        line = {"version": self.version, "settings": row.settings, "measured": row.measured}
        self.prepare()
        with self._access("written"), self.path.open("ab") as file:
            # What a killed run left of its last line must not swallow this one.
            broken = file.tell() > 0 and self.path.read_bytes()[-1:] != b"\n"
            file.write(b"\n" * broken + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def clear(self) -> None:
        """Forget all rows."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> list[Row]:
        with self._access("read"):
            try:
                lines = self.path.read_text().splitlines()
            except FileNotFoundError:
                return []
        parsed = (_parse(line) for line in lines)
        return [
            Row(line["settings"], line["measured"])
            for line in parsed
            if line is not None and line["version"] == self.version
        ]

    @contextmanager
    def _access(self, done: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            reason = f"rows '{self.path}' cannot be {done}: {error.strerror}"
            raise InputError(f"{reason}; give another folder with --out") from None


def _parse(line: str) -> Mapping[str, Any] | None:
    """A line of the file; nothing for what is left of one that was not finished."""
    try:
        read: object = json.loads(line)
    except json.JSONDecodeError:
        return None
    whole = isinstance(read, dict) and {"version", "settings", "measured"} <= read.keys()
    return cast("Mapping[str, Any]", read) if whole else None
