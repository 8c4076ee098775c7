"""
Level scans: a reference opens the fiber that it points to.

A scan raises nesting by one: every reference opens a fiber, and the stop that follows it is
absorbed into the fiber's own. A stop that follows another stop closes no fiber of this level and
gets one more mark. N opens an empty fiber.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.1.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    In,
    Ins,
    Int,
    Ints,
    Out,
    StaticInt,
    below,
    fail,
    finish,
    is_stop,
    level_of,
    mark_of,
    ones,
    peek,
    pop,
    send,
    take,
    tick,
    transfer,
)
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.primitives.closing import closing_stop


@primitive
def scan_compressed(ref: In, crd: Out, child: Out, segments: Ints, coordinates: Ints) -> None:
    """ref -> crd, ref: the stored coordinates of each fiber and their positions."""
    while True:
        parent = take(ref)
        if parent == DONE:
            send(crd, DONE)
            send(child, DONE)
            finish()
        if not is_stop(parent) and parent != EMPTY:
            if not below(parent, len(segments) - 1):
                fail("reference {token} is outside the segments", ref, parent)
            position = segments[parent]
            end = segments[parent + 1]
            if not below(end, len(coordinates) + 1) or not below(position, end + 1):
                fail("the segment of reference {token} leaves the coordinates", ref, parent)
            transfer(2 + end - position)
            while position < end:
                send(crd, coordinates[position])
                send(child, position)
                tick(1)
                position += 1
        close = closing_stop(ref, parent)
        send(crd, close)
        send(child, close)
        tick(1)


@primitive
def scan_dense(ref: In, crd: Out, child: Out, extent: Int) -> None:
    """ref -> crd, ref: every coordinate below the extent; ref = parent * extent + coordinate."""
    while True:
        parent = take(ref)
        if parent == DONE:
            send(crd, DONE)
            send(child, DONE)
            finish()
        if not is_stop(parent) and parent != EMPTY:
            coordinate = 0
            while coordinate < extent:
                send(crd, coordinate)
                send(child, parent * extent + coordinate)
                tick(1)
                coordinate += 1
        close = closing_stop(ref, parent)
        send(crd, close)
        send(child, close)
        tick(1)


@primitive
def scan_bitvector(ref: In, bv: Out, child: Out, words: Ints) -> None:
    """ref -> bv, ref: one word a fiber; its ref is the number of bits set in earlier words."""
    counted = 0
    total = 0
    while True:
        parent = take(ref)
        if parent == DONE:
            send(bv, DONE)
            send(child, DONE)
            finish()
        if not is_stop(parent) and parent != EMPTY:
            if not below(parent, len(words)):
                fail("reference {token} is outside the bit vectors", ref, parent)
            if parent < counted:
                counted = 0
                total = 0
            while counted < parent:
                total += ones(words[counted])
                counted += 1
            transfer(1)
            send(bv, words[parent])
            send(child, total)
            tick(1)
        close = closing_stop(ref, parent)
        send(bv, close)
        send(child, close)
        tick(1)


@primitive
def locate(crd: In, parents: Ins, ref: Out, extent: Int, n: StaticInt) -> None:
    """
    crd, [parent ref] -> ref: parent * extent + coordinate, one token a cycle.

    The parent stream is one level shallower, one parent a fiber; the parent is taken at the
    fiber's stop, together with its own stop if the fiber is the last. The parent N gives N.
    """
    while True:
        coordinate = peek(crd)
        if coordinate == DONE:
            if n == 1:
                parent = take(parents[0])
                if parent != DONE:
                    fail("{token} against D on port crd", parents[0], parent)
            send(ref, DONE)
            finish()
        if is_stop(coordinate):
            pop(crd)
            if n == 1:
                parent = take(parents[0])
                if mark_of(coordinate) == 0 and level_of(coordinate) > 0:
                    parent = take(parents[0])
                    if not is_stop(parent):
                        fail("{token} where the fibers of port crd end", parents[0], parent)
            send(ref, coordinate)
        else:
            parent = 0
            if n == 1:
                parent = peek(parents[0])
                if is_stop(parent) or parent == DONE:
                    fail("{token} against a coordinate on port crd", parents[0], parent)
            pop(crd)
            if not below(coordinate, extent):
                fail("coordinate {token} is outside the level", crd, coordinate)
            if parent == EMPTY:
                send(ref, EMPTY)
            else:
                send(ref, parent * extent + coordinate)
        tick(1)
