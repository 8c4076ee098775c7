"""
Operators of `step` with a function: of values, of lists of values, and to lists of values.

All streams are explicit (`step_tokens`). The functions are ordinary ones of values
(`step_functions` has those of tiles).

Source: "Streaming Tensor Programs", ASPLOS 2026, section 3.2.
"""

from collections.abc import Callable, Sequence
from typing import Any

from headrace.interpreters.step_network import Channel, Process, aligned
from headrace.interpreters.step_tokens import DONE, Nested, Stop, is_value, unit_of

Function = Callable[..., Any]


def accumulate(
    where: str,
    sources: Sequence[Channel],
    result: Channel,
    rank: int,
    step: Function,
    initial: Callable[[], Any],
) -> Process:
    """
    Fold every unit of `rank`: `step(state, value, ..)` is the next state, `None` that of nothing.

    A list without values gives the initial value.
    """
    state = None
    while (tokens := (yield from aligned(where, *sources)))[0] is not DONE:
        token = tokens[0]
        if is_value(token):
            state = step(state, *tokens)
        if (level := token.level if isinstance(token, Stop) else 0) == rank:
            result.put(initial() if state is None else state)
            state = None
        elif level > rank:
            result.put(Stop(level - rank))
    result.put(DONE)


def scan(
    where: str,
    sources: Sequence[Channel],
    result: Channel,
    rank: int,
    step: Function,
    initial: Callable[[], Any],
    *,
    exclusive: bool = False,
) -> Process:
    """
    Every value becomes the state of a fold of its unit of `rank`, up to it and with it.

    An exclusive scan has the state before the value, first the initial value.
    """
    state = None
    while (tokens := (yield from aligned(where, *sources)))[0] is not DONE:
        token = tokens[0]
        if isinstance(token, Stop):
            result.put(token)
            state = None if token.level >= rank else state
        else:
            before = initial() if state is None else state
            state = step(state, *tokens)
            result.put(before if exclusive else state)
    result.put(DONE)


def flat_map(
    where: str,
    sources: Sequence[Channel],
    result: Channel,
    rank: int,
    function: Callable[..., Nested],
) -> Process:
    """Every value becomes a list `rank` + 1 deep; the lists of one list are concatenated."""
    while (tokens := (yield from aligned(where, *sources)))[0] is not DONE:
        if isinstance(token := tokens[0], Stop):
            result.put(Stop(token.level + rank))
        else:
            for item in function(*tokens):
                result.put(*unit_of(item, rank))
    result.put(DONE)


def nest(
    where: str,
    sources: Sequence[Channel],
    result: Channel,
    rank: int,
    function: Callable[..., Nested],
) -> Process:
    """A list that is `rank` deep for every value; for rank 0 another value, which is Map."""
    while (tokens := (yield from aligned(where, *sources)))[0] is not DONE:
        if isinstance(token := tokens[0], Stop):
            result.put(Stop(token.level + rank))
        else:
            result.put(*unit_of(function(*tokens), rank))
    result.put(DONE)
