"""
Operators of streaming tensor programs that route: Broadcast, Partition, Reassemble, EagerMerge,
Parallelize.

A selector is an index into a table, the same for the whole program: selector s selects
`members[starts[s] : starts[s + 1]]`, ascending. The first selectors are {0}, {1}, {2}, ..

Source: "Streaming Tensor Programs" (ASPLOS 2026), section 3.2 and its simulator, which merges in
the order in which its threads happen to run; the order of time is ours.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    Count,
    In,
    Int,
    IntOutput,
    Ints,
    IntWork,
    ManyIns,
    ManyOuts,
    Out,
    append,
    arrival,
    close,
    fail,
    finish,
    now,
    peek,
    pop,
    request,
    reserve,
    room,
    send,
    stamp_of,
    take,
    tick,
    wait,
)
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.primitives.step_word import (
    BARE,
    LEVELS,
    NO_LIST_OPEN,
    PAYLOAD,
    RESIDENT,
    absorb,
    check_selector,
    load_cycles,
    store_cycles,
    with_level,
)


@primitive
def step_broadcast(x: In, y: ManyOuts) -> None:
    """The same element to every reader at the same time."""
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        k = 0
        while k < len(y):
            room(y[k])
            k += 1
        stamp = now() + 1
        k = 0
        while k < len(y):
            send(y[k], token, at=stamp)
            k += 1
        tick(0)


@primitive
def step_partition(
    x: In,
    control: In,
    y: ManyOuts,
    unit: Int,
    width: Int,
    control_width: Int,
    starts: Ints,
    members: Ints,
    switch: Int = 1,
    write_back: Int = 0,
    bandwidth: Count = 64,
) -> None:
    """Send every unit of rank `unit` to the outputs that its selector selects."""
    while True:
        selector = peek(control)
        if selector == DONE:
            close()
            finish()
        cycles = load_cycles(selector, control_width, bandwidth)
        tick(cycles)
        pop(control)
        reached = selector & LEVELS
        if (selector & BARE) != 0:
            absorb(x, 0, unit + reached)
        else:
            check_selector(selector, control, starts, members, len(y))
            first = starts[selector >> PAYLOAD]
            last = starts[(selector >> PAYLOAD) + 1]
            level = 0
            inside = 1
            while inside == 1:
                token = peek(x)
                if token == DONE:
                    fail("there are more selectors than units", x)
                level = token & LEVELS
                out = level
                if level >= unit:
                    out = unit
                    inside = 0
                if (token & BARE) == 0:
                    cycles = load_cycles(token, width, bandwidth)
                    tick(cycles)
                    cycles = store_cycles(token, write_back, width, bandwidth)
                    if last > first:
                        cycles += switch
                    pop(x)
                    tick(cycles)
                    token = token & ~RESIDENT
                    if write_back != 0:
                        token = token | RESIDENT
                else:
                    pop(x)
                token = with_level(token, out)
                k = first
                while k < last:
                    send(y[members[k]], token)
                    k += 1
            if unit + reached > level:
                absorb(x, level, unit + reached)
            else:
                absorb(control, reached, level - unit)


@primitive
def step_reassemble(
    x: ManyIns,
    control: In,
    y: Out,
    order: IntOutput,
    unit: Int,
    width: Int,
    control_width: Int,
    starts: Ints,
    members: Ints,
    ready: IntWork,
    switch: Int = 1,
    write_back: Int = 0,
    bandwidth: Count = 64,
) -> None:
    """
    Put together, for each selector, a unit of each selected input, in the order of arrival.

    It begins when the last of them has been sent, one cycle before that arrives. `order` has the
    inputs in this order.
    """
    while True:
        selector = peek(control)
        if selector == DONE:
            close()
            finish()
        cycles = load_cycles(selector, control_width, bandwidth)
        tick(cycles)
        pop(control)
        closing = unit + 1 + (selector & LEVELS)
        first = 0
        count = 0
        if (selector & BARE) != 0:
            send(y, BARE + closing)
        else:
            check_selector(selector, control, starts, members, len(x))
            first = starts[selector >> PAYLOAD]
            count = starts[(selector >> PAYLOAD) + 1] - first
            if count == 0:
                send(y, BARE + unit + 1)
                if closing > unit + 1:
                    send(y, BARE + closing)
        reserve(ready, count + count)
        latest = 0
        k = 0
        while k < count:
            stamp = stamp_of(x[members[first + k]])
            if stamp == DONE:
                fail("a selected input has no unit left")
            if stamp > latest:
                latest = stamp
            hole = k
            while hole > 0 and ready[hole + hole - 2] > stamp:
                ready[hole + hole] = ready[hole + hole - 2]
                ready[hole + hole + 1] = ready[hole + hole - 1]
                hole -= 1
            ready[hole + hole] = stamp
            ready[hole + hole + 1] = members[first + k]
            k += 1
        wait(latest - 1)
        k = 0
        while k < count:
            stamp = ready[k + k]
            source = ready[k + k + 1]
            append(order, source)
            k += 1
            before = NO_LIST_OPEN
            inside = 1
            while inside == 1:
                token = peek(x[source])
                if token == DONE:
                    fail("a selected input ends inside a unit")
                level = token & LEVELS
                if level >= unit:
                    inside = 0
                if (token & BARE) == 0:
                    cycles = load_cycles(token, width, bandwidth)
                    wait(stamp + switch + cycles)
                    pop(x[source])
                    cycles = store_cycles(token, write_back, width, bandwidth)
                    tick(cycles)
                    token = token & ~RESIDENT
                    if write_back != 0:
                        token = token | RESIDENT
                else:
                    pop(x[source])
                    if inside == 0 and k == count and before >= unit:
                        send(y, BARE + unit)
                before = level
                if inside == 0 and k == count:
                    level = closing
                token = with_level(token, level)
                send(y, token)


@primitive
def step_merge(x: ManyIns, y: Out, selector: Out, choices: IntOutput, unit: Int) -> None:
    """
    Pass on units of rank `unit` as they arrive, of equal ones that of the first input, and tell
    from which input each is.

    If an input has nothing to show yet, the arbiter says when the earliest is known. `choices` has
    the inputs in the order in which they were served.
    """
    granted = 0
    while True:
        best = -1
        earliest = 0
        unknown = 0
        k = 0
        while k < len(x):
            stamp = arrival(x[k])
            if stamp == EMPTY:
                unknown = 1
            elif stamp != DONE and (best < 0 or stamp < earliest):
                best = k
                earliest = stamp
            k += 1
        if unknown == 1 and granted == 0:
            request(0)
            granted = 1
        else:
            granted = 0
            if best < 0:
                k = 0
                while k < len(x):
                    token = peek(x[k])
                    k += 1
                close()
                finish()
            wait(earliest)
            send(selector, best << PAYLOAD)
            append(choices, best)
            inside = 1
            while inside == 1:
                token = take(x[best])
                if token == DONE:
                    fail("an input ends inside a unit")
                if (token & LEVELS) >= unit:
                    inside = 0
                send(y, token)
                if inside == 1 and (token & BARE) == 0:
                    tick(1)


@primitive
def step_deal(x: In, y: ManyOuts, unit: Int, switch: Int = 1) -> None:
    """Send units of rank `unit` to the outputs in turn."""
    turn = 0
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        delay = switch
        if (token & BARE) != 0:
            delay = 0
        send(y[turn], token, at=now() + delay)
        if (token & LEVELS) >= unit:
            turn += 1
            if turn == len(y):
                turn = 0
        tick(0)
