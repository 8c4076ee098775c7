"""
Run a program: bind its parameters, run its nodes until none can move, read the records.
"""

import ctypes
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream import layout, native, tokens
from headrace.simulators.stream.catalogue import variant_of
from headrace.simulators.stream.codegen import generate
from headrace.simulators.stream.kernel import Kernel, Point, Variant
from headrace.simulators.stream.errors import ProgramError, SimulationError
from headrace.simulators.stream.primitive import Argument
from headrace.simulators.stream.program import Parameter, Program, Slot

Array = npt.NDArray[Any]

UNBOUNDED_RING = 1024
"""Slots of the ring of an unbounded channel at first; it is doubled when the run needs more."""

SWEEPS = 1 << 16
"""Rounds of the scheduler between looks at the keyboard."""


@dataclass(frozen=True)
class NodeStatistics:
    """Cycles of one node: busy + stalled_on_input + stalled_on_output = cycles."""

    name: str
    kind: str
    cycles: int
    """Its final clock."""
    busy: int
    stalled_on_input: int
    stalled_on_output: int
    tokens: int
    """Tokens sent."""


@dataclass(frozen=True)
class ChannelStatistics:
    source: str
    target: str
    capacity: int | None
    tokens: int
    peak: int | None = None
    """The most tokens held at a time, if asked for."""


@dataclass(frozen=True)
class Blocked:
    """A node that cannot move, and why."""

    node: str
    kind: str
    """`data`: waits for a token; `room`: waits for a free slot."""
    channel: int
    port: str


@dataclass(frozen=True)
class Deadlock:
    blocked: tuple[Blocked, ...]


@dataclass(frozen=True)
class SimulationResult:
    """What a run gives; a run that deadlocks has no outputs."""

    cycles: int
    """The largest final clock of any node."""
    outputs: dict[str, Array]
    nodes: tuple[NodeStatistics, ...]
    channels: tuple[ChannelStatistics, ...]
    deadlock: Deadlock | None

    @property
    def tokens(self) -> int:
        return sum(channel.tokens for channel in self.channels)


def simulate(
    program: Program, arrays: Mapping[str, Any], *, depth: int | None = None
) -> SimulationResult:
    """
    Run a program on the arrays and numbers of its slots.

    `depth` is the capacity of every channel that has none of its own; `None` is unbounded.
    Raises `ProgramError` for a bad argument and `SimulationError` if a primitive meets an illegal
    token. A deadlock is a result.
    """
    if depth is not None and depth < 1:
        raise ProgramError(f"channel depth {depth} is too small; a channel holds at least 1 token")
    run = _Run(program, arrays, depth)
    run.run()
    return run.result()


@functools.cache
def _kernel(variant: Variant) -> Kernel:
    return generate(variant)


class _Run:
    """The records of one run and everything they point to."""

    def __init__(self, program: Program, arrays: Mapping[str, Any], depth: int | None) -> None:
        self.program = program
        self.arrays = arrays
        machine = native.machine()
        count = len(program.kinds)
        self.parameters = [program.node_parameters(node) for node in range(count)]
        self.kernels = [
            _kernel(
                variant_of(
                    str(program.kinds[node]), len(program.node_inputs(node)), self.parameters[node]
                )
            )
            for node in range(count)
        ]
        channels = len(program.capacities)
        starts = np.cumsum([0, *(kernel.words for kernel in self.kernels)])
        self.heap = np.zeros(int(starts[-1]) + channels * layout.CHANNEL_WORDS, dtype=np.int64)
        base = self.heap.ctypes.data
        self.node_at = starts[:-1].tolist()
        self.addresses = base + layout.WORD * starts[:-1].astype(np.int64)
        self.channel_at = [
            int(starts[-1]) + channel * layout.CHANNEL_WORDS for channel in range(channels)
        ]
        self.readers: list[tuple[int, str] | None] = [None] * channels
        self.writers: list[tuple[int, str]] = [(0, "")] * channels
        self.rings: list[Array] = [self.heap] * channels
        self.bound: dict[tuple[int, str], Array] = {}
        for node in range(count):
            self.bind_node(node, machine.load(self.kernels[node].symbol, self.kernels[node].text))
        for channel in range(channels):
            self.bind_channel(channel, int(program.capacities[channel]) or depth)
        self.step = machine.scheduler()

    # Binding -------------------------------------------------------------------------------------

    def bind_node(self, node: int, step: int) -> None:
        kernel, record = self.kernels[node], self.record(node)
        base = self.heap.ctypes.data
        record[layout.STEP] = step
        record[layout.WAIT_CELL] = self.addresses[node] + layout.STATUS * layout.WORD
        record[layout.WAIT_VALUE] = layout.FINISHED
        ports = [
            *zip(kernel.variant.inputs, self.program.node_inputs(node), strict=True),
            *zip(kernel.variant.outputs, self.program.node_outputs(node), strict=True),
        ]
        for index, (port, channel) in enumerate(ports):
            record[layout.PORTS + index] = base + layout.WORD * self.channel_at[channel]
            if index < len(kernel.variant.inputs):
                self.readers[channel] = (node, port)
            else:
                self.writers[channel] = (node, port)
        for argument in kernel.variant.primitive.parameters:
            self.bind_parameter(node, argument, kernel.parameters[argument.name])

    def bind_parameter(self, node: int, argument: Argument, word: int) -> None:
        record = self.record(node)
        value = self.parameters[node].get(argument.name, argument.default)
        where = f"'{argument.name}' of node '{self.program.names[node]}'"
        match argument.kind:
            case "Int":
                record[word] = self.integer(value, where)
            case "Float":
                record[word : word + 1].view(np.float64)[0] = float(self.lookup(value, where))
            case "Ints" | "Floats":
                dtype = np.int64 if argument.kind == "Ints" else np.float64
                array = self.array(value, dtype, where)
                self.bound[node, argument.name] = array
                record[word] = array.ctypes.data
                record[word + 1] = len(array)
            case _:
                self.bound[node, argument.name] = np.zeros(0, dtype=np.int64)

    def lookup(self, value: Any, where: str) -> Any:
        if not isinstance(value, Slot):
            return value
        if value.name not in self.arrays:
            given = ", ".join(sorted(self.arrays)) or "nothing"
            raise ProgramError(f"slot '{value.name}', {where}, is not bound; given: {given}")
        return self.arrays[value.name]

    def integer(self, value: Parameter | None, where: str) -> int:
        number = self.lookup(value, where)
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise ProgramError(f"{where} must be an integer, not {number!r}")
        return int(number)

    def array(self, value: Parameter | None, dtype: type[Any], where: str) -> Array:
        if isinstance(value, tuple):
            return np.array([self.integer(part, where) for part in value], dtype=np.int64)
        array = np.asarray(self.lookup(value, where))
        if array.ndim != 1 or array.dtype.kind not in ("iub" if dtype is np.int64 else "iubf"):
            raise ProgramError(
                f"{where} must be a vector of {dtype.__name__}, not {array.dtype} of shape "
                f"{array.shape}"
            )
        return np.ascontiguousarray(array, dtype=dtype)

    def bind_channel(self, channel: int, capacity: int | None) -> None:
        record = self.channel(channel)
        start, end = self.program.initial_starts[channel : channel + 2]
        initial = self.program.initial[start:end]
        size = capacity or max(UNBOUNDED_RING, 2 * len(initial))
        if len(initial) > size:
            source = self.program.names[self.writers[channel][0]]
            raise ProgramError(
                f"the channel from '{source}' starts with {len(initial)} tokens but holds {size}"
            )
        if self.readers[channel] is None:
            size = 1
        ring = np.zeros(2 * size, dtype=np.int64)
        ring[1 : 2 * len(initial) : 2] = initial
        self.rings[channel] = ring
        self.point_at_ring(channel, len(initial))
        record[layout.LATENCY] = 1
        record[layout.RESPONSE] = 1 if capacity else layout.NEVER_BINDS
        record[layout.DISCARD] = self.readers[channel] is None

    def point_at_ring(self, channel: int, filled: int) -> None:
        """Make the record describe the ring, whose tokens start at its beginning."""
        record, ring = self.channel(channel), self.rings[channel]
        base = ring.ctypes.data
        record[layout.BASE] = record[layout.HEAD] = base
        record[layout.END] = base + ring.nbytes
        record[layout.TAIL] = base + filled * layout.SLOT
        record[layout.FILLED] = filled * layout.SLOT

    def record(self, node: int) -> Array:
        start = self.node_at[node]
        return self.heap[start : start + self.kernels[node].words]

    def channel(self, channel: int) -> Array:
        start = self.channel_at[channel]
        return self.heap[start : start + layout.CHANNEL_WORDS]

    # Running -------------------------------------------------------------------------------------

    def run(self) -> None:
        count = len(self.addresses)
        while True:
            outcome = self.step(ctypes.c_void_p(self.addresses.ctypes.data), count, SWEEPS)
            if outcome == native.STOPPED:
                self.raise_failure()
            if outcome == native.QUIET and not self.grow():
                return

    def blocked_at(self, node: int) -> Point | None:
        point = int(self.record(node)[layout.POINT])
        return self.kernels[node].points[point - 1] if point else None

    def live_nodes(self) -> list[int]:
        return [
            node
            for node in range(len(self.kernels))
            if self.record(node)[layout.STATUS] != layout.FINISHED
        ]

    def grow(self) -> bool:
        """Enlarge the arrays and unbounded rings that hold nodes up; False if there are none."""
        grown = False
        for node in self.live_nodes():
            point = self.blocked_at(node)
            if point is None:
                continue
            if point.kind == "growth":
                self.grow_array(node, point.subject)
                grown = True
            elif point.kind == "room":
                channel = self.port_channel(node, point.subject)
                if self.channel(channel)[layout.RESPONSE] == layout.NEVER_BINDS:
                    self.grow_ring(channel)
                    grown = True
        return grown

    def grow_array(self, node: int, name: str) -> None:
        kernel, record = self.kernels[node], self.record(node)
        word = kernel.parameters[name]
        wanted = int(record[layout.DETAIL])
        capacity = max(2 * int(record[word + 2]), wanted, 1024)
        if wanted and wanted > int(record[word + 2]) == 0:
            capacity = wanted
        array = np.zeros(capacity, dtype=np.int64)
        old = self.bound[node, name]
        array[: len(old)] = old
        self.bound[node, name] = array
        record[word] = array.ctypes.data
        record[word + 2] = capacity
        record[layout.STATUS] = layout.RUNNING

    def grow_ring(self, channel: int) -> None:
        record, old = self.channel(channel), self.rings[channel]
        head = int(record[layout.HEAD] - record[layout.BASE]) // layout.WORD % len(old)
        filled = int(record[layout.FILLED]) // layout.SLOT
        ring = np.zeros(2 * len(old), dtype=np.int64)
        ring[: 2 * filled] = np.roll(old, -head)[: 2 * filled]
        self.rings[channel] = ring
        self.point_at_ring(channel, filled)

    def port_channel(self, node: int, port: str) -> int:
        variant = self.kernels[node].variant
        if port in variant.inputs:
            return self.program.node_inputs(node)[variant.inputs.index(port)]
        return self.program.node_outputs(node)[variant.outputs.index(port)]

    def raise_failure(self) -> None:
        for node in self.live_nodes():
            record, kernel = self.record(node), self.kernels[node]
            if record[layout.STATUS] != layout.FAILED:
                continue
            message, port = kernel.messages[int(record[layout.DETAIL])]
            offender = tokens.text(int(record[layout.OFFENDER]))
            where = f"node '{self.program.names[node]}' ({self.program.kinds[node]})"
            if port is not None:
                taken = self.taken(self.port_channel(node, port))
                where += f", port {port}, token {taken}"
            raise SimulationError(f"{where}: {message.replace('{token}', offender)}")

    def taken(self, channel: int) -> int:
        """The number of tokens that the reader of a channel has taken."""
        record = self.channel(channel)
        start, end = self.program.initial_starts[channel : channel + 2]
        pushed = int(record[layout.PUSHED] - record[layout.FILLED]) // layout.SLOT
        return pushed + int(end - start)

    # Reading -------------------------------------------------------------------------------------

    def result(self) -> SimulationResult:
        live = self.live_nodes()
        nodes = tuple(self.node_statistics(node) for node in range(len(self.kernels)))
        channels = tuple(
            self.channel_statistics(channel)
            for channel in range(len(self.rings))
            if self.readers[channel] is not None
        )
        return SimulationResult(
            cycles=max((node.cycles for node in nodes), default=0),
            outputs={} if live else self.outputs(),
            nodes=nodes,
            channels=channels,
            deadlock=Deadlock(tuple(self.blocked(node) for node in live)) if live else None,
        )

    def blocked(self, node: int) -> Blocked:
        point = self.blocked_at(node)
        assert point is not None
        channel = self.port_channel(node, point.subject)
        return Blocked(str(self.program.names[node]), point.kind, channel, point.subject)

    def outputs(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for node, kernel in enumerate(self.kernels):
            for argument in kernel.variant.primitive.parameters:
                if not argument.kind.endswith("Output"):
                    continue
                size = int(self.record(node)[kernel.parameters[argument.name] + 1])
                array = self.bound[node, argument.name][:size]
                if argument.kind == "FloatOutput":
                    array = array.view(np.float64)
                found[f"{self.parameters[node]['output']}.{argument.name}"] = array
        return found

    def node_statistics(self, node: int) -> NodeStatistics:
        record = self.record(node)
        cycles, waited_in, waited_out = (
            int(record[word]) for word in (layout.TIME, layout.STALL_IN, layout.STALL_OUT)
        )
        return NodeStatistics(
            name=str(self.program.names[node]),
            kind=str(self.program.kinds[node]),
            cycles=cycles,
            busy=cycles - waited_in - waited_out,
            stalled_on_input=waited_in,
            stalled_on_output=waited_out,
            tokens=sum(
                int(self.channel(channel)[layout.PUSHED]) // layout.SLOT
                for channel in self.program.node_outputs(node)
                if self.readers[channel] is not None
            ),
        )

    def channel_statistics(self, channel: int) -> ChannelStatistics:
        record, reader = self.channel(channel), self.readers[channel]
        bounded = record[layout.RESPONSE] != layout.NEVER_BINDS
        return ChannelStatistics(
            source=f"{self.program.names[self.writers[channel][0]]}.{self.writers[channel][1]}",
            target=f"{self.program.names[reader[0]]}.{reader[1]}" if reader else "",
            capacity=len(self.rings[channel]) // 2 if bounded else None,
            tokens=int(record[layout.PUSHED]) // layout.SLOT,
        )
