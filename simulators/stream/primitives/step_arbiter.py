"""
What decides by time in streaming tensor programs: the off-chip memory, and merges by arrival.

The arbiter runs when no node can move. Then everything that is to come follows from the earliest
event: a tile that is complete, or the earliest token at a node that merges. It serves requests
cycle by cycle up to that event and no further, since what the event lets go on may ask for more
from the next cycle on.

Source: "Streaming Tensor Programs" (ASPLOS 2026), the memory node of its simulator; the order of
time is ours.
"""

from headrace.simulators.stream import layout
from headrace.simulators.stream.language import Int, Ints, IntWork, finish
from headrace.simulators.stream.primitive import helper, primitive
from headrace.simulators.stream.primitives.parity_memory import waits_for_python

STATUS, TIME, REQUESTS, STALL_IN = layout.STATUS, layout.TIME, layout.DETAIL, layout.STALL_IN
RUNNING, SERVED = layout.RUNNING, layout.SERVED
HEAD, FILLED, CLOSED = layout.HEAD, layout.FILLED, layout.CLOSED

NEVER = 1 << 60
KNOWN = -1

STATE, LEFT, START, LATEST = 0, 1, 2, 3
"""Words of a port: what it is doing, requests to make, its first cycle, its latest answer."""
PORT_WORDS = 4
IDLE, ASKING, WAITING = 0, 1, 2
"""States of a port; LATEST of one that is waiting is the time at which its node goes on."""

PORT, MANY, DONE_AT = 0, 1, 2
"""Words of an entry of the list of ports that are asking: port, requests a cycle, last answer."""
ENTRY_WORDS = 3


@helper
def earliest_head(first: int, end: int, inputs: Ints, memory: IntWork) -> int:
    """The earliest stamp at the heads of some channels; KNOWN if nothing can come before it."""
    earliest = NEVER
    unknown = 0
    k = first
    while k < end:
        channel = inputs[k] >> 3
        if memory[channel + FILLED] > 0:
            stamp = memory[memory[channel + HEAD] >> 3]
            if stamp < earliest:
                earliest = stamp
        elif memory[channel + CLOSED] == 0:
            unknown = 1
        k += 1
    if unknown == 0:
        earliest = KNOWN
    return earliest


@helper
def serve(
    cycle: int,
    cycles: int,
    count: int,
    asking: IntWork,
    free: IntWork,
    channels: int,
    interval: int,
    latency: int,
) -> None:
    """Let `count` ports make their requests in some cycles."""
    end = cycle + cycles
    offset = free[channels]
    while cycle < end:
        cycle += 1
        turn = 0
        entry = 0
        while entry < count * ENTRY_WORDS:
            last = asking[entry + DONE_AT]
            left = asking[entry + MANY]
            while left > 0:
                offset += turn
                if offset >= channels:
                    offset -= channels
                start = free[offset]
                if start <= cycle:
                    start = cycle + 1
                free[offset] = start + interval
                if start + latency > last:
                    last = start + latency
                turn += 1
                if turn == channels:
                    turn = 0
                left -= 1
            asking[entry + DONE_AT] = last
            entry += ENTRY_WORDS
        offset += turn
        if offset >= channels:
            offset -= channels
    free[channels] = offset


@primitive
def step_arbiter(
    nodes: Ints,
    clients: Ints,
    dispatch: Ints,
    merges: Ints,
    merge_starts: Ints,
    merge_inputs: Ints,
    memory: IntWork,
    ports: IntWork,
    asking: IntWork,
    free: IntWork,
    channels: Int,
    interval: Int,
    latency: Int,
) -> None:
    """
    Serve the clients (readers, then writers) up to the next event, and let its nodes go on.

    `nodes`, `clients`, `merges` are addresses of node records, which `memory` overlays; merge k
    reads the channels `merge_inputs[merge_starts[k] : merge_starts[k + 1]]`. `ports` and `asking`
    have PORT_WORDS and ENTRY_WORDS words a client. Entry `channels` of
    `free` is the offset of the next request, the entry after it the last cycle that was served.
    """
    later = waits_for_python(nodes, memory)
    if later == 1:
        finish()
    event = NEVER
    merge = -1
    released = 0
    k = 0
    while k < len(merges):
        node = merges[k] >> 3
        if memory[node + STATUS] == SERVED:
            stamp = earliest_head(merge_starts[k], merge_starts[k + 1], merge_inputs, memory)
            if stamp == KNOWN:
                memory[node + STATUS] = RUNNING
                released = 1
            elif stamp < event:
                event = stamp
                merge = k
        k += 1
    if released == 1:
        finish()
    k = 0
    while k < len(clients):
        node = clients[k] >> 3
        port = k * PORT_WORDS
        if memory[node + STATUS] == SERVED:
            if ports[port + STATE] == IDLE:
                ports[port + STATE] = ASKING
                ports[port + LEFT] = memory[node + REQUESTS]
                ports[port + START] = memory[node + TIME] + 1
                ports[port + LATEST] = 0
            if ports[port + STATE] == WAITING and ports[port + LATEST] < event:
                event = ports[port + LATEST]
                merge = -1
        k += 1
    cycle = free[channels + 1]
    serving = 1
    while serving == 1:
        # The ports that ask in the next cycle, and how long they are the same.
        count = 0
        cycles = event - cycle
        begin = NEVER
        k = 0
        while k < len(clients):
            port = k * PORT_WORDS
            if ports[port + STATE] == ASKING:
                if ports[port + START] <= cycle + 1:
                    many = dispatch[k]
                    if many > ports[port + LEFT]:
                        many = ports[port + LEFT]
                    entry = count * ENTRY_WORDS
                    asking[entry + PORT] = k
                    asking[entry + MANY] = many
                    asking[entry + DONE_AT] = ports[port + LATEST]
                    count += 1
                    if ports[port + LEFT] // many < cycles:
                        cycles = ports[port + LEFT] // many
                elif ports[port + START] < begin:
                    begin = ports[port + START]
            k += 1
        if begin - 1 - cycle < cycles:
            cycles = begin - 1 - cycle
        if cycles <= 0 or (count == 0 and begin == NEVER):
            serving = 0
        else:
            if count > 0:
                serve(cycle, cycles, count, asking, free, channels, interval, latency)
            cycle += cycles
            entry = 0
            while entry < count * ENTRY_WORDS:
                port = asking[entry + PORT] * PORT_WORDS
                ports[port + LEFT] = ports[port + LEFT] - cycles * asking[entry + MANY]
                ports[port + LATEST] = asking[entry + DONE_AT]
                if ports[port + LEFT] == 0:
                    ports[port + STATE] = WAITING
                    ports[port + LATEST] = ports[port + LATEST] + 1
                    if ports[port + LATEST] < event:
                        event = ports[port + LATEST]
                        merge = -1
                entry += ENTRY_WORDS
    free[channels + 1] = cycle
    if merge >= 0:
        memory[(merges[merge] >> 3) + STATUS] = RUNNING
        finish()
    k = 0
    while k < len(clients):
        node = clients[k] >> 3
        port = k * PORT_WORDS
        if ports[port + STATE] == WAITING and ports[port + LATEST] == event:
            memory[node + STALL_IN] = memory[node + STALL_IN] + event - memory[node + TIME]
            memory[node + TIME] = event
            memory[node + STATUS] = RUNNING
            ports[port + STATE] = IDLE
        k += 1
    finish()
