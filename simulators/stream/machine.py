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
from typing import Any, TypeVar, cast

import numpy as np

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

    def __post_init__(self) -> None:
        _expect_numbers("memory", self)


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
        _expect_numbers("step", self)


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

        Raises `ProgramError` for a file that cannot be read, broken TOML, an unknown name, or a
        number that no machine has.
        """
        try:
            text = tomllib.loads(Path(path).read_text())
        except OSError as error:
            raise ProgramError(f"machine file '{path}' cannot be read: {error.strerror}") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ProgramError(f"machine file '{path}' is not valid TOML: {error}") from None
        if unknown := set(text) - {"memory", "step", "dae"}:
            raise ProgramError(
                f"'{path}': there is no section '{min(unknown)}'; use [memory] or [step]"
            )
        return MachineDescription(
            _section("memory", MemoryDescription, text, path),
            _section("step", StepMachine, text, path),
        )


LARGEST = 2**40
"""Far above any machine, and far below the largest clock."""

LARGEST_TABLE = 2**12
"""Of numbers that say how large the tables of a simulation are."""


Described = TypeVar("Described", MemoryDescription, StepMachine)


def _section(name: str, description: type[Described], text: dict[str, Any], path: str | Path):
    """The part of a description that one section of a file says."""
    section = text.get(name, {})
    if not isinstance(section, dict):
        raise ProgramError(f"'{path}': {name} must be a section; write [{name}] above its keys")
    numbers = cast(dict[str, Any], section)
    names = [part.name for part in fields(description)]
    if unknown := set(numbers) - set(names):
        raise ProgramError(
            f"'{path}': the {name} has no '{min(unknown)}'; it has {', '.join(names)}"
        )
    try:
        return description(**numbers)
    except ProgramError as error:
        raise ProgramError(f"'{path}': {error}") from None


def _expect_numbers(section: str, description: MemoryDescription | StepMachine) -> None:
    """Raise `ProgramError` for a number that no machine has."""
    for part in fields(description):
        value = getattr(description, part.name)
        least = 0 if part.name in ("latency", "startup") else 1
        most = LARGEST_TABLE if part.name in ("channels", "outstanding") else LARGEST
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            raise ProgramError(
                f"{section}.{part.name} must be a whole number from {least} to {most}, not {value}"
            )
