"""
The memory of the parity model, and the operators that use it.

Eight channels serve words of reads and writes; the start-up time is charged on every request.
Addresses do not select channels, and every client waits for its answer, so at most one request a
port is open. Clients run until all are blocked; then the requests of the earliest cycle are served,
readers by port before writers.

Source: the memory model of the published simulators of "The Sparse Abstract Machine" operators on
"The Dataflow Abstract Machine" (ISCA 2024), with its flaw that the start-up is never skipped.
"""

from dataclasses import dataclass, field

from headrace.simulators.stream.reference_arithmetic import flattened
from headrace.simulators.stream.reference_primitives import (
    Array,
    Ins,
    Outs,
    Results,
    array_lookup,
    closes_segment,
    compressed_fiber,
    fiber_end,
    level_arrays,
    send_all,
    stored_coordinate,
)
from headrace.simulators.stream.reference_process import (
    ABSENT,
    DONE,
    Process,
    Steps,
    Stop,
    Token,
    is_value,
)

CHANNELS = 8
INTERVAL = 2
START_UP = 14
LATENCY = 2
BATCH = 8

Port = tuple[int, int, int]
"""0 for readers and 1 for writers, rank of the node, port of the node."""


@dataclass
class ParityMemory:
    """One memory of eight channels; `words` counts what was requested."""

    words: int = 0
    offset: int = 0
    free: list[int] = field(default_factory=lambda: [0] * CHANNELS)
    open: list[tuple[int, Port, int, Process]] = field(
        default_factory=list[tuple[int, Port, int, Process]]
    )

    def request(self, p: Process, port: Port, words: int) -> Steps[None]:
        """Suspend `p` until `words` words have been answered."""
        self.open.append((p.time + 1, port, words, p))
        yield from p.wait_for_memory()

    def serve(self) -> list[Process]:
        """Answer the requests of the earliest cycle; return the processes that may go on."""
        now = min((cycle for cycle, *_ in self.open), default=0)
        due = sorted((r for r in self.open if r[0] == now), key=lambda r: r[1])
        self.open = [r for r in self.open if r[0] != now]
        word = 0
        for _, _, words, p in due:
            for _ in range(words):
                self.offset = (self.offset + word) % CHANNELS
                word += 1
                start = max(self.free[self.offset], now + 1)
                self.free[self.offset] = start + INTERVAL
                p.arrive(start + START_UP + LATENCY + 1)
        self.offset = (self.offset + word) % CHANNELS
        self.words += word
        return [p for *_, p in due]


@dataclass(frozen=True)
class Client:
    """A node's access to the memory; `rank` orders the ports of nodes."""

    memory: ParityMemory
    rank: int

    def read(self, p: Process, words: int, port: int = 0) -> Steps[None]:
        return self.memory.request(p, (0, self.rank, port), words)

    def write(self, p: Process, words: int, port: int = 0) -> Steps[None]:
        return self.memory.request(p, (1, self.rank, port), words)


def scan_compressed(
    p: Process, ins: Ins, outs: Outs, segments: Array, coordinates: Array, client: Client
) -> Steps[None]:
    crd, ref = outs
    fiber = compressed_fiber(p, segments, coordinates)
    while True:
        x = yield from p.take(ins[0])
        if x is DONE:
            return (yield from send_all(p, outs, x))
        if isinstance(x, Stop):
            stop = x.up()
        else:
            if x is not ABSENT:
                yield from client.read(p, 2)
                pairs = fiber(x)
                for first in range(0, len(pairs), BATCH):
                    batch = pairs[first : first + BATCH]
                    yield from client.read(p, len(batch), port=1)
                    at = p.time + 1
                    for coordinate, position in batch:
                        yield from p.send(crd, coordinate, at)
                        yield from p.send(ref, position, at)
            stop = yield from fiber_end(p, ins[0])
        yield from send_all(p, outs, stop)
        p.time += 1


def array(p: Process, ins: Ins, outs: Outs, values: Array, client: Client) -> Steps[None]:
    lookup = array_lookup(p, values)
    batch: list[Token] = []
    while True:
        x = yield from p.take(ins[0])
        if is_value(x):
            batch.append(lookup(x))
        if batch and (len(batch) == BATCH or not is_value(x)):
            yield from client.read(p, len(batch))
            at = p.time + 1
            for value in batch:
                yield from p.send(outs[0], value, at)
            batch = []
        if not is_value(x):
            yield from p.send(outs[0], lookup(x))
        if x is DONE:
            return
        p.time += 1


def write_coordinates(
    p: Process, ins: Ins, outs: Outs, mode: str, client: Client
) -> Steps[Results]:
    segments, coordinates = [0], list[int]()
    waiting = [0, 0]
    """Coordinates, and segments, that are not yet written."""

    def flush(port: int, least: int) -> Steps[None]:
        if waiting[port] >= least:
            yield from client.write(p, waiting[port], port)
            waiting[port] = 0

    while True:
        x = yield from p.take(ins[0])
        if not isinstance(x, Stop) and x is not DONE:
            coordinates.append(stored_coordinate(p, x))
            waiting[0] += 1
            yield from flush(0, BATCH)
            p.time += 1
        elif x is not DONE and closes_segment(x, len(coordinates) > segments[-1], mode):
            segments.append(len(coordinates))
            waiting[1] += 1
            yield from flush(1, BATCH)
            p.time += 1
        else:
            yield from flush(0, 1)
            yield from flush(1, 1)
            if x is DONE:
                return level_arrays(segments, coordinates)


def write_values(p: Process, ins: Ins, outs: Outs, client: Client) -> Steps[Results]:
    values: list[Token] = []
    while True:
        x = yield from p.take(ins[0])
        if x is DONE:
            break
        if isinstance(x, Stop):
            continue
        values.append(x)
        yield from client.write(p, 1)
        p.time += 1
    p.time += 1
    return {"values": flattened(values, (1, 1))}
