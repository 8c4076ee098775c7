"""
Sparse accumulators: reduction over an outer index, the result fiber sorted.

While the outer stream holds a coordinate, inner entries are added into a map; at its stop the
map is written out in order.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.5 (vector and matrix reducers).
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    FloatWork,
    In,
    IntWork,
    Out,
    StaticInt,
    StaticText,
    fail,
    finish,
    idle,
    is_data,
    is_stop,
    peek,
    pop,
    reserve,
    send,
    stop,
    take,
    tick,
    token_of,
    trailing_zeros,
    value_of,
)
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.primitives.tiles import copy_of, fold, fold_tile


@primitive
def accumulate_vector(
    outer: In,
    crd: In,
    val: In,
    sorted_crd: Out,
    total: Out,
    sums: FloatWork,
    tiles: IntWork,
    present: IntWork,
    summary: IntWork,
    arena: FloatWork,
    free_tiles: IntWork,
    op: StaticText = "add",
    tile: StaticInt = 0,
) -> None:
    """
    outer crd p+r, crd p+r+a, val p+r+a -> crd p+a, val p+a (order 1).

    `sums` (`tiles` if values are tiles) is a dense row; `present` has a bit for every entry,
    `summary` one for every word of `present`, so that writing out costs time in proportion to the
    entries.
    """
    row_empty = 1
    words = 0
    width = 0
    while True:
        head = peek(outer)
        key = peek(crd)
        token = peek(val)
        if head == DONE:
            send(sorted_crd, DONE)
            send(total, DONE)
            if key != DONE or token != DONE:
                fail("D on the outer port against {token}", crd, key)
            finish()
        if is_stop(head):
            block = 0
            while block < words:
                while summary[block] != 0:
                    word = block * 64 + trailing_zeros(summary[block])
                    while present[word] != 0:
                        column = word * 64 + trailing_zeros(present[word])
                        send(sorted_crd, column)
                        if tile == 0:
                            send(total, token_of(sums[column]))
                            sums[column] = 0.0
                        else:
                            send(total, tiles[column])
                            tiles[column] = EMPTY
                        present[word] = present[word] & (present[word] - 1)
                    summary[block] = summary[block] & (summary[block] - 1)
                block += 1
            words = 0
            send(total, head)
            send(sorted_crd, head)
            pop(outer)
            if row_empty == 1:
                pop(crd)
                pop(val)
            row_empty = 1
        else:
            row_empty = 0
            while True:
                key = peek(crd)
                token = peek(val)
                if is_stop(token):
                    break
                if token == EMPTY:
                    token = 0  # As a number and as a tile.
                if not is_data(token) or not is_data(key):
                    fail("{token} against a value on the val port", crd, key)
                if key >= width:
                    width = 2 * key + 64
                    if tile == 0:
                        reserve(sums, width)
                    else:
                        reserve(tiles, width)
                    reserve(present, (width >> 6) + 1)
                    reserve(summary, (width >> 12) + 1)
                bit = 1 << (key & 63)
                word = present[key >> 6]
                if word == 0:
                    summary[key >> 12] = summary[key >> 12] | (1 << (key >> 6 & 63))
                    if key >> 12 >= words:
                        words = (key >> 12) + 1
                present[key >> 6] = word | bit
                if tile == 0 and op == "add":
                    # Absent entries are 0, so that nothing depends on a branch.
                    sums[key] = sums[key] + value_of(token)
                elif tile == 0:
                    sum = value_of(token)
                    if (word & bit) != 0:
                        sum = fold(sums[key], sum, op)
                    sums[key] = sum
                elif (word & bit) != 0:
                    fold_tile(tiles[key], token, arena, tile, op)
                else:
                    sum_tile = copy_of(token, arena, free_tiles, tile)
                    tiles[key] = sum_tile
                pop(crd)
                pop(val)
                tick(1)
            if key != token:
                fail("{token} against a stop on the val port", crd, key)
            pop(outer)
            pop(crd)
            pop(val)
        idle(1)
        tick(1)


@primitive
def accumulate_points(
    outer: In,
    inner: In,
    val: In,
    fiber: Out,
    element: Out,
    total: Out,
    sums: FloatWork,
    present: IntWork,
) -> None:
    """
    Outer crd, inner crd, val of points (no stops) -> outer crd, inner crd, val (no stops).

    The points of one outer coordinate come one after the other; their inner coordinates are sorted
    and equal ones added. This is the accumulator of the first published simulator.
    """
    current = -1
    words = 0
    started = 0
    while True:
        head = take(outer)
        key = take(inner)
        token = take(val)
        if head != current and current >= 0:
            if started == 1:
                send(element, stop(0, 0))
            started = 1
            send(fiber, current)
            word = 0
            while word < words:
                while present[word] != 0:
                    column = word * 64 + trailing_zeros(present[word])
                    send(element, column)
                    send(total, token_of(sums[column]))
                    idle(1)
                    tick(1)
                    present[word] = present[word] & (present[word] - 1)
                word += 1
            words = 0
        current = head
        if head == DONE:
            if key != DONE or token != DONE:
                fail("D on the outer port against {token}", inner, key)
            send(fiber, stop(0, 0))
            send(element, stop(1, 1 - started))
            send(fiber, DONE)
            send(element, DONE)
            send(total, DONE)
            finish()
        if not is_data(key) or is_stop(token) or token == DONE:
            fail("{token} against a coordinate on the outer port", inner, key)
        reserve(sums, key + 1)
        reserve(present, (key >> 6) + 1)
        amount = 0.0
        if token != EMPTY:
            amount = value_of(token)
        bit = 1 << (key & 63)
        if (present[key >> 6] & bit) == 0:
            present[key >> 6] = present[key >> 6] | bit
            sums[key] = amount
        else:
            sums[key] = sums[key] + amount
        if key >> 6 >= words:
            words = (key >> 6) + 1
        tick(1)
