"""
The cost of a program without running it: what `Program.estimate` gives.

The steps are walked as `Program.run` does, with statistics in place of tensors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.backends.graph import GraphStep
from headrace.backends.result import traffic_by_tensor
from headrace.backends.statistics import (
    TensorStatistics,
    host_statistics,
    slots_of_operands,
    written_statistics,
)
from headrace.backends.steps import HostStep
from headrace.simulators.stream.estimate.estimate import GraphEstimate, estimate
from headrace.simulators.stream.statistics import Traffic

Tensors = Mapping[str, TensorStatistics]


@dataclass(frozen=True)
class GraphCost:
    """One stream graph of a program, estimated."""

    name: str
    result: GraphEstimate


@dataclass(frozen=True)
class Estimate:
    """What a program is expected to cost; graphs run one after the other."""

    graphs: tuple[GraphCost, ...]
    shapes: tuple[tuple[int, ...], ...] = ()
    """The shapes of the results."""
    copies: Mapping[str, str] = field(default_factory=dict[str, str])
    """The tensors in whose place a graph reads a copy, by the names of the copies."""

    @property
    def cycles(self) -> int:
        return sum(graph.result.cycles for graph in self.graphs)

    @property
    def flops(self) -> int:
        """Arithmetic operations."""
        return sum(graph.result.flops for graph in self.graphs)

    @property
    def bytes(self) -> int:
        """Bytes read and written."""
        return sum(graph.result.bytes for graph in self.graphs)

    @property
    def memory(self) -> dict[str, Traffic]:
        """Bytes read and written by tensor; see `Result.memory`."""
        return traffic_by_tensor((graph.result.memory for graph in self.graphs), self.copies)

    def summary(self) -> dict[str, Any]:
        """The estimate as JSON values."""
        return {
            "cycles": self.cycles,
            "flops": self.flops,
            "bytes": self.bytes,
            "outputs": [list(shape) for shape in self.shapes],
            "graphs": [
                {
                    "name": graph.name,
                    "cycles": graph.result.cycles,
                    "flops": graph.result.flops,
                    "bytes": graph.result.bytes,
                    "bottleneck": graph.result.bottleneck and graph.result.bottleneck.name,
                    "nodes": [asdict(node) for node in graph.result.nodes],
                }
                for graph in self.graphs
            ],
            "memory": {name: asdict(traffic) for name, traffic in self.memory.items()},
        }

    def rows(self) -> list[tuple[str, int, int, int, str]]:
        """Name, cycles, operations, bytes and the busiest node of each graph, and the total."""
        rows = [
            (
                graph.name,
                graph.result.cycles,
                graph.result.flops,
                graph.result.bytes,
                graph.result.bottleneck.name if graph.result.bottleneck else "",
            )
            for graph in self.graphs
        ]
        if len(rows) > 1:
            rows.append(("total", self.cycles, self.flops, self.bytes, ""))
        return rows

    def __str__(self) -> str:
        lines = [f"{'graph':<12} {'cycles':>14} {'flops':>14} {'bytes':>14}  busiest node"]
        lines += [
            f"{name:<12} {cycles:>14,} {flops:>14,} {moved:>14,}  {node}".rstrip()
            for name, cycles, flops, moved, node in self.rows()
        ]
        return "\n".join(lines)


def estimate_graph(
    step: GraphStep, tensors: Tensors
) -> tuple[GraphEstimate, dict[str, TensorStatistics]]:
    """
    Estimate one graph on tensors with these statistics; also gives those of its results.

    Raises `InputError` for sizes that do not fit each other.
    """
    shapes = step.infer_shapes({name: one.shape for name, one in tensors.items()})
    found = estimate(step.program, slots_of_operands(step.operands, tensors))
    results = {
        one.result: written_statistics(one, shapes[one.result], found.written)
        for one in step.results
    }
    return found, results


def estimate_steps(
    steps: Sequence[GraphStep | HostStep], tensors: Tensors
) -> tuple[tuple[GraphCost, ...], dict[str, TensorStatistics]]:
    """Estimate the graphs among the steps; also gives the statistics of all tensors."""
    known = dict(tensors)
    costs: list[GraphCost] = []
    for step in steps:
        if isinstance(step, GraphStep):
            found, results = estimate_graph(step, known)
            costs.append(GraphCost(step.name, found))
            known |= results
        else:
            shape = step.infer_shape({name: one.shape for name, one in known.items()})
            known[step.result] = host_statistics(step, known, shape)
    return tuple(costs), known
