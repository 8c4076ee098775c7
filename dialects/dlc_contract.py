"""
The contract of the queues of `dlc`: every case pops exactly what was pushed for it.

The access unit pushes in program order; what it pushes between two tokens is a sequence of words
and of repetitions (`queue_language`). The case of the second token must take it from the left, with
loops that provably run as often as those of the units. What is left, a later token of the same
event must take. So queues are empty at the begin and the end of every iteration that has tokens,
and no word is ever popped as another one.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 6; the proof is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.ir import Attribute, Operation
from xdsl.utils.exceptions import VerifyException

from headrace.dialects import dlc
from headrace.dialects.dlc import Event
from headrace.dialects.dlc_traversal import Traversal, Unit
from headrace.dialects.index_values import IndexValues
from headrace.dialects.queue_language import Consumer, Item, Words, repeated
from headrace.dialects.slc_types import StreamType


def verify_contract(access: dlc.AccessOp, execute: Operation) -> None:
    """Raises `VerifyException`, which names the case that pops something else, and what."""
    assert isinstance(execute, dlc.ExecuteOp)
    contract = _Contract({case.case.value.data: case for case in execute.cases})
    for unit in Traversal.of(access).outermost:
        contract.run(unit)
    contract.expect_empty("at the end of the program")


class _Contract:
    """A run of both programs in which each loop is gone through once."""

    def __init__(self, cases: Mapping[int, dlc.CaseOp]) -> None:
        self.cases = cases
        self.indices = IndexValues()
        self.pushed: list[Item] = []
        self.last: int | None = None

    def run(self, unit: Unit) -> None:
        """What a unit pushes, and the cases of its tokens."""
        self._fire(unit, Event.BEGIN)
        if any(inner.cases for inner in unit.walk() if inner is not unit) or unit.tokens(
            Event.ITERATION
        ):
            self.expect_empty("before the iterations of a unit with tokens of its own")
            for inner in unit.inner:
                self.run(inner)
            self._fire(unit, Event.ITERATION)
            self.expect_empty("at the end of an iteration")
        else:
            self.pushed += self._iterations(unit)
        self._fire(unit, Event.END)

    def expect_empty(self, when: str) -> None:
        if self.pushed:
            case = "no case" if self.last is None else f"neither case {self.last} nor another"
            raise VerifyException(f"{case} pops {self.pushed[0]}, which is in the queue {when}")

    def _iterations(self, unit: Unit) -> Sequence[Item]:
        """What a unit without tokens pushes in all its iterations."""
        once: list[Item] = []
        for inner in unit.inner:
            once += _words(inner, Event.BEGIN)
            once += self._iterations(inner)
            once += _words(inner, Event.END)
        once += _words(unit, Event.ITERATION)
        return repeated(self.indices.trips(*unit.bounds, unit.lanes), once)

    def _fire(self, unit: Unit, event: Event) -> None:
        self.pushed += _words(unit, event)
        for case in unit.tokens(event):
            try:
                Consumer(self.pushed, self.indices.fork(), _popped).consume(
                    self.cases[case].body.block
                )
            except VerifyException as error:
                raise VerifyException(f"case {case} {error}") from None
            self.last = case


def _words(unit: Unit, event: Event) -> Sequence[Item]:
    words: list[Item] = []
    for stream in unit.operands(event):
        assert isinstance(stream.type, StreamType)
        words.append(Words(stream.type.element_type, stream=stream))
    return words


def _popped(op: Operation) -> Attribute | None:
    return op.result.type if isinstance(op, dlc.PopOp) else None
