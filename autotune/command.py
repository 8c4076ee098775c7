"""A command as the function of a search."""

from __future__ import annotations

import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from headrace.autotune.trial import Failure
from headrace.storage.errors import InputError

Order = tuple[int, ...]


@dataclass(frozen=True)
class Command:
    """
    Runs a command for each configuration; the last line that it prints is the value.

    `template` is a command line in which `{name}` stands for a parameter; a permutation is its
    entries with commas between. There is no shell. An exit status other than 0 is a failure of the
    class that `failures` gives it, else `run`.
    """

    template: str
    failures: Mapping[int, str] = field(default_factory=dict[int, str])

    def __post_init__(self) -> None:
        try:
            shlex.split(self.template)
        except ValueError as error:
            raise InputError(f"the command '{self.template}' cannot be read: {error}") from error

    def __call__(self, configuration: Mapping[str, Any]) -> float:
        """The value. Raises `Failure`, and `InputError` for a parameter that there is not."""
        found = subprocess.run(
            self.arguments(configuration),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if found.returncode:
            raise Failure(self._kind(found.returncode), _end(found.stderr or found.stdout))
        last = _end(found.stdout)
        try:
            return float(last)
        except ValueError:
            raise Failure("run", f"the command printed no value but '{last}'") from None

    def arguments(self, configuration: Mapping[str, Any]) -> Sequence[str]:
        """The program and its arguments for a configuration."""
        values = {
            name: ",".join(map(str, cast(Order, value))) if isinstance(value, tuple) else value
            for name, value in configuration.items()
        }
        try:
            return [part.format(**values) for part in shlex.split(self.template)]
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(
                f"the command '{self.template}' names {error}, which is no parameter; there are "
                f"{', '.join(configuration)}"
            ) from error

    def _kind(self, status: int) -> str:
        if status in self.failures:
            return self.failures[status]
        # Nobody here sent it: this is how Linux ends a process when memory runs out.
        return "memory" if status == -signal.SIGKILL else "run"


def _end(text: str) -> str:
    """The last line that is not empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
