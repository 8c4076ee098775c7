"""Run a stream program and report what happened."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream import layout
from headrace.simulators.stream.buffers import check_buffers
from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.kernel import BUSY, MOVES
from headrace.simulators.stream.kernels import Observe
from headrace.simulators.stream.memory import MemoryModel
from headrace.simulators.stream.program import Program, Slot
from headrace.simulators.stream.report import diagnose
from headrace.simulators.stream.schedule import Run
from headrace.simulators.stream.statistics import (
    ChannelStatistics,
    Deadlock,
    Interval,
    NodeStatistics,
    SimulationResult,
    Traffic,
)
from headrace.simulators.stream.step_memory import StepMemory

Array = npt.NDArray[Any]

VALUES_STEER = {"coordinates", "value_drop"}
"""Primitives whose output tokens depend on values."""

COMPUTES = {"accumulate", "accumulate_points", "alu", "reduce"}
"""Primitives that count idle cycles where others count the words that they move."""

COUNTS_OPERATIONS = {"step_accumulate", "step_map"}
"""Primitives that count their operations."""

WORD_BYTES = 8
"""Bytes of a coordinate, segment or value where no memory model says otherwise."""


def simulate(
    program: Program,
    arrays: Mapping[str, Any],
    *,
    depth: int | None = None,
    memory: MemoryModel | None = None,
    timing_only: bool = False,
    trace: bool = False,
    occupancy: bool = False,
    operations: bool = False,
) -> SimulationResult:
    """
    Run a program on the arrays and numbers of its slots.

    `depth` is the capacity of every channel that has none of its own; `None` is unbounded.
    `memory` is the model of the memory; without one it answers at once. `timing_only` leaves out
    arithmetic, unless values decide which tokens there are, and gives no values. `trace` asks for
    the busy intervals of the nodes, `occupancy` for the peak of every channel (this takes memory
    in proportion to the tokens), `operations` for the arithmetic operations of each node, which
    slows the engine by up to a tenth.

    Programs of `step_` primitives carry sizes and no values; their memory is a `StepMemory`, that
    of the default machine if none is given.

    Raises `ProgramError` for a bad argument and `SimulationError` if a primitive meets an illegal
    token. A deadlock is a result.
    """
    if depth is not None and depth < 1:
        raise ProgramError(f"channel depth {depth} is too small; a channel holds at least 1 token")
    if any(kind.startswith("step_") for kind in program.kinds.tolist()):
        memory = memory or StepMemory()
        _check_step(program, memory, occupancy)
    skip = timing_only and not VALUES_STEER.intersection(program.kinds.tolist())
    observe = Observe(occupancy, trace, operations, timing_only=skip)
    run = Run(program, arrays, depth, memory, observe)
    run.run()
    deadlock: Deadlock | None = None
    if run.live_nodes():
        smallest = smallest_depth(program, arrays, depth, memory)
        deadlock = diagnose(run, smallest)
    return SimulationResult(
        cycles=int(max((run.record(node)[layout.TIME] for node in range(run.arbiter)), default=0)),
        outputs={} if deadlock else _outputs(run, values=not timing_only),
        nodes=tuple(_node_statistics(run, node, operations) for node in range(run.arbiter)),
        channels=tuple(
            _channel_statistics(run, channel, reader, occupancy)
            for channel, reader in run.readers.items()
            if reader is not None
        ),
        memory=_traffic(run),
        deadlock=deadlock,
        intervals=_intervals(run) if trace else (),
    )


def _check_step(program: Program, memory: MemoryModel, occupancy: bool) -> None:
    """Refuse what streaming tensor programs cannot have."""
    others = [kind for kind in program.kinds.tolist() if not kind.startswith("step_")]
    if others:
        raise ProgramError(
            f"a program of step_ primitives cannot have '{others[0]}': its streams end with a "
            "token, theirs by closing; fan out with step_broadcast"
        )
    if not isinstance(memory, StepMemory):
        raise ProgramError("a program of step_ primitives needs memory=StepMemory(..)")
    if occupancy:
        raise ProgramError("occupancy= is not available for step_ primitives; leave it out")
    check_buffers(program)


def smallest_depth(
    program: Program,
    arrays: Mapping[str, Any],
    deadlocked: int | None,
    memory: MemoryModel | None = None,
) -> int | None:
    """
    The least depth above `deadlocked` at which a program runs to its end; `None` if none does.

    More room never makes a process network block earlier, hence bisection. Where nodes choose by
    time (`step_eager_merge`, and the order within a group of `step_reassemble`) the order of
    arrival depends on the depth: then the run does end at the depth that is found, but a lower one
    may be enough too, and a higher one is not proven to be.
    """

    def ends(depth: int | None) -> bool:
        run = Run(program, arrays, depth, memory)
        run.run()
        return not run.live_nodes()

    if deadlocked is None or not ends(None):
        return None
    low, high = deadlocked, 2 * deadlocked
    while not ends(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if ends(middle) else (middle, high)
    return high


def _outputs(run: Run, values: bool) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for node in range(run.arbiter):
        kernel = run.kernels[node]
        for argument in kernel.variant.primitive.parameters:
            if argument.kind == "IntOutput" or (argument.kind == "FloatOutput" and values):
                size = int(run.record(node)[kernel.parameters[argument.name] + 1])
                array = run.bound[node, argument.name][:size]
                dtype = np.float64 if argument.kind == "FloatOutput" else np.int64
                found[f"{run.parameters[node]['output']}.{argument.name}"] = array.view(dtype)
    return found


def _node_statistics(run: Run, node: int, operations: bool) -> NodeStatistics:
    record = run.record(node)
    cycles, waited_in, waited_out = (
        int(record[word]) for word in (layout.TIME, layout.STALL_IN, layout.STALL_OUT)
    )
    busy = cycles - waited_in - waited_out
    return NodeStatistics(
        name=run.label(node),
        kind=str(run.program.kinds[node]),
        cycles=cycles,
        busy=busy,
        stalled_on_input=waited_in,
        stalled_on_output=waited_out,
        tokens=sum(_pushed(run, c) for c in run.outputs[node] if run.readers[c] is not None),
        operations=_operations(run, node, busy) if operations or _counts(run, node) else None,
        requests=int(record[layout.TRAFFIC]) if _asks(run, node) else 0,
    )


def _asks(run: Run, node: int) -> bool:
    """Whether a node of a streaming tensor program touches memory."""
    memory = run.memory
    return isinstance(memory, StepMemory) and str(run.program.kinds[node]) in memory.clients


def _counts(run: Run, node: int) -> bool:
    """Whether a node counts its operations in every run."""
    return run.program.kinds[node] in COUNTS_OPERATIONS


def _operations(run: Run, node: int, busy: int) -> int:
    """Every busy cycle of a node that computes is an operation on one value, unless it is idle."""
    if _counts(run, node):
        return int(run.record(node)[layout.TRAFFIC])
    if not _computes(run, node):
        return 0
    given = run.parameters[node]
    interval = cast(int, given.get("interval", 1))
    values = (busy - int(run.record(node)[layout.TRAFFIC])) // interval
    return values * operations_of_a_value(given)


def operations_of_a_value(parameters: Mapping[str, object]) -> int:
    """The operations behind one number or tile that a node with these parameters computes."""
    rows, columns, inner = (
        cast(int, parameters.get(name, default))
        for name, default in (("rows", 1), ("columns", 1), ("inner", 1))
    )
    match parameters.get("op"):
        case "matmul":
            return 2 * rows * columns * inner
        case "transpose":
            return 0
        case _:
            return rows * columns * inner


def _computes(run: Run, node: int) -> bool:
    return run.program.kinds[node] in COMPUTES


def _pushed(run: Run, channel: int) -> int:
    return int(run.channel(channel)[layout.PUSHED]) // layout.SLOT


def _channel_statistics(
    run: Run, channel: int, reader: tuple[int, str], occupancy: bool
) -> ChannelStatistics:
    writer = run.writers[channel]
    bounded = run.channel(channel)[layout.RESPONSE] != layout.NEVER_BINDS
    return ChannelStatistics(
        source=f"{run.label(writer[0])}.{writer[1]}",
        target=f"{run.label(reader[0])}.{reader[1]}",
        capacity=len(run.rings[channel]) // 2 if bounded else None,
        tokens=_pushed(run, channel),
        peak=_peak(run, channel, writer, reader) if occupancy else None,
    )


def _recorded(run: Run, node: int, name: str) -> Array:
    size = int(run.record(node)[run.kernels[node].parameters[name] + 1])
    return run.bound[node, name][:size]


def _peak(run: Run, channel: int, writer: tuple[int, str], reader: tuple[int, str]) -> int:
    """
    The most tokens that a channel held.

    A peak lasts until the next token is taken. Before token j is taken at time d, the channel
    holds the tokens with stamps up to d but for the first j.
    """
    start, end = run.program.initial_starts[channel : channel + 2]
    stamps = _recorded(run, writer[0], MOVES + writer[1])
    taken = _recorded(run, reader[0], MOVES + reader[1])
    stamps = np.concatenate([np.zeros(end - start, dtype=np.int64), np.maximum.accumulate(stamps)])
    held = np.searchsorted(stamps, taken, side="right") - np.arange(len(taken))
    return int(max(held.max(initial=0), len(stamps) - len(taken)))


def _intervals(run: Run) -> tuple[Interval, ...]:
    found: list[Interval] = []
    for node in range(run.arbiter):
        record, name = run.record(node), run.label(node)
        times = [
            *_recorded(run, node, BUSY).tolist(),
            *record[[layout.BUSY_START, layout.BUSY_END]].tolist(),
        ]
        found += [
            Interval(name, start, end)
            for start, end in zip(times[::2], times[1::2], strict=True)
            if end > start
        ]
    return tuple(found)


def _traffic(run: Run) -> dict[str, Traffic]:
    """Bytes by tensor: the part of the array's name before the first dot."""
    word_bytes = run.memory.bytes_per_word if run.memory else WORD_BYTES
    traffic: dict[str, Traffic] = {}
    for node in range(run.arbiter):
        if _computes(run, node) or _counts(run, node):
            continue
        moved = int(run.record(node)[layout.TRAFFIC]) * word_bytes
        parameters = run.parameters[node]
        slots = [value.name for value in parameters.values() if isinstance(value, Slot)]
        name = str(parameters.get("output", slots[0] if slots else "")).partition(".")[0]
        if _asks(run, node):
            name = run.label(node)
        if moved:
            old = traffic.get(name, Traffic())
            traffic[name] = (
                Traffic(old.read, old.written + moved)
                if run.writes(node)
                else Traffic(old.read + moved, old.written)
            )
    return traffic
