"""
The clocks of every line and item, by recurrence: O(lines), in one pass.

    issue[i]  = max(issue[i-1] + line_issue, done[i - outstanding], done of the parent, space)
    done[i]   = issue[i] + latency(level); from memory also >= the last one from memory + transfer
    avail[k]  = max(avail[k-1], done of the lines of k, space) + words[k] * word_marshal
    core[k]   = max(core[k-1], avail[k]) + core cycles of k

`space` is the core time of the item whose end makes room for item k in both queues; it holds back
the requests of innermost units, whose values go into the queue. Outer units run ahead by as many
items as their buffers hold, so their requests come earlier in the order of issue; stores come later
by as many, and do not wait for `space`. An item that is longer than the queue waits for the end of
the item before it, and is passed on as it is written.

docs/design/access_execute_timing.md derives the rules.
"""

import numpy as np

from headrace.simulators.dae.jit import compiled
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.trace import MEMORY, Bools, Float64s, Int8s, Int32s, Int64s, Trace


def run_ahead(trace: Trace, machine: DaeMachine) -> int:
    """Items by which a unit may be ahead of the one inside it: what its share of buffers holds."""
    entry = sum(stream.entry_bytes for stream in trace.streams)
    return max(1, machine.storage_bytes // entry) if entry else 1


def latencies(machine: DaeMachine) -> Float64s:
    """[levels] Core cycles from the request of a line to its arrival."""
    return np.array([machine.latency_l2, machine.latency_llc, machine.latency_memory])


def recurrence_cycles(trace: Trace, levels: Int8s, machine: DaeMachine) -> float:
    """Core cycles until all items are done and all lines are there."""
    turn, order = turns(trace, machine)
    writes = trace.writes
    return _clocks(
        trace.words,
        trace.tokens,
        trace.core,
        trace.first_request,
        (trace.height == 0) & ~writes,
        writes,
        trace.lines,
        trace.parent,
        levels,
        order,
        turn,
        latencies(machine),
        machine.outstanding,
        machine.line_issue,
        machine.line_transfer,
        machine.word_marshal,
        machine.queue_words,
        machine.queue_tokens,
    )


def turns(trace: Trace, machine: DaeMachine) -> tuple[Int64s, Int64s]:
    """
    Requests that are not issued with their items: at which item's turn each is, and which it is.

    [such requests] in the order of issue. Those of outer units come earlier, the outermost first;
    stores come later, in their order.
    """
    height, item, writes = trace.height, trace.item, trace.writes
    outer, stores = np.flatnonzero(height > 0), np.flatnonzero(writes)
    ahead = np.maximum(item[outer] - run_ahead(trace, machine) * height[outer].astype(np.int64), 0)
    entry = np.array([stream.entry_bytes for stream in trace.streams])[trace.stream[stores]]
    entries = -(-trace.lines[stores] * machine.line_bytes // entry)
    behind = item[stores] + np.maximum(1, run_ahead(trace, machine) // entries)
    behind = np.maximum.accumulate(np.minimum(behind, len(trace.kind)))
    turn = np.concatenate([ahead, behind])
    request = np.concatenate([outer, stores])
    rank = np.where(writes[request], -1, height[request])
    order = np.lexsort((request, -rank, turn))
    return turn[order], request[order]


@compiled
def _clocks(
    words: Int64s,
    tokens: Int64s,
    core: Float64s,
    first_request: Int64s,
    with_item: Bools,
    written: Bools,
    lines: Int32s,
    parent: Int64s,
    levels: Int8s,
    other: Int64s,
    turn: Int64s,
    latency: Float64s,
    outstanding: int,
    line_issue: float,
    line_transfer: float,
    word_marshal: float,
    queue_words: int,
    queue_tokens: int,
) -> float:
    items = len(words)
    done = np.zeros(len(lines), np.float64)
    finished = np.zeros(items, np.float64)
    arrival = np.zeros(outstanding, np.float64)  # of the line that last had each place
    place = 0
    issue, memory = -line_issue, -np.inf
    available, busy, last = 0.0, 0.0, 0.0
    next_other = 0
    oldest, held_words, held_tokens = 0, 0, 0
    space = 0.0
    for item in range(items + 1):
        inner, end = len(lines), len(lines)
        if item < items:
            inner, end = first_request[item], first_request[item + 1]
            held_words += words[item]
            held_tokens += tokens[item]
        while oldest < item and (held_words > queue_words or held_tokens > queue_tokens):
            held_words -= words[oldest]
            held_tokens -= tokens[oldest]
            space = finished[oldest]
            oldest += 1
        while True:
            if next_other < len(other) and turn[next_other] <= item:
                request = other[next_other]
                next_other += 1
                ready = 0.0
            elif inner < end:
                request = inner
                inner += 1
                if not with_item[request]:
                    continue
                ready = space
            else:
                break
            if parent[request] >= 0:
                ready = max(ready, done[parent[request]])
            away = latency[levels[request]]
            from_memory = levels[request] == MEMORY
            arrived = 0.0
            for _ in range(lines[request]):
                issue = max(issue + line_issue, ready, arrival[place])
                arrived = issue + away
                if from_memory:
                    memory = max(memory + line_transfer, arrived)
                    arrived = memory
                arrival[place] = arrived
                place += 1
                if place == outstanding:
                    place = 0
            done[request] = arrived
            last = max(last, arrived)
        if item < items:
            available = max(available, space)
            for request in range(first_request[item], end):
                if not written[request]:
                    available = max(available, done[request])
            available += words[item] * word_marshal
            busy = max(busy, available) + core[item]
            finished[item] = busy
    return max(busy, last)
