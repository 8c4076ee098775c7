"""
The order of axes of a region, and the operands that must be stored in another order for it.

The partial order graph has an edge from each stored level's axis to that of the next level,
with the use that causes it. Any topological order is legal. A cycle is broken by storing the
cheapest set of uses permuted; their edges then follow the order instead of causing it.

Source: "FuseFlow", ASPLOS 2026, section 4.2 (partial order graph).
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headrace.passes.sam.expression import Axis, Input

MOST_USES = 8
"""Cycles through more uses than this are broken one use at a time, cheapest first."""


@dataclass(frozen=True)
class StoredUse:
    """One use of a stored operand, or a result: the axes of its levels, outermost first."""

    use: Input | None
    """None for a result, which is converted after it was computed."""
    levels: tuple[Axis, ...]
    cost: float
    """Entries to copy if it has to be stored permuted; 0 for a weight, copied beforehand."""

    @property
    def edges(self) -> tuple[tuple[Axis, Axis], ...]:
        return tuple(itertools.pairwise(self.levels))


@dataclass(frozen=True)
class Order:
    """The axes outermost first, and the uses and results to store permuted."""

    axes: tuple[Axis, ...]
    permuted: tuple[StoredUse, ...]


def topological(axes: Sequence[Axis], edges: set[tuple[Axis, Axis]]) -> tuple[Axis, ...] | None:
    """The order that takes the earliest of `axes` that is ready; None where there is a cycle."""
    left = list(axes)
    chosen: list[Axis] = []
    while left:
        ready = next(
            (a for a in left if not any(inner == a and outer in left for outer, inner in edges)),
            None,
        )
        if ready is None:
            return None
        left.remove(ready)
        chosen.append(ready)
    return tuple(chosen)


def choose(priority: Sequence[Axis], uses: Sequence[StoredUse]) -> Order:
    """The legal order nearest to `priority`, with the cheapest permuted copies."""
    candidates = sorted(uses, key=lambda use: use.cost)
    for permuted in _subsets(candidates):
        edges = {edge for use in uses if use not in permuted for edge in use.edges}
        axes = topological(priority, edges)
        if axes is not None:
            return literal(axes, uses)
    raise AssertionError("no edges are left once every use is permuted")


def literal(axes: Sequence[Axis], uses: Sequence[StoredUse]) -> Order:
    """`axes` as they are, with a permuted copy of every use that they contradict."""
    position = {axis: p for p, axis in enumerate(axes)}
    permuted = tuple(use for use in uses if any(position[a] > position[b] for a, b in use.edges))
    return Order(tuple(axes), permuted)


def legal_orders(
    axes: Sequence[Axis], uses: Sequence[StoredUse], limit: int
) -> list[tuple[Axis, ...]]:
    """Up to `limit` orders that need no permuted copy, in lexicographic order of `axes`."""
    edges = {edge for use in uses for edge in use.edges}
    return list(itertools.islice(_extend((), tuple(axes), edges), limit))


def _extend(
    chosen: tuple[Axis, ...], left: tuple[Axis, ...], edges: set[tuple[Axis, Axis]]
) -> Iterator[tuple[Axis, ...]]:
    if not left:
        yield chosen
    for axis in left:
        if not any(inner == axis and outer in left for outer, inner in edges):
            rest = tuple(a for a in left if a != axis)
            yield from _extend((*chosen, axis), rest, edges)


def _subsets(uses: Sequence[StoredUse]) -> list[tuple[StoredUse, ...]]:
    """Sets of uses by total cost; all of them where they are few."""
    if len(uses) > MOST_USES:
        return [tuple(uses[:count]) for count in range(len(uses) + 1)]
    sets = [s for n in range(len(uses) + 1) for s in itertools.combinations(uses, n)]
    return sorted(sets, key=lambda s: (sum(use.cost for use in s), len(s)))
