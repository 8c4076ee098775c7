"""
Descriptions of machines: every number that a simulation takes from hardware, named, with units.

A description is read from TOML:

    [memory]
    channels = 8
    latency = 64
"""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from headrace.simulators.stream.errors import ProgramError


@dataclass(frozen=True)
class MemoryDescription:
    """An off-chip memory with independent channels; a line lives on the channel of its address."""

    channels: int = 8
    line_bytes: int = 64
    """Bytes that one request moves."""
    word_bytes: int = 8
    """Bytes of a coordinate, segment or value."""
    interval: int = 2
    """Cycles between two lines on one channel: 8 channels of 64 B give 256 B a cycle."""
    latency: int = 64
    """Cycles from the start of a request on its channel to its data."""
    startup: int = 14
    """Cycles before the memory accepts its first request."""
    outstanding: int = 16
    """Requests that one port may have open."""


LARGEST_TABLE = 2**12
"""Of numbers that say how large the tables of a simulation are."""

UNLIMITED = 2**40
"""Bytes on chip of a machine of which nothing is said: more than any has."""


@dataclass(frozen=True)
class StepMachine:
    """The numbers of a machine that runs streaming tensor programs."""

    on_chip_bandwidth: int = 64
    """Bytes a cycle between an operator and a memory unit."""
    channels: int = 32
    """Channels of the off-chip memory."""
    latency: int = 2
    """Cycles of a request on its channel."""
    interval: int = 2
    """Cycles between two requests on one channel."""
    startup: int = 14
    """Further cycles of every request."""
    request_bytes: int = 64
    capacity: int = UNLIMITED
    """Bytes on chip, of all operations of a graph together. The simulation does not need it."""

    def __post_init__(self) -> None:
        for part in fields(self):
            least = 0 if part.name in ("latency", "startup") else 1
            if getattr(self, part.name) < least:
                raise ProgramError(
                    f"{part.name} of a machine is {getattr(self, part.name)}; give {least} or more"
                )
        if self.channels > LARGEST_TABLE:
            raise ProgramError(
                f"channels of a machine are {self.channels}; give {LARGEST_TABLE} or fewer"
            )


@dataclass(frozen=True)
class MachineDescription:
    """A machine that runs stream programs."""

    memory: MemoryDescription = field(default_factory=MemoryDescription)
    step: StepMachine = field(default_factory=StepMachine)
    """What graphs of `step` run on, with a memory of its own."""

    @staticmethod
    def load(path: str | Path) -> "MachineDescription":
        """
        Read a description; what is not named keeps its default.

        Raises `ProgramError` for broken TOML, an unknown name or a number that is not positive.
        """
        try:
            text = tomllib.loads(Path(path).read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ProgramError(f"cannot read the machine description '{path}': {error}") from None
        if unknown := set(text) - {"memory", "step"}:
            raise ProgramError(
                f"'{path}': there is no section '{min(unknown)}'; use [memory] or [step]"
            )
        return MachineDescription(
            MemoryDescription(**_section("memory", MemoryDescription, text, path)),
            StepMachine(**_section("step", StepMachine, text, path)),
        )


LARGEST = 2**40
"""Far above any machine, and far below the largest clock."""


def _section(
    name: str,
    description: type[MemoryDescription | StepMachine],
    text: dict[str, Any],
    path: str | Path,
) -> dict[str, int]:
    """The numbers of one section of a file."""
    section = text.get(name, {})
    if not isinstance(section, dict):
        raise ProgramError(f"'{path}': {name} must be a section; write [{name}] above its keys")
    names = [f.name for f in fields(description)]
    for key, value in cast(dict[str, Any], section).items():
        if key not in names:
            raise ProgramError(f"'{path}': the {name} has no '{key}'; it has {', '.join(names)}")
        least = 0 if key in ("latency", "startup") else 1
        most = LARGEST_TABLE if key in ("channels", "outstanding") else LARGEST
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ProgramError(
                f"'{path}': {name}.{key} must be a whole number from {least} to {most}"
            )
    return cast(dict[str, int], section)
