"""What running a program gives: outputs, cycles, statistics, and traces."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from headrace.simulators.stream.report import write_trace
from headrace.simulators.stream.statistics import (
    Deadlock,
    Interval,
    NodeStatistics,
    SimulationResult,
    Traffic,
)
from headrace.storage.errors import InputError
from headrace.storage.levels import Storage

Simulate = Callable[..., SimulationResult]


def traffic_by_tensor(
    memories: Iterable[Mapping[str, Traffic]], copies: Mapping[str, str]
) -> dict[str, Traffic]:
    """The traffic of all graphs by tensor; that of the copies of an operand counts for it."""
    total: dict[str, Traffic] = {}
    for memory in memories:
        for slot, traffic in memory.items():
            name = slot.replace("/", ".")
            name = copies.get(name, name)
            old = total.get(name, Traffic())
            total[name] = Traffic(old.read + traffic.read, old.written + traffic.written)
    return total


@dataclass(frozen=True)
class GraphRun:
    """One stream graph of a program, simulated."""

    name: str
    result: SimulationResult
    seconds: float
    """Wall time of the simulation."""
    again: Simulate
    """Simulates the graph on the same tensors, with other things observed."""

    @property
    def bytes(self) -> int:
        """Bytes read and written."""
        return sum(traffic.read + traffic.written for traffic in self.result.memory.values())

    @cached_property
    def flops(self) -> int:
        """Arithmetic operations; the graph is simulated once more to count them."""
        counted = self.again(timing_only=True, operations=True).flops
        assert counted is not None
        return counted

    @staticmethod
    def of(name: str, simulate: Simulate, timing_only: bool) -> "GraphRun":
        """Simulate, and take the time."""
        start = time.perf_counter()
        result = simulate(timing_only=timing_only)
        return GraphRun(name, result, time.perf_counter() - start, simulate)


@dataclass(frozen=True)
class Result:
    """
    What `Program.run` gives.

    Graphs run one after the other, so that their cycles and tokens add up. A program that
    deadlocks has no outputs, and `deadlock` says why; nor has one of which only the time was asked.
    Their `shapes` are known all the same.
    """

    outputs: tuple[Any, ...]
    """One dense array, or torch tensor, for each result of the program."""
    storages: tuple[Storage, ...]
    """The same in the formats in which the program stores them."""
    shapes: tuple[tuple[int, ...], ...]
    """The shape of each result of the program, also of those that have no values."""
    graphs: tuple[GraphRun, ...]
    copies: Mapping[str, str] = field(default_factory=dict[str, str])
    """The tensors in whose place a graph reads a copy, by the names of the copies."""

    @property
    def cycles(self) -> int:
        return sum(graph.result.cycles for graph in self.graphs)

    @property
    def tokens(self) -> int:
        return sum(graph.result.tokens for graph in self.graphs)

    @property
    def flops(self) -> int:
        """
        Arithmetic operations, those of tiles counted one by one.

        The program is simulated once more, without values, when they are first asked for.
        """
        return sum(graph.flops for graph in self.graphs)

    @property
    def nodes(self) -> tuple[NodeStatistics, ...]:
        """The nodes of all graphs, with their cycles busy and stalled."""
        return tuple(node for graph in self.graphs for node in graph.result.nodes)

    @property
    def memory(self) -> dict[str, Traffic]:
        """
        Bytes read and written by tensor; a tensor between two graphs is written, then read.

        What is read of the copy of an operand (see `Program.notes`) counts for the operand.
        """
        return traffic_by_tensor((graph.result.memory for graph in self.graphs), self.copies)

    @property
    def bytes(self) -> int:
        """All bytes read and written."""
        return sum(graph.bytes for graph in self.graphs)

    @property
    def has_values(self) -> bool:
        """Whether the results have values: not after a deadlock, nor where only time was asked."""
        return len(self.outputs) == len(self.shapes)

    @property
    def deadlock(self) -> Deadlock | None:
        return next((g.result.deadlock for g in self.graphs if g.result.deadlock), None)

    @property
    def simulate_seconds(self) -> float:
        return sum(graph.seconds for graph in self.graphs)

    def trace(self, path: str | Path) -> None:
        """
        Write when each node was busy, for Perfetto: a row for each node, 1 us for each cycle.

        The program is simulated once more for it; two runs are equal.
        """
        nodes: list[NodeStatistics] = []
        intervals: list[Interval] = []
        start = 0
        for graph in self.graphs:
            result = graph.again(timing_only=True, trace=True)
            nodes += [replace(n, name=f"{graph.name}: {n.name}") for n in result.nodes]
            intervals += [
                Interval(f"{graph.name}: {one.node}", start + one.start, start + one.end)
                for one in result.intervals
            ]
            start += result.cycles
        whole = SimulationResult(start, {}, tuple(nodes), (), {}, None, tuple(intervals))
        try:
            write_trace(whole, path)
        except OSError as error:
            raise InputError(f"'{path}' cannot be written: {error.strerror}") from None

    def summary(self) -> dict[str, Any]:
        """
        The result as JSON values: shapes of the outputs, statistics, and the diagnosis.

        `outputs` holds the shapes also where `has_values` is false.
        """
        return {
            "cycles": self.cycles,
            "tokens": self.tokens,
            "outputs": [list(shape) for shape in self.shapes],
            "has_values": self.has_values,
            "bytes": self.bytes,
            "deadlock": self.deadlock
            and {"explanation": str(self.deadlock), **asdict(self.deadlock)},
            "simulate_seconds": self.simulate_seconds,
            "graphs": [
                {
                    "name": graph.name,
                    "cycles": graph.result.cycles,
                    "tokens": graph.result.tokens,
                    "nodes": len(graph.result.nodes),
                }
                for graph in self.graphs
            ],
            "nodes": [asdict(node) for node in self.nodes],
            "memory": {name: asdict(traffic) for name, traffic in self.memory.items()},
        }
