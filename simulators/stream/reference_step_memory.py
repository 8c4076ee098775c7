"""
The high-bandwidth memory of streaming tensor programs, and the operators that use it.

Channels serve one request per interval; the start-up is charged on every request, addresses do not
select channels. Per cycle, every port with work, readers first, then writers, each in node order,
issues some requests; the i-th request of a cycle goes i channels beyond the one before it.

Source: "Streaming Tensor Programs", ASPLOS 2026, section 4, and its simulator.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import ceil
from typing import TypeAlias

from headrace.simulators.stream.reference_step_operators import Node
from headrace.simulators.stream.reference_step_process import Element, Process, Steps, Wait
from headrace.simulators.stream.reference_step_shapes import ended_dimensions, places
from headrace.simulators.stream.reference_step_values import Integer, Tile

Port: TypeAlias = tuple[int, int]
"""0 for readers and 1 for writers, then the number of the node."""


@dataclass(frozen=True)
class MemoryTiming:
    """Channels, and cycles; a request moves `request_bytes`."""

    channels: int = 32
    latency: int = 2
    interval: int = 2
    startup: int = 14
    request_bytes: int = 64


@dataclass(eq=False)
class Transaction:
    """The requests of one tile; `done` is when the last answer so far is there."""

    port: Port
    process: Process
    dispatch: int
    """Requests per cycle."""
    left: int
    done: int = 0


@dataclass(eq=False)
class Memory:
    """Serves transactions cycle by cycle; `requests` counts what was served."""

    timing: MemoryTiming
    requests: int = 0
    offset: int = 0
    cycle: int = 0
    """The last one that was served."""
    free: list[int] = field(default_factory=list[int])
    open: list[Transaction] = field(default_factory=list[Transaction])
    """That issue in every cycle from the next one on."""
    later: list[tuple[int, Port, Transaction]] = field(
        default_factory=list[tuple[int, Port, Transaction]]
    )

    def __post_init__(self) -> None:
        self.free = [0] * self.timing.channels

    def transfer(self, p: Process, port: Port, count: int, dispatch: int) -> Steps[None]:
        """Suspend `p` until `count` requests, the first in the next cycle, are answered."""
        if count:
            transaction = Transaction(port, p, dispatch, count)
            assert p.time >= self.cycle, "a request comes after its cycle was served"
            heappush(self.later, (p.time + 1, port, transaction))
            yield from p.wait(Wait.MEMORY)

    def next_cycle(self) -> int | None:
        """The next cycle in which a request is issued."""
        if self.open:
            return self.cycle + 1
        return self.later[0][0] if self.later else None

    def serve(self, now: int) -> list[Process]:
        """Serve one cycle; return the processes whose transactions are through."""
        self.cycle = now
        while self.later and self.later[0][0] == now:
            self.open.append(heappop(self.later)[2])
            self.open.sort(key=lambda transaction: transaction.port)
        served, through = 0, list[Process]()
        timing, channels, free = self.timing, self.timing.channels, self.free
        for transaction in self.open:
            issued = min(transaction.dispatch, transaction.left)
            for _ in range(issued):
                self.offset = (self.offset + served) % channels
                served += 1
                start = max(now + 1, free[self.offset])
                free[self.offset] = start + timing.interval
                transaction.done = max(transaction.done, start + timing.latency + timing.startup)
            transaction.left -= issued
            if not transaction.left:
                transaction.process.time = transaction.done + 1
                through.append(transaction.process)
        if through:
            self.open = [transaction for transaction in self.open if transaction.left]
        self.offset = (self.offset + served) % channels
        self.requests += served
        return through


@dataclass(frozen=True)
class Client:
    """The memory as one node sees it."""

    memory: Memory
    node: Node
    number: int

    def requests(self, element_bytes: int) -> int:
        """How many requests a tile needs; each row starts a new one."""
        rows, columns = self.node.parameters["tile_row"], self.node.parameters["tile_col"]
        return rows * ceil(columns * element_bytes / self.memory.timing.request_bytes)

    def read(self, p: Process) -> Steps[None]:
        count = self.requests(self.node.parameters["n_byte"])
        yield from self.memory.transfer(
            p, (0, self.number), count, self.node.parameters["par_dispatch"]
        )

    def write(self, p: Process) -> Steps[None]:
        count = self.requests(self.node.costs.element_bytes)
        yield from self.memory.transfer(
            p, (1, self.number), count, self.node.parameters["par_dispatch"]
        )

    @property
    def tile(self) -> Tile:
        """What a read brings."""
        rows, columns = self.node.parameters["tile_row"], self.node.parameters["tile_col"]
        return Tile(rows, columns, self.node.costs.element_bytes, rows, resident=True)


def load(p: Process, node: Node, client: Client) -> Steps[None]:
    """A load without a reference reads the tensor once."""
    yield from read_all(p, node, client, Element(None))


def load_by_reference(p: Process, node: Node, client: Client) -> Steps[None]:
    [out], sizes = node.outputs, node.parameters["out_shape_tiled"]
    while (x := (yield from p.take(node.operand("ref")))) is not None:
        if x.is_bare:
            yield from p.send_stop(out, x.stop + len(sizes))
        else:
            yield from read_all(p, node, client, x)


def read_all(p: Process, node: Node, client: Client, x: Element) -> Steps[None]:
    """Read and send every tile of the box for one element `x`."""
    [out], sizes = node.outputs, node.parameters["out_shape_tiled"]
    for place in places(sizes):
        yield from client.read(p)
        ended = ended_dimensions(place, sizes)
        stop = ended + x.stop if ended == len(sizes) else ended
        yield from p.send(out, client.tile, stop)


def random_load(p: Process, node: Node, client: Client) -> Steps[None]:
    [out] = node.outputs
    while (x := (yield from p.take(node.operand("raddr")))) is not None:
        if x.is_bare:
            yield from p.send_stop(out, x.stop)
            continue
        yield from client.read(p)
        yield from p.send(out, client.tile, x.stop)


def store(p: Process, node: Node, client: Client) -> Steps[None]:
    source = node.operand("input")
    while (x := (yield from p.peek(source))) is not None:
        if not x.is_bare:
            yield from client.write(p)
        p.pop(source)


def random_store(p: Process, node: Node, client: Client) -> Steps[None]:
    addresses, data, [out] = node.operand("waddr"), node.operand("wdata"), node.outputs
    answered = addresses if node.parameters["ack_based_on_waddr"] else data
    while True:
        address = yield from p.peek(addresses)
        x = yield from p.peek(data)
        if address is None and x is None:
            return
        bare = [
            (channel, element)
            for channel, element in ((addresses, address), (data, x))
            if element is not None and element.is_bare
        ]
        for channel, element in bare:
            if channel is answered:
                yield from p.send_stop(out, element.stop)
            p.pop(channel)
        if bare:
            continue
        if address is None or x is None:
            raise p.disagreement((addresses, data), ())
        yield from client.write(p)
        stop = address.stop if answered is addresses else x.stop
        yield from p.send(out, Integer(1), stop)
        p.pop(addresses)
        p.pop(data)
