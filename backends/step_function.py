"""
A compiled function whose graphs are of the `step` dialect: it is timed and run.

The host computes what lies between the graphs. Which tokens there are and when they move depends
on selectors and integers only, so that time can be asked for without the other tensors: models of
gigabytes are timed without their weights. Values are those of the interpreter, which replays the
order of arrival that the simulation recorded; nothing else of a graph depends on time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from headrace.analyses.step_costs import REFERENCE_LOAD_BYTES, Accounting
from headrace.analyses.step_symbols import Made, known_symbols
from headrace.backends.compiled import check_depth, machine_description
from headrace.backends.host import specification
from headrace.backends.result import GraphRun, Result
from headrace.backends.signature import TensorSpec, expect_fit, without_fixed
from headrace.backends.step import StepProgram, graphs_of, lower
from headrace.backends.step_depths import find_depths
from headrace.backends.step_use import StepUse, expect_capacity, use_of
from headrace.dialects import step
from headrace.dialects.functions import argument_names, main_function, returned
from headrace.interpreters.linalg import interpret_known
from headrace.interpreters.step import interpret_graph
from headrace.simulators.stream.errors import SimulationError
from headrace.simulators.stream.machine import MachineDescription, MemoryDescription, StepMachine
from headrace.simulators.stream.statistics import Deadlock
from headrace.storage.bfloat16 import in_type
from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Format, Storage
from headrace.storage.values import is_torch, to_torch

SINGLE_CHANNELS = (
    "more depth of single ones, which step-size-fifos sets and 'headrace run --fifos' or "
    "`StepFunction.find_depths` finds"
)


@dataclass(frozen=True)
class StepRun(Result):
    """What `StepFunction.run` gives: a `Result`, and what each graph used."""

    uses: tuple[StepUse, ...] = ()
    """Of the graphs in the order in which they ran."""

    @property
    def deadlock(self) -> Deadlock | None:
        """Why a graph stopped; what frees it is also more depth of single channels."""
        found = super().deadlock
        return found and replace(found, alternative=SINGLE_CHANNELS)

    def summary(self) -> dict[str, Any]:
        """As that of `Result`; every graph with what it used."""
        whole = super().summary()
        graphs = [
            {**graph, **use.summary()}
            for graph, use in zip(whole["graphs"], self.uses, strict=True)
        ]
        return {**whole, "graphs": graphs}


@dataclass(frozen=True)
class StepFunction:
    """A function of host operations and stream graphs: `run` it."""

    module: ModuleOp
    arguments: tuple[TensorSpec, ...]
    """What `run` takes."""
    results: tuple[TensorSpec, ...]
    constants: Mapping[str, object] = field(default_factory=dict[str, object])
    """Arguments that are part of the function, such as the weights of a model, by name."""
    fixed: tuple[tuple[int, object], ...] = ()
    """Arguments of the model that are no tensors, by place; their values are in the module."""

    @staticmethod
    def of(module: ModuleOp) -> "StepFunction":
        """The function of a lowered module. Raises `InputError` if it has none."""
        function = main_function(module)
        values = zip(function.body.block.args, argument_names(function), strict=True)
        return StepFunction(
            module,
            tuple(specification(value, name) for value, name in values),
            tuple(
                specification(value, f"result{place}")
                for place, value in enumerate(returned(function))
            ),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """As those of `Program`: passes of `step` choose nothing that is not in the module."""
        return ()

    @property
    def graphs(self) -> list[step.GraphOp]:
        """The stream graphs, in the order in which they run."""
        return graphs_of(self.module)

    def bind(self, constants: Mapping[str, object]) -> "StepFunction":
        """Make arguments part of the function. Raises `InputError` for a name that is none."""
        names = {spec.name for spec in self.arguments}
        for name in constants:
            if name not in names:
                raise InputError(
                    f"the function has no argument '{name}'; it has {', '.join(sorted(names))}"
                )
        left = tuple(spec for spec in self.arguments if spec.name not in constants)
        return replace(self, arguments=left, constants={**self.constants, **constants})

    def run(
        self,
        *args: object,
        depth: int | None = None,
        machine: StepMachine | MachineDescription | str | Path | None = None,
        accounting: Accounting | str = Accounting.CONSISTENT,
        timing_only: bool = False,
    ) -> StepRun:
        """
        Simulate the function on NumPy arrays or torch tensors.

        `depth` is the capacity of every channel that has none of its own, unbounded by default;
        `machine` a description or a TOML file, of which [step] counts. With the accounting
        `reference` numbers of tiles move as 2 bytes and loads count 2, as in the published figures.
        With `timing_only` there are no outputs, and an argument may be None, or a torch tensor of
        the device `meta`: not one that decides selectors or integers. So are constants that are
        one NaN in all places, as `Tensor.expand` makes them of one. The outputs are torch tensors
        if an argument is one. A deadlock is a result without outputs.

        Raises `InputError` for arguments that do not fit, and for tiles without values where they
        are needed.
        """
        check_depth(depth)
        given = without_fixed(args, len(self.arguments), self.fixed)
        costs = _accounting(accounting)
        run = _Run(self, self._arguments(given), depth, step_machine(machine), costs, timing_only)
        return run.result(as_torch=any(is_torch(one) for one in given))

    def graph_arguments(self, *args: object) -> list[list[Array | None]]:
        """
        What each graph is given, in the order of `graphs`, for these arguments of `run`.

        Selectors, lengths and tensors that the host computes are among them, so that
        `known_symbols` and `find_depths` can be asked about a compiled model. Nothing is simulated:
        what other graphs need of a graph is interpreted. None stands for a tensor without values.

        Raises `InputError` for arguments that do not fit.
        """
        given = without_fixed(args, len(self.arguments), self.fixed)
        found: list[list[Array | None]] = []
        last = len(self.graphs)

        def graph(op: Operation, inputs: Sequence[Array | None]) -> list[Array | None]:
            assert isinstance(op, step.GraphOp)
            found.append(list(inputs))
            if len(found) == last or any(value is None for value in inputs):
                return [None for _ in op.results]
            return [*interpret_graph(op, cast("list[Array]", inputs))]

        values = list(self._arguments(given).values())
        interpret_known(self.module, values, {step.GraphOp: graph})
        return found

    def find_depths(
        self,
        *args: object,
        depth: int,
        machine: StepMachine | MachineDescription | str | Path | None = None,
        accounting: Accounting | str = Accounting.CONSISTENT,
    ) -> dict[int, dict[int, int]]:
        """
        The channels that need more than `depth` with these arguments of `run`, and their depths.

        The key is the number of a graph that deadlocks; what it has is that of `find_depths`, from
        which `sizing` makes the pass that sets the depths. Every graph is simulated many times.

        Raises `InputError` as `run` and `find_depths` do.
        """
        check_depth(depth)
        element_bytes = _element_bytes(_accounting(accounting))
        described = step_machine(machine)
        found = {
            number: find_depths(
                graph, given, depth=depth, element_bytes=element_bytes, machine=described
            )
            for number, (graph, given) in enumerate(
                zip(self.graphs, self.graph_arguments(*args), strict=True)
            )
        }
        return {number: depths for number, depths in found.items() if depths}

    def _arguments(self, args: Sequence[object]) -> dict[str, Array | None]:
        """All arguments of the function by name, in its order."""
        if len(args) != len(self.arguments):
            names = ", ".join(spec.name for spec in self.arguments)
            raise InputError(
                f"the function takes {len(self.arguments)} arguments ({names}), but {len(args)} "
                "are given"
            )
        named = {spec.name: one for spec, one in zip(self.arguments, args, strict=True)}
        names = argument_names(main_function(self.module))
        found = {name: _known({**self.constants, **named}[name], name) for name in names}
        sizes: dict[str, tuple[int, str]] = {}
        for spec in self.arguments:
            if (array := found[spec.name]) is not None:
                expect_fit(spec, array.shape, array, sizes)
        return found


def _accounting(given: Accounting | str) -> Accounting:
    try:
        return Accounting(given)
    except ValueError:
        names = ", ".join(Accounting)
        raise InputError(f"there is no accounting '{given}'; choose from {names}") from None


def _element_bytes(accounting: Accounting) -> int | None:
    """The bytes of a number of a tile, None: those of its type."""
    return REFERENCE_LOAD_BYTES if accounting is Accounting.REFERENCE else None


def step_machine(given: object) -> StepMachine:
    """The numbers of a machine that `step` graphs run on. Raises `InputError`."""
    match given:
        case None:
            return StepMachine()
        case StepMachine():
            return given
        case _:
            described = machine_description(given)
    if described.step == StepMachine() and described.memory != MemoryDescription():
        raise InputError(
            "the machine describes the memory of sparse graphs only ([memory]); stream graphs run "
            "on what [step] says"
        )
    return described.step


def _known(value: Any, name: str) -> Array | None:
    """An array, or None for a tensor without values. Raises `InputError` for other elements."""
    if value is None or getattr(getattr(value, "device", None), "type", None) == "meta":
        return None
    if isinstance(value, Storage):
        return None if _is_nothing(value.values) else np.asarray(value.to_dense())
    if is_torch(value):
        value = value.detach().to_dense()
        value = value.double() if value.is_floating_point() else value
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"argument {name} has rows of different lengths; pad them") from None
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"argument {name} has elements of type {array.dtype}, which are not real numbers"
        )
    return array


def _is_nothing(values: Array) -> bool:
    """Whether a tensor is one NaN that stands in all places, without memory for each."""
    repeated = values.size > 1 and not any(values.strides) and values.dtype.kind == "f"
    return repeated and bool(np.isnan(values.flat[0]))


class _Run:
    """One run of a function."""

    def __init__(
        self,
        function: StepFunction,
        arguments: Mapping[str, Array | None],
        depth: int | None,
        machine: StepMachine,
        accounting: Accounting,
        timing_only: bool,
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.depth = depth
        self.machine = machine
        self.accounting = accounting
        self.element_bytes = _element_bytes(accounting)
        self.timing_only = timing_only
        self.runs: list[GraphRun] = []
        self.uses: list[StepUse] = []

    def result(self, as_torch: bool) -> StepRun:
        shapes = tuple(tuple(map(int, spec.shape)) for spec in self.function.results)
        try:
            values = interpret_known(
                self.function.module, list(self.arguments.values()), {step.GraphOp: self._graph}
            )
        except _Deadlocked:
            values = []
        if self.timing_only or not values:
            return StepRun((), (), shapes, tuple(self.runs), uses=tuple(self.uses))
        outputs = [
            in_type(self._output(spec.name, value), spec.dtype)
            for spec, value in zip(self.function.results, values, strict=True)
        ]
        storages = tuple(
            Storage.from_dense(output, Format.dense(output.ndim)) for output in outputs
        )
        return StepRun(
            tuple(
                to_torch(output, spec.dtype) if as_torch else output
                for spec, output in zip(self.function.results, outputs, strict=True)
            ),
            storages,
            shapes,
            tuple(self.runs),
            uses=tuple(self.uses),
        )

    def _output(self, name: str, value: Array | None) -> Array:
        if value is None:
            unknown = [name for name, one in self.arguments.items() if one is None]
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            raise InputError(
                f"{name} needs the values of {', '.join(unknown[:3])}{more}; give them, or ask for "
                "timing only"
            )
        return value

    def _graph(self, op: Operation, inputs: Sequence[Array | None]) -> list[Array | None]:
        assert isinstance(op, step.GraphOp)
        program = lower(op, self.element_bytes)
        made = program.selectors_of_tiles(inputs)
        symbols = known_symbols(op, inputs, made)
        expect_capacity(op, symbols, self.machine, self.accounting)
        name = f"graph{len(self.runs)}"
        again = partial(_simulate, program, inputs, made, self.depth, self.machine)
        try:
            run = GraphRun.of(name, again, timing_only=False)
        except SimulationError as error:
            raise InputError(
                f"{error}; the arguments have a length, an address or a selector that the graph "
                "cannot take"
            ) from None
        self.runs.append(run)
        self.uses.append(
            use_of(
                op,
                program.result(run.result),
                symbols,
                self.machine,
                accounting=self.accounting,
                element_bytes=self.element_bytes,
            )
        )
        if run.result.deadlock is not None:
            raise _Deadlocked
        unknown = any(value is None for value in inputs)
        if self.timing_only or unknown:
            return [None for _ in op.results]
        record = {
            place: orders.tolist() for place, orders in program.arbitration(run.result).items()
        }
        return [*interpret_graph(op, cast("list[Array]", inputs), record)]


class _Deadlocked(Exception):
    """A graph cannot go on; the run ends."""


def _simulate(
    program: StepProgram,
    inputs: Sequence[Array | None],
    made: Made,
    depth: int | None,
    machine: StepMachine,
    timing_only: bool = False,
    **observed: bool,
):
    return program.simulate(inputs, depth=depth, machine=machine, made=made, **observed)
