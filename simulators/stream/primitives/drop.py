"""
Operators that remove tokens: coordinates of empty fibers, zeros, stops, masked elements.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.7.
"""

from headrace.simulators.stream.language import (
    DONE,
    In,
    Out,
    fail,
    finish,
    is_stop,
    level_of,
    peek,
    pop,
    send,
    take,
    tick,
)
from headrace.simulators.stream.primitive import primitive


@primitive
def coordinate_drop(outer: In, inner: In, kept: Out, passed: Out) -> None:
    """outer crd, inner -> both: outer coordinates whose inner fiber is empty are removed."""
    row_empty = 1
    while True:
        head = peek(outer)
        if head == DONE:
            token = take(inner)
            if token != DONE:
                fail("{token} against D on the outer port", inner, token)
            send(passed, token)
            send(kept, DONE)
            finish()
        if is_stop(head):
            if row_empty == 1:
                token = take(inner)
                if not is_stop(token):
                    fail("{token} against a stop on the outer port", inner, token)
                send(passed, token)
            row_empty = 1
            send(kept, head)
            pop(outer)
        else:
            row_empty = 0
            found = 0
            token = take(inner)
            send(passed, token)
            while not is_stop(token):
                if token == DONE:
                    fail("D against a coordinate on the outer port", inner, token)
                found = 1
                token = take(inner)
                send(passed, token)
            if found == 1:
                send(kept, head)
            pop(outer)
        tick(1)


@primitive
def coordinate_hold(outer: In, inner: In, held: Out, passed: Out) -> None:
    """outer crd, inner crd -> both: the outer coordinate once per inner one, with inner's stops."""
    while True:
        token = take(inner)
        head = peek(outer)
        if token == DONE:
            pop(outer)
            send(held, DONE)
            send(passed, DONE)
            if head != DONE:
                fail("D on the inner port against {token}", outer, head)
            finish()
        if is_stop(token):
            send(held, token)
            send(passed, token)
            pop(outer)
            if not is_stop(head) and level_of(token) > 0:
                ahead = take(outer)
                if not is_stop(ahead):
                    fail("the outer fiber goes on where the inner one ends", outer, ahead)
        else:
            if is_stop(head) or head == DONE:
                fail("{token} against a coordinate on the inner port", outer, head)
            send(held, head)
            send(passed, token)
        tick(1)

