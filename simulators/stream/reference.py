"""
The reference simulator: slow, plain, and written independently of the compiled engine.

One coroutine a node, a ready list, and unbounded or bounded queues. It exists to be compared with:
tests demand that the engine's outputs and the final clock of every node equal those found here.

Sources: "The Sparse Abstract Machine", ASPLOS 2023; "The Dataflow Abstract Machine Simulator
Framework", ISCA 2024. Clock rules that are our own are in docs/design/timing.md.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

from headrace.simulators.stream import reference_extensions as extensions
from headrace.simulators.stream import reference_memory, tokens
from headrace.simulators.stream import reference_primitives as primitives
from headrace.simulators.stream.program import Parameter, Program, Slot
from headrace.simulators.stream.reference_memory import Client, ParityMemory
from headrace.simulators.stream.reference_primitives import Results
from headrace.simulators.stream.reference_process import (
    ABSENT,
    DONE,
    Channel,
    Process,
    Steps,
    Stop,
    Token,
    Wait,
)

Operator = Callable[..., Steps[Results | None]]

CATALOGUE: dict[str, Operator] = {
    operator.__name__: operator
    for operator in (
        primitives.root,
        primitives.source,
        primitives.sink,
        primitives.broadcast,
        primitives.scan_compressed,
        primitives.scan_dense,
        primitives.scan_bitvector,
        primitives.locate,
        primitives.repeat_signal,
        primitives.repeat,
        primitives.intersect,
        primitives.union,
        primitives.array,
        primitives.alu,
        primitives.reduce,
        primitives.accumulate,
        primitives.coordinate_drop,
        primitives.coordinate_hold,
        primitives.write_coordinates,
        primitives.write_values,
        extensions.value_drop,
        extensions.stop_drop,
        extensions.mask,
        extensions.points_to_fibers,
        extensions.split,
        extensions.flatten,
        extensions.bitvector_build,
        extensions.bitvector_chunk,
        extensions.bitvector_intersect,
        extensions.bitvector_drop,
        extensions.balance,
        extensions.deal,
        extensions.fork,
        extensions.gather,
        extensions.concat,
        extensions.coordinates,
        extensions.number,
        extensions.select_fibers,
        extensions.select_values,
        extensions.store,
    )
}

NOT_TIMED = ("lanes", "order", "inner")
"""Parameters that say how a node is connected, or follow from its operands."""

TILED = ("array", "write_values")
"""The primitives for which the shape of a tile does not follow from their operands."""

MEMORY_CLIENTS: dict[str, Operator] = {
    operator.__name__: operator
    for operator in (
        reference_memory.scan_compressed,
        reference_memory.array,
        reference_memory.write_coordinates,
        reference_memory.write_values,
    )
}


@dataclass(frozen=True)
class Blocked:
    """A process that cannot go on, the channel it waits for, and whether for data or for room."""

    node: str
    waits_for: str
    channel: str


@dataclass(frozen=True)
class Deadlock:
    """All blocked processes, and a cycle among them (each waits for the next)."""

    blocked: tuple[Blocked, ...]
    cycle: tuple[str, ...]


@dataclass(frozen=True)
class NodeTimes:
    """The final clock of a node, its stalls in cycles, and the tokens that it sent."""

    cycles: int
    stalled_on_input: int
    stalled_on_output: int
    tokens: int


@dataclass(frozen=True)
class ReferenceResult:
    """
    `cycles` is the largest final clock of any node.

    A run that deadlocks has no outputs.
    """

    cycles: int
    nodes: dict[str, NodeTimes]
    outputs: dict[str, Any]
    deadlock: Deadlock | None
    requested_words: int
    peaks: tuple[int, ...]
    """The most tokens that each channel with a reader held at a time, if asked for."""


def reference_simulate(
    program: Program,
    arrays: Mapping[str, Any],
    *,
    depth: int | None = None,
    memory: bool = False,
    order_seed: int | None = None,
    occupancy: bool = False,
) -> ReferenceResult:
    """
    Run a program as `simulate` does.

    `depth` is the capacity of every channel that has none of its own; None is unbounded. With
    `memory`, scans, array reads and writers go through the parity memory. `order_seed` shuffles
    the order in which processes run, which must change nothing. The slot of a `source` is bound to
    a list of tokens, and a `sink` leaves one. Initial tokens with data are integers. `occupancy`
    asks for the peaks of the channels.

    Raises `SimulationError` when operands do not line up or a reference leaves its array.
    """
    shared = ParityMemory()
    used = shared if memory else None
    channels = connect(program, depth, occupancy)
    ready = deque[Process]()
    steps: dict[Process, Steps[Results | None]] = {}
    prefixes: dict[Process, str] = {}
    for number in range(len(program.kinds)):
        process = Process(str(program.names[number]), ready)
        parameters = bound_parameters(program.node_parameters(number), arrays)
        prefixes[process] = parameters.pop("output", "")
        steps[process] = start(program, number, process, channels, parameters, used)
    ready.extend(steps)
    outputs: dict[str, Any] = {}
    choose = random.Random(order_seed)
    while ready or shared.open:
        if not ready:
            ready.extend(shared.serve())
        if order_seed is not None:
            ready.rotate(choose.randrange(len(ready)))
        process = ready.popleft()
        try:
            next(steps[process])
        except StopIteration as end:
            process.finished = True
            written: Results = end.value or {}
            for suffix, values in written.items():
                outputs[f"{prefixes[process]}.{suffix}"] = values
    deadlock = diagnose([process for process in steps if not process.finished])
    return ReferenceResult(
        cycles=max((process.time for process in steps), default=0),
        nodes={
            p.name: NodeTimes(p.time, p.stalled_on_input, p.stalled_on_output, p.sent)
            for p in steps
        },
        outputs={} if deadlock else outputs,
        deadlock=deadlock,
        requested_words=shared.words,
        peaks=tuple(c.peak() for c in channels if c.reader is not None) if occupancy else (),
    )


def connect(program: Program, depth: int | None, watched: bool) -> list[Channel]:
    """The channels with their initial tokens, which are there at time 0."""
    channels = [
        Channel(f"channel {c}", int(capacity) or depth, watched=watched)
        for c, capacity in enumerate(program.capacities)
    ]
    for channel, (first, last) in zip(channels, pairwise(program.initial_starts), strict=True):
        words = program.initial[first:last].tolist()
        channel.queue.extend((0, decoded(word)) for word in words)
        channel.sent = len(words)
        channel.stamps = [0] * len(words)
    return channels


def decoded(word: int) -> Token:
    """The token of a word of the engine."""
    if not tokens.is_control(word):
        return ABSENT if word == tokens.EMPTY else word
    if word == tokens.DONE:
        return DONE
    level, hollow = divmod(tokens.FIRST_STOP - word, tokens.LEVEL)
    return Stop(level, hollow)


def bound_parameters(
    parameters: Mapping[str, Parameter], arrays: Mapping[str, Any]
) -> dict[str, Any]:
    """Parameters with their slots looked up; `extent` may be a product of several numbers."""

    def bind(value: Parameter) -> Any:
        if isinstance(value, Slot):
            return arrays[value.name]
        return tuple(bind(part) for part in value) if isinstance(value, tuple) else value

    bound = {name: bind(value) for name, value in parameters.items() if name not in NOT_TIMED}
    if isinstance(bound.get("extent"), tuple):
        bound["extent"] = prod(bound["extent"])
    return bound


def start(
    program: Program,
    number: int,
    process: Process,
    channels: Sequence[Channel],
    parameters: dict[str, Any],
    memory: ParityMemory | None,
) -> Steps[Results | None]:
    """The coroutine of a node, with its channels connected."""
    ins = [channels[c] for c in program.node_inputs(number)]
    read = set(program.inputs.tolist())
    outs = [channels[c] if c in read else None for c in program.node_outputs(number)]
    for channel in ins:
        channel.reader = process
    for port, channel in enumerate(outs):
        if channel is not None:
            channel.writer = process
            channel.name = f"{process.name}[{port}]"
    kind = str(program.kinds[number])
    if kind not in TILED:
        parameters = {k: v for k, v in parameters.items() if k not in ("rows", "columns")}
    if memory is not None and kind in MEMORY_CLIENTS:
        client = Client(memory, int(program.ranks[number]))
        return MEMORY_CLIENTS[kind](process, ins, outs, client=client, **parameters)
    return CATALOGUE[kind](process, ins, outs, **parameters)


def diagnose(stuck: Sequence[Process]) -> Deadlock | None:
    """Explain why none of `stuck` can move."""
    if not stuck:
        return None
    blocked: list[Blocked] = []
    waits_on: dict[Process, Process | None] = {}
    for process in stuck:
        why, channel = process.blocked or (Wait.MEMORY, None)
        if channel is None:
            raise AssertionError(f"{process.name} waits for nobody")
        blocked.append(Blocked(process.name, why.value, channel.name))
        waits_on[process] = channel.writer if why is Wait.DATA else channel.reader
    path: list[Process] = []
    at: Process | None = stuck[0]
    while at is not None and at not in path:
        path.append(at)
        at = waits_on.get(at)
    cycle = tuple(process.name for process in path[path.index(at) :]) if at else ()
    return Deadlock(tuple(blocked), cycle)
