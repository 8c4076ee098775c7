"""
Where streams of selectors, numbers and addresses of streaming tensor programs come from, and where
streams end.

Source: "Streaming Tensor Programs" (ASPLOS 2026), its simulator.
"""

from headrace.simulators.stream.language import (
    DONE,
    In,
    Int,
    IntOutput,
    Ints,
    Out,
    append,
    below,
    close,
    fail,
    finish,
    now,
    send,
    take,
    tick,
)
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.primitives.step_word import (
    BARE,
    FIELD,
    INTEGERS,
    LEVELS,
    PAYLOAD,
    absorb,
    check_selector,
    ended_lists,
    product,
    send_empty,
)


@primitive
def step_select(y: Out, shape: Ints, selectors: Ints) -> None:
    """-> selectors: one a cycle; `shape` is the shape of the stream."""
    count = product(shape)
    if count != len(selectors):
        fail("the shape of the stream does not fit the number of its selectors")
    send_empty(y, shape, 1, 0)
    position = 0
    while position < len(selectors):
        level = ended_lists(position, 1, shape)
        send(y, (selectors[position] << PAYLOAD) | level)
        tick(1)
        position += 1
    close()
    finish()


@primitive
def step_integers(y: Out, shape: Ints, values: Ints) -> None:
    """-> numbers: one a cycle; `shape` is the shape of the stream."""
    count = product(shape)
    if count != len(values):
        fail("the shape of the stream does not fit the number of its values")
    send_empty(y, shape, 1, 0)
    position = 0
    while position < len(values):
        if not below(values[position], INTEGERS):
            fail("an integer is below 0 or above 2^57 - 1, which no element carries")
        level = ended_lists(position, 1, shape)
        send(y, (values[position] << PAYLOAD) | level, at=position)
        position += 1
    tick(0)
    close()
    finish()


@primitive
def step_expert_address(
    selector: In, y: Out, tiles: Int, base: Int, starts: Ints, members: Ints
) -> None:
    """selector -> addresses of the tiles of an expert, each in a list of its own."""
    while True:
        token = take(selector)
        if token == DONE:
            close()
            finish()
        level = token & LEVELS
        if (token & BARE) != 0:
            send(y, token + 2)
        else:
            check_selector(token, selector, starts, members, FIELD)
            if starts[token >> PAYLOAD] + 1 != starts[(token >> PAYLOAD) + 1]:
                fail("a selector selects none or several experts, not one", selector)
            first = base + members[starts[token >> PAYLOAD]] * tiles
            k = 0
            while k < tiles:
                stop = 1
                if k == tiles - 1:
                    stop = level + 2
                send(y, ((first + k) << PAYLOAD) | stop)
                k += 1
        tick(0)


@primitive
def step_cache_address(index: In, length: In, y: Out, row_tiles: Int) -> None:
    """request, tiles -> addresses of the tiles of the request, as a list."""
    while True:
        token = take(index)
        count = take(length)
        if token == DONE or count == DONE:
            if token != count:
                fail("there are more requests or more lengths", length)
            close()
            finish()
        if (token & BARE) != (count & BARE):
            fail("a list of one operand is empty, of the other it is not", length)
        level = token & LEVELS
        if (count & LEVELS) > level:
            level = count & LEVELS
        if (token & BARE) != 0:
            send(y, BARE + level + 1)
        else:
            start = now()
            first = (token >> PAYLOAD) * row_tiles
            tiles = count >> PAYLOAD
            k = 0
            while k < tiles:
                stop = 0
                if k == tiles - 1:
                    stop = level + 1
                send(y, ((first + k) << PAYLOAD) | stop, at=start + k)
                k += 1
            if tiles == 0:
                send(y, BARE + 1)
                if level > 0:
                    send(y, BARE + level + 1)
        absorb(index, token & LEVELS, level)
        absorb(length, count & LEVELS, level)
        tick(0)


@primitive
def step_filter_last(length: In, y: Out) -> None:
    """length n -> n selectors as a list: {1}, but {0} for the last."""
    while True:
        token = take(length)
        if token == DONE:
            close()
            finish()
        level = token & LEVELS
        if (token & BARE) != 0:
            send(y, token + 1)
        else:
            tiles = token >> PAYLOAD
            k = 0
            while k < tiles - 1:
                send(y, 1 << PAYLOAD)
                k += 1
            if tiles == 0:
                send(y, BARE + 1)
                if level > 0:
                    send(y, BARE + level + 1)
            else:
                send(y, level + 1)
        tick(0)


@primitive
def step_sink(x: In) -> None:
    """Take everything, one element a cycle."""
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        if (token & BARE) == 0:
            tick(1)


@primitive
def step_words(y: Out, words: Ints) -> None:
    """-> elements: those given, one a cycle."""
    position = 0
    while position < len(words):
        send(y, words[position])
        tick(1)
        position += 1
    close()
    finish()


@primitive
def step_record(x: In, words: IntOutput) -> None:
    """Take everything, one element a cycle, and keep it."""
    while True:
        token = take(x)
        if token == DONE:
            close()
            finish()
        append(words, token)
        tick(1)
