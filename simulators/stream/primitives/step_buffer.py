"""
Buffers of streaming tensor programs: lists that become one element, and are replayed later.

The reference to a buffer is the place of its record in memory: the number of its parts, then the
parts, elements as they came.

Source: "Streaming Tensor Programs" (ASPLOS 2026), section 3 and its simulator; affine reads in the
way of its paper, bare stops are ours.
"""

from headrace.simulators.stream.language import (
    DONE,
    NO_ENTRIES,
    In,
    Int,
    Ints,
    IntWork,
    Out,
    close,
    fail,
    finish,
    peek,
    place,
    pop,
    reserve,
    send,
    take,
    tick,
)
from headrace.simulators.stream.primitive import helper, primitive
from headrace.simulators.stream.primitives.step_word import (
    BARE,
    LEVELS,
    NO_LIST_OPEN,
    PAYLOAD,
    absorb,
    closes,
    ended_lists,
    product,
    send_empty,
    with_level,
)


@primitive
def step_bufferize(x: In, y: Out, levels: Int, cells: IntWork) -> None:
    """Collect lists of `levels` levels; send a reference to each."""
    used = 0
    count = 0
    last = NO_LIST_OPEN
    while True:
        token = take(x)
        if token == DONE:
            if count > 0:
                fail("the stream ends inside a buffer", x)
            close()
            finish()
        level = token & LEVELS
        ends = closes(token, last, levels)
        last = level
        if ends == 0 and level >= levels:
            send(y, BARE + level - levels)
        else:
            reserve(cells, used + count + 2)
            count += 1
            if ends == 0:
                cells[used + count] = token
                if (token & BARE) == 0:
                    tick(1)
            else:
                part = with_level(token, levels)
                cells[used + count] = part
                cells[used] = count
                send(y, ((place(cells) + used) << PAYLOAD) | (level - levels))
                used += count + 1
                count = 0


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
    if record == 0:
        fail("what fills a chunk of buffers cannot be replayed; cut into chunks without a rest")
    count = memory[record]
    inner = levels
    if len(shape) > 0:
        inner = len(shape)
        count = product(shape)
        send_empty(y, shape, 0, closing)
    last = NO_LIST_OPEN
    k = 0
    while k < count:
        where = k
        if len(shape) > 0:
            where = 0
            rest = k
            d = len(shape) - 1
            while d >= 0:
                where += rest % shape[d] * strides[d]
                rest = rest // shape[d]
                d -= 1
            if where < 0 or where >= memory[record]:
                fail("an affine read leaves the buffer")
        part = memory[record + 1 + where]
        level = part & LEVELS
        if len(shape) > 0:
            level = ended_lists(k, 0, shape)
        if k == count - 1:
            if (part & BARE) != 0 and last >= inner and closing > 0:
                send(y, BARE + inner)
            level = inner + closing
        last = level
        sent = with_level(part, level)
        send(y, sent)
        if (part & BARE) == 0:
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
    inner = levels
    if len(shape) > 0:
        inner = len(shape)
    times = product(repeat)
    while True:
        token = peek(buffer)
        if token == DONE:
            close()
            finish()
        if (token & BARE) != 0:
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
    inner = levels
    if len(shape) > 0:
        inner = len(shape)
    while True:
        token = peek(buffer)
        if token == DONE:
            close()
            finish()
        whole = unit + (token & LEVELS)
        wanted = unit
        if (token & BARE) != 0:
            wanted = whole
        reached = 0
        inside = 1
        while inside == 1:
            other = take(ref)
            if other == DONE or ((token & BARE) != 0 and (other & BARE) == 0):
                fail("the references and the buffers do not line up", ref)
            reached = other & LEVELS
            if (other & BARE) != 0:
                send(y, other + inner)
            else:
                replay(token, reached, levels, shape, strides, y, memory)
            if reached >= wanted:
                inside = 0
        pop(buffer)
        while reached < whole:
            other = take(ref)
            if other == DONE or (other & BARE) == 0:
                fail("the references and the buffers do not line up", ref)
            reached = other & LEVELS
            send(y, other + inner)
        absorb(buffer, token & LEVELS, reached - unit)
        tick(0)
