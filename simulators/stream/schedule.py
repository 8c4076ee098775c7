"""
One run of a program: its records in memory, and the loop around the compiled scheduler.

Nodes run until they block, round robin in the order of data flow. When none can move, arrays that
are full are enlarged, or else the rings of unbounded channels that are full (Parks' scheme: the run
behaves as if they were unbounded, and memory follows the need). If there is nothing to enlarge,
the run is over.

Source: run-to-block scheduling, "The Dataflow Abstract Machine Simulator Framework", ISCA 2024;
T. M. Parks, "Bounded Scheduling of Process Networks", 1995.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream import layout, native, tokens
from headrace.simulators.stream.arbitration import ServedNode, seen_by_arbiter, writes
from headrace.simulators.stream.arena import Arena
from headrace.simulators.stream.errors import ProgramError, SimulationError
from headrace.simulators.stream.kernel import ARENA, FREE_TILES, Point, Variant
from headrace.simulators.stream.kernels import NOTHING, Observe, compiled, kernel_of
from headrace.simulators.stream.memory import MemoryModel
from headrace.simulators.stream.primitive import (
    ARRAY_KINDS,
    TABLE_KINDS,
    Argument,
)
from headrace.simulators.stream.program import Program, Slot
from headrace.simulators.stream.values import Values

Array = npt.NDArray[Any]

UNBOUNDED_RING = 512
"""Slots of the ring of an unbounded channel at first."""

SMALLEST_OUTPUT = 1 << 17
"""Entries of an output at first. Pages that are never written cost nothing, copies do."""

TILE_HOLDERS = ("tiles", "entries")
"""The parameters in which accumulators keep addresses of tiles."""

BUFFERS = "cells"
"""The parameter in which nodes keep what they pass on by reference."""

CHANNEL_BYTES = layout.CHANNEL_WORDS * layout.WORD

SWEEPS = 1 << 16
"""Rounds of the scheduler between looks at the keyboard."""


class Run:
    """The records of one run and everything they point to."""

    def __init__(
        self,
        program: Program,
        arrays: Mapping[str, Any],
        depth: int | None,
        memory: MemoryModel | None,
        observe: Observe = NOTHING,
    ) -> None:
        self.program = program
        self.values = Values(arrays)
        self.memory = memory
        self.memory_state = memory.start() if memory else None
        count, channels = len(program.kinds), len(program.capacities)
        self.parameters = [program.node_parameters(node) for node in range(count)]
        if depth is None and not program.capacities.any():
            observe = replace(observe, unbounded=True)
        self.inputs = [program.node_inputs(node) for node in range(count)]
        self.outputs = [program.node_outputs(node) for node in range(count)]
        self.kernels = [
            kernel_of(
                str(program.kinds[node]),
                len(self.inputs[node]),
                self.parameters[node],
                memory,
                self.memory_state,
                observe,
            )
            for node in range(count)
        ]
        self.arbiter = count
        self.seen: dict[str, Array] = {}
        arbiter = memory.arbiter if memory else None
        if arbiter is not None:
            self.kernels.append(compiled(Variant(arbiter, 0)))
            self.parameters.append({})
            self.inputs.append([])
            self.outputs.append([])
        starts = np.cumsum([0, *(kernel.words for kernel in self.kernels)])
        size = int(starts[-1]) + channels * layout.CHANNEL_WORDS
        self.heap = np.zeros(size, dtype=np.int64)
        self.node_starts: list[int] = starts.tolist()
        self.addresses = self.heap.ctypes.data + layout.WORD * starts[:-1].astype(np.int64)
        self.readers: dict[int, tuple[int, str] | None] = dict.fromkeys(range(channels))
        self.writers: dict[int, tuple[int, str]] = {}
        self.rings: list[Array] = [self.heap] * channels
        self.bound: dict[tuple[int, str], Array] = {}
        self.retired: list[Array] = []
        self.arena = self.lay_out_arena()
        machine = native.machine()
        for node, kernel in enumerate(self.kernels):
            self.bind_node(node, machine.load(kernel.symbol, kernel.text))
        self.bind_tiles()
        for channel in range(channels):
            self.bind_channel(channel, int(program.capacities[channel]) or depth)
        self.scheduler = machine.scheduler()

    # Records -------------------------------------------------------------------------------------

    def record(self, node: int) -> Array:
        return self.heap[self.node_starts[node] : self.node_starts[node + 1]]

    def channel(self, channel: int) -> Array:
        start = self.node_starts[-1] + channel * layout.CHANNEL_WORDS
        return self.heap[start : start + layout.CHANNEL_WORDS]

    def port_channel(self, node: int, port: str) -> int:
        variant = self.kernels[node].variant
        if port in variant.inputs:
            return self.inputs[node][variant.inputs.index(port)]
        return self.outputs[node][variant.outputs.index(port)]

    def label(self, node: int) -> str:
        return str(self.program.names[node]) if node < self.arbiter else "memory"

    # Binding -------------------------------------------------------------------------------------

    def bind_node(self, node: int, step: int) -> None:
        variant, record = self.kernels[node].variant, self.record(node)
        record[layout.STEP] = step
        self.release(node)
        first = self.heap.ctypes.data + layout.WORD * self.node_starts[-1]
        read = dict(zip(variant.inputs, self.inputs[node], strict=True))
        written = dict(zip(variant.outputs, self.outputs[node], strict=True))
        self.readers.update({channel: (node, port) for port, channel in read.items()})
        self.writers.update({channel: (node, port) for port, channel in written.items()})
        places = {
            port: first + CHANNEL_BYTES * channel
            for port, channel in (*read.items(), *written.items())
        }
        for index, port in enumerate((*variant.fixed_inputs, *variant.fixed_outputs)):
            record[layout.PORTS + index] = places[port]
        for argument in variant.parameters:
            if argument.kind in TABLE_KINDS:
                table = [places[f"{argument.name}{k}"] for k in range(variant.n)]
                self.point_at_array(node, argument, np.array(table, dtype=np.int64))
            else:
                self.bind_parameter(node, argument)

    def lay_out_arena(self) -> Arena | None:
        """Place the tiles that the program reads; `None` if it has no tiles."""
        unit = 0
        for kernel in self.kernels:
            statics = dict(kernel.variant.statics)
            tile, rows, inner, columns = (
                cast(int, statics.get(name, 0)) for name in ("tile", "rows", "inner", "columns")
            )
            # A product never reads beyond the arena, whatever the sizes of its operands are.
            unit = max(unit, tile, rows * inner, inner * columns)
        if not unit:
            return None
        arena = Arena(unit)
        for node, kernel in enumerate(self.kernels):
            for argument in kernel.variant.primitive.parameters:
                if argument.name == "arena_at":
                    where = f"'values' of node '{self.label(node)}'"
                    values = self.values.array(self.parameters[node]["values"], "Floats", where)
                    self.parameters[node]["arena_at"] = arena.add_input(values)
        arena.freeze()
        return arena

    def bind_tiles(self) -> None:
        """Let every node see the arena where it is now."""
        if self.arena is None:
            return
        for name, array in ((ARENA, self.arena.data), (FREE_TILES, self.arena.free)):
            for node, kernel in enumerate(self.kernels):
                if name in kernel.parameters:
                    self.record(node)[kernel.parameters[name]] = array.ctypes.data

    def collect_tiles(self) -> None:
        """Free the tiles that no channel and no node refers to."""
        assert self.arena is not None
        referrers = [self.heap, *(ring[1::2] for ring in self.rings)]
        referrers += [
            array for (_, name), array in self.bound.items() if name in TILE_HOLDERS and len(array)
        ]
        self.arena.collect(referrers)
        self.bind_tiles()

    def bind_parameter(self, node: int, argument: Argument) -> None:
        record, word = self.record(node), self.kernels[node].parameters[argument.name]
        where = f"'{argument.name}' of node '{self.label(node)}'"
        value = self.parameter(node, argument)
        match argument.kind:
            case "Int":
                record[word] = self.values.integer(value, where)
            case "Count":
                record[word] = self.values.count(value, where)
            case "Float":
                record[word : word + 1].view(np.float64)[0] = self.values.number(value, where)
            case _:
                if argument.name == "memory":
                    return  # All memory as one array at address 0.
                self.point_at_array(node, argument, self.values.array(value, argument.kind, where))

    def point_at_array(self, node: int, argument: Argument, array: Array) -> None:
        """Make the record of a node describe an array."""
        record, word = self.record(node), self.kernels[node].parameters[argument.name]
        self.bound[node, argument.name] = array
        record[word] = array.ctypes.data
        record[word + 1] = len(array) if argument.kind in (*ARRAY_KINDS, *TABLE_KINDS) else 0
        record[word + 2] = len(array)

    def parameter(self, node: int, argument: Argument) -> Any:
        """What the program, the memory model or the primitive itself gives a parameter."""
        parameters = self.parameters[node]
        if argument.name in parameters:
            return parameters[argument.name]
        if node == self.arbiter:
            self.seen = self.seen or self.seen_by_arbiter()
            if argument.name in self.seen:
                return self.seen[argument.name]
        if self.memory_state is not None:
            about = argument.name.removesuffix("_at")
            slot = parameters.get(about)
            if isinstance(slot, Slot):
                about = slot.name
            elif "output" in parameters:
                about = f"{parameters['output']}.{about}"
            value = self.memory_state.parameter(argument.name, about)
            if value is not None:
                return value
        return argument.default

    def seen_by_arbiter(self) -> dict[str, Array]:
        """What the parameters of the arbiter are about."""
        assert self.memory is not None
        first = self.heap.ctypes.data + layout.WORD * self.node_starts[-1]
        nodes = [
            ServedNode(
                int(self.addresses[node]),
                self.kernels[node].variant.primitive,
                int(self.program.ranks[node]),
                self.values.integer(
                    self.parameters[node].get("dispatch", 1), f"'dispatch' of '{self.label(node)}'"
                ),
                tuple(first + CHANNEL_BYTES * channel for channel in self.inputs[node]),
            )
            for node in range(self.arbiter)
        ]
        return seen_by_arbiter(self.memory, nodes)

    def writes(self, node: int) -> bool:
        """Whether the node writes an array."""
        return writes(self.memory, self.kernels[node].variant.primitive)

    def bind_channel(self, channel: int, capacity: int | None) -> None:
        record = self.channel(channel)
        start, end = self.program.initial_starts[channel : channel + 2]
        initial = self.program.initial[start:end]
        size = capacity or max(UNBOUNDED_RING, 2 * len(initial))
        if len(initial) > size:
            raise ProgramError(
                f"the channel from '{self.label(self.writers[channel][0])}' starts with "
                f"{len(initial)} tokens but holds {size}; raise its capacity"
            )
        if self.readers[channel] is None:
            size = UNBOUNDED_RING  # With less, what nobody reads would end every burst.
        ring = np.zeros(2 * size, dtype=np.int64)
        ring[1 : 2 * len(initial) : 2] = initial
        self.rings[channel] = ring
        self.point_at_ring(channel, len(initial))
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

    # Running -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until every node has finished or is stuck. Raises `SimulationError`."""
        nodes = ctypes.c_void_p(self.addresses.ctypes.data)
        has_arbiter = self.arbiter < len(self.kernels)
        arbiter = int(self.addresses[self.arbiter]) if has_arbiter else 0
        while True:
            outcome = self.scheduler(nodes, self.arbiter, SWEEPS, arbiter)
            if outcome == native.STOPPED:
                self.raise_failure()
            if outcome == native.QUIET and not self.grow():
                return

    def live_nodes(self) -> list[int]:
        return [
            node
            for node in range(self.arbiter)
            if self.record(node)[layout.STATUS] != layout.FINISHED
        ]

    def blocked_at(self, node: int) -> Point | None:
        """Where a live node is suspended."""
        point = int(self.record(node)[layout.POINT])
        return self.kernels[node].points[point - 1] if point else None

    def suspended(self, kind: str) -> list[tuple[int, Point]]:
        """The live nodes that are suspended at points of a kind, and where."""
        points = [(node, self.blocked_at(node)) for node in self.live_nodes()]
        return [(node, point) for node, point in points if point and point.kind == kind]

    def awaited(self, node: int) -> int:
        """The channel that a node is suspended at."""
        cell = int(self.record(node)[layout.WAIT_CELL] - self.heap.ctypes.data) // layout.WORD
        return (cell - self.node_starts[-1]) // layout.CHANNEL_WORDS

    def first_empty(self, node: int) -> int:
        """The first input of a node that merges by time at which a token may still arrive."""
        return next(
            channel
            for channel in self.inputs[node]
            if not self.held(channel) and not self.channel(channel)[layout.CLOSED]
        )

    def held(self, channel: int) -> int:
        """The number of tokens in a channel."""
        return max(0, int(self.channel(channel)[layout.FILLED]) // layout.SLOT)

    def is_unbounded(self, channel: int) -> bool:
        return bool(self.channel(channel)[layout.RESPONSE] == layout.NEVER_BINDS)

    def grow(self) -> bool:
        """Enlarge what holds nodes up: arrays, else unbounded rings; False if nothing does."""
        return self.grow_arrays() or self.grow_rings()

    def grow_arrays(self) -> bool:
        """Enlarge the arrays that nodes wait for, and free tiles; False if no node waits."""
        waiting = [(node, point.subject) for node, point in self.suspended("growth")]
        if any(name == ARENA for _, name in waiting):
            self.collect_tiles()
        for node, name in waiting:
            if name != ARENA:
                self.grow_array(node, name)
            self.record(node)[layout.STATUS] = layout.RUNNING
        return bool(waiting)

    def grow_rings(self) -> bool:
        """
        Double the unbounded rings that are full; False if there are none.

        Only once no node waits for an array: a ring that is full because its reader waits for one
        is long enough.
        """
        full = [
            (node, channel)
            for node, _ in self.suspended("room")
            if self.is_unbounded(channel := self.awaited(node))
        ]
        for node, channel in full:
            self.grow_ring(channel)
            self.release(node)
        return bool(full)

    def release(self, node: int) -> None:
        """Let the scheduler visit a node as long as it has not finished."""
        record = self.record(node)
        record[layout.WAIT_CELL] = self.addresses[node] + layout.STATUS * layout.WORD
        record[layout.WAIT_VALUE] = layout.FINISHED

    def grow_array(self, node: int, name: str) -> None:
        record, word = self.record(node), self.kernels[node].parameters[name]
        wanted, old = int(record[layout.DETAIL]), self.bound[node, name]
        if wanted:
            capacity = max(2 * len(old), wanted)
            array = np.zeros(capacity, dtype=np.int64)
        else:
            capacity = max(4 * len(old), SMALLEST_OUTPUT)
            array = np.empty(capacity, dtype=np.int64)
        array[: len(old)] = old
        if name == BUFFERS:
            self.retired.append(old)  # References to what it holds are under way.
        self.bound[node, name] = array
        record[word] = array.ctypes.data
        record[word + 2] = capacity

    def grow_ring(self, channel: int) -> None:
        record, old = self.channel(channel), self.rings[channel]
        head = int(record[layout.HEAD] - record[layout.BASE]) // layout.WORD
        filled = self.held(channel)
        ring = np.zeros(2 * len(old), dtype=np.int64)
        ring[: 2 * filled] = np.roll(old, -head)[: 2 * filled]
        self.rings[channel] = ring
        self.point_at_ring(channel, filled)

    def raise_failure(self) -> None:
        """Report the node that failed."""
        for node in self.live_nodes():
            record, kernel = self.record(node), self.kernels[node]
            if record[layout.STATUS] != layout.FAILED:
                continue
            message, port = kernel.messages[int(record[layout.DETAIL])]
            where = f"node '{self.label(node)}' ({self.program.kinds[node]})"
            if port is not None:
                where += f", port {port}, token {self.taken(self.port_channel(node, port))}"
            raise SimulationError(
                f"{where}: {tokens.filled_in(message, int(record[layout.OFFENDER]))}"
            )

    def taken(self, channel: int) -> int:
        """The number of tokens that the reader of a channel has taken."""
        record = self.channel(channel)
        start, end = self.program.initial_starts[channel : channel + 2]
        pushed = int(record[layout.PUSHED]) // layout.SLOT
        return pushed - self.held(channel) + int(end - start)
