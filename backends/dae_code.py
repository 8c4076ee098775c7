"""Instructions of an access-execute program while it is built: registers, buffers, work."""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    IndexType,
    IntegerType,
    MemRefType,
    VectorType,
)
from xdsl.ir import Attribute, Operation, SSAValue

from headrace.interpreters.nest_memory import name_of
from headrace.interpreters.nest_scalars import element_of
from headrace.simulators.dae.cost import CaseWork
from headrace.simulators.dae.opcodes import BYTES, FIELDS, Element, Op
from headrace.simulators.dae.program import Program
from headrace.simulators.dae.trace import Stream
from headrace.storage.errors import InputError

RANK = 4
"""Dimensions that a buffer may have."""

_FLOATS: dict[type[Attribute], Element] = {
    Float64Type: Element.F64,
    Float32Type: Element.F32,
    Float16Type: Element.F16,
    BFloat16Type: Element.BF16,
}
_INTEGERS = {64: Element.I64, 32: Element.I32, 16: Element.I16, 8: Element.I8, 1: Element.I1}


def element(type: Attribute) -> Element:
    """The element type of a scalar, vector or memref. Raises `InputError` if there is none."""
    scalar = element_of(type)
    if isinstance(scalar, IndexType):
        return Element.I64
    found = _FLOATS.get(scalar.__class__)
    if isinstance(scalar, IntegerType):
        found = _INTEGERS.get(scalar.bitwidth)
    if found is None:
        raise InputError(f"an access-execute program cannot compute with {scalar}")
    return found


def is_float(type: Attribute) -> bool:
    return element(type) <= Element.BF16


def lanes(type: Attribute) -> int:
    """1 for a scalar. Raises `InputError` for a vector of several dimensions."""
    if not isinstance(type, VectorType):
        return 1
    shape = cast("VectorType[Attribute]", type).get_shape()
    if len(shape) != 1:
        raise InputError(f"an access-execute program has vectors of one dimension, not {type}")
    return shape[0]


@dataclass
class _Buffer:
    name: str
    element: Element
    sizes: list[int]
    sources: list[tuple[int, int]]
    written: bool = False


class Code:
    """
    A program in the making.

    Work of the core is counted where it is emitted: `begin_work` opens a piece that the program
    does each time it comes there.
    """

    def __init__(self, function: str) -> None:
        self.function = function
        self.kinds = ["rest"]
        self.cases: list[str] = []
        self.messages: list[str] = []
        self.streams: list[Stream] = []
        self.programs = 0
        self._rows: list[list[int]] = []
        self._places: list[list[tuple[str, int]]] = [[]]
        self._place_of: list[int] = []
        self._operands: list[int] = []
        self._initial: dict[bool, list[npt.NDArray[Any]]] = {True: [], False: []}
        self._registers: dict[SSAValue, int] = {}
        self._buffers: list[_Buffer] = []
        self._buffer_of: dict[SSAValue, int] = {}
        self._work: list[CaseWork] = []
        self._open: list[int] = []
        self._sizes: dict[SSAValue, tuple[int, int]] = {}

    # --- instructions --------------------------------------------------------------------------

    @property
    def here(self) -> int:
        """The place of the next instruction."""
        return len(self._rows)

    def emit(
        self,
        op: Op,
        *,
        lanes: int = 1,
        element: int = 0,
        to: int = 0,
        a: int = 0,
        b: int = 0,
        c: int = 0,
        d: int = 0,
    ) -> int:
        """Append an instruction; returns its place, for `patch`."""
        self._rows.append([op, lanes, element, to, a, b, c, d])
        self._place_of.append(len(self._places) - 1)
        return self.here - 1

    def patch(self, at: int, **fields: int) -> None:
        """Change fields of an instruction: jumps whose goal was not known."""
        for name, value in fields.items():
            self._rows[at][FIELDS.index(name)] = value

    def set_place(self, loops: Sequence[tuple[str, int]]) -> None:
        """What follows is in these loops: names and registers of their variables."""
        self._places.append(list(loops))

    # --- registers -----------------------------------------------------------------------------

    def fresh(self, float: bool = False, value: npt.ArrayLike = 0) -> int:
        """A new register, and what it holds at first."""
        self._initial[float].append(np.atleast_1d(np.asarray(value)))
        return len(self._initial[float]) - 1

    def define(self, value: SSAValue, type: Attribute | None = None) -> int:
        """The register of a value that is computed now; `type` if it is a stream of these."""
        found = self._registers.get(value)
        if found is None:
            found = self._registers[value] = self.fresh(is_float(type or value.type))
        return found

    def share(self, value: SSAValue, register: int) -> None:
        """A value that is in this register."""
        self._registers[value] = register

    def constant(self, result: SSAValue, value: npt.ArrayLike) -> None:
        self._registers[result] = self.fresh(is_float(result.type), value)

    def register(self, value: SSAValue) -> int:
        """The register of a value that has been computed."""
        return self._registers[value]

    def registers(self, values: Sequence[SSAValue]) -> int:
        """The place in the operands of registers of indices."""
        self._operands += [self.register(value) for value in values]
        return len(self._operands) - len(values)

    # --- buffers -------------------------------------------------------------------------------

    def add_buffer(
        self, value: SSAValue, sources: Sequence[SSAValue] | None = None, *, at: Operation | None
    ) -> None:
        """An argument, or a temporary whose dynamic sizes are those of `sources`."""
        type = value.type
        if not isinstance(type, MemRefType):
            raise InputError(
                f"@{self.function} takes {type}; a function for an access-execute machine takes "
                "memrefs only"
            )
        shape = cast("MemRefType[Attribute]", type).get_shape()
        if len(shape) > RANK:
            raise InputError(f"{name_of(value)} has {len(shape)} dimensions, more than {RANK}")
        sizes = [-1 if size == DYNAMIC_INDEX else size for size in shape]
        places = [(-1, -1)] * len(sizes)
        rest = iter(sources or ())
        for dimension, size in enumerate(sizes):
            if size == -1 and at is not None:
                source = next(rest)
                if source not in self._sizes:
                    raise InputError(
                        f"{name_of(value)} has a size that is no size of an argument of "
                        f"@{self.function}; give it one of those"
                    )
                places[dimension] = self._sizes[source]
        self._buffer_of[value] = len(self._buffers)
        self._buffers.append(_Buffer(name_of(value), element(value.type), sizes, places))

    def alias_buffer(self, value: SSAValue, of: SSAValue) -> None:
        self._buffer_of[value] = self._buffer_of[of]

    def buffer(self, value: SSAValue, *, written: bool = False) -> int:
        found = self._buffer_of[value]
        self._buffers[found].written |= written
        return found

    def size(self, result: SSAValue, buffer: SSAValue, dimension: int) -> None:
        """Emit the size of a dimension of a buffer."""
        self._sizes[result] = (self.buffer(buffer), dimension)
        self.emit(Op.SIZE, to=self.define(result), a=self.buffer(buffer), b=dimension)

    # --- work ----------------------------------------------------------------------------------

    def begin_work(self, work: CaseWork | None = None) -> None:
        """Open a piece of work; what is counted until `end_work` belongs to it."""
        self._open.append(len(self._work))
        self._work.append(work or CaseWork())
        self.emit(Op.COST, a=self._open[-1])

    def count(self, **work: float) -> None:
        self._work[self._open[-1]] += CaseWork(**work)

    def end_work(self) -> None:
        self._open.pop()

    # --- the whole -----------------------------------------------------------------------------

    def finish(self, arguments: int) -> Program:
        """The program, of which the first buffers are its arguments."""
        buffers = self._buffers
        scalars = any(work.scalar_pops for work in self._work)
        work = [
            astuple(replace(one, misaligned_pops=one.vector_pops if scalars else 0))
            for one in self._work
        ]
        texts = {
            "function": self.function,
            "buffers": [buffer.name for buffer in buffers],
            "written": [buffer.written for buffer in buffers],
            "kinds": self.kinds,
            "cases": self.cases,
            "messages": self.messages,
            "places": self._places,
            "programs": self.programs,
        }
        width = max((len(one) for file in self._initial.values() for one in file), default=1)
        width = max([width, *(row[1] for row in self._rows)])
        return Program(
            np.array(self._rows, np.int64).reshape(-1, 8),
            np.array(self._place_of, np.int64),
            np.array(self._operands or [0], np.int64),
            _padded(self._initial[True], width, np.float64),
            _padded(self._initial[False], width, np.int64),
            np.array([buffer.element for buffer in buffers], np.int64),
            np.array([_four(buffer.sizes, 1) for buffer in buffers], np.int64).reshape(-1, RANK),
            np.array([_four(buffer.sources, (-1, -1)) for buffer in buffers], np.int64).reshape(
                -1, RANK, 2
            ),
            np.array([len(buffer.sizes) for buffer in buffers], np.int64),
            np.array([arguments], np.int64),
            np.array(work, np.float64).reshape(-1, len(astuple(CaseWork()))),
            np.array(json.dumps([asdict(stream) for stream in self.streams])),
            np.array(json.dumps(texts)),
        )


def _four(values: Sequence[Any], rest: Any) -> list[Any]:
    return [*values, *[rest] * (RANK - len(values))]


def _padded(registers: list[npt.NDArray[Any]], width: int, dtype: Any) -> npt.NDArray[Any]:
    table = np.zeros((max(1, len(registers)), width), dtype)
    for row, value in zip(table, registers, strict=False):
        row[: len(value)] = value
    return table


def bytes_of(type: Attribute) -> int:
    """Of an element, in memory."""
    return BYTES[element(type)]
