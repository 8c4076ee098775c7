"""
From `step` graphs to programs of the stream engine, and what a run of one says.

Every operation becomes one node, in the order of the operations: memory ports are served in that
order, readers first. A simulation has sizes and routing but no values of tiles; selectors and
integers come from the graph's arguments, or selectors from the interpreter (`step_selectors`).
Values are the interpreter's, which replays the recorded arbitration: the order in which units
arrived.

Source: "Streaming Tensor Programs", ASPLOS 2026, arXiv 2511.07776, section 5.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from headrace.analyses.step_symbols import Arguments, Made, Selector
from headrace.backends.step_integers import expect_known_integers
from headrace.backends.step_nodes import (
    integer_slot,
    is_part_of_functions,
    node_of,
    selector_slot,
)
from headrace.backends.step_selectors import selectors_of_tiles
from headrace.dialects import step
from headrace.dialects.step_depths import depths_of
from headrace.dialects.step_types import SelectorType, StreamType
from headrace.interpreters.step_sources import check_selectors
from headrace.simulators.stream.machine import StepMachine
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot, Stream
from headrace.simulators.stream.simulate import simulate
from headrace.simulators.stream.statistics import Deadlock, NodeStatistics, SimulationResult
from headrace.simulators.stream.step_memory import StepMemory
from headrace.storage.errors import InputError

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class StepResult:
    """What a simulation of a graph says."""

    cycles: int
    """The largest final clock of any operation."""
    deadlock: Deadlock | None
    nodes: Mapping[int, NodeStatistics]
    """
    Clocks, FLOPs and memory requests by the place of the operation in the graph. A zip has none
    where it is part of the functions that read it.
    """
    arbitration: Mapping[int, Array]
    """
    The orders of arrival by the place of the operation in the graph, as the interpreter replays
    them: of a merge the input of every unit, of a reassembly the inputs of one selector after the
    other. Empty after a deadlock.
    """

    @property
    def requests(self) -> int:
        """Requests to the off-chip memory."""
        return sum(node.requests for node in self.nodes.values())


@dataclass(frozen=True)
class Selectors:
    """What reads an argument of selectors (its node), and what each selects."""

    source: str
    width: int
    """Out of how many."""
    hot: int | None
    """How many, if that is always the same."""


@dataclass(frozen=True)
class StepProgram:
    """A graph as a program, to be run with any arguments."""

    program: Program
    names: Mapping[int, str]
    """The node of each operation by its place."""
    arbiters: Mapping[int, str]
    """The arrays of orders of arrival by the place of the operation."""
    selectors: Mapping[int, Selectors]
    """What selectors must be, by the argument that holds them."""
    integers: tuple[int, ...]
    """The arguments that hold integers."""
    widest: int
    """The most that any selector of the graph selects out of."""
    made: Mapping[SSAValue, str]
    """The arrays of the selectors that are made of tiles, by their streams."""
    graph: step.GraphOp

    def run(
        self,
        arguments: Arguments,
        *,
        depth: int | None = None,
        machine: StepMachine = StepMachine(),
    ) -> StepResult:
        """
        Simulate the graph. `depth` is the capacity of every channel that has none of its own
        (`step-size-fifos`), None: unbounded.

        Raises `InputError` for arguments that are missing or of a wrong shape, for selectors that
        are not what their type says, and for those made of tiles whose order time decides. A
        deadlock is a result.
        """
        return self.result(self.simulate(arguments, depth=depth, machine=machine))

    def result(self, result: SimulationResult) -> StepResult:
        """What a simulation says of the operations of the graph."""
        nodes = {node.name: node for node in result.nodes}
        return StepResult(
            cycles=result.cycles,
            deadlock=result.deadlock,
            nodes={place: nodes[name] for place, name in self.names.items()},
            arbitration=self.arbitration(result),
        )

    def simulate(
        self,
        arguments: Arguments,
        *,
        depth: int | None = None,
        machine: StepMachine = StepMachine(),
        made: Made | None = None,
        **observed: bool,
    ) -> SimulationResult:
        """
        As `run`, with what `simulate` of the stream engine observes and returns.

        `made` are the selectors that tiles make, for who knows them already.
        """
        return simulate(
            self.program,
            self._arrays(arguments, self.selectors_of_tiles(arguments) if made is None else made),
            depth=depth,
            memory=StepMemory(machine),
            **observed,
        )

    def selectors_of_tiles(self, arguments: Arguments) -> Made:
        """
        The selectors that the graph makes of tiles.

        Raises `InputError` if the arguments that they need are missing, and if they depend on time.
        """
        return selectors_of_tiles(self.graph, list(self.made), arguments)

    def arbitration(self, result: SimulationResult) -> dict[int, Array]:
        """The orders of arrival in a run; see `StepResult`."""
        return {
            place: result.outputs[name]
            for place, name in self.arbiters.items()
            if name in result.outputs
        }

    def _arrays(self, arguments: Arguments, made: Made) -> dict[str, Array]:
        table = _SelectorTable(self.widest)
        arrays: dict[str, Array] = {}
        for argument, kind in self.selectors.items():
            rows = _values(arguments, argument).reshape(-1, kind.width)
            check_selectors(f"'{kind.source}'", rows, kind.hot)
            selected = [tuple(np.flatnonzero(row).tolist()) for row in rows]
            arrays[selector_slot(argument)] = table.places(selected)
        for stream, name in self.made.items():
            arrays[name] = table.places(made[stream])
        for argument in self.integers:
            integers = _values(arguments, argument).astype(np.int64).ravel()
            if (least := integers.min(initial=0)) < 0:
                raise InputError(
                    f"argument {argument} of the graph holds {least} among lengths, indices or "
                    "addresses, which are 0 or more"
                )
            arrays[integer_slot(argument)] = integers
        return {**arrays, **table.arrays()}


def _values(arguments: Arguments, argument: int) -> Array:
    values = arguments[argument] if argument < len(arguments) else None
    if values is None:
        raise InputError(
            f"argument {argument} of the graph holds selectors or integers, which decide when "
            "things happen: give its values"
        )
    return np.asarray(values)


class _SelectorTable:
    """Selectors as places in one table: {0}, {1}, .. first, which merges send, then others."""

    def __init__(self, widest: int) -> None:
        self._places: dict[Selector, int] = {(one,): one for one in range(widest)}

    def places(self, selectors: Sequence[Selector]) -> Array:
        return np.array(
            [self._places.setdefault(one, len(self._places)) for one in selectors], dtype=np.int64
        )

    def arrays(self) -> dict[str, Array]:
        rows = list(self._places)
        return {
            "selectors.starts": np.cumsum([0, *map(len, rows)], dtype=np.int64),
            "selectors.members": np.array([one for row in rows for one in row], dtype=np.int64),
        }


def lower(graph: step.GraphOp, element_bytes: int | None = None) -> StepProgram:
    """
    The program of a graph; numbers of tiles have `element_bytes`, None: those of their type.

    Raises `InputError` for what depends on the values of tiles.
    """
    return _Lowering(graph, element_bytes).run()


def graphs_of(module: ModuleOp) -> list[step.GraphOp]:
    """The graphs of a module, in order."""
    return [operation for operation in module.walk() if isinstance(operation, step.GraphOp)]


@dataclass
class _Lowering:
    graph: step.GraphOp
    element_bytes: int | None
    builder: ProgramBuilder = field(default_factory=ProgramBuilder)
    streams: dict[SSAValue, Stream] = field(default_factory=dict[SSAValue, Stream])
    awaited: dict[SSAValue, Stream] = field(default_factory=dict[SSAValue, Stream])
    names: dict[int, str] = field(default_factory=dict[int, str])
    arbiters: dict[int, str] = field(default_factory=dict[int, str])
    selectors: dict[int, Selectors] = field(default_factory=dict[int, Selectors])
    integers: list[int] = field(default_factory=list[int])
    made: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])

    def run(self) -> StepProgram:
        for place, operation in enumerate(self.graph.body.block.ops):
            if not isinstance(operation, step.YieldOp) and not is_part_of_functions(operation):
                self._add(place, operation)
        for value, stream in self.awaited.items():
            self.builder.connect(stream, self.streams[value])
        return StepProgram(
            self.builder.build(),
            self.names,
            self.arbiters,
            self.selectors,
            tuple(self.integers),
            self._widest(),
            self.made,
            self.graph,
        )

    def _add(self, place: int, operation: Operation) -> None:
        expect_known_integers(operation)
        node = node_of(operation, self.element_bytes)
        name = f"{operation.name.removeprefix('step.')} {place}"
        parameters = node.parameters
        if isinstance(operation, step.EagerMergeOp | step.ReassembleOp):
            merges = isinstance(operation, step.EagerMergeOp)
            self.arbiters[place] = f"{name}.{'choices' if merges else 'order'}"
            parameters = {**parameters, "output": name}
        if isinstance(operation, step.SelectOp | step.IntegersOp):
            self._note_argument(operation, name)
        if node.kind == "step_to_selector":
            self.made[operation.results[0]] = f"selectors.{name}"
            parameters = {**parameters, "selectors": Slot(f"selectors.{name}")}
        inputs = [self._stream(value) for value in node.inputs]
        outputs = self.builder.node(node.kind, *inputs, name=name, **parameters)
        results = [value for value in operation.results if isinstance(value.type, StreamType)]
        depths = dict(zip(operation.results, depths_of(operation), strict=True))
        for value, stream in zip(results, outputs, strict=True):
            self.streams[value] = stream
            if depths[value]:
                self.builder.set_capacity(stream, depths[value])
        self.names[place] = name

    def _note_argument(self, operation: step.SelectOp | step.IntegersOp, name: str) -> None:
        tensor = operation.tensor
        assert isinstance(tensor, BlockArgument)
        if isinstance(operation, step.SelectOp):
            selectors = operation.result.type
            assert isinstance(selectors, StreamType)
            assert isinstance(selectors.element_type, SelectorType)
            element = selectors.element_type
            self.selectors[tensor.index] = Selectors(name, element.width, element.hot)
        elif tensor.index not in self.integers:
            self.integers.append(tensor.index)

    def _stream(self, value: SSAValue) -> Stream:
        """What carries a value; one that a later operation makes is connected at the end."""
        if value in self.streams:
            return self.streams[value]
        return self.awaited.setdefault(value, self.builder.feedback())

    def _widest(self) -> int:
        widths = [
            result.type.element_type.width
            for operation in self.graph.body.block.ops
            for result in operation.results
            if isinstance(result.type, StreamType)
            and isinstance(result.type.element_type, SelectorType)
        ]
        return max(widths, default=0)
