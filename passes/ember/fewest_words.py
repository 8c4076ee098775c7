"""
Which indices to send so that the core can compute the ones that it needs.

The access unit computes addresses that the core needs as well. Either the result is sent, or what
it was computed from, and the core computes it again. The fewest words are a minimal set of values
that every way from what the core needs back to what cannot be computed passes through: by Menger's
theorem as many as there are disjoint ways. Among such sets it is the one nearest to what is needed,
with the least work for the core.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias, TypeVar

from xdsl.ir import SSAValue

Node = TypeVar("Node", bound=SSAValue | str)
Gate: TypeAlias = tuple[Node | None, bool]
"""Where a way comes to a node, and (True) where it leaves it; (None, ..) are the ends of all."""


def fewest(needed: Collection[Node], made_of: Callable[[Node], Sequence[Node]]) -> list[Node]:
    """
    A smallest set of nodes of which all `needed` ones can be computed.

    `made_of` names the nodes of which a node is computed, none for one that cannot be.
    """
    nodes = _reach(needed, made_of)
    ways: dict[Gate[Node], dict[Gate[Node], int]] = {}

    def open_way(start: Gate[Node], end: Gate[Node], width: int) -> None:
        ways.setdefault(start, {})[end] = width
        ways.setdefault(end, {}).setdefault(start, 0)

    start, end = (None, True), (None, False)
    wide = len(nodes) + 1
    for node in nodes:
        open_way((node, False), (node, True), 1)
        parts = made_of(node)
        for part in parts:
            open_way((node, True), (part, False), wide)
        if not parts:
            open_way((node, True), end, wide)
        if node in needed:
            open_way(start, (node, False), wide)
    while end in (found := _search(ways, start)):
        gate = end
        while gate != start:
            before = found[gate]
            ways[before][gate] -= 1
            ways[gate][before] += 1
            gate = before
    return [node for node in nodes if (node, False) in found and (node, True) not in found]


def _reach(needed: Collection[Node], made_of: Callable[[Node], Sequence[Node]]) -> list[Node]:
    found: dict[Node, None] = {}
    waiting = list(needed)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found[node] = None
            waiting.extend(made_of(node))
    return list(found)


def _search(
    ways: dict[Gate[Node], dict[Gate[Node], int]], start: Gate[Node]
) -> dict[Gate[Node], Gate[Node]]:
    """The gates that can be reached, and from where."""
    found = {start: start}
    waiting = [start]
    while waiting:
        gate = waiting.pop(0)
        for following, width in ways.get(gate, {}).items():
            if width > 0 and following not in found:
                found[following] = gate
                waiting.append(following)
    return found
