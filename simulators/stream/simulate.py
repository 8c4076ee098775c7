"""Run a stream program and report what happened."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream import layout
from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.memory import MemoryModel
from headrace.simulators.stream.primitive import OUTPUT_KINDS
from headrace.simulators.stream.program import Program, Slot
from headrace.simulators.stream.report import diagnose
from headrace.simulators.stream.schedule import Run
from headrace.simulators.stream.statistics import (
    ChannelStatistics,
    Deadlock,
    NodeStatistics,
    SimulationResult,
    Traffic,
)

Array = npt.NDArray[Any]

WORD_BYTES = 8
"""Bytes of a coordinate, segment or value where no memory model says otherwise."""


def simulate(
    program: Program,
    arrays: Mapping[str, Any],
    *,
    depth: int | None = None,
    memory: MemoryModel | None = None,
) -> SimulationResult:
    """
    Run a program on the arrays and numbers of its slots.

    `depth` is the capacity of every channel that has none of its own; `None` is unbounded.
    `memory` is the model of the memory; without one it answers at once. Raises `ProgramError` for
    a bad argument and `SimulationError` if a primitive meets an illegal token. A deadlock is a
    result.
    """
    if depth is not None and depth < 1:
        raise ProgramError(f"channel depth {depth} is too small; a channel holds at least 1 token")
    run = Run(program, arrays, depth, memory)
    run.run()
    deadlock = None
    if run.live_nodes():
        smallest = smallest_depth(program, arrays, depth, memory)
        deadlock = diagnose(run, smallest)
    return _result(run, deadlock)


def smallest_depth(
    program: Program,
    arrays: Mapping[str, Any],
    deadlocked: int | None,
    memory: MemoryModel | None = None,
) -> int | None:
    """
    The least depth above `deadlocked` at which a program runs to its end; `None` if none does.

    More room never makes a process network block earlier, hence bisection.
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


def _result(run: Run, deadlock: Deadlock | None) -> SimulationResult:
    nodes = tuple(_node_statistics(run, node) for node in range(run.arbiter))
    return SimulationResult(
        cycles=max((node.cycles for node in nodes), default=0),
        outputs={} if deadlock else _outputs(run),
        nodes=nodes,
        channels=tuple(
            _channel_statistics(run, channel, reader)
            for channel, reader in enumerate(run.readers)
            if reader is not None
        ),
        memory=_traffic(run),
        deadlock=deadlock,
    )


def _outputs(run: Run) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for node in range(run.arbiter):
        kernel = run.kernels[node]
        for argument in kernel.variant.primitive.parameters:
            if argument.kind in OUTPUT_KINDS:
                size = int(run.record(node)[kernel.parameters[argument.name] + 1])
                array = run.bound[node, argument.name][:size]
                dtype = np.float64 if argument.kind == "FloatOutput" else np.int64
                found[f"{run.parameters[node]['output']}.{argument.name}"] = array.view(dtype)
    return found


def _node_statistics(run: Run, node: int) -> NodeStatistics:
    record = run.record(node)
    cycles, waited_in, waited_out = (
        int(record[word]) for word in (layout.TIME, layout.STALL_IN, layout.STALL_OUT)
    )
    return NodeStatistics(
        name=run.label(node),
        kind=str(run.program.kinds[node]),
        cycles=cycles,
        busy=cycles - waited_in - waited_out,
        stalled_on_input=waited_in,
        stalled_on_output=waited_out,
        tokens=sum(_pushed(run, c) for c in run.outputs[node] if run.readers[c] is not None),
    )


def _pushed(run: Run, channel: int) -> int:
    return int(run.channel(channel)[layout.PUSHED]) // layout.SLOT


def _channel_statistics(run: Run, channel: int, reader: tuple[int, str]) -> ChannelStatistics:
    writer = run.writers[channel]
    bounded = run.channel(channel)[layout.RESPONSE] != layout.NEVER_BINDS
    return ChannelStatistics(
        source=f"{run.label(writer[0])}.{writer[1]}",
        target=f"{run.label(reader[0])}.{reader[1]}",
        capacity=len(run.rings[channel]) // 2 if bounded else None,
        tokens=_pushed(run, channel),
    )


def _traffic(run: Run) -> dict[str, Traffic]:
    """Bytes by tensor: the part of the array's name before the first dot."""
    word_bytes = run.memory.bytes_per_word if run.memory else WORD_BYTES
    traffic: dict[str, Traffic] = {}
    for node in range(run.arbiter):
        moved = int(run.record(node)[layout.TRAFFIC]) * word_bytes
        parameters = run.parameters[node]
        slots = [value.name for value in parameters.values() if isinstance(value, Slot)]
        name = str(parameters.get("output", slots[0] if slots else "")).partition(".")[0]
        if moved:
            old = traffic.get(name, Traffic())
            traffic[name] = (
                Traffic(old.read, old.written + moved)
                if run.writes(node)
                else Traffic(old.read + moved, old.written)
            )
    return traffic
