"""
Streams as nested lists: a stream of depth d is a list of lists, d deep.

`encode` and `decode` connect the two, and `zip_at` applies a function to the parts of several
lists that streams of equal structure bring together. What an operation means is then list
processing, without any rule about stops.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from xdsl.utils.exceptions import InterpretationError

from headrace.interpreters.sam_tokens import ABSENT, DONE, Stop, Token, Tokens, format_tokens

Nested = Any
"""A list nested as deep as its stream, or a leaf: a value or `ABSENT`."""


def encode(nested: Nested, depth: int) -> Tokens:
    """
    The stream of a nested list: innermost fibers first, one stop where fibers end.

    The ends of a fiber and of the last fiber in it merge into the larger stop; a fiber that
    holds no fiber leaves its mark on it.
    """
    tokens: list[Token] = []

    def emit(item: Nested, levels: int) -> None:
        if levels == 0:
            tokens.append(item)
        elif not item:
            tokens.append(Stop(levels - 1, levels - 1))
        else:
            for child in item:
                emit(child, levels - 1)
            hollow = 0 if levels == 1 else tokens.pop().hollow
            tokens.append(Stop(levels - 1, hollow))

    emit(nested, depth)
    return (*tokens, DONE)


def decode(tokens: Sequence[Token], depth: int, where: str) -> Nested:
    """
    The nested list of a stream; the inverse of `encode`.

    `D` alone is the empty list: what a dropper leaves that dropped every fiber. Raises
    `InterpretationError` naming `where` if the tokens are no stream of that depth.
    """
    if depth and len(tokens) == 1 and tokens[0] is DONE:
        return []
    rows: list[list[Nested]] = [[] for _ in range(depth + 1)]
    for token in tokens[:-1]:
        if isinstance(token, Stop):
            if token.level >= depth or token.hollow > token.level:
                raise InterpretationError(f"{where}: stop {token} in a stream of depth {depth}")
            for level in range(token.hollow, token.level + 1):
                rows[level + 1].append(rows[level])
                rows[level] = []
        else:
            rows[0].append(token)
    nested = rows[depth][0] if len(rows[depth]) == 1 else None
    if nested is None or tuple(tokens) != encode(nested, depth):
        raise InterpretationError(
            f"{where}: '{format_tokens(tokens)}' is not a stream of depth {depth}"
        )
    return nested


def at(nested: Nested, depth: int, function: Callable[[Nested], Nested]) -> Nested:
    """Replace every item that lies `depth` lists deep by `function` of it."""
    return function(nested) if depth == 0 else [at(item, depth - 1, function) for item in nested]


def zip_at(
    where: str, depth: int, function: Callable[..., Nested], *nests: Nested, place: str = ""
) -> Nested:
    """
    Combine the items that lie `depth` lists deep at one place of every nested list.

    Raises `InterpretationError` if the lists have different lengths somewhere above.
    """
    if depth == 0:
        return function(*nests)
    lengths = [len(nest) for nest in nests]
    if len(set(lengths)) > 1:
        raise InterpretationError(
            f"{where}: the streams do not line up; fiber [{place[2:]}] has "
            f"{' and '.join(map(str, lengths))} items"
        )
    return [
        zip_at(where, depth - 1, function, *items, place=f"{place}, {number}")
        for number, items in enumerate(zip(*nests, strict=True))
    ]


def unzip_at(nested: Nested, depth: int, count: int) -> tuple[Nested, ...]:
    """`count` nested lists of one whose items `depth` lists deep are tuples."""
    return tuple(at(nested, depth, lambda item, n=n: item[n]) for n in range(count))


def leaves(nested: Nested, depth: int) -> Iterator[Nested]:
    """The items that lie `depth` lists deep, in order."""
    if depth == 0:
        yield nested
    else:
        for item in nested:
            yield from leaves(item, depth - 1)


def without_empty(nested: Nested, depth: int) -> Nested:
    """The list without empty fibers and without fibers that have no other, `depth` deep."""
    if depth == 1:
        return nested
    return [kept for item in nested if (kept := without_empty(item, depth - 1))]


def expect_increasing(where: str, fibers: Iterable[Sequence[Token]]) -> None:
    """Coordinates increase inside every fiber, and none is absent."""
    for fiber in fibers:
        if ABSENT in fiber:
            raise InterpretationError(f"{where}: an absent token in a coordinate stream")
        for before, after in pairwise(fiber):
            if before >= after:
                raise InterpretationError(
                    f"{where}: coordinate {after} follows {before} inside a fiber"
                )
