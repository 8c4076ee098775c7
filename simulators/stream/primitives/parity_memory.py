"""
The primitives that touch memory, and the arbiter that serves them, under the parity model.

Every client waits for its answers, so at most one request per client is open, and a new request
is always later than the answer that caused it. Hence the arbiter may run when no node can move
any more: the earliest requests that are open then are the earliest there will ever be.

Source: the memory of the published simulators on "The Dataflow Abstract Machine Simulator
Framework" (ISCA 2024), with their quirk: the start-up time is charged for every word.
"""

from headrace.simulators.stream import layout
from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    FloatOutput,
    Floats,
    In,
    Int,
    IntOutput,
    Ints,
    IntWork,
    Out,
    StaticText,
    append,
    below,
    fail,
    finish,
    is_data,
    is_stop,
    mark_of,
    request,
    reserve,
    send,
    take,
    tick,
    token_of,
    value_of,
)
from headrace.simulators.stream.primitive import helper, primitive
from headrace.simulators.stream.primitives.closing import closing_stop

BATCH = 8
"""Words that scans, array reads and coordinate writers request at a time."""

STATUS, TIME, WORDS = layout.STATUS, layout.TIME, layout.DETAIL
RUNNING, GROWING, SERVED = layout.RUNNING, layout.GROWING, layout.SERVED
WAIT_CELL, WAIT_VALUE, STALL_IN = layout.WAIT_CELL, layout.WAIT_VALUE, layout.STALL_IN
TO_RESPONSE = layout.RESPONSE - layout.FILLED
NEVER_BINDS = layout.NEVER_BINDS


@primitive
def scan_compressed(ref: In, crd: Out, child: Out, segments: Ints, coordinates: Ints) -> None:
    """As the plain scan, but every fiber waits for its segment and every batch for its words."""
    while True:
        parent = take(ref)
        if parent == DONE:
            send(crd, DONE)
            send(child, DONE)
            finish()
        if not is_stop(parent) and parent != EMPTY:
            if not below(parent, len(segments) - 1):
                fail("reference {token} is outside the segments", ref, parent)
            request(2)
            position = segments[parent]
            end = segments[parent + 1]
            if not below(end, len(coordinates) + 1) or not below(position, end + 1):
                fail("the segment of reference {token} leaves the coordinates", ref, parent)
            while position < end:
                batch_end = position + BATCH
                if batch_end > end:
                    batch_end = end
                request(batch_end - position)
                while position < batch_end:
                    send(crd, coordinates[position])
                    send(child, position)
                    position += 1
        close = closing_stop(ref, parent)
        send(crd, close)
        send(child, close)
        tick(1)


@helper
def flush(val: Out, values: Floats, batch: IntWork, filled: int) -> None:
    """Request the values of a batch of references and send them."""
    if filled > 0:
        request(filled)
        sent = 0
        while sent < filled:
            send(val, token_of(values[batch[sent]]))
            sent += 1


@primitive
def array(ref: In, val: Out, values: Floats, batch: IntWork) -> None:
    """As the plain array read, in batches; N, stops and D end a batch."""
    reserve(batch, BATCH)
    filled = 0
    while True:
        token = take(ref)
        if is_data(token):
            if not below(token, len(values)):
                fail("reference {token} is outside the values", ref, token)
            batch[filled] = token
            filled += 1
            if filled == BATCH:
                flush(val, values, batch, filled)
                filled = 0
        else:
            flush(val, values, batch, filled)
            filled = 0
            if token == EMPTY:
                send(val, 0)
            else:
                send(val, token)
                if token == DONE:
                    finish()
        tick(1)


@primitive
def write_coordinates(
    crd: In, coordinates: IntOutput, segments: IntOutput, mode: StaticText = "keep"
) -> None:
    """As the plain writer, in batches of coordinates and of segments."""
    append(segments, 0)
    closed = 0
    words = 0
    bounds = 0
    while True:
        token = take(crd)
        if is_data(token):
            append(coordinates, token)
            words += 1
            if words == BATCH:
                request(words)
                words = 0
            tick(1)
        elif token == EMPTY:
            fail("N reached a coordinate writer", crd, token)
        else:
            closes = 0
            if token != DONE:
                if mode == "drop":
                    if len(coordinates) > closed:
                        closes = 1
                elif mark_of(token) == 0:
                    closes = 1
            if closes == 1:
                closed = len(coordinates)
                append(segments, closed)
                bounds += 1
                if bounds == BATCH:
                    request(bounds)
                    bounds = 0
                tick(1)
            else:
                if words > 0:
                    request(words)
                    words = 0
                if bounds > 0:
                    request(bounds)
                    bounds = 0
                if token == DONE:
                    finish()


@primitive
def write_values(val: In, values: FloatOutput) -> None:
    """As the plain writer; every value is a request of its own."""
    while True:
        token = take(val)
        if is_data(token):
            append(values, value_of(token))
            request(1)
            tick(1)
        elif token == DONE:
            tick(1)
            finish()
        elif token == EMPTY:
            fail("N reached a value writer", val, token)


@helper
def waits_for_python(nodes: Ints, memory: IntWork) -> int:
    """Whether a node only waits for a larger array or ring, and may yet make a request."""
    waits = 0
    k = 0
    while k < len(nodes):
        node = nodes[k] >> 3
        if memory[node + STATUS] == GROWING:
            waits = 1
        if memory[node + STATUS] == RUNNING and memory[node + WAIT_VALUE] != 0:
            if memory[(memory[node + WAIT_CELL] >> 3) + TO_RESPONSE] == NEVER_BINDS:
                waits = 1
        k += 1
    return waits


@primitive
def parity_arbiter(
    nodes: Ints,
    clients: Ints,
    memory: IntWork,
    free: IntWork,
    channels: Int,
    interval: Int,
    latency: Int,
) -> None:
    """
    Serve the requests of the earliest cycle, in the order of `clients` (readers, then writers).

    `nodes` and `clients` are addresses of node records, which `memory` overlays; entry
    `channels` of `free` is the offset at which the words of the next cycle start.
    """
    later = waits_for_python(nodes, memory)
    if later == 1:
        finish()
    earliest = -1
    k = 0
    while k < len(clients):
        node = clients[k] >> 3
        if memory[node + STATUS] == SERVED:
            if earliest < 0 or memory[node + TIME] < earliest:
                earliest = memory[node + TIME]
        k += 1
    if earliest < 0:
        finish()
    offset = free[channels]
    served = 0
    k = 0
    while k < len(clients):
        node = clients[k] >> 3
        if memory[node + STATUS] == SERVED and memory[node + TIME] == earliest:
            answer = earliest
            word = 0
            while word < memory[node + WORDS]:
                offset = (offset + served) % channels
                served += 1
                start = earliest + 2
                if free[offset] > start:
                    start = free[offset]
                free[offset] = start + interval
                if start + latency + 1 > answer:
                    answer = start + latency + 1
                word += 1
            memory[node + STALL_IN] = memory[node + STALL_IN] + answer - earliest
            memory[node + TIME] = answer
            memory[node + STATUS] = RUNNING
        k += 1
    free[channels] = (offset + served) % channels
    finish()
