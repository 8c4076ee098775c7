"""
Operators of streaming tensor programs that change the shape of a stream: Flatten, Promote, Reshape,
Repeat, Expand, FlatMap, Bufferize, Streamify.

Source: "Streaming Tensor Programs" (ASPLOS 2026), section 3 and its simulator; bare stops are ours.
"""

from headrace.simulators.stream.language import (
    DONE,
    NO_ENTRIES,
    In,
    Int,
    Ints,
    IntWork,
    Out,
    StaticText,
    close,
    fail,
    finish,
    now,
    peek,
    place,
    pop,
    reject,
    reserve,
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
    PAYLOAD,
    RECORD,
    RESIDENT,
    ROWS,
    VALID,
    bytes_of,
    ended_lists,
    tile,
    with_level,
)


@primitive
def step_flatten(x: In, y: Out, minimum: Int, maximum: Int) -> None:
    """Merge the dimensions `minimum` to `maximum`, counted from the innermost."""
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        level = token & LEVELS
        vanishes = 0
        if level > maximum:
            level -= maximum - minimum
        elif level > minimum:
            level = minimum
            vanishes = token & BARE
        if vanishes == 0:
            token = with_level(token, level)
            send(y, token)
        tick(0)


@primitive
def step_promote(x: In, y: Out, unit: Int, levels: Int = 0) -> None:
    """
    Put every unit of rank `unit` into a list of its own.

    With `unit` -1 the whole stream, of rank `levels`, becomes one list, unless it is empty.
    """
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        level = token & LEVELS
        if unit < 0:
            following = peek(x)
            if following == DONE:
                level = levels + 1
        elif level >= unit:
            if (token & BARE) != 0 and level == unit:
                send(y, token)
            level += 1
        token = with_level(token, level)
        send(y, token)
        tick(0)


@helper
def pad(x_marks: int, rows: int, columns: int, y: Out, padding: Out) -> None:
    """Send one padding element; none of its rows is valid."""
    filler = tile(rows, columns, 0, x_marks)
    send(y, filler)
    send(padding, (1 << PAYLOAD) | x_marks)


@primitive
def step_reshape(
    x: In,
    y: Out,
    padding: Out,
    unit: Int,
    chunk: Int,
    outer: Int = 0,
    levels: Int = 0,
    pad_rows: Int = 0,
    pad_columns: Int = 0,
) -> None:
    """
    Split lists of units of rank `unit` into lists of `chunk` units; `outer` puts a list around all.

    If the units are elements, the last list is filled up. `padding` tells filler (1) from elements.
    """
    count = 0
    while True:
        token = take(x)
        level = token & LEVELS
        up = level
        if token == DONE:
            if count > 0 and unit > 0:
                fail("the stream ends inside a list of chunks", x, token)
            while count > 0:
                count += 1
                marks = 0
                if count == chunk:
                    count = 0
                    marks = 1
                    if outer != 0:
                        marks = levels + 2
                pad(marks, pad_rows, pad_columns, y, padding)
            close()
            finish()
        if unit > 0:
            if level >= unit:
                count += 1
                if count == chunk:
                    count = 0
                    up = level + 1
                elif level > unit:
                    fail("a list ends inside a chunk", x, token)
            token = with_level(token, up)
            send(y, token)
            send(padding, up)
        else:
            last = 0
            if (token & BARE) == 0:
                count += 1
            elif count == 0:
                last = 1
            if count == chunk:
                last = 1
            if level > 0 or last == 1:
                up = level + 1
                if outer != 0:
                    following = peek(x)
                    if following == DONE:
                        up = levels + 2
            if last == 1:
                count = 0
                token = with_level(token, up)
                send(y, token)
                send(padding, up | (token & BARE))
            else:
                if (token & BARE) == 0:
                    bare_of = with_level(token, 0)
                    send(y, bare_of)
                    send(padding, 0)
                if level > 0:
                    while count > 0:
                        count += 1
                        marks = 0
                        if count == chunk:
                            count = 0
                            marks = up
                        pad(marks, pad_rows, pad_columns, y, padding)
        tick(0)


@primitive
def step_repeat(x: In, y: Out, factor: Int) -> None:
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
            other = peek(ref)
            if other != DONE:
                fail("there are more references than elements", ref, other)
            close()
            finish()
        inside = 1
        while inside == 1:
            other = take(ref)
            if other == DONE:
                fail("there are fewer references than elements", ref, other)
            level = other & LEVELS
            if level >= levels:
                inside = 0
            copy = with_level(token, level)
            if (other & BARE) != 0:
                copy = other
            send(y, copy)
        pop(x)
        tick(0)


@primitive
def step_flat_map(x: In, y: Out, fn: StaticText, masked: Int = 0) -> None:
    """
    Every element becomes a list: the rows or columns of a tile, or n copies of n; or, as a list of
    its own, the numbers 0 to n - 1. With `masked` only the rows that are valid.
    """
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        last = token & LEVELS
        if (token & BARE) != 0:
            if fn == "range":
                send(y, token + 1)
            else:
                send(y, token)
        else:
            rows = token >> ROWS
            columns = (token >> COLUMNS) & FIELD
            valid = (token >> VALID) & FIELD
            parts = token >> PAYLOAD
            if fn == "split_rows":
                parts = rows
                if masked != 0:
                    parts = valid
            elif fn == "split_columns":
                parts = columns
            elif fn == "range":
                last += 1
            elif fn != "copies":
                reject("there is no such function of a flat map; see timing.md")
            k = 0
            while k < parts:
                level = 0
                if k == parts - 1:
                    level = last
                if fn == "split_rows":
                    whole = 0
                    if k < valid:
                        whole = 1
                    part = tile(1, columns, whole, (token & RESIDENT) + level)
                    send(y, part)
                elif fn == "split_columns":
                    part = tile(rows, 1, valid, (token & RESIDENT) + level)
                    send(y, part)
                elif fn == "copies":
                    part = with_level(token, level)
                    send(y, part)
                else:
                    send(y, (k << PAYLOAD) | level)
                k += 1
            if parts == 0 and last > 0:
                send(y, BARE + last)
        tick(0)


@primitive
def step_bufferize(x: In, y: Out, levels: Int, width: Int, cells: IntWork, memory: IntWork) -> None:
    """Collect lists of `levels` levels; send a reference to each."""
    used = 0
    count = 0
    total = 0
    resident = 0
    lists = 0
    while True:
        token = take(x)
        if token == DONE:
            if count + lists > 0:
                fail("the stream ends inside a buffer", x, token)
            close()
            finish()
        level = token & LEVELS
        if (token & BARE) != 0 and level > levels and count + lists == 0:
            send(y, BARE + level - levels)
            tick(0)
        else:
            reserve(cells, used + RECORD + count + 1)
            size = bytes_of(token, width, memory)
            total += size
            resident = resident | (token & RESIDENT)
            if level < levels:
                cells[used + RECORD + count] = token
                count += 1
                lists = 1
                tick(1)
            else:
                if (token & BARE) == 0 or levels > 1 or count == 0:
                    part = with_level(token, levels)
                    cells[used + RECORD + count] = part
                    count += 1
                cells[used] = count
                cells[used + 1] = total
                send(y, ((place(cells) + used) << PAYLOAD) | resident | (level - levels))
                used += RECORD + count
                count = 0
                total = 0
                resident = 0
                lists = 0


@helper
def replay(
    buffer: int,
    closing: int,
    levels: int,
    shape: Ints,
    strides: Ints,
    y: Out,
    memory: IntWork,
) -> None:
    """Send what a buffer holds, one element a cycle; the last one closes `closing` levels more."""
    record = buffer >> PAYLOAD
    if len(shape) == 0:
        count = memory[record]
        k = 0
        while k < count:
            part = memory[record + RECORD + k]
            if k == count - 1:
                part = with_level(part, levels + closing)
            send(y, part)
            tick(1)
            k += 1
    else:
        count = 1
        d = 0
        while d < len(shape):
            count = count * shape[d]
            d += 1
        k = 0
        while k < count:
            where = 0
            rest = k
            d = len(shape) - 1
            while d >= 0:
                where += rest % shape[d] * strides[d]
                rest = rest // shape[d]
                d -= 1
            if where < 0 or where >= memory[record]:
                fail("an affine read leaves the buffer")
            level = ended_lists(k, 0, shape)
            if k == count - 1:
                level += closing
            part = memory[record + RECORD + where]
            part = with_level(part, level)
            send(y, part)
            tick(1)
            k += 1


@primitive
def step_streamify(
    buffer: In,
    y: Out,
    levels: Int,
    repeat: Ints,
    memory: IntWork,
    shape: Ints = NO_ENTRIES,
    strides: Ints = NO_ENTRIES,
) -> None:
    """
    Replay every buffer, as often as the factors of `repeat` say, which become dimensions.

    A buffer is read in order, `levels` levels deep, or affinely as `shape` and `strides` say.
    """
    times = 1
    k = 0
    while k < len(repeat):
        times = times * repeat[k]
        k += 1
    while True:
        token = peek(buffer)
        if token == DONE:
            close()
            finish()
        if (token & BARE) != 0:
            inner = levels
            if len(shape) > 0:
                inner = len(shape)
            send(y, token + len(repeat) + inner)
        else:
            turn = 0
            while turn < times:
                closing = ended_lists(turn, 0, repeat)
                turn += 1
                if turn == times:
                    closing += token & LEVELS
                replay(token, closing, levels, shape, strides, y, memory)
        pop(buffer)
        tick(0)


@primitive
def step_streamify_by(
    buffer: In,
    ref: In,
    y: Out,
    levels: Int,
    unit: Int,
    memory: IntWork,
    shape: Ints = NO_ENTRIES,
    strides: Ints = NO_ENTRIES,
) -> None:
    """Replay a buffer for every element of a list of `unit` levels of `ref`."""
    while True:
        token = peek(buffer)
        if token == DONE:
            other = peek(ref)
            if other != DONE:
                fail("there are more references than buffers", ref, other)
            close()
            finish()
        inner = levels
        if len(shape) > 0:
            inner = len(shape)
        inside = 1
        while inside == 1:
            other = take(ref)
            if other == DONE:
                fail("there are fewer references than buffers", ref, other)
            if (other & LEVELS) >= unit:
                inside = 0
            if (other & BARE) != 0:
                send(y, other + inner)
            else:
                replay(token, other & LEVELS, levels, shape, strides, y, memory)
        pop(buffer)
        tick(0)
