"""Where streams begin, end and divide: root, broadcast, and the harness of single primitives."""

from headrace.simulators.stream.language import (
    DONE,
    In,
    Int,
    IntOutput,
    Ints,
    Out,
    Outs,
    StaticInt,
    append,
    finish,
    now,
    room,
    send,
    take,
    tick,
)
from headrace.simulators.stream.primitive import primitive


@primitive
def root(ref: Out) -> None:
    """-> ref: the reference 0 to the root fiber of a tensor."""
    send(ref, 0)
    tick(1)
    send(ref, DONE)
    tick(1)
    finish()


@primitive
def broadcast(x: In, y: Outs, n: StaticInt) -> None:
    """x -> y, y, ..: the same token to every reader at the same time."""
    while True:
        token = take(x)
        for k in range(n):
            room(y[k])
        stamp = now() + 1
        for k in range(n):
            send(y[k], token, at=stamp)
        if token == DONE:
            finish()
        tick(0)


@primitive
def source(x: Out, tokens: Ints) -> None:
    """-> x: the given tokens, one a cycle."""
    position = 0
    while position < len(tokens):
        send(x, tokens[position])
        tick(1)
        position += 1
    finish()


@primitive
def sink(x: In, tokens: IntOutput, interval: Int = 0) -> None:
    """x ->: keeps every token; spends `interval` cycles on each."""
    while True:
        token = take(x)
        append(tokens, token)
        tick(interval)
        if token == DONE:
            finish()
