"""
Nested lists as streams: what an operator means, apart from when it happens.

A stream of depth d is a list nested d deep, written innermost first. `encode` is the definition of
stops and of their mark: (n, m) ends n + 1 fibers, of which the m innermost do not exist. A leaf is
an int (coordinate, reference), a float (value) or None (absent operand).
"""

from collections.abc import Callable
from random import Random
from typing import Any

Nested = Any
"""A list nested as deep as its stream, or a leaf."""


def encode(nested: Nested, depth: int) -> str:
    """The stream of a nested list as text: `0 2 S0 S1~1 D`."""
    tokens: list[str | tuple[int, int]] = []

    def emit(item: Nested, levels: int) -> None:
        if levels == 0:
            tokens.append("N" if item is None else repr(item))
        elif not item:
            tokens.append((levels - 1, levels - 1))
        else:
            for child in item:
                emit(child, levels - 1)
            if levels == 1:
                tokens.append((0, 0))
            else:
                level = tokens.pop()
                assert isinstance(level, tuple)
                tokens.append((levels - 1, level[1]))

    emit(nested, depth)
    return " ".join([*(t if isinstance(t, str) else stop(*t) for t in tokens), "D"])


def stop(level: int, hollow: int) -> str:
    return f"S{level}~{hollow}" if hollow else f"S{level}"


def at_depth(nested: Nested, depth: int, change: Callable[[Nested], Nested]) -> Nested:
    """Replace everything that lies `depth` lists deep."""
    if depth == 0:
        return change(nested)
    return [at_depth(child, depth - 1, change) for child in nested]


def grow(random: Random, depth: int, leaf: Callable[[], Nested]) -> Nested:
    """A random list of lists, about a third of them empty; `leaf()` at `depth`."""
    if depth == 0:
        return leaf()
    length = random.choice((0, 1, 1, 2, 2, 3)) if random.random() < 0.8 else 0
    return [grow(random, depth - 1, leaf) for _ in range(length)]


def coordinates(random: Random, extent: int = 6) -> list[int]:
    """A fiber: increasing coordinates, often none."""
    if random.random() < 0.3:
        return []
    return sorted(random.sample(range(extent), random.randint(0, extent - 1)))


def value(random: Random) -> float:
    """A small number that sums exactly, sometimes zero."""
    return float(random.randint(-4, 4))


def numbered(nested: Nested, depth: int) -> Nested:
    """The same shape with the leaves numbered from 0."""
    count = iter(range(10**9))
    return at_depth(nested, depth, lambda _: next(count))
