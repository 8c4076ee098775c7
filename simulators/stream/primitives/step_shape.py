"""
Operators of streaming tensor programs that change the shape of a stream: Flatten, Promote, Reshape,
Repeat, Expand, FlatMap.

Source: "Streaming Tensor Programs" (ASPLOS 2026), section 3 and its simulator; bare stops are ours.
"""

from headrace.simulators.stream.language import (
    DONE,
    Count,
    In,
    Int,
    Out,
    StaticText,
    close,
    fail,
    finish,
    now,
    peek,
    pop,
    reject,
    send,
    take,
    tick,
)
from headrace.simulators.stream.primitive import helper, primitive
from headrace.simulators.stream.primitives.step_word import (
    BARE,
    COLUMNS,
    FIELD,
    LEVELS,
    NO_LIST_OPEN,
    PAYLOAD,
    RESIDENT,
    ROWS,
    VALID,
    absorb,
    closes,
    tile,
    with_level,
)


@primitive
def step_flatten(x: In, y: Out, minimum: Int, maximum: Int) -> None:
    """Merge the dimensions `minimum` to `maximum`, counted from the innermost."""
    last = NO_LIST_OPEN
    vanished = 0
    sent = 0
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        level = token & LEVELS
        before = last
        last = level
        if level > maximum:
            level -= maximum - minimum
            if (token & BARE) != 0 and vanished != 0 and sent == 0 and level > minimum + 1:
                send(y, BARE + minimum + 1)
            token = with_level(token, level)
            send(y, token)
            vanished = 0
            sent = 0
        elif level > minimum and (token & BARE) != 0 and before >= minimum:
            vanished = 1
        else:
            if level > minimum:
                level = minimum
            token = with_level(token, level)
            send(y, token)
            sent = 1
        tick(0)


@primitive
def step_promote(x: In, y: Out, unit: Int, levels: Int = 0) -> None:
    """
    Put every unit of rank `unit` into a list of its own.

    With `unit` -1 the whole stream, of rank `levels`, becomes one list, unless it is empty.
    """
    last = NO_LIST_OPEN
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        level = token & LEVELS
        up = level
        if unit >= 0:
            if level >= unit:
                up = level + 1
                if (token & BARE) != 0 and level == unit and last >= unit:
                    send(y, token)
        else:
            following = peek(x)
            if following == DONE:
                up = levels + 1
                if (token & BARE) != 0 and last >= level:
                    send(y, token)
        last = level
        token = with_level(token, up)
        send(y, token)
        tick(0)


@helper
def fill(
    count: int, chunk: int, level: int, flag: int, rows: int, columns: int, y: Out, padding: Out
) -> None:
    """Fill a chunk that has begun; none of the rows of what fills it is valid."""
    if count > 0:
        while count < chunk:
            count += 1
            marks = 0
            if count == chunk:
                marks = level
            filler = tile(rows, columns, 0, marks | flag)
            send(y, filler)
            send(padding, (1 << PAYLOAD) | marks)


@primitive
def step_reshape(
    x: In,
    y: Out,
    padding: Out,
    unit: Int,
    chunk: Count,
    outer: Int = 0,
    levels: Int = 0,
    pad_rows: Int = 0,
    pad_columns: Int = 0,
    write_back: Int = 0,
) -> None:
    """
    Split lists of units of rank `unit` into lists of `chunk` units; `outer` puts a list around all.

    If the units are elements, the last list is filled up. `padding` tells filler (1) from elements.
    `write_back` says where the results reside; it costs nothing.
    """
    flag = 0
    if write_back != 0:
        flag = RESIDENT
    count = 0
    last = NO_LIST_OPEN
    while True:
        token = take(x)
        if token == DONE:
            if count > 0 and unit > 0:
                fail("the stream ends inside a list of chunks", x)
            end = 1
            if outer != 0:
                end = levels + 2
            fill(count, chunk, end, flag, pad_rows, pad_columns, y, padding)
            close()
            finish()
        level = token & LEVELS
        up = level
        if (token & BARE) == 0:
            token = (token & ~RESIDENT) | flag
        if unit > 0:
            ends = closes(token, last, unit)
            if ends == 1:
                count += 1
                if count == chunk:
                    count = 0
                    up = level + 1
                    if (token & BARE) != 0 and last >= unit:
                        send(y, token)
                        send(padding, token)
                elif level > unit:
                    fail("a list ends inside a chunk", x)
            elif level >= unit:
                up = level + 1
            token = with_level(token, up)
            send(y, token)
            send(padding, up | (token & BARE))
        else:
            if (token & BARE) == 0:
                count += 1
            if level > 0 or count == chunk:
                up = level + 1
                if outer != 0:
                    following = peek(x)
                    if following == DONE:
                        if (token & BARE) != 0 and count == 0:
                            send(y, token + 1)
                            send(padding, token + 1)
                        up = levels + 2
            if count == chunk:
                count = 0
                token = with_level(token, up)
                send(y, token)
                send(padding, up)
            else:
                if (token & BARE) == 0:
                    alone = with_level(token, 0)
                    send(y, alone)
                    send(padding, 0)
                elif count == 0:
                    send(y, BARE + up)
                    send(padding, BARE + up)
                if level > 0:
                    fill(count, chunk, up, flag, pad_rows, pad_columns, y, padding)
                    count = 0
        last = level
        tick(0)


@primitive
def step_repeat(x: In, y: Out, factor: Count) -> None:
    """Every element `factor` times, as a list."""
    while True:
        token = peek(x)
        if token == DONE:
            close()
            finish()
        if (token & BARE) != 0:
            send(y, token + 1)
        else:
            level = token & LEVELS
            k = 0
            while k < factor:
                copy = with_level(token, 0)
                if k == factor - 1:
                    copy = with_level(token, level + 1)
                send(y, copy, at=now() + k)
                k += 1
            tick(factor)
        pop(x)


@primitive
def step_expand(x: In, ref: In, y: Out, levels: Int) -> None:
    """Every element for each element of a list of `levels` levels of `ref`."""
    while True:
        token = peek(x)
        if token == DONE:
            close()
            finish()
        wanted = levels
        if (token & BARE) != 0:
            wanted = token & LEVELS
        reached = 0
        inside = 1
        while inside == 1:
            other = take(ref)
            if other == DONE or ((token & BARE) != 0 and (other & BARE) == 0):
                fail("the references and the elements do not line up", ref)
            reached = other & LEVELS
            copy = with_level(token, reached)
            if (other & BARE) != 0:
                copy = other
            send(y, copy)
            if reached >= wanted:
                inside = 0
        pop(x)
        while reached < (token & LEVELS):
            other = take(ref)
            if other == DONE or (other & BARE) == 0:
                fail("the references and the elements do not line up", ref)
            reached = other & LEVELS
            send(y, other)
        absorb(x, token & LEVELS, reached)
        tick(0)


@primitive
def step_flat_map(x: In, y: Out, fn: StaticText, masked: Int = 0, size: Count = 1) -> None:
    """
    Every element becomes a list: a tile its pieces of `size` rows or columns, or a number n its n
    copies, or, as a list of its own, the numbers 0 to n - 1.

    With `masked` only the pieces that have valid rows. A list of which no piece is left is empty.
    """
    taken = 0
    sent = 0
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        last = token & LEVELS
        if (token & BARE) != 0:
            if fn == "range":
                last += 1
            if taken != 0 and sent == 0 and last > 1:
                send(y, BARE + 1)
            send(y, BARE + last)
        else:
            taken = 1
            rows = token >> ROWS
            columns = (token >> COLUMNS) & FIELD
            valid = (token >> VALID) & FIELD
            parts = token >> PAYLOAD
            if fn == "split_rows":
                parts = (rows + size - 1) // size
                if masked != 0 and valid < rows:
                    parts = (valid + size - 1) // size
            elif fn == "split_columns":
                parts = (columns + size - 1) // size
            elif fn == "range":
                last += 1
            elif fn != "copies":
                reject("there is no such function of a flat map; see timing.md")
            k = 0
            while k < parts:
                level = 0
                if k == parts - 1:
                    level = last
                part = with_level(token, level)
                if fn == "split_rows":
                    tall = size if size < rows else rows
                    whole = tall if tall < valid else valid
                    part = tile(tall, columns, whole, (token & RESIDENT) + level)
                    rows -= tall
                    valid -= whole
                elif fn == "split_columns":
                    wide = size if size < columns else columns
                    part = tile(rows, wide, valid, (token & RESIDENT) + level)
                    columns -= wide
                elif fn == "range":
                    part = (k << PAYLOAD) | level
                send(y, part)
                sent = 1
                k += 1
            if parts == 0 and last > 0:
                if sent == 0 and last > 1:
                    send(y, BARE + 1)
                send(y, BARE + last)
        if last > 0:
            taken = 0
            sent = 0
        tick(0)
