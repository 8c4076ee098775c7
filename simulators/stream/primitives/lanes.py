"""
Parallel lanes: fork deals the elements of a stream out, gather puts their fibers together again.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.8 (parallelisation). The order
stream, which makes gather the inverse of fork for every input, is ours.
"""

from headrace.simulators.stream.language import (
    DONE,
    NO_ENTRIES,
    In,
    Ins,
    Int,
    Ints,
    Out,
    Outs,
    StaticInt,
    fail,
    finish,
    is_data,
    is_stop,
    level_of,
    mark_of,
    peek,
    pop,
    registers,
    send,
    stop,
    take,
    tick,
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
def gather(lane: Ins, order: In, y: Out, n: StaticInt, levels: Int = 0) -> None:
    """
    n streams, order -> stream: the inverse of `fork`.

    Between fork and gather every element may have become a tree of `levels` levels. The stop that
    ends the tree of a lane's last element in a row is merged with the lane's stop for the row;
    `merged` remembers which lanes are that far.
    """
    merged = registers(n)
    while True:
        turn = take(order)
        if turn == DONE:
            for k in range(n):
                token = take(lane[k])
                if token != DONE:
                    fail("{token} against D on the order port", lane[k], token)
            send(y, DONE)
            finish()
        if is_stop(turn):
            close = turn
            if levels > 0:
                close = stop(level_of(turn) + levels, mark_of(turn) + levels)
            for k in range(n):
                if merged[k] == 0:
                    token = take(lane[k])
                    if not is_stop(token):
                        fail("{token} against a stop on the order port", lane[k], token)
                merged[k] = 0
            send(y, close)
            tick(1)
        else:
            close = 0
            for k in range(n):
                if turn == k:
                    token = take(lane[k])
                    if levels == 0:
                        send(y, token)
                        tick(1)
                    else:
                        while not is_stop(token) or level_of(token) < levels - 1:
                            if token == DONE:
                                fail("the lane ends inside an element", lane[k], token)
                            send(y, token)
                            tick(1)
                            token = take(lane[k])
                        close = token
                        if level_of(token) >= levels:
                            merged[k] = 1
            if levels > 0:
                ahead = peek(order)
                inner = mark_of(close)
                if is_stop(ahead):
                    pop(order)
                    close = stop(level_of(ahead) + levels, inner)
                    for k in range(n):
                        if merged[k] == 0:
                            token = take(lane[k])
                            if not is_stop(token):
                                fail("{token} against a stop on the order port", lane[k], token)
                        merged[k] = 0
                else:
                    close = stop(levels - 1, inner)
                send(y, close)
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
