"""A run of a program: tensors in one memory, values by the engine, and what it did as a trace."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.simulators.dae.cost import CaseWork
from headrace.simulators.dae.engine import run_program
from headrace.simulators.dae.limits import queue_misfit
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.opcodes import BYTES, Element, Failure
from headrace.simulators.dae.program import Program
from headrace.simulators.dae.small_floats import decoding_tables
from headrace.simulators.dae.timing_program import floats_decide, without_floats
from headrace.simulators.dae.trace import Float64s, Stream, Trace
from headrace.storage.errors import InputError

Array = npt.NDArray[Any]

PAGE = 4096
"""Tensors begin at multiples of so many bytes."""

_STORED = {
    Element.F64: np.float64,
    Element.F32: np.float32,
    Element.F16: np.float16,
    Element.BF16: np.float32,
    Element.I64: np.int64,
    Element.I32: np.int32,
    Element.I16: np.int16,
    Element.I8: np.int8,
    Element.I1: np.bool_,
}
"""The NumPy type of the tensors that a run is given; bf16 comes as float32."""


@dataclass(frozen=True)
class Execution:
    """What one run did."""

    trace: Trace
    tokens: int
    """Control tokens, with one `done` for each program of an access unit."""
    words: int
    alone: Float64s
    """[items] Cycles of the same work by a core without an access unit, by `CaseWork.alone`."""


def execute(
    program: Program, buffers: Sequence[Array], machine: DaeMachine, *, values: bool = True
) -> Execution:
    """
    Run a program on `buffers`, of which those that it writes change.

    Without `values` the floats are not computed unless an integer depends on one: buffers of
    floats are neither read nor written then, and the trace is the same.

    Raises `InputError` for buffers that do not fit, for an index outside of a tensor, for queues
    that do not match, and for a token whose words do not fit in a chunk of the data queue.
    """
    values = values or floats_decide(program)
    if not values:
        program = without_floats(program)
    elements = [Element(int(element)) for element in program.elements]
    held = [values or element > Element.BF16 for element in elements]
    sizes = _sizes(program, buffers)
    extents = [
        int(np.prod(sizes[at, : program.ranks[at]])) * BYTES[element]
        for at, element in enumerate(elements)
    ]
    pages = np.array([-(-extent // PAGE) * PAGE for extent in extents], np.int64)
    bases = np.cumsum(pages) - pages
    in_arena = pages * np.array(held, np.int64)
    places = np.cumsum(in_arena) - in_arena
    arena = np.zeros(int(in_arena.sum()) + PAGE, np.uint8)
    for at, buffer in enumerate(buffers):
        if held[at]:
            place = arena[places[at] : places[at] + extents[at]]
            place[...] = _as_bytes(buffer, elements[at])
    pieces = [CaseWork(*row) for row in program.work.tolist()] or [CaseWork()]
    texts: dict[str, Any] = json.loads(str(program.texts))
    streams = tuple(Stream(**one) for one in json.loads(str(program.streams)))
    integers = program.integers.copy()
    with np.errstate(all="ignore"):
        (
            (failure, pc, call, details),
            items,
            requests,
            alone,
            most_words,
            (tokens, words),
        ) = run_program(
            program.code,
            program.operands,
            program.floats.copy(),
            integers,
            (
                arena.view(np.float64),
                arena.view(np.float32),
                arena.view(np.uint16),
                arena.view(np.int64),
                arena.view(np.int32),
                arena.view(np.int8),
                decoding_tables(),
            ),
            program.elements,
            np.array(BYTES, np.int64),
            sizes,
            program.ranks,
            bases,
            places,
            np.array([piece.cycles(machine.core) for piece in pieces]),
            np.array([piece.alone().cycles(machine.core) for piece in pieces]),
            len(streams),
            len(texts["cases"]),
            machine.line_bytes,
            values,
        )
    if failure:
        # Behind a call are the loops of a case; the call itself is in those of the access unit.
        at = [pc] if call < 0 else [call, pc]
        place = [loop for one in at for loop in program.places[int(program.place[one])]]
        where = ", ".join(f"{name} is {integers[register, 0]}" for name, register in place)
        message = _message(Failure(failure), [int(one) for one in details], sizes, texts)
        raise InputError(f"{message} of @{texts['function']}{', where ' + where if where else ''}")
    for at, case in enumerate(texts["cases"]):
        if misfit := queue_misfit(machine, case, int(most_words[at])):
            raise InputError(f"@{texts['function']}: {misfit}")
    for at, buffer in enumerate(buffers):
        if texts["written"][at] and held[at]:
            place = arena[places[at] : places[at] + extents[at]]
            buffer[...] = _from_bytes(place, elements[at]).reshape(buffer.shape)
    trace = Trace(tuple(texts["kinds"]), streams, *items, *requests)
    return Execution(trace, int(tokens) + int(texts["programs"]), int(words), alone)


def _sizes(program: Program, buffers: Sequence[Array]) -> npt.NDArray[np.int64]:
    """[buffers, 4] All sizes, of those given and of the temporaries."""
    names = program.names("buffers")
    given = int(program.arguments[0])
    if len(buffers) != given:
        raise InputError(f"the program takes {given} buffers, but {len(buffers)} are given")
    sizes = program.sizes.copy()
    for at, buffer in enumerate(buffers):
        wanted = program.sizes[at, : program.ranks[at]].tolist()
        stored = _STORED[Element(int(program.elements[at]))]
        fits = buffer.ndim == len(wanted) and all(
            size in (-1, found) for size, found in zip(wanted, buffer.shape, strict=True)
        )
        if not fits or buffer.dtype != stored:
            raise InputError(
                f"{names[at]} is an array of {buffer.dtype} of shape {buffer.shape}, but the "
                f"program takes {np.dtype(stored)} of shape {tuple(wanted)}"
            )
        sizes[at, : buffer.ndim] = buffer.shape
    for at in range(given, len(sizes)):
        for dimension, (buffer, its) in enumerate(program.sources[at].tolist()):
            if buffer >= 0:
                sizes[at, dimension] = sizes[buffer, its]
    return sizes


def _as_bytes(buffer: Array, element: Element) -> npt.NDArray[np.uint8]:
    if element == Element.BF16:
        upper = np.ascontiguousarray(buffer, np.float32).view(np.uint32) >> np.uint32(16)
        buffer = upper.astype(np.uint16)
    return np.ascontiguousarray(buffer).reshape(-1).view(np.uint8)


def _from_bytes(place: npt.NDArray[np.uint8], element: Element) -> Array:
    if element == Element.BF16:
        return (place.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    return place.view(_STORED[element])


def _message(
    failure: Failure, details: list[int], sizes: npt.NDArray[np.int64], texts: dict[str, Any]
) -> str:
    match failure:
        case Failure.OUTSIDE:
            buffer, dimension, index = details
            return (
                f"index {index} lies outside of dimension {dimension} of size "
                f"{sizes[buffer, dimension]} of {texts['buffers'][buffer]}"
            )
        case Failure.STEP:
            return f"a loop has step {details[0]}, which must be positive, in the program"
        case Failure.DIVISION:
            return "an integer is divided by zero in the program"
        case Failure.EXPECTED:
            return f"{texts['messages'][details[0]]}: the check"
        case Failure.EMPTY:
            return "a case pops from the data queue, which is empty, in the program"
        case Failure.LEFT:
            return f"{details[0]} words are pushed and popped by no case of the program"
        case _:
            return "a case pops another type than was pushed in the program"
