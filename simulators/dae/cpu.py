"""
The same program on the core alone, without its access unit: the baseline.

The core has one lookup in flight: it asks for the lines of a row together, and for those of the
next row only when it is done with this one. Rows that one item reads from several tables follow
each other; what it writes to memory is brought at the same time as what it reads. Indices and
bounds of segments are read in order and fetched ahead in time.
"""

from dataclasses import dataclass

import numpy as np

from headrace.simulators.dae.caches import answering_levels
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.trace import MEMORY, Float64s, Int8s, Trace


@dataclass(frozen=True)
class CoreTiming:
    """How long a core alone takes."""

    cycles: float
    waiting: float
    """Cycles in which it only waits for memory."""
    lines: tuple[int, int, int]
    """Lines that L2, the LLC and memory answered."""


def simulate_core(
    trace: Trace,
    machine: DaeMachine,
    compute: Float64s | float,
    levels: Int8s | None = None,
) -> CoreTiming:
    """
    The time of a trace without an access unit, in core cycles.

    `compute` [items] or for all items is `CaseWork.alone` in cycles; it overlaps with waiting. A
    line that is written is read before and written back.
    """
    if levels is None:
        levels = answering_levels(trace, machine, hints=False)
    writes = trace.writes
    latency = np.array(
        [machine.cpu_latency_l2, machine.cpu_latency_llc, machine.cpu_latency_memory]
    )
    item, items = trace.item, len(trace.kind)
    trips = np.maximum(1.0, trace.lines / machine.cpu_lines)
    waits = np.where(trace.height == 0, latency[levels] * trips, 0.0)
    wait = np.maximum(
        np.bincount(item, np.where(writes, 0.0, waits), items),
        np.bincount(item, np.where(writes, waits, 0.0), items),
    )
    moved = trace.lines * (levels == MEMORY) * np.where(writes, 2, 1)
    transfer = np.bincount(item, moved, items) * machine.line_transfer
    work = np.broadcast_to(np.asarray(compute, np.float64), (items,))
    cycles = np.maximum(np.maximum(wait, transfer), work)
    l2, llc, memory = np.bincount(levels, weights=trace.lines, minlength=3).astype(np.int64)
    return CoreTiming(
        float(cycles.sum()), float((cycles - work).sum()), (int(l2), int(llc), int(memory))
    )
