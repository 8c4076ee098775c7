"""
The meaning of `dlc`: the program of the access unit, then that of the core, joined by two queues.

The access unit runs to its end before the core begins. It may run ahead that far, since nothing
that it reads is written by the core; a program for which that does not hold gives other numbers
here than in order.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy.typing as npt
from xdsl.dialects import func
from xdsl.ir import Attribute, Operation

from headrace.dialects import dlc
from headrace.dialects.dlc import Event
from headrace.dialects.dlc_traversal import Traversal, Unit
from headrace.dialects.slc_types import StreamType, lanes_of
from headrace.interpreters import core_code, nest
from headrace.interpreters.access_streams import Streams
from headrace.interpreters.nest import Values
from headrace.interpreters.nest_memory import name_of
from headrace.interpreters.slc import expect_step
from headrace.storage.errors import InputError

DONE = "done"
Token: TypeAlias = int | str


@dataclass(frozen=True)
class QueueTraffic:
    """What went through the queues in one run."""

    control: tuple[Token, ...]
    """The tokens, by the numbers of their cases, with the last, `done`."""
    words: int
    """Elements that went through the data queue; a vector has as many as lanes."""

    @property
    def tokens(self) -> int:
        """Control tokens, with `done`."""
        return len(self.control)


@dataclass
class _Queues:
    control: deque[Token] = field(default_factory=deque[Token])
    data: deque[tuple[Attribute, Any]] = field(default_factory=deque[tuple[Attribute, Any]])


def run_function(function: func.FuncOp, buffers: Sequence[npt.NDArray[Any]]) -> QueueTraffic:
    """
    Run a function of `dlc` on `buffers`, one array an argument, in place; what its queues held.

    Raises `InputError` as `nest.run_function` does, for a pop from an empty queue or of another
    type than was pushed, for a token without a case, and for words that no case pops.
    """
    run = _Decoupled()
    nest.run_function(function, buffers, run.meanings)
    return QueueTraffic(tuple(run.control), run.words)


class _Decoupled:
    """One run."""

    def __init__(self) -> None:
        self.streams = Streams()
        self.queues = _Queues()
        self.control: list[Token] = []
        self.words = 0
        self.at: dict[Unit, int] = {}
        self.meanings = {
            **core_code.MEANINGS,
            dlc.AccessOp: self._access,
            dlc.ExecuteOp: self._execute,
            dlc.PopOp: self._pop,
        }

    def _access(self, op: Operation, values: Values) -> tuple[()]:
        assert isinstance(op, dlc.AccessOp)
        traversal = Traversal.of(op)
        self._evaluate(traversal.invariant, values)
        for unit in traversal.outermost:
            self._run(unit, values)
        self._send(DONE)
        return ()

    def _run(self, unit: Unit, values: Values) -> None:
        """One fiber of a unit."""
        lower, upper, step = (int(values[bound]) for bound in unit.bounds)
        expect_step(unit.op, step)
        for stream in unit.accumulations:
            self.streams.restart(stream)
        self._fire(unit, Event.BEGIN, values)
        for at in range(lower, upper, step * unit.lanes):
            if unit.variable is not None:
                self.streams.advance(unit.variable, at, upper, unit.lanes, values)
            self.at[unit] = at
            try:
                self._evaluate(unit.streams, values)
            except InputError as error:
                raise InputError(f"{error}, where {self._place(unit)}") from None
            for inner in unit.inner:
                self._run(inner, values)
            self._fire(unit, Event.ITERATION, values)
        self._fire(unit, Event.END, values)

    def _place(self, unit: Unit) -> str:
        """The iteration of a unit and of those around it."""
        around = "" if unit.outer is None else f"{self._place(unit.outer)}, "
        name = name_of(unit.op.result if unit.variable is None else unit.variable)
        return f"{around}{name} is {self.at[unit]}"

    def _evaluate(self, streams: Sequence[Operation], values: Values) -> None:
        for op in streams:
            results = self.streams.meanings[type(op)](op, values)
            values.update(zip(op.results, results, strict=True))

    def _fire(self, unit: Unit, event: Event, values: Values) -> None:
        for stream in unit.operands(event):
            type = cast(StreamType, stream.type).element_type
            self.queues.data.append((type, values[stream]))
            self.words += lanes_of(type)
        for case in unit.tokens(event):
            self._send(case)

    def _send(self, token: Token) -> None:
        self.queues.control.append(token)
        self.control.append(token)

    def _execute(self, op: Operation, values: Values) -> tuple[()]:
        assert isinstance(op, dlc.ExecuteOp)
        cases = {case.case.value.data: case for case in op.cases}
        while (token := self.queues.control.popleft()) != DONE:
            if token not in cases:
                raise InputError(f"the access unit sends token {token}, of which there is no case")
            nest.run_block(cases[token].body.block, values, self.meanings)
        if self.queues.data:
            raise InputError(
                f"{len(self.queues.data)} items of the data queue are pushed and popped by no case"
            )
        return ()

    def _pop(self, op: Operation, values: Values) -> tuple[Any]:
        assert isinstance(op, dlc.PopOp)
        wanted = op.result.type
        if not self.queues.data:
            raise InputError(f"{_case_of(op)} pops {wanted} from the data queue, which is empty")
        type, value = self.queues.data.popleft()
        if type != wanted:
            raise InputError(f"{_case_of(op)} pops {wanted}, but {type} was pushed")
        return (value,)


def _case_of(op: Operation) -> str:
    parent = op.parent_op()
    while not isinstance(parent, dlc.CaseOp):
        assert parent is not None
        parent = parent.parent_op()
    return f"case {parent.case.value.data}"
