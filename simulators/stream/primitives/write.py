"""
Writers: streams become the levels and values of a tensor.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.6. The dense writer and the mode
`keep`, which closes a segment for empty fibers too, are ours.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    FloatOutput,
    FloatWork,
    In,
    IntOutput,
    Ints,
    StaticInt,
    StaticText,
    append,
    below,
    fail,
    finish,
    is_data,
    is_stop,
    mark_of,
    reject,
    resize,
    take,
    tick,
    transfer,
    value_of,
    write,
)
from headrace.simulators.stream.primitive import primitive


@primitive
def write_coordinates(
    crd: In, coordinates: IntOutput, segments: IntOutput, mode: StaticText = "keep"
) -> None:
    """
    crd ->: one compressed level.

    Mode `keep`: every ordinary stop closes a segment, so there is one for every parent. Mode
    `drop`: only a stop that ends a fiber with coordinates does (the parents were dropped too).
    """
    if mode != "keep" and mode != "drop":
        reject("mode is keep or drop")
    append(segments, 0)
    closed = 0
    while True:
        token = take(crd)
        if is_data(token):
            append(coordinates, token)
            transfer(1)
            tick(1)
        elif token == DONE:
            finish()
        elif token == EMPTY:
            fail("N reached a coordinate writer", crd, token)
        elif mode == "drop":
            if len(coordinates) > closed:
                closed = len(coordinates)
                append(segments, closed)
                transfer(1)
                tick(1)
        elif mark_of(token) == 0:
            append(segments, len(coordinates))
            transfer(1)
            tick(1)


@primitive
def write_values(val: In, values: FloatOutput) -> None:
    """val ->: the values; stops are ignored."""
    while True:
        token = take(val)
        if is_data(token):
            append(values, value_of(token))
            transfer(1)
            tick(1)
        elif token == DONE:
            tick(1)
            finish()
        elif token == EMPTY:
            fail("N reached a value writer", val, token)


@primitive
def store(ref: In, val: In, values: FloatOutput, extents: Ints) -> None:
    """ref, val ->: values at positions `ref` of a zero array of size prod(extents)."""
    size = 1
    dimension = 0
    while dimension < len(extents):
        size = size * extents[dimension]
        dimension += 1
    resize(values, size)
    while True:
        position = take(ref)
        token = take(val)
        if is_data(position):
            if not below(position, size):
                fail("reference {token} is outside the array", ref, position)
            transfer(1)
            if is_data(token):
                write(values, position, value_of(token))
            elif token == EMPTY:
                write(values, position, 0.0)
            else:
                fail("{token} against a reference", val, token)
            tick(1)
        elif position == EMPTY:
            if is_stop(token) or token == DONE:
                fail("{token} against a reference", val, token)
            tick(1)
        elif token != position:
            fail("{token} against a stop on the ref port", val, token)
        elif position == DONE:
            tick(1)
            finish()


@primitive
def tile_write_values(val: In, values: FloatOutput, arena: FloatWork, tile: StaticInt) -> None:
    """val ->: the entries of the tiles, one tile after the other; stops are ignored."""
    while True:
        token = take(val)
        if is_data(token):
            entry = 0
            while entry < tile:
                append(values, arena[token + entry])
                entry += 1
            transfer(tile)
            tick(1)
        elif token == DONE:
            tick(1)
            finish()
        elif token == EMPTY:
            fail("N reached a value writer", val, token)
