"""
A compiled function whose embedding operations are of the `dlc` dialect: it is run and timed.

The host computes what surrounds the operations. Each operation runs on the simulated machine, in
the order of the calls; its time is that of the trace that the run records.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from xdsl.dialects import func, memref, tensor
from xdsl.dialects.builtin import AnyFloat, ContainerType, ModuleOp
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import Attribute, SSAValue

from headrace.analyses.dae_counts import QueueCounts, queue_counts
from headrace.backends.dae import build
from headrace.backends.dae_result import DaeRun, OperationRun
from headrace.backends.host import specification
from headrace.backends.signature import TensorSpec, expect_fit, without_fixed
from headrace.dialects import dlc, slc
from headrace.dialects.dlc_resources import check_resources
from headrace.dialects.functions import argument_names, argument_part, main_function, returned
from headrace.interpreters.linalg import interpret
from headrace.interpreters.nest_entry import entry_operations
from headrace.simulators.dae.execute import execute
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.program import Program
from headrace.simulators.dae.timing import Fidelity, check_fidelity, simulate
from headrace.storage.bfloat16 import in_type
from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Format, Storage
from headrace.storage.parts import part_of
from headrace.storage.values import CSR, is_torch, storage_of, to_torch


@dataclass(frozen=True)
class DaeFunction:
    """A function of host operations and embedding operations: `run` it."""

    module: ModuleOp
    arguments: tuple[TensorSpec, ...]
    """What `run` takes."""
    results: tuple[TensorSpec, ...]
    constants: Mapping[str, object] = field(default_factory=dict[str, object])
    """Arguments that are part of the function, such as the tables of a model, by name."""
    fixed: tuple[tuple[int, object], ...] = ()
    """Arguments of the model that are no tensors, by place; their values are in the module."""

    @staticmethod
    def of(module: ModuleOp) -> "DaeFunction":
        """
        The function of a module whose private functions are the operations.

        Raises `InputError` if there is no entry function.
        """
        function = main_function(module)
        results = tuple(
            specification(value, f"result{place}") for place, value in enumerate(returned(function))
        )
        return DaeFunction(module, _specifications(function), results)

    @property
    def notes(self) -> tuple[str, ...]:
        """What runs, but not on the simulated machine."""
        alone = [name for name, one in self.operations.items() if not _is_decoupled(one)]
        kinds = {
            op.name
            for op in main_function(self.module).walk()
            if isinstance(op, LinalgStructuredOperation) and op.results
        }
        notes = [f"@{name} has no program of the access unit and is not timed" for name in alone]
        if kinds:
            notes.append(f"what the host computes ({', '.join(sorted(kinds))}) is not timed")
        return tuple(notes)

    @cached_property
    def operations(self) -> Mapping[str, func.FuncOp]:
        """The functions that the entry function calls, by name."""
        main = main_function(self.module)
        return {
            op.sym_name.data: op
            for op in self.module.body.block.ops
            if isinstance(op, func.FuncOp) and op is not main
        }

    @cached_property
    def counts(self) -> Mapping[str, QueueCounts]:
        """What goes through the queues of each operation, as expressions."""
        return {name: queue_counts(function) for name, function in self.operations.items()}

    @cached_property
    def programs(self) -> Mapping[str, Program]:
        """Those of the operations. Raises `InputError` for what the machine cannot do."""
        return {name: build(function) for name, function in self.operations.items()}

    def bind(self, constants: Mapping[str, object]) -> "DaeFunction":
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
        machine: DaeMachine | str | Path | None = None,
        fidelity: Fidelity = "recurrence",
        timing_only: bool = False,
    ) -> DaeRun:
        """
        Run the function on NumPy arrays or torch tensors, and time its operations.

        `machine` is a description or a TOML file with a section [dae]; `fidelity` says how times
        are found (see `simulators.dae.timing`). With `timing_only` there are no outputs, and
        floats are computed only where an integer may depend on one. The outputs are torch tensors
        if an argument is one.

        Raises `InputError` for arguments that do not fit, for an index outside of its tensor, for
        an operation that does not fit in the machine, and where passes are missing, so that none
        would run there.
        """
        check_fidelity(fidelity)
        described = dae_machine(machine)
        self._expect_decoupled()
        for function in self.operations.values():
            check_resources(function, described.layers, described.lanes, described.storage_bytes)
        given = without_fixed(args, len(self.arguments), self.fixed)
        runs: list[OperationRun] = []
        # What the host makes of floats may be indices of the next operation.
        values = not timing_only or _makes_integers_of_floats(main_function(self.module))

        def call(function: func.FuncOp, buffers: Sequence[Array]) -> None:
            name = function.sym_name.data
            start = time.perf_counter()
            execution = execute(self.programs[name], buffers, described, values=values)
            if _is_decoupled(function):
                timing = simulate(execution.trace, described, fidelity)
                seconds = time.perf_counter() - start
                runs.append(
                    OperationRun(
                        name,
                        timing,
                        execution.trace,
                        execution.tokens,
                        execution.words,
                        seconds,
                        execution.alone,
                    )
                )

        operations = entry_operations(self.module, call)
        computed = interpret(self.module, self._arguments(given), operations)
        shapes = tuple(tuple(value.shape) for value in computed)
        if timing_only:
            return DaeRun((), (), shapes, tuple(runs), self.notes)
        outputs = [
            in_type(np.asarray(value), spec.dtype)
            for spec, value in zip(self.results, computed, strict=True)
        ]
        storages = [Storage.from_dense(one, Format.dense(one.ndim)) for one in outputs]
        as_torch = any(is_torch(one) for one in given)
        results = [
            to_torch(output, spec.dtype) if as_torch else output
            for spec, output in zip(self.results, outputs, strict=True)
        ]
        return DaeRun(tuple(results), tuple(storages), shapes, tuple(runs), self.notes)

    def _expect_decoupled(self) -> None:
        """Raise `InputError` if passes are missing, so that nothing would be timed."""
        for name, one in self.operations.items():
            if any(isinstance(op, slc.ForOp) for op in one.walk()):
                raise InputError(
                    f"@{name} has loops of the access unit, but no program of it; add ember-to-dlc "
                    "to the pipeline"
                )
        if self.operations and not any(_is_decoupled(one) for one in self.operations.values()):
            raise InputError(
                "no operation has a program of the access unit; add ember-decouple and "
                "ember-to-dlc to the pipeline"
            )

    def _arguments(self, args: Sequence[object]) -> list[Array]:
        """All arguments of the entry function, in its order."""
        if len(args) != len(self.arguments):
            names = ", ".join(spec.name for spec in self.arguments)
            raise InputError(
                f"the function takes {len(self.arguments)} arguments ({names}), but {len(args)} "
                "are given"
            )
        function = main_function(self.module)
        values: dict[str, Any] = dict(self.constants)
        sizes: dict[str, tuple[int, str]] = {}
        for spec, value in zip(self.arguments, args, strict=True):
            stored = storage_of(value, name=f"argument {spec.name}")
            expect_fit(spec, stored.shape, stored.values, sizes)
            _expect_integers(spec, stored.values)
            values[spec.name] = stored
        found: list[Array] = []
        for place, name in enumerate(argument_names(function)):
            stored, part = storage_of(values[name], name=name), argument_part(function, place)
            found.append((stored if part is None else part_of(stored, part.name)).to_dense())
        return found


def dae_machine(given: DaeMachine | str | Path | None) -> DaeMachine:
    """The machine of a description or of a TOML file. Raises `InputError`."""
    if isinstance(given, DaeMachine):
        return given
    return DaeMachine() if given is None else DaeMachine.load(given)


def _expect_integers(spec: TensorSpec, values: Array) -> None:
    """Indices that are no integers are refused, as by PyTorch, even where they are whole."""
    if spec.dtype.startswith("int") and values.dtype.kind not in "iu" and values.size:
        raise InputError(
            f"argument {spec.name} has elements of type {values.dtype}, but must be {spec.dtype}; "
            "convert them"
        )


def _is_decoupled(function: func.FuncOp) -> bool:
    return any(isinstance(op, dlc.AccessOp) for op in function.walk())


def _makes_integers_of_floats(function: func.FuncOp) -> bool:
    """Whether an operation has a float, or tensor of floats, and gives a number that is none."""
    return any(
        any(_is_float(operand) for operand in op.operands)
        and not all(_is_float(result) for result in op.results)
        for op in function.walk()
        if not isinstance(op, tensor.DimOp | memref.DimOp)
    )


def _is_float(value: SSAValue) -> bool:
    type = value.type
    if isinstance(type, ContainerType):
        type = cast("ContainerType[Attribute]", type).get_element_type()
    return isinstance(type, AnyFloat)


def _specifications(function: func.FuncOp) -> tuple[TensorSpec, ...]:
    """What a user gives: a sparse matrix is one argument, of which the function takes parts."""
    found: dict[str, TensorSpec] = {}
    values: Sequence[SSAValue] = function.body.block.args
    for place, (name, value) in enumerate(zip(argument_names(function), values, strict=True)):
        spec, part = specification(value, name), argument_part(function, place)
        if part is None:
            found[name] = spec
            continue
        sizes = (-1, -1) if part.shape is None else part.shape
        shape = tuple(
            size if size >= 0 else f"{name}.{dimension}" for dimension, size in enumerate(sizes)
        )
        # Pointers and indices do not say what the values are: any number then.
        known = part.name in ("values", "dense")
        if known or name not in found:
            found[name] = TensorSpec(name, shape, CSR, spec.dtype if known else "float64")
    return tuple(found.values())
