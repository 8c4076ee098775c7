"""
Running modules of `step` graphs: the time of every graph, and the values of the whole function.

Only the order of arrival depends on time. So each graph is simulated first, without values of
tiles; then the interpreter computes them, taking units in the order that the simulation recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from headrace.backends.step import StepResult, lower
from headrace.dialects import step
from headrace.interpreters import linalg
from headrace.interpreters.step import interpret_graph
from headrace.simulators.stream.machine import StepMachine

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class StepRun:
    """What a run of a function gives."""

    outputs: tuple[Array, ...] | None
    """The results of the function; None if a graph came to a deadlock."""
    graphs: tuple[StepResult, ...]
    """The graphs in the order in which they ran, a deadlocked one last."""

    @property
    def cycles(self) -> int:
        """Of all graphs, one after the other."""
        return sum(graph.cycles for graph in self.graphs)


def run(
    module: ModuleOp,
    arguments: Sequence[npt.ArrayLike],
    *,
    depth: int | None = None,
    machine: StepMachine = StepMachine(),
    element_bytes: int | None = None,
    operations: bool = False,
) -> StepRun:
    """
    Run the first function of a module: graphs on the engine, entry IR between them on the host.

    `depth` is the capacity of every channel (None: unbounded), `element_bytes` the bytes of a
    number in tiles (None: those of its type); `operations` asks for FLOPs. Raises `InputError` as
    `lower` and `interpret_graph` do.
    """
    results: list[StepResult] = []

    def graph(operation: Operation, inputs: Sequence[Array]) -> list[Array]:
        assert isinstance(operation, step.GraphOp)
        program = lower(operation, element_bytes)
        result = program.run(inputs, depth=depth, machine=machine, operations=operations)
        results.append(result)
        if result.deadlock is not None:
            raise _DeadlockReached
        return interpret_graph(operation, inputs, result.arbitration)

    graphs: linalg.Operations = {step.GraphOp: graph}
    try:
        outputs = linalg.interpret(module, [np.asarray(value) for value in arguments], graphs)
    except _DeadlockReached:
        return StepRun(None, tuple(results))
    return StepRun(tuple(outputs), tuple(results))


class _DeadlockReached(Exception):
    """Ends the run of a function; the deadlock is in the result."""
