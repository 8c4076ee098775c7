"""
Reduction of the innermost fiber to one value.

Every ordinary stop yields the total of its fiber, an empty fiber the neutral element. A hollow
stop closes no fiber and yields none.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.5.
"""

from headrace.simulators.stream.language import (
    DONE,
    EMPTY,
    In,
    Out,
    StaticText,
    finish,
    is_data,
    level_of,
    mark_of,
    maximum,
    minimum,
    reject,
    send,
    stop,
    take,
    tick,
    token_of,
    value_of,
)
from headrace.simulators.stream.primitive import primitive

INFINITY = float("inf")


@primitive
def reduce(x: In, y: Out, op: StaticText = "add") -> None:
    """val -> val, one level shallower: add, max or min of every fiber."""
    neutral = 0.0
    if op == "max":
        neutral = -INFINITY
    elif op == "min":
        neutral = INFINITY
    elif op != "add":
        reject("op is add, max or min")
    total = neutral
    while True:
        token = take(x)
        if is_data(token):
            if op == "add":
                total = total + value_of(token)
            elif op == "max":
                total = maximum(total, value_of(token))
            else:
                total = minimum(total, value_of(token))
            tick(1)
        elif token == EMPTY:
            if op == "max":
                total = maximum(total, 0.0)
            elif op == "min":
                total = minimum(total, 0.0)
        elif token == DONE:
            send(y, DONE)
            finish()
        else:
            depth = level_of(token)
            hollow = mark_of(token)
            if hollow > 0:
                send(y, stop(depth - 1, hollow - 1))
            else:
                send(y, token_of(total))
                total = neutral
                if depth > 0:
                    send(y, stop(depth - 1, 0))
            tick(1)
