"""
Repeat: one token of an outer level for every element of an inner fiber.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.2.
"""

from headrace.simulators.stream.language import (
    DONE,
    In,
    Out,
    fail,
    finish,
    is_data,
    is_stop,
    peek,
    pop,
    send,
    stop,
    take,
    tick,
)
from headrace.simulators.stream.primitive import primitive
from headrace.simulators.stream.primitives.closing import closing_stop


@primitive
def repeat_signal(x: In, signal: Out) -> None:
    """x -> signal: R (written 0) for every element, S0 for every stop of any level."""
    while True:
        token = take(x)
        if token == DONE:
            send(signal, DONE)
            finish()
        if is_stop(token):
            send(signal, stop(0, 0))
        else:
            send(signal, 0)
        tick(1)


@primitive
def repeat(x: In, signal: In, y: Out) -> None:
    """x, signal -> y: the current element of x once per R; S goes on to the next element."""
    while True:
        current = peek(x)
        command = take(signal)
        while is_data(command):
            if is_stop(current) or current == DONE:
                fail("an element is repeated where the fiber has ended", x, current)
            send(y, current)
            tick(1)
            command = take(signal)
        if command == DONE:
            if current != DONE:
                fail("the signal ends before the repeated stream", x, current)
            send(y, DONE)
            finish()
        if current == DONE:
            fail("the repeated stream ends before the signal", x, current)
        pop(x)
        close = closing_stop(x, current)
        send(y, close)
        tick(1)
