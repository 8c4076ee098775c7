"""
Values: array reads and arithmetic. N counts as 0 in every operation.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.4.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    Float,
    Floats,
    FloatWork,
    In,
    Ins,
    Int,
    IntWork,
    Out,
    StaticInt,
    StaticText,
    below,
    fail,
    finish,
    idle,
    is_data,
    is_stop,
    now,
    numbers,
    registers,
    reject,
    send,
    take,
    tick,
    token_of,
    transfer,
    value_of,
)
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.primitives.tiles import combine, new_tile

NO_OPERATION = "none"
"""The first operand, for runs that want times only."""


@primitive
def array(ref: In, val: Out, values: Floats) -> None:
    """ref -> val: the value at each position; N reads 0."""
    # N comes at random where it comes at all: from the first on, no branch depends on it.
    holes = 0
    while True:
        token = take(ref)
        position = 0 if token == EMPTY else token
        if holes == 0 and below(token, len(values)):
            transfer(1)
            send(val, token_of(values[token]))
        elif below(position, len(values)):
            holes = 1
            transfer(0 if token == EMPTY else 1)
            send(val, 0 if token == EMPTY else token_of(values[position]))
        elif is_data(token):
            fail("reference {token} is outside the values", ref, token)
        elif token == EMPTY:
            send(val, 0)
        else:
            send(val, token)
            if token == DONE:
                finish()
        tick(1)


@primitive
def tile_array(
    ref: In, val: Out, values: Floats, tile: StaticInt, arena_at: Int = 0, latency: Int = 1
) -> None:
    """ref -> val: the tile at each position of `values` (entries x rows x columns)."""
    while True:
        token = take(ref)
        if is_data(token):
            if not below(token, len(values) // tile):
                fail("reference {token} is outside the values", ref, token)
            transfer(tile)
            send(val, arena_at + token * tile, at=now() + latency)
        else:
            send(val, token)
            if token == DONE:
                finish()
        tick(1)


@primitive
def alu(x: Ins, y: Out, op: StaticText, n: StaticInt, scalar: Float = 0.0) -> None:
    """1 to 3 vals -> val: arithmetic; `scalar` is the second operand of a binary op with one."""
    token = registers(n)
    operand = numbers(3)
    while True:
        for k in range(n):
            token[k] = take(x[k])
        special = 0
        for k in range(n):
            if not is_data(token[k]):
                special = 1
            operand[k] = value_of(token[k])
        control = 0
        if special == 1:
            if is_stop(token[0]) or token[0] == DONE:
                control = 1
                for k in range(1, n):
                    if token[k] != token[0]:
                        fail("{token} against a stop on the first port", x[k], token[k])
            else:
                for k in range(n):
                    if token[k] == EMPTY:
                        operand[k] = 0.0
                    elif not is_data(token[k]):
                        fail("{token} against a value on the first port", x[k], token[k])
        if control == 1:
            send(y, token[0])
            if token[0] == DONE:
                finish()
            idle(1)
        elif op == NO_OPERATION:
            send(y, token_of(operand[0]))
        else:
            result = combine(operand[0], operand[1], operand[2], scalar, op, n)
            send(y, token_of(result))
        tick(1)


@primitive
def tile_alu(
    x: Ins,
    y: Out,
    arena: FloatWork,
    free_tiles: IntWork,
    op: StaticText,
    n: StaticInt,
    tile: StaticInt,
    rows: StaticInt,
    columns: StaticInt,
    inner: StaticInt = 0,
    scalar: Float = 0.0,
    latency: Int = 1,
    interval: Int = 1,
) -> None:
    """
    As `alu`, entry by entry of tiles; `matmul` is the product (rows x inner) (inner x columns).

    A tile is sent `latency` cycles after its operands are there, one every `interval` cycles.
    """
    token = registers(n)
    source = registers(3)
    while True:
        for k in range(n):
            token[k] = take(x[k])
        if is_stop(token[0]) or token[0] == DONE:
            for k in range(1, n):
                if token[k] != token[0]:
                    fail("{token} against a stop on the first port", x[k], token[k])
            send(y, token[0])
            if token[0] == DONE:
                finish()
            idle(interval)
        else:
            for k in range(n):
                source[k] = token[k]
                if token[k] == EMPTY:
                    source[k] = 0
                elif not is_data(token[k]):
                    fail("{token} against a tile on the first port", x[k], token[k])
            stamp = now() + latency
            target = source[0]
            if op != NO_OPERATION:
                target = new_tile(free_tiles)
                entry = 0
                if op == "matmul":
                    if n != 2 or inner < 1:
                        reject("matmul takes two operands and their common size, inner")
                    while entry < rows * columns:
                        arena[target + entry] = 0.0
                        entry += 1
                    row = 0
                    while row < rows:
                        middle = 0
                        while middle < inner:
                            factor = arena[source[0] + row * inner + middle]
                            column = 0
                            while column < columns:
                                place = target + row * columns + column
                                term = factor * arena[source[1] + middle * columns + column]
                                arena[place] = arena[place] + term
                                column += 1
                            middle += 1
                        row += 1
                else:
                    while entry < tile:
                        result = combine(
                            arena[source[0] + entry],
                            arena[source[1] + entry],
                            arena[source[2] + entry],
                            scalar,
                            op,
                            n,
                        )
                        arena[target + entry] = result
                        entry += 1
            send(y, target, at=stamp)
        tick(interval)
