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
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import AnyTensorType, ModuleOp
from xdsl.ir import Operation

from headrace.backends.compiled import check_depth
from headrace.backends.host import dtype_of
from headrace.backends.result import GraphRun, Result
from headrace.backends.step import StepProgram, graphs_of, lower
from headrace.dialects import step
from headrace.dialects.functions import main_function
from headrace.interpreters.linalg import interpret_known
from headrace.interpreters.step import interpret_graph
from headrace.simulators.stream.machine import StepMachine
from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Format, Storage
from headrace.storage.values import is_torch, to_torch


@dataclass(frozen=True)
class StepFunction:
    """A function of host operations and stream graphs: `run` it."""

    module: ModuleOp
    names: tuple[str, ...]
    """Of the arguments of the function."""
    element_bytes: int | None = None
    """Bytes of a number of a tile, if not those of its type."""
    constants: Mapping[str, object] = field(default_factory=dict[str, object])
    """Arguments that are part of the function, such as the weights of a model, by name."""

    @property
    def graphs(self) -> list[step.GraphOp]:
        """The stream graphs, in the order in which they run."""
        return graphs_of(self.module)

    @property
    def open_names(self) -> tuple[str, ...]:
        """The arguments that `run` takes."""
        return tuple(name for name in self.names if name not in self.constants)

    def bind(self, constants: Mapping[str, object]) -> "StepFunction":
        """Make arguments part of the function. Raises `InputError` for a name that is none."""
        for name in constants:
            if name not in self.names:
                raise InputError(
                    f"the function has no argument '{name}'; it has {', '.join(self.names)}"
                )
        return replace(self, constants={**self.constants, **constants})

    def run(
        self,
        *args: object,
        depth: int | None = None,
        machine: StepMachine = StepMachine(),
        timing_only: bool = False,
    ) -> Result:
        """
        Simulate the function on NumPy arrays or torch tensors.

        `depth` is the capacity of every channel that has none of its own, unbounded by default.
        With `timing_only` there are no outputs, and an argument may be None, or a torch tensor of
        the device `meta`: not one that decides selectors or integers. The outputs are torch tensors
        if an argument is one. A deadlock is a result without outputs.

        Raises `InputError` for arguments that do not fit, and for tiles without values where they
        are needed.
        """
        check_depth(depth)
        return _Run(self, self._arguments(args), depth, machine, timing_only).result(
            as_torch=any(is_torch(one) for one in args)
        )

    def _arguments(self, args: Sequence[object]) -> list[Array | None]:
        if len(args) != len(self.open_names):
            raise InputError(
                f"the function takes {len(self.open_names)} arguments "
                f"({', '.join(self.open_names)}), but {len(args)} are given"
            )
        given = {**self.constants, **dict(zip(self.open_names, args, strict=True))}
        return [_known(given[name]) for name in self.names]


def _known(value: Any) -> Array | None:
    """An array, or None for a tensor without values."""
    if value is None or getattr(getattr(value, "device", None), "type", None) == "meta":
        return None
    if isinstance(value, Storage):
        return np.asarray(value.to_dense())
    if is_torch(value):
        value = value.detach().to_dense()
        return np.asarray(value.double() if value.is_floating_point() else value)
    return np.asarray(value)


class _Run:
    """One run of a function."""

    def __init__(
        self,
        function: StepFunction,
        arguments: Sequence[Array | None],
        depth: int | None,
        machine: StepMachine,
        timing_only: bool,
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.depth = depth
        self.machine = machine
        self.timing_only = timing_only
        self.runs: list[GraphRun] = []

    def result(self, as_torch: bool) -> Result:
        main = main_function(self.function.module)
        shapes = tuple(cast(AnyTensorType, type).get_shape() for type in main.function_type.outputs)
        try:
            values = interpret_known(
                self.function.module, self.arguments, {step.GraphOp: self._graph}
            )
        except _Deadlocked:
            values = []
        if self.timing_only or not values:
            return Result((), (), shapes, tuple(self.runs))
        outputs = [
            self._output(position, value).astype(dtype_of(cast(AnyTensorType, type).element_type))
            for position, (value, type) in enumerate(
                zip(values, main.function_type.outputs, strict=True)
            )
        ]
        storages = tuple(
            Storage.from_dense(output, Format.dense(output.ndim)) for output in outputs
        )
        return Result(
            tuple(to_torch(output) if as_torch else output for output in outputs),
            storages,
            shapes,
            tuple(self.runs),
        )

    def _output(self, position: int, value: Array | None) -> Array:
        if value is None:
            unknown = [
                name
                for name, one in zip(self.function.names, self.arguments, strict=True)
                if one is None
            ]
            raise InputError(
                f"result {position} needs the values of {', '.join(unknown)}; give them, or ask "
                "for timing only"
            )
        return value

    def _graph(self, op: Operation, inputs: Sequence[Array | None]) -> list[Array | None]:
        assert isinstance(op, step.GraphOp)
        program = lower(op, self.function.element_bytes)
        name = f"graph{len(self.runs)}"
        again = partial(_simulate, program, inputs, self.depth, self.machine)
        run = GraphRun.of(name, again, timing_only=False)
        self.runs.append(run)
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
    depth: int | None,
    machine: StepMachine,
    timing_only: bool = False,
    **observed: bool,
):
    return program.simulate(inputs, depth=depth, machine=machine, **observed)
