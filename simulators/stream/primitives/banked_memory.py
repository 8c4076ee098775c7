"""
The primitives that touch memory, and the arbiter that serves them, under the banked model.

Memory moves whole lines; a line lives on the channel of its address. A port keeps the line that it
used last and may have several requests open: tokens that wait for data get a later stamp, while
the node goes on. Segments are the exception: a scan waits for them.

Two ways to find out when a channel is free. `exact`: the arbiter serves requests in the order of
time. `ledger`: each node books the line in the first interval of 32 cycles with room left on its
channel, when it gets there; that is faster, but the order of bookings is not that of time, and a
line does not wait for those before it in its interval. docs/machines.md says how much that makes.

Source: the accounting of "The Dataflow Abstract Machine Simulator Framework" (ISCA 2024),
section 6, with addresses and pipelining added.
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
    ask,
    below,
    fail,
    finish,
    is_data,
    is_stop,
    mark_of,
    now,
    resize,
    send,
    take,
    tick,
    token_of,
    transfer,
    value_of,
    wait,
    write,
)
from headrace.simulators.stream.primitive import helper, primitive
from headrace.simulators.stream.primitives.closing import closing_stop
from headrace.simulators.stream.primitives.parity_memory import waits_for_python

BUCKET = 32
"""Cycles of one entry of the ledger."""

BUCKETS = 4096
"""Entries of one channel; bookings that lie further apart do not meet."""

COUNT, LINE, ARRIVAL, OPEN = 0, 1, 2, 3
"""Words of a port: requests so far, last line + 1, last arrival; then the open requests."""

CHANNELS, INTERVAL, LATENCY, STARTUP, OUTSTANDING, LINE_WORDS = 0, 1, 2, 3, 4, 5
"""Entries of `machine`, the description of the memory."""

STATUS, TIME, DETAIL = layout.STATUS, layout.TIME, layout.DETAIL
RUNNING, SERVED = layout.RUNNING, layout.SERVED


@helper
def book(line: int, issue: int, ledger: IntWork, machine: Ints) -> int:
    """Book a line in the ledger; returns when its data arrives."""
    start = issue + 1
    if start < machine[STARTUP]:
        start = machine[STARTUP]
    bucket = start // BUCKET
    entry = 2 * (line % machine[CHANNELS] * BUCKETS + bucket % BUCKETS)
    while ledger[entry] == bucket + 1 and ledger[entry + 1] + machine[INTERVAL] > BUCKET:
        bucket += 1
        entry = 2 * (line % machine[CHANNELS] * BUCKETS + bucket % BUCKETS)
    if ledger[entry] < bucket + 1:
        ledger[entry] = bucket + 1
        ledger[entry + 1] = 0
    ledger[entry + 1] = ledger[entry + 1] + machine[INTERVAL]
    if start < bucket * BUCKET:
        start = bucket * BUCKET
    return start + machine[LATENCY]


@helper
def access(address: int, port: IntWork, ledger: IntWork, machine: Ints, model: StaticText) -> int:
    """Use the word at `address`; returns when it is there, in order with earlier ones."""
    line = address // machine[LINE_WORDS]
    if line + 1 != port[LINE]:
        port[LINE] = line + 1
        oldest = OPEN + port[COUNT] % machine[OUTSTANDING]
        wait(port[oldest])
        transfer(machine[LINE_WORDS])
        if model == "exact":
            arrival = ask(line)
        else:
            arrival = book(line, now(), ledger, machine)
        port[COUNT] = port[COUNT] + 1
        port[oldest] = arrival
        if arrival > port[ARRIVAL]:
            port[ARRIVAL] = arrival
    return port[ARRIVAL]


@primitive
def scan_compressed(
    ref: In,
    crd: Out,
    child: Out,
    segments: Ints,
    coordinates: Ints,
    segment_port: IntWork,
    coordinate_port: IntWork,
    ledger: IntWork,
    machine: Ints,
    segments_at: Int,
    coordinates_at: Int,
    model: StaticText,
) -> None:
    """As the plain scan; waits for segments, and stamps coordinates with their arrival."""
    while True:
        parent = take(ref)
        if parent == DONE:
            send(crd, DONE)
            send(child, DONE)
            finish()
        if not is_stop(parent) and parent != EMPTY:
            if not below(parent, len(segments) - 1):
                fail("reference {token} is outside the segments", ref, parent)
            access(segments_at + parent, segment_port, ledger, machine, model)
            there = access(segments_at + parent + 1, segment_port, ledger, machine, model)
            wait(there)
            position = segments[parent]
            end = segments[parent + 1]
            if not below(end, len(coordinates) + 1) or not below(position, end + 1):
                fail("the segment of reference {token} leaves the coordinates", ref, parent)
            while position < end:
                there = access(coordinates_at + position, coordinate_port, ledger, machine, model)
                send(crd, coordinates[position], at=there)
                send(child, position, at=there)
                tick(1)
                position += 1
        close = closing_stop(ref, parent)
        send(crd, close)
        send(child, close)
        tick(1)


@primitive
def array(
    ref: In,
    val: Out,
    values: Floats,
    port: IntWork,
    ledger: IntWork,
    machine: Ints,
    values_at: Int,
    model: StaticText,
) -> None:
    """As the plain array read; stamps values with their arrival."""
    while True:
        token = take(ref)
        if is_data(token):
            if not below(token, len(values)):
                fail("reference {token} is outside the values", ref, token)
            there = access(values_at + token, port, ledger, machine, model)
            send(val, token_of(values[token]), at=there)
        elif token == EMPTY:
            send(val, 0)
        else:
            send(val, token)
            if token == DONE:
                finish()
        tick(1)


@primitive
def write_coordinates(
    crd: In,
    coordinates: IntOutput,
    segments: IntOutput,
    coordinate_port: IntWork,
    segment_port: IntWork,
    ledger: IntWork,
    machine: Ints,
    coordinates_at: Int,
    segments_at: Int,
    model: StaticText,
    mode: StaticText = "keep",
) -> None:
    """As the plain writer; ends when the last line is written."""
    append(segments, 0)
    closed = 0
    while True:
        token = take(crd)
        if is_data(token):
            access(coordinates_at + len(coordinates), coordinate_port, ledger, machine, model)
            append(coordinates, token)
            tick(1)
        elif token == DONE:
            wait(coordinate_port[ARRIVAL])
            wait(segment_port[ARRIVAL])
            finish()
        elif token == EMPTY:
            fail("N reached a coordinate writer", crd, token)
        else:
            closes = 0
            if mode == "drop":
                if len(coordinates) > closed:
                    closes = 1
            elif mark_of(token) == 0:
                closes = 1
            if closes == 1:
                closed = len(coordinates)
                access(segments_at + len(segments), segment_port, ledger, machine, model)
                append(segments, closed)
                tick(1)


@primitive
def write_values(
    val: In,
    values: FloatOutput,
    port: IntWork,
    ledger: IntWork,
    machine: Ints,
    values_at: Int,
    model: StaticText,
) -> None:
    """As the plain writer; ends when the last line is written."""
    there = 0
    while True:
        token = take(val)
        if is_data(token):
            there = access(values_at + len(values), port, ledger, machine, model)
            append(values, value_of(token))
            tick(1)
        elif token == DONE:
            tick(1)
            wait(there)
            finish()
        elif token == EMPTY:
            fail("N reached a value writer", val, token)


@primitive
def store(
    ref: In,
    val: In,
    values: FloatOutput,
    extents: Ints,
    port: IntWork,
    ledger: IntWork,
    machine: Ints,
    values_at: Int,
    model: StaticText,
) -> None:
    """As the plain writer of dense arrays; ends when the last line is written."""
    size = 1
    dimension = 0
    while dimension < len(extents):
        size = size * extents[dimension]
        dimension += 1
    resize(values, size)
    there = 0
    while True:
        position = take(ref)
        token = take(val)
        if is_data(position):
            if not below(position, size):
                fail("reference {token} is outside the array", ref, position)
            if is_stop(token) or token == DONE:
                fail("{token} against a reference", val, token)
            there = access(values_at + position, port, ledger, machine, model)
            if token == EMPTY:
                write(values, position, 0.0)
            else:
                write(values, position, value_of(token))
            tick(1)
        elif position == EMPTY:
            if is_stop(token) or token == DONE:
                fail("{token} against a reference", val, token)
            tick(1)
        elif token != position:
            fail("{token} against a stop on the ref port", val, token)
        elif position == DONE:
            tick(1)
            wait(there)
            finish()


@primitive
def line_arbiter(nodes: Ints, clients: Ints, memory: IntWork, free: IntWork, machine: Ints) -> None:
    """
    Serve the earliest open requests, those of one time in the order of `clients`.

    `nodes` and `clients` are addresses of node records, which `memory` overlays.
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
    k = 0
    while k < len(clients):
        node = clients[k] >> 3
        if memory[node + STATUS] == SERVED and memory[node + TIME] == earliest:
            channel = memory[node + DETAIL] % machine[CHANNELS]
            start = earliest + 1
            if start < machine[STARTUP]:
                start = machine[STARTUP]
            if start < free[channel]:
                start = free[channel]
            free[channel] = start + machine[INTERVAL]
            memory[node + DETAIL] = start + machine[LATENCY]
            memory[node + STATUS] = RUNNING
        k += 1
    finish()
