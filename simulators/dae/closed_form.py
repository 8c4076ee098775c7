"""
A lower bound of the time, from totals that a compiler knows without a run.

Each resource alone allows no run to be shorter than its bound; the largest is the closed form. In
steady state, where one resource is always busy, it is the time.
"""

from dataclasses import dataclass

import numpy as np

from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.recurrence import latencies
from headrace.simulators.dae.trace import MEMORY, Float64s, Int8s, Int64s, Trace

Numbers = float | Float64s


@dataclass(frozen=True)
class Demand:
    """
    What a run asks of the machine, in total.

    Raises nothing; a tuner may fill it with expectations instead of counts.
    """

    core: float
    """Core cycles."""
    words: float
    """Data words pushed."""
    lines: tuple[float, float, float]
    """Lines that L2, the LLC and memory answer."""
    word_cycles: float
    """
    Sum over items of words and the least cycles for which they hold room in the data queue, from
    the request of the item's lines to the end of its case: `words * round_trip(...)`.
    """
    token_cycles: float
    """The same of control tokens."""
    word_room: float
    """Words that items can hold at once: at most the queue, by whole items if all are alike."""
    token_room: float

    @staticmethod
    def of(trace: Trace, levels: Int8s, machine: DaeMachine) -> "Demand":
        """The totals of a trace whose requests `levels` [requests] answer."""
        held = _round_trips(trace, levels, machine)
        by_level = np.bincount(levels, weights=trace.lines, minlength=3)
        return Demand(
            core=float(trace.core.sum()),
            words=float(trace.words.sum()),
            lines=(float(by_level[0]), float(by_level[1]), float(by_level[2])),
            word_cycles=float(trace.words @ held),
            token_cycles=float(trace.tokens @ held),
            word_room=room(trace.words, machine.queue_words),
            token_room=room(trace.tokens, machine.queue_tokens),
        )


def bounds(demand: Demand, machine: DaeMachine) -> dict[str, float]:
    """Core cycles below which each resource alone allows no run."""
    l2, llc, memory = demand.lines
    waiting = l2 * machine.latency_l2 + llc * machine.latency_llc + memory * machine.latency_memory
    return {
        "core": demand.core,
        "marshalling": demand.words * machine.word_marshal,
        "requests": max(0.0, l2 + llc + memory - 1) * machine.line_issue,
        "memory": max(0.0, memory - 1) * machine.line_transfer,
        "outstanding": waiting / machine.outstanding,
        "data queue": demand.word_cycles / demand.word_room,
        "control queue": demand.token_cycles / demand.token_room,
    }


def round_trip(
    lines: Numbers,
    memory_lines: Numbers,
    latency: Numbers,
    words: Numbers,
    core: Numbers,
    machine: DaeMachine,
) -> Float64s:
    """
    Least core cycles from the first request of an item to the end of its case.

    `lines` that innermost units read, `memory_lines` of them from memory; `latency` is that of the
    nearest level that answers one, 0 if there is none. Each is a number or an array [items].
    """
    asked = latency + np.maximum(0.0, lines - 1) * machine.line_issue
    moved = machine.latency_memory + (memory_lines - 1) * machine.line_transfer
    arrived = np.where(np.equal(memory_lines, 0), asked, np.maximum(asked, moved))
    return np.asarray(arrived + words * machine.word_marshal + core, np.float64)


def room(counts: Int64s, capacity: int) -> float:
    """Words or tokens that items of these counts [items] can hold at once in a queue."""
    largest = int(counts.max(initial=1))
    if bool(np.isin(counts, (0, largest)).all()):
        return largest * max(1, capacity // largest)
    return max(capacity, largest)


def _round_trips(trace: Trace, levels: Int8s, machine: DaeMachine) -> Float64s:
    """[items] See `round_trip`."""
    inner = np.flatnonzero((trace.height == 0) & ~trace.writes)
    item, lines, level = trace.item[inner], trace.lines[inner], levels[inner]
    items = len(trace.kind)
    asked = np.bincount(item, lines, items).astype(np.float64)
    moved = np.bincount(item, lines * (level == MEMORY), items).astype(np.float64)
    nearest = np.full(items, np.inf)
    np.minimum.at(nearest, item, latencies(machine)[level])
    nearest[asked == 0] = 0.0
    return round_trip(asked, moved, nearest, trace.words.astype(np.float64), trace.core, machine)
