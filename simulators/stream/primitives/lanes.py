"""
Parallel lanes: elements of a stream are dealt out, and gather puts their fibers together again.

`fork` deals them in turn, `deal` as an order says, such as that of `balance`.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.8 (parallelisation). The order
stream, which makes gather the inverse of fork for every input, is ours, and so is balance.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    NO_ENTRIES,
    In,
    Ins,
    Int,
    Ints,
    IntWork,
    Out,
    Outs,
    StaticInt,
    below,
    fail,
    finish,
    is_data,
    is_stop,
    level_of,
    mark_of,
    peek,
    pop,
    registers,
    reserve,
    send,
    stop,
    take,
    tick,
    transfer,
)
from headrace.simulators.stream.primitive import primitive


@primitive
def fork(x: In, lane: Outs, order: Out, n: StaticInt) -> None:
    """
    stream -> n streams, order: elements go to the lanes in turn, stops and D to all.

    The turn goes on across fibers. `order` has the lane of each element, and the stops.
    """
    turn = 0
    while True:
        token = take(x)
        if is_stop(token) or token == DONE:
            for k in range(n):
                send(lane[k], token)
            send(order, token)
            if token == DONE:
                finish()
        else:
            for k in range(n):
                if turn == k:
                    send(lane[k], token)
            send(order, turn)
            turn += 1
            if turn == n:
                turn = 0
        tick(1)


@primitive
def balance(ref: In, order: Out, segments: Ints, loads: IntWork, among: Int) -> None:
    """
    ref -> order: for each fiber the lane that has the least to do so far.

    A fiber counts with its entries and its stop, N as an empty fiber. Of equal lanes the first.
    """
    started = 0
    while True:
        token = take(ref)
        if token == DONE:
            send(order, DONE)
            finish()
        if is_stop(token):
            send(order, token)
        else:
            if started == 0:
                reserve(loads, among)
                lane = 0
                while lane < among:
                    loads[lane] = 0
                    lane += 1
                started = 1
            entries = 0
            if token != EMPTY:
                if not below(token, len(segments) - 1):
                    fail("reference {token} is outside the segments", ref, token)
                entries = segments[token + 1] - segments[token]
                transfer(2)
            best = 0
            lane = 1
            while lane < among:
                best = lane if loads[lane] < loads[best] else best
                lane += 1
            loads[best] += entries + 1
            send(order, best)
        tick(1)


@primitive
def deal(x: In, order: In, lane: Outs, n: StaticInt) -> None:
    """stream, order -> n streams: elements go to the lanes that the order names, stops to all."""
    while True:
        token = take(x)
        turn = take(order)
        if is_stop(token) or token == DONE:
            if turn != token:
                fail("{token} against another token on the order port", x, token)
            for k in range(n):
                send(lane[k], token)
            if token == DONE:
                finish()
        else:
            if not below(turn, n):
                fail("there is no lane {token}", order, turn)
            for k in range(n):
                if turn == k:
                    send(lane[k], token)
        tick(1)


@primitive
def gather(lane: Ins, order: In, y: Out, n: StaticInt, levels: Int = 0) -> None:
    """
    n streams, order -> stream: the inverse of `fork`.

    Between fork and gather every element may have become a tree of `levels` levels. The stop that
    ends the tree of a lane's last element in a row is merged with the lane's stop for the row;
    `merged` remembers which lanes are that far. Each lane is read in two places only: many lanes
    would otherwise take minutes to compile.
    """
    merged = registers(n)
    token = 0
    while True:
        turn = take(order)
        close = turn
        closing = 1
        if is_stop(turn):
            if levels > 0:
                close = stop(level_of(turn) + levels, mark_of(turn) + levels)
        elif turn != DONE:
            if not below(turn, n):
                fail("there is no lane {token}", order, turn)
            closing = 0
            inside = 1
            while inside == 1:
                for k in range(n):
                    if turn == k:
                        token = take(lane[k])
                        if token == DONE:
                            fail("the lane ends inside an element", lane[k], token)
                        if levels > 0 and is_stop(token) and level_of(token) >= levels:
                            merged[k] = 1
                if levels > 0 and is_stop(token) and level_of(token) >= levels - 1:
                    inside = 0
                else:
                    send(y, token)
                    tick(1)
                    if levels == 0:
                        inside = 0
            if levels > 0:
                ahead = peek(order)
                close = stop(levels - 1, mark_of(token))
                if is_stop(ahead):
                    pop(order)
                    close = stop(level_of(ahead) + levels, mark_of(token))
                    closing = 1
        if closing == 1:
            for k in range(n):
                if merged[k] == 0:
                    token = take(lane[k])
                    if (turn == DONE and token != DONE) or (turn != DONE and not is_stop(token)):
                        fail("{token} where the order port ends a fiber", lane[k], token)
                merged[k] = 0
        if closing == 1 or levels > 0:
            send(y, close)
            if turn == DONE:
                finish()
            tick(1)


@primitive
def concat(x: Ins, y: Out, n: StaticInt, extents: Ints = NO_ENTRIES) -> None:
    """
    n streams -> stream: fiber is put behind fiber.

    Coordinates are shifted by the extents of the streams before, if extents are given.
    """
    while True:
        close = 0
        offset = 0
        for k in range(n):
            token = take(x[k])
            while not is_stop(token) and token != DONE:
                if is_data(token):
                    send(y, token + offset)
                else:
                    send(y, token)
                tick(1)
                token = take(x[k])
            if k > 0 and token != close:
                fail("{token} against another stop on the first port", x[k], token)
            close = token
            if len(extents) > 0:
                offset += extents[k]
            if k < n - 1 and token != DONE:
                tick(1)
        send(y, close)
        if close == DONE:
            finish()
        tick(1)
