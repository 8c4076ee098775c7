"""
Reduction of the innermost fiber to one value.

Every ordinary stop yields the total of its fiber, an empty fiber the neutral element. A hollow
stop closes no fiber and yields none.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.5.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    FloatWork,
    In,
    Int,
    IntWork,
    Out,
    StaticInt,
    StaticText,
    finish,
    idle,
    is_data,
    level_of,
    mark_of,
    maximum,
    minimum,
    now,
    reject,
    send,
    stop,
    take,
    tick,
    token_of,
    value_of,
)
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.primitives.tiles import copy_of, fold_tile, new_tile

INFINITY = float("inf")


@primitive
def reduce(x: In, y: Out, op: StaticText = "add") -> None:
    """val -> val, one level shallower: add, max or min of every fiber."""
    neutral = 0.0
    if op == "max":
        neutral = -INFINITY
    elif op == "min":
        neutral = INFINITY
    elif op != "add":
        reject("op is add, max or min")
    total = neutral
    while True:
        token = take(x)
        if is_data(token):
            if op == "add":
                total = total + value_of(token)
            elif op == "max":
                total = maximum(total, value_of(token))
            else:
                total = minimum(total, value_of(token))
            tick(1)
        elif token == EMPTY:
            idle(-1)
            if op == "max":
                total = maximum(total, 0.0)
            elif op == "min":
                total = minimum(total, 0.0)
        elif token == DONE:
            send(y, DONE)
            finish()
        else:
            idle(1)
            depth = level_of(token)
            hollow = mark_of(token)
            if hollow > 0:
                send(y, stop(depth - 1, hollow - 1))
            else:
                send(y, token_of(total))
                total = neutral
                if depth > 0:
                    send(y, stop(depth - 1, 0))
            tick(1)


@primitive
def tile_reduce(
    x: In,
    y: Out,
    arena: FloatWork,
    free_tiles: IntWork,
    tile: StaticInt,
    op: StaticText = "add",
    latency: Int = 1,
) -> None:
    """As `reduce`, entry by entry of tiles; a total is sent `latency` cycles after its stop."""
    neutral = 0.0
    if op == "max":
        neutral = -INFINITY
    elif op == "min":
        neutral = INFINITY
    total = EMPTY
    while True:
        token = take(x)
        if is_data(token) or token == EMPTY:
            if total == EMPTY:
                total = copy_of(token, arena, free_tiles, tile)
            else:
                fold_tile(total, token, arena, tile, op)
            if token == EMPTY:
                idle(-1)
            else:
                tick(1)
        elif token == DONE:
            send(y, DONE)
            finish()
        else:
            idle(1)
            depth = level_of(token)
            hollow = mark_of(token)
            if hollow > 0:
                send(y, stop(depth - 1, hollow - 1))
            else:
                stamp = now() + latency
                if total == EMPTY:
                    total = new_tile(free_tiles)
                    entry = 0
                    while entry < tile:
                        arena[total + entry] = neutral
                        entry += 1
                send(y, total, at=stamp)
                total = EMPTY
                if depth > 0:
                    send(y, stop(depth - 1, 0))
            tick(1)
