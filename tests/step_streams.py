"""
Operators of `step` on streams that are written as text.

| text | value |
|---|---|
| `7`, `2.5`, `a` | a number, or a name that no operator looks into |
| `{0,1}` | a selector |
| `(1,5)` | a tuple |
| `[[1,2],[3,4]]` | a tile |
| `B[[1,2],[3]]` | a buffer |

A stream is text and a rank: `("1 2 S1 D", 1)`; a result is text.
"""

import ast
import re
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from headrace.interpreters.step_network import Channel, Process, run
from headrace.interpreters.step_tokens import DONE, Stop, Token, fold, gather, is_value, unfold
from headrace.interpreters.step_values import Buffer, Tile

Text = tuple[str, int]


def parse(text: str) -> list[Token]:
    """The folded tokens of a text."""
    return [_token(word) for word in text.split()]


def show(tokens: list[Token]) -> str:
    """The text of folded tokens."""
    return " ".join(_show(token) if is_value(token) else str(token) for token in tokens)


def _token(word: str) -> Token:
    if word == "D":
        return DONE
    if match := re.fullmatch(r"S(\d+)", word):
        return Stop(int(match[1]))
    if word.startswith("B["):
        nested = ast.literal_eval(word[1:])
        return Buffer(nested, 2 if isinstance(nested[0], list) else 1)
    if word.startswith("[["):
        return Tile.of(np.array(ast.literal_eval(word), np.float64))
    if word.startswith("{"):
        return frozenset(int(index) for index in word[1:-1].split(",") if index)
    try:
        return ast.literal_eval(word)
    except ValueError:
        return word


def _show(value: Any) -> str:
    if isinstance(value, Tile):
        text = str(value.array.tolist()).replace(".0", "")
    elif isinstance(value, Buffer):
        text = f"B{value.nested}"
    elif isinstance(value, frozenset):
        text = f"{{{','.join(map(str, sorted(cast(frozenset[int], value))))}}}"
    else:
        text = str(value)
    return text.replace(" ", "")


def channel(stream: Text) -> Channel:
    """A channel on which the stream has been sent."""
    return Channel("the stream", unfold(parse(stream[0]), stream[1]))


def nested(channel: Channel, rank: int) -> Any:
    """All that waits on a channel, as a list rank + 1 deep."""
    return gather(channel.tokens, rank)


def apply(operator: Callable[..., Process], *streams: Text, results: int = 1) -> list[str]:
    """
    The results of a process: `operator(*sources, *results)`, all channels.

    Nothing may be left of the sources.
    """
    sources = [channel(stream) for stream in streams]
    targets = [Channel(f"result {n}") for n in range(results)]
    run({"the operator": operator(*sources, *targets)})
    assert not any(source.tokens for source in sources)
    return [show(fold(target.tokens)) for target in targets]
