"""What running a function on an access-execute machine gives: outputs, and how long what took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headrace.simulators.dae.cpu import CoreTiming, simulate_core
from headrace.simulators.dae.timing import Timing
from headrace.simulators.dae.trace import Float64s, Trace
from headrace.storage.levels import Storage


@dataclass(frozen=True)
class OperationRun:
    """One embedding operation, simulated."""

    name: str
    """Of the function that it is."""
    timing: Timing
    trace: Trace
    tokens: int
    """Control tokens, with `done`."""
    words: int
    """Elements that went through the data queue; a padded vector has as many as lanes."""
    seconds: float
    """Wall time of the simulation."""
    alone: Float64s
    """[items of the trace] Core cycles of the same work without an access unit."""

    @cached_property
    def core_alone(self) -> CoreTiming:
        """The operation on the same core without an access unit."""
        return simulate_core(self.trace, self.timing.machine, self.alone)

    def summary(self) -> dict[str, Any]:
        """As JSON values."""
        l2, llc, memory = self.timing.lines
        return {
            "name": self.name,
            "cycles": math.ceil(self.timing.cycles),
            "tokens": self.tokens,
            "words": self.words,
            "bound_by": self.timing.bound_by,
            "bounds": self.timing.bounds,
            "core_busy": self.timing.core_busy,
            "access_busy": self.timing.access_busy,
            "lines": {"l2": l2, "llc": llc, "memory": memory},
            "memory_bytes": self.timing.memory_bytes,
        }


@dataclass(frozen=True)
class DaeRun:
    """
    What `DaeFunction.run` gives.

    Operations run one after the other, so that their cycles add up; where only the time was asked
    for there are no outputs, but `shapes`.
    """

    outputs: tuple[Any, ...]
    """One dense array, or torch tensor, for each result of the function."""
    storages: tuple[Storage, ...]
    """The same as stored tensors."""
    shapes: tuple[tuple[int, ...], ...]
    operations: tuple[OperationRun, ...]
    notes: tuple[str, ...]
    """What the cycles do not count."""

    @property
    def cycles(self) -> int:
        """Core cycles of all operations, rounded up."""
        return math.ceil(sum(one.timing.cycles for one in self.operations))

    @property
    def core_alone_cycles(self) -> int:
        """What `cycles` is on the same core without an access unit."""
        return math.ceil(sum(one.core_alone.cycles for one in self.operations))

    @property
    def tokens(self) -> int:
        return sum(one.tokens for one in self.operations)

    @property
    def words(self) -> int:
        return sum(one.words for one in self.operations)

    @property
    def has_values(self) -> bool:
        """Whether the results have values: not where only the time was asked for."""
        return len(self.outputs) == len(self.shapes)

    @property
    def simulate_seconds(self) -> float:
        return sum(one.seconds for one in self.operations)

    def rows(self) -> Sequence[tuple[object, ...]]:
        """One row for each operation: name, cycles, tokens, words, what it is bound by, lines."""
        return [
            (
                one.name,
                math.ceil(one.timing.cycles),
                one.tokens,
                one.words,
                one.timing.bound_by,
                *one.timing.lines,
            )
            for one in self.operations
        ]

    def summary(self) -> dict[str, Any]:
        """The result as JSON values: shapes of the outputs, and statistics of each operation."""
        return {
            "cycles": self.cycles,
            "tokens": self.tokens,
            "words": self.words,
            "outputs": [list(shape) for shape in self.shapes],
            "has_values": self.has_values,
            "simulate_seconds": self.simulate_seconds,
            "operations": [one.summary() for one in self.operations],
            "notes": list(self.notes),
        }
