"""
Operators that change the shape of a stream: points to fibers, split and flatten of an axis.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.6.
"""

from headrace.simulators.stream.language import (
    DONE,
    In,
    Int,
    Out,
    fail,
    finish,
    is_stop,
    level_of,
    mark_of,
    peek,
    pop,
    send,
    stop,
    take,
    tick,
)
from headrace.simulators.stream.primitive import primitive


@primitive
def points_to_fibers(outer: In, inner: In, fiber: Out, element: Out) -> None:
    """
    Outer and inner crd of points (no stops) -> outer crd, inner crd: one fiber per outer crd.

    Points with the same outer coordinate come one after the other.
    """
    current = -1
    while True:
        head = take(outer)
        token = take(inner)
        if head == DONE or token == DONE:
            if head != token:
                fail("the streams of points have different lengths", inner, token)
            send(fiber, stop(0, 0))
            if current < 0:
                send(element, stop(1, 1))
            else:
                send(element, stop(1, 0))
            send(fiber, DONE)
            send(element, DONE)
            finish()
        if head != current:
            if current >= 0:
                send(element, stop(0, 0))
            send(fiber, head)
            current = head
        send(element, token)
        tick(1)


@primitive
def split(crd: In, outer: Out, inner: Out, factor: Int) -> None:
    """crd -> outer crd, inner crd: coordinate // factor and, one level deeper, the remainder."""
    current = -1
    while True:
        token = take(crd)
        if token == DONE:
            send(outer, DONE)
            send(inner, DONE)
            finish()
        if is_stop(token):
            send(outer, token)
            if current < 0:
                send(inner, stop(level_of(token) + 1, mark_of(token) + 1))
            else:
                send(inner, stop(level_of(token) + 1, 0))
            current = -1
        else:
            if token // factor != current:
                if current >= 0:
                    send(inner, stop(0, 0))
                current = token // factor
                send(outer, current)
            send(inner, token % factor)
        tick(1)


@primitive
def flatten(outer: In, inner: In, crd: Out, factor: Int) -> None:
    """Outer crd, inner crd -> crd, one level shallower: outer * factor + inner."""
    while True:
        token = take(inner)
        head = peek(outer)
        if token == DONE:
            if head != DONE:
                fail("{token} against D on the inner port", outer, head)
            send(crd, DONE)
            finish()
        if is_stop(token):
            pop(outer)
            if is_stop(head):
                send(crd, head)
            elif level_of(token) > 0:
                end = take(outer)
                if not is_stop(end):
                    fail("the outer fiber goes on where the inner one ends", outer, end)
                send(crd, end)
        else:
            if is_stop(head) or head == DONE:
                fail("{token} against a coordinate on the inner port", outer, head)
            send(crd, head * factor + token)
        tick(1)
