"""
Compiled programs: what `headrace.compile` returns, and what running one gives.

A program is a list of steps over named tensors: stream graphs, which are simulated and take
cycles, and layout changes between them, which take none. It needs NumPy and the simulators only,
so that a saved program runs where neither xDSL nor torch is installed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from headrace.backends.archive import read_archive, write_archive
from headrace.backends.estimate import Estimate, estimate_steps
from headrace.backends.graph import Assembly, GraphStep
from headrace.backends.result import GraphRun, Result
from headrace.backends.signature import TensorSpec, bind, leaves_of, without_fixed
from headrace.backends.statistics import TensorStatistics, statistics_of
from headrace.backends.steps import (
    CollapseStep,
    ConcatenateStep,
    ConvertStep,
    Extent,
    FillStep,
    HostStep,
    InsertStep,
    ReshapeStep,
    SliceStep,
)
from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.machine import MachineDescription
from headrace.simulators.stream.memory import BankedMemory, MemoryModel, ParityMemory
from headrace.simulators.stream.program import Program as StreamProgram
from headrace.simulators.stream.simulate import simulate
from headrace.storage.bfloat16 import in_type
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level, Storage
from headrace.storage.values import is_torch, to_torch

MEMORIES = ("ledger", "exact", "parity")

DEEPEST = 2**24
"""The largest capacity of a channel; every bounded channel gets all its slots at once."""


@dataclass(frozen=True)
class Program:
    """A compiled program: `run` it, `save` it."""

    arguments: tuple[TensorSpec, ...]
    results: tuple[TensorSpec, ...]
    constants: Mapping[str, Storage]
    """Tensors that are part of the program, such as the weights of a model."""
    steps: tuple[GraphStep | HostStep, ...]
    fixed: tuple[tuple[int, object], ...] = ()
    """Arguments of the model that are no tensors, by place; their values are in the steps."""

    @property
    def graphs(self) -> tuple[GraphStep, ...]:
        """The stream graphs, in the order in which they run."""
        return tuple(step for step in self.steps if isinstance(step, GraphStep))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the passes chose that the source does not say: operands that are read as copies."""
        return tuple(dict.fromkeys(f"{step.source} is {step.reason}" for step in self._copies))

    @property
    def _copies(self) -> tuple[ConvertStep, ...]:
        """The copies that passes had read in place of operands."""
        return tuple(step for step in self.steps if isinstance(step, ConvertStep) and step.reason)

    def run(
        self,
        *args: object,
        depth: int | None = None,
        machine: MachineDescription | str | Path | None = None,
        memory: MemoryModel | str | None = None,
        timing_only: bool = False,
    ) -> Result:
        """
        Simulate the program on NumPy arrays, SciPy matrices, torch tensors or `Storage`.

        `depth` is the capacity of every channel, unbounded by default. `memory` is the model of
        the memory: `ledger` (fast), `exact`, `parity` (that of the published simulators), or an
        object; the numbers of the first two come from `machine`, a description or a TOML file, and
        a machine alone means the ledger. With neither, memory answers at once and only its traffic
        is counted. With `timing_only` the cycles are simulated but no values, and there are no
        outputs. The outputs are torch tensors if an argument is one, else arrays; a deadlock is a
        result without outputs. The shapes of the results are known in every case.

        Raises `InputError`, before anything is simulated, for arguments that do not fit, naming
        the argument, and for sizes that do not fit each other.
        """
        check_depth(depth)
        model = memory_model(memory, machine)
        tensors = self._tensors(args)
        shapes = infer_shapes(self.steps, tensors)
        results = tuple(shapes[result.name] for result in self.results)
        with_values = graphs_with_values(self.steps)
        copies = {step.result: step.source for step in self._copies}
        runs: list[GraphRun] = []
        for step in self.steps:
            if not isinstance(step, GraphStep):
                step.run(tensors, shapes)
                continue
            again = partial(simulate, step.program, step.bind(tensors), depth=depth, memory=model)
            run = GraphRun.of(
                step.name, again, timing_only=timing_only and step.name not in with_values
            )
            runs.append(run)
            if run.result.deadlock is not None:
                return Result((), (), results, tuple(runs), copies)
            step.assemble(run.result.outputs, tensors, shapes)
        if timing_only:
            return Result((), (), results, tuple(runs), copies)
        storages = tuple(tensors[result.name] for result in self.results)
        outputs = [
            in_type(stored.to_dense(), result.dtype)
            for stored, result in zip(storages, self.results, strict=True)
        ]
        if any(is_torch(argument) for argument in leaves_of(args)):
            types = [result.dtype for result in self.results]
            outputs = [to_torch(*one) for one in zip(outputs, types, strict=True)]
        return Result(tuple(outputs), storages, results, tuple(runs), copies)

    def estimate(self, *args: object) -> Estimate:
        """
        What a run on these arguments will cost, from closed forms; nothing is simulated.

        Channels are unbounded and memory answers at once. See docs/design/estimate.md for what is
        exact and what is assumed. Raises `InputError` as `run` does.
        """
        costs, known = estimate_steps(self.steps, self.statistics(*args))
        shapes = tuple(known[result.name].shape for result in self.results)
        return Estimate(costs, shapes, {step.result: step.source for step in self._copies})

    def statistics(self, *args: object) -> dict[str, TensorStatistics]:
        """The statistics of the constants and of these arguments, by name."""
        return {name: statistics_of(stored) for name, stored in self._tensors(args).items()}

    def bind(self, tensors: Mapping[str, object]) -> "Program":
        """
        Make arguments part of the program, such as the weights of a model.

        The new program takes tensors only; the places of `fixed` arguments are lost.

        Raises `InputError` for a name that is no argument, and for a tensor that does not fit.
        """
        specs = {spec.name: spec for spec in self.arguments}
        sizes: dict[str, tuple[int, str]] = {}
        constants = dict(self.constants)
        for name, tensor in tensors.items():
            if name not in specs:
                raise InputError(
                    f"the program has no argument '{name}'; it has {', '.join(specs) or 'none'}"
                )
            constants[name] = bind(specs[name], tensor, sizes)
        left = tuple(spec for spec in self.arguments if spec.name not in tensors)
        known = {name: size for name, (size, _) in sizes.items()}
        arguments = tuple(
            replace(spec, shape=tuple(known.get(str(size), size) for size in spec.shape))
            for spec in left
        )
        return replace(self, arguments=arguments, constants=constants, fixed=())

    def save(self, path: str | Path) -> None:
        """Write the program to an npz file, whole or not at all."""
        write_archive(path, self, _SAVED)

    @staticmethod
    def load(path: str | Path) -> "Program":
        """Read a program that `save` wrote; raises `InputError` if the file is not complete."""
        program = read_archive(path, _SAVED)
        if not isinstance(program, Program):
            raise InputError(f"'{path}' is no saved program; write one with Program.save")
        return program

    def _tensors(self, args: Sequence[object]) -> dict[str, Storage]:
        """The constants and the arguments of a run, by name."""
        return {
            **self.constants,
            **self._bind(without_fixed(args, len(self.arguments), self.fixed)),
        }

    def _bind(self, args: Sequence[object]) -> dict[str, Storage]:
        if len(args) != len(self.arguments):
            raise InputError(
                f"the program takes {len(self.arguments)} arguments "
                f"({', '.join(one.name for one in self.arguments)}), but {len(args)} are given"
            )
        bound: dict[str, Storage] = {}
        sizes: dict[str, tuple[int, str]] = {}
        for spec, value in zip(self.arguments, args, strict=True):
            bound[spec.name] = bind(spec, value, sizes)
        return bound


def infer_shapes(
    steps: Sequence[GraphStep | HostStep], tensors: Mapping[str, Storage]
) -> dict[str, tuple[int, ...]]:
    """
    The shapes of the tensors that are there and of all that the steps will add.

    Raises `InputError` for sizes that do not fit each other.
    """
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    for step in steps:
        if isinstance(step, GraphStep):
            shapes |= step.infer_shapes(shapes)
        else:
            shapes[step.result] = step.infer_shape(shapes)
    return shapes


def graphs_with_values(steps: Sequence[GraphStep | HostStep]) -> set[str]:
    """
    The graphs whose values must be known even if only the time of the program is asked for.

    A step between graphs that makes a compressed tensor leaves out zeros, so that the streams
    behind it depend on values; a graph that drops values depends on them by itself.
    """
    needed: set[str] = set()
    found: set[str] = set()
    for step in reversed(steps):
        if not isinstance(step, GraphStep):
            if step.result in needed or not step.format.is_dense:
                needed.update(step.reads)
        elif step.steers or any(one.result in needed for one in step.results):
            found.add(step.name)
            needed.update(step.operands)
    return found


def check_depth(depth: int | None) -> None:
    """Raise `InputError` for a number that is not the capacity of a channel."""
    if depth is None:
        return
    if type(depth) is not int:
        raise InputError(f"the depth of a channel is a whole number, not {depth!r}")
    if depth < 1:
        raise InputError(
            f"a channel of depth {depth} can hold no token; give 1 or more, or None for "
            "unbounded channels"
        )
    if depth > DEEPEST:
        raise InputError(
            f"channels of depth {depth} are deeper than {DEEPEST}; leave the depth out for "
            "unbounded channels"
        )


def memory_model(
    memory: MemoryModel | str | None, machine: MachineDescription | str | Path | None
) -> MemoryModel | None:
    """Return the memory that `Program.run` describes; the ledger if only a machine is given."""
    if memory is None and machine is None:
        return None
    if machine is not None and (isinstance(memory, MemoryModel) or memory == "parity"):
        name = memory if isinstance(memory, str) else type(memory).__name__
        raise InputError(f"the memory '{name}' has numbers of its own; leave the machine out")
    match memory:
        case MemoryModel():
            return memory
        case "parity":
            return ParityMemory()
        case None | "ledger" | "exact":
            try:
                return BankedMemory(machine_description(machine).memory, exact=memory == "exact")
            except ProgramError as error:
                raise InputError(str(error)) from None
        case _:
            raise InputError(f"there is no memory '{memory}'; choose from {', '.join(MEMORIES)}")


def machine_description(given: object) -> MachineDescription:
    """A description, or the one in a TOML file. Raises `InputError`."""
    match given:
        case None:
            return MachineDescription()
        case MachineDescription():
            return given
        case str() | Path():
            try:
                return MachineDescription.load(given)
            except ProgramError as error:
                raise InputError(str(error)) from None
        case _:
            raise InputError(
                "a machine is a MachineDescription or the path of a TOML file, not a "
                f"{type(given).__name__}"
            )


def load(path: str | Path) -> Program:
    """Read a program that `Program.save` wrote."""
    return Program.load(path)


_SAVED: dict[str, type[Any]] = {
    "Program": Program,
    "StreamProgram": StreamProgram,
    **{
        kind.__name__: kind
        for kind in (
            Assembly,
            CollapseStep,
            ConcatenateStep,
            ConvertStep,
            Extent,
            FillStep,
            Format,
            GraphStep,
            InsertStep,
            Level,
            ReshapeStep,
            SliceStep,
            Storage,
            TensorSpec,
        )
    },
}
"""The classes in a saved program, by the names that they have there."""
