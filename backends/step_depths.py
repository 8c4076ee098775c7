"""
Depths of single channels that free a run from its deadlock.

A graph whose channels are too shallow stops: nodes wait for room in a circle. The search gives room
where it is cheapest, one element at a time, until the run ends; then it takes back what was not
needed. So channels stay shallow where depth does nothing, as all of one depth would not.

Source: T. M. Parks, "Bounded Scheduling of Process Networks", UC Berkeley 1995, chapter 4, for
growing a full channel of the deadlock; the choice of the channel and the taking back are ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from xdsl.ir import Operation

from headrace.analyses.step_symbols import Arguments
from headrace.backends.step import StepResult, lower
from headrace.dialects import step
from headrace.dialects.step_depths import channels, depths_of, set_depths
from headrace.dialects.step_functions import count
from headrace.simulators.stream.machine import StepMachine
from headrace.simulators.stream.statistics import Blocked, Deadlock
from headrace.storage.errors import InputError


def find_depths(
    graph: step.GraphOp,
    arguments: Arguments,
    *,
    depth: int,
    element_bytes: int | None = None,
    machine: StepMachine = StepMachine(),
    limit: int = 1024,
) -> dict[int, int]:
    """
    The channels that need more than `depth`, by number, with the depths they need.

    Numbers are those of `step-size-fifos`. None of the depths can be one less while the others
    stay. Raises `InputError` if no depth frees the run, or only one above `limit`.
    """
    search = _Search(graph.clone(), arguments, depth, element_bytes, machine)
    return search.run(limit)


def sizing(depths: Mapping[int, int], graph: int = 0) -> str:
    """The pass that gives the channels of a graph the depths that `find_depths` found."""
    numbers, sizes = (",".join(map(str, one)) for one in (depths.keys(), depths.values()))
    number = f"graph={graph} " if graph else ""
    return f"step-size-fifos{{{number}channels={numbers} depths={sizes}}}"


def listed_depths(
    graph: step.GraphOp, depths: Mapping[int, int], names: Mapping[int, str]
) -> list[dict[str, Any]]:
    """
    Found depths for reports, one entry each: `channel`, its number, and its `depth`.

    Its `node` is the operation that sends, as `names` has it by its place in the graph, and
    `result` says which of its results.
    """
    operations = list(graph.body.block.ops)
    places = {operation: place for place, operation in enumerate(operations)}
    streams = channels(operations)
    listed: list[dict[str, Any]] = []
    for number, depth in depths.items():
        sender, result = streams[number]
        node = names[places[sender]]
        listed.append({"channel": number, "node": node, "result": result, "depth": depth})
    return listed


@dataclass
class _Search:
    graph: step.GraphOp
    arguments: Arguments
    depth: int
    element_bytes: int | None
    machine: StepMachine
    names: dict[str, Operation] = field(default_factory=dict[str, Operation])

    def run(self, limit: int) -> dict[int, int]:
        streams = channels(self.graph.body.block.ops)
        numbers = {stream: number for number, stream in enumerate(streams)}
        before = [self._depth(stream) for stream in streams]
        while (deadlock := self._simulate().deadlock) is not None:
            full = sorted(self._full(deadlock), key=lambda one: (*self._price(one), numbers[one]))
            if not full or self._depth(full[0]) >= limit:
                raise InputError(f"no depth up to {limit} of single channels helps; {deadlock}")
            self._set(full[0], self._depth(full[0]) + 1)
        grown = [one for one, old in zip(streams, before, strict=True) if self._depth(one) > old]
        for one in sorted(grown, key=self._price, reverse=True):
            while (needed := self._depth(one)) > before[numbers[one]]:
                self._set(one, needed - 1)
                if self._simulate().deadlock is not None:
                    self._set(one, needed)
                    break
        return {
            number: self._depth(stream)
            for number, stream in enumerate(streams)
            if self._depth(stream) > before[number]
        }

    def _simulate(self) -> StepResult:
        program = lower(self.graph, self.element_bytes)
        ops = list(self.graph.body.block.ops)
        self.names = {name: ops[place] for place, name in program.names.items()}
        return program.run(self.arguments, depth=self.depth, machine=self.machine)

    def _depth(self, stream: tuple[Operation, int]) -> int:
        op, result = stream
        return depths_of(op)[result] or self.depth

    def _set(self, stream: tuple[Operation, int], depth: int) -> None:
        op, result = stream
        depths = list(depths_of(op))
        depths[result] = depth
        set_depths(op, depths)

    def _full(self, deadlock: Deadlock) -> Iterator[tuple[Operation, int]]:
        """The channels that nodes wait to have room in: those of the circle, if there is one."""
        for blocked in deadlock.cycle or deadlock.blocked:
            if blocked.kind == "room":
                yield from self._between(blocked)

    def _between(self, blocked: Blocked) -> Iterator[tuple[Operation, int]]:
        sender, reader = self.names.get(blocked.node), self.names.get(blocked.other)
        if sender is None:
            return
        for result in sender.results:
            if any(use.operation is reader for use in result.uses):
                yield sender, result.index

    def _price(self, stream: tuple[Operation, int]) -> tuple[bool, int, int]:
        """What one more element of a channel takes, tiles of unknown size last; then its depth."""
        op, result = stream
        type = op.results[result].type
        assert isinstance(type, step.StreamType)
        size = count(type.element_type)
        return not size.is_static, size.constant, self._depth(stream)
