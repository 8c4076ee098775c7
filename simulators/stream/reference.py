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
from typing import Any

from headrace.simulators.stream import reference_extensions as extensions
from headrace.simulators.stream import reference_memory
from headrace.simulators.stream import reference_primitives as primitives
from headrace.simulators.stream.reference_memory import Client, ParityMemory
from headrace.simulators.stream.reference_primitives import Array, Results
from headrace.simulators.stream.reference_process import Channel, Process, Steps, Wait

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
        extensions.fork,
        extensions.gather,
        extensions.concat,
        extensions.number,
        extensions.select_fibers,
        extensions.select_values,
        extensions.store,
    )
}

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
class Node:
    """One process: channels by number (None where nobody reads), parameters by name."""

    name: str
    primitive: str
    inputs: tuple[int, ...]
    outputs: tuple[int | None, ...]
    parameters: Mapping[str, Any]
    output: str | None = None
    """Prefix of the names under which a writer's arrays are reported."""


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
class ReferenceResult:
    """
    `cycles` is the largest of the final `clocks` (one per node); `tokens` counts all sends.

    After a deadlock `outputs` has only the arrays of writers that finished.
    """

    cycles: int
    clocks: tuple[int, ...]
    outputs: dict[str, Array]
    tokens: int
    deadlock: Deadlock | None
    requested_words: int


def simulate_nodes(
    nodes: Sequence[Node],
    capacities: Sequence[int | None],
    *,
    memory: bool = False,
    order_seed: int | None = None,
) -> ReferenceResult:
    """
    Run processes that are connected by one channel per entry of `capacities`.

    With `memory`, scans, array reads and writers go through the parity memory; the ports are
    numbered in the order of `nodes`. `order_seed` shuffles the order in which processes run, which
    must change nothing. Raises `StreamError` when operands do not line up.
    """
    ready = deque[Process]()
    channels = [Channel(f"channel {n}", capacity) for n, capacity in enumerate(capacities)]
    shared = ParityMemory()
    processes: list[tuple[Process, Steps[Results | None]]] = []
    for rank, node in enumerate(nodes):
        process = Process(node.name, ready)
        ins = [channels[c] for c in node.inputs]
        outs = [None if c is None else channels[c] for c in node.outputs]
        for channel in ins:
            channel.reader = process
        for port, channel in enumerate(outs):
            if channel is not None:
                channel.writer = process
                channel.name = f"{node.name} [{port}]"
        parameters = dict(node.parameters)
        operator = CATALOGUE[node.primitive]
        if memory and node.primitive in MEMORY_CLIENTS:
            operator = MEMORY_CLIENTS[node.primitive]
            parameters["client"] = Client(shared, rank)
        processes.append((process, operator(process, ins, outs, **parameters)))
    ready.extend(process for process, _ in processes)
    steps = dict(processes)
    outputs: dict[str, Array] = {}
    prefixes = {p: node.output for (p, _), node in zip(processes, nodes, strict=True)}
    choose = random.Random(order_seed)
    while ready or shared.open:
        if not ready:
            for process in shared.serve():
                process.blocked = None
                ready.append(process)
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
    return ReferenceResult(
        cycles=max((process.time for process in steps), default=0),
        clocks=tuple(process.time for process in steps),
        outputs=outputs,
        tokens=sum(channel.sent for channel in channels),
        deadlock=diagnose([process for process in steps if not process.finished]),
        requested_words=shared.words,
    )


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
