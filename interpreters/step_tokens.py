"""
Tokens of `step` streams, and the nested lists that they spell.

A stream of rank N is a list of N + 1 dimensions: lists N + 1 deep. It is written as values, stops
`S_k` that end dimension k - 1 (k = 1 .. N), and `D` that ends the outermost one. There are two
ways to write it:

* explicit: every list ends with a stop of its own. Operators read and write this form, because
  each of them is a rule for one token at a time, with empty lists or without.
* folded, the form of the literature: of stops that follow each other only the highest is written,
  `1 2 S1 3 S2 D` for [[[1, 2], [3]]]. The stop of an empty list is never left out, so a stop
  behind no value ends one empty list: `1 S2 S2 D` is [[[1]], []], and [[[1]], [[]]] is
  `1 S2 S1 S2 D`.

Both forms are one to one with nested lists.

Source: "Streaming Tensor Programs", ASPLOS 2026, section 3.1, which leaves out empty lists.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

from headrace.storage.errors import InputError


@dataclass(frozen=True)
class Stop:
    """The end of a list whose values lie `level` lists deep in it."""

    level: int

    def __str__(self) -> str:
        return f"S{self.level}"


class Mark(Enum):
    """Tokens that carry nothing."""

    DONE = "D"

    def __str__(self) -> str:
        return self.value


DONE: Literal[Mark.DONE] = Mark.DONE
"""The end of a stream."""

Token: TypeAlias = Any
"""A `Stop`, `DONE`, or a value of the stream."""

Nested: TypeAlias = Any
"""A list of lists as deep as its stream, or a value."""


def is_value(token: Token) -> bool:
    """Neither a stop nor the end of the stream."""
    return not isinstance(token, Stop) and token is not DONE


def encode(nested: Nested, rank: int) -> list[Token]:
    """The folded tokens of a list that is rank + 1 deep."""
    return fold(spell(nested, rank))


def decode(tokens: Sequence[Token], rank: int) -> Nested:
    """
    The list of folded tokens, the inverse of `encode`.

    Raises `InputError` where the tokens are no stream of this rank.
    """
    return gather(unfold(tokens, rank), rank)


def spell(nested: Nested, rank: int) -> list[Token]:
    """The explicit tokens of a list that is rank + 1 deep."""
    return [*(token for item in nested for token in unit_of(item, rank)), DONE]


def unit_of(nested: Nested, level: int) -> list[Token]:
    """The explicit tokens of one item, `level` lists deep, with the stop that ends it."""
    if level == 0:
        return [nested]
    inner = [token for item in nested for token in unit_of(item, level - 1)]
    return [*inner, Stop(level)]


def nested_map(function: Callable[[Any], Any], nested: Nested, depth: int) -> Nested:
    """The function of everything that lies `depth` lists deep."""
    if depth == 0:
        return function(nested)
    return [nested_map(function, item, depth - 1) for item in nested]


def gather(tokens: Iterable[Token], rank: int) -> Nested:
    """
    The nested list of explicit tokens.

    Raises `InputError` where they are no stream of this rank.
    """
    open_lists: list[list[Nested]] = [[] for _ in range(rank + 1)]
    stream = iter(tokens)
    for token in stream:
        if token is DONE:
            break
        if isinstance(token, Stop):
            if not 1 <= token.level <= rank or any(open_lists[: token.level - 1]):
                raise InputError(f"stop {token} in a stream of rank {rank} ends no list")
            open_lists[token.level].append(open_lists[token.level - 1])
            open_lists[token.level - 1] = []
        else:
            open_lists[0].append(token)
    else:
        raise InputError("the stream does not end in D")
    if any(open_lists[:rank]) or next(stream, None) is not None:
        raise InputError("D comes before the end of a list, or twice")
    return open_lists[rank]


def fold(tokens: Iterable[Token]) -> list[Token]:
    """Folded tokens of explicit ones: the stop of a last, not empty, item is left out."""
    folded: list[Token] = []
    depth, filled = -1, False
    # How deep the item is that ended with the last token, and whether anything is in it.
    for token in tokens:
        if isinstance(token, Stop):
            ends_last = depth == token.level - 1
            if ends_last and filled and depth > 0:
                folded.pop()
            depth, filled = token.level, ends_last
        else:
            depth, filled = 0, True
        folded.append(token)
    return folded


def unfold(tokens: Sequence[Token], rank: int) -> list[Token]:
    """
    Explicit tokens of folded ones.

    Raises `InputError` where they are no stream of this rank: too high a stop, a list that does
    not end, a stop that is folded into the next one, no single `D` at the end.
    """
    if sum(token is DONE for token in tokens) != 1 or tokens[-1] is not DONE:
        raise InputError(f"'{format_tokens(tokens)}' does not end in a single D")
    explicit: list[Token] = []
    filled = [False] * (rank + 2)
    # filled[k]: the list that the next stop of level k ends has an item.
    for token in tokens:
        if isinstance(token, Stop):
            if not 1 <= token.level <= rank:
                raise InputError(f"stop {token} in a stream of rank {rank}")
            pending = [level for level in range(1, token.level + 1) if filled[level]]
            for level in range(min(pending, default=token.level), token.level + 1):
                explicit.append(Stop(level))
                filled[level], filled[level + 1] = False, True
        else:
            explicit.append(token)
            filled[1] = filled[1] or token is not DONE
    if any(filled[1 : rank + 1]) or _outline(fold(explicit)) != _outline(tokens):
        raise InputError(f"'{format_tokens(tokens)}' is not a stream of rank {rank}")
    return explicit


def format_tokens(tokens: Iterable[Token]) -> str:
    """Tokens as text: `1 2 S1 D`."""
    return " ".join(map(str, tokens))


def _outline(tokens: Iterable[Token]) -> list[Token]:
    """The tokens without what the values are."""
    return [None if is_value(token) else token for token in tokens]
