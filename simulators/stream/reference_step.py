"""
The reference simulator of streaming tensor programs: slow, plain, independent of the engine.

One coroutine a node with a local clock. Everything but the memory and the merging of streams in
order of arrival is a deterministic process network, in which clocks may run ahead. Those two are
decided in global time order: once nobody else can go on, the earliest of them is next, since all
that follows from it happens later.

Source: "Streaming Tensor Programs", ASPLOS 2026, section 4. Clock rules that are our own are in
docs/design/timing.md.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from headrace.simulators.stream import reference_step_memory as memory
from headrace.simulators.stream import reference_step_operators as operators
from headrace.simulators.stream import reference_step_routing as routing
from headrace.simulators.stream import reference_step_shapes as shapes
from headrace.simulators.stream.netlist import Netlist, NetlistNode, Port
from headrace.simulators.stream.reference_step_memory import Client, Memory, MemoryTiming
from headrace.simulators.stream.reference_step_operators import Node
from headrace.simulators.stream.reference_step_process import (
    Channel,
    Element,
    Process,
    Steps,
    Wait,
)
from headrace.simulators.stream.reference_step_values import Costs

OPERATORS: dict[str, Callable[[Process, Node], Steps[None]]] = {
    "UnaryMap": operators.unary_map,
    "ToSelector": operators.to_selector,
    "BinaryMap": operators.binary_map,
    "BinaryMapAccum": operators.map_accumulate,
    "Accum": operators.accumulate,
    "Flatten": shapes.flatten,
    "Promote": shapes.promote,
    "Reshape": shapes.reshape,
    "RepeatStatic": shapes.repeat,
    "ExpandRef": shapes.expand,
    "Broadcast": shapes.broadcast,
    "Bufferize": shapes.bufferize,
    "Streamify": shapes.streamify,
    "DynStreamify": shapes.dynamic_streamify,
    "RetileStreamify": shapes.retile_streamify,
    "FlatPartition": routing.partition,
    "FlatReassemble": routing.reassemble,
    "Parallelize": routing.parallelize,
    "SelectGen": routing.selectors,
    "MetadataGen": routing.integers,
    "ExpertAddrGen": routing.expert_addresses,
    "CacheReadAddrGen": routing.cache_addresses,
    "FilterLastTile": routing.filter_last,
}

MEMORY_OPERATORS: dict[str, Callable[[Process, Node, Client], Steps[None]]] = {
    "OffChipLoad": memory.load,
    "DynOffChipLoad": memory.load_by_reference,
    "RandomOffChipLoad": memory.random_load,
    "OffChipStore": memory.store,
    "RandomOffChipStore": memory.random_store,
}


@dataclass(frozen=True)
class Blocked:
    """A node that cannot go on, and the port whose channel it waits for, for data or for room."""

    node: int
    waits_for: str
    port: Port


@dataclass(frozen=True)
class StepReferenceResult:
    """
    `cycles` is the largest final clock of any node, `clocks` has that of every node by id.

    `requests` counts those of the memory; `arbitration` has, for every merge by id, the inputs that
    it chose in order. `blocked` is empty unless the run deadlocks.
    """

    cycles: int
    clocks: dict[int, int]
    requests: int
    arbitration: dict[int, tuple[int, ...]]
    received: dict[int, tuple[Element, ...]]
    blocked: tuple[Blocked, ...]

    @property
    def deadlock(self) -> bool:
        return bool(self.blocked)


def reference_simulate_step(
    netlist: Netlist,
    *,
    depth: int | None = None,
    depths: dict[Port, int] | None = None,
    order_seed: int | None = None,
) -> StepReferenceResult:
    """
    Run a netlist.

    `depth` is the capacity of every channel; `None` takes that of the netlist. `depths` overrides
    it for the channels of some ports. `order_seed` shuffles the order in which processes run, which
    must change nothing.

    Raises `SimulationError` when operands do not line up.
    """
    simulation = Simulation(netlist, depth or netlist.channel_depth, depths or {})
    simulation.run(order_seed)
    return simulation.result()


class Simulation:
    """The processes and channels of a netlist."""

    def __init__(self, netlist: Netlist, depth: int, depths: dict[Port, int]) -> None:
        meta = netlist.meta
        hbm = meta["hbm"]
        self.memory = Memory(
            MemoryTiming(
                hbm["channels"], hbm["latency"], hbm["ii"], hbm["startup"], hbm["addr_offset"]
            )
        )
        self.costs = Costs(meta["onchip_bw"], netlist.element_bytes)
        self.ready = deque[Process]()
        self.channels: dict[Port, Channel] = {}
        for node in netlist.nodes:
            for output in range(node.output_count):
                port = Port(node.id, output)
                capacity = depths.get(port, depth)
                self.channels[port] = Channel(f"{node.label}[{output}]", capacity)
        self.steps: dict[Process, Steps[None]] = {}
        self.ids: dict[Process, int] = {}
        self.merges: dict[Process, tuple[Channel, ...]] = {}
        self.outputs: dict[Process, tuple[Channel, ...]] = {}
        self.decisions: dict[int, list[int]] = {}
        self.received: dict[int, list[Element]] = {}
        for number, node in enumerate(netlist.nodes):
            self.start(number, node)

    def start(self, number: int, node: NetlistNode) -> None:
        p = Process(node.label, self.ready)
        inputs = {
            name: tuple(self.channels[port] for port in ports)
            for name, ports in node.inputs.items()
        }
        for channels in inputs.values():
            for channel in channels:
                channel.reader = p
        outputs = tuple(self.channels[Port(node.id, o)] for o in range(node.output_count))
        for channel in outputs:
            channel.writer = p
        connected = Node(node.parameters, inputs, outputs, self.costs)
        self.ids[p], self.outputs[p] = node.id, outputs
        if node.op == "EagerMerge":
            self.merges[p] = inputs["inputs"]
            self.decisions[node.id] = []
            self.steps[p] = routing.eager_merge(p, connected, self.decisions[node.id])
        elif node.op == "ConsumerContext":
            self.received[node.id] = []
            self.steps[p] = operators.sink(p, connected, self.received[node.id])
        elif node.op in MEMORY_OPERATORS:
            client = Client(self.memory, connected, number)
            self.steps[p] = MEMORY_OPERATORS[node.op](p, connected, client)
        else:
            self.steps[p] = OPERATORS[node.op](p, connected)
        self.ready.append(p)

    def run(self, order_seed: int | None) -> None:
        choose = random.Random(order_seed)
        while True:
            while self.ready:
                if order_seed is not None:
                    self.ready.rotate(choose.randrange(len(self.ready)))
                self.advance(self.ready.popleft())
            if not self.decide():
                return

    def advance(self, p: Process) -> None:
        """Run a process until it cannot go on."""
        try:
            next(self.steps[p])
        except StopIteration:
            p.finished = True
            for channel in self.outputs[p]:
                p.close(channel)

    def decide(self) -> bool:
        """Let the earliest of what is decided in time order happen; whether there was any."""
        first, merge = None, None
        for p, sources in self.merges.items():
            if p.blocked != (Wait.TURN, None):
                continue
            if all(source.closed is not None and not source.queue for source in sources):
                p.wake()
                return True
            time = routing.turn(p, sources)
            if time is not None and (first is None or time < first):
                first, merge = time, p
        while (cycle := self.memory.next_cycle()) is not None and (first is None or cycle <= first):
            through = self.memory.serve(cycle)
            for p in through:
                p.wake()
            if through:
                return True
        if merge is not None:
            merge.wake()
        return merge is not None

    def result(self) -> StepReferenceResult:
        clocks = {number: p.time for p, number in self.ids.items()}
        ports = {channel: port for port, channel in self.channels.items()}
        blocked: list[Blocked] = []
        for p in self.steps:
            if p.finished:
                continue
            why, channel = p.blocked or (Wait.TURN, None)
            if channel is not None:
                blocked.append(Blocked(self.ids[p], why.value, ports[channel]))
                continue
            for source in self.merges[p]:
                if source.closed is None:
                    blocked.append(Blocked(self.ids[p], Wait.DATA.value, ports[source]))
        return StepReferenceResult(
            cycles=max(clocks.values(), default=0),
            clocks=clocks,
            requests=self.memory.requests,
            arbitration={number: tuple(chosen) for number, chosen in self.decisions.items()},
            received={number: tuple(elements) for number, elements in self.received.items()},
            blocked=tuple(blocked),
        )
