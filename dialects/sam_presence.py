"""
Where the coordinates of an axis come from: monotone Boolean functions of atoms.

An atom is a set of coordinates under the axes outside it: those that a level stores, those
that an accumulator collects, and so on. An intersection is the conjunction of its operands, a
union the disjunction, a dense level is true everywhere. A function is kept as a binary decision
diagram, later atoms on top, so that equal functions are equal numbers, in whatever order they were
joined. Diagrams of joins that follow the order of the atoms grow as the joins do; those of
others can double with each atom, and are refused past `LIMIT` nodes.

Source: the merge lattices of "The Tensor Algebra Compiler", OOPSLA 2017, section 4; Bryant,
"Graph-Based Algorithms for Boolean Function Manipulation", IEEE Transactions on Computers, 1986.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

LIMIT = 1 << 14
"""The nodes of one graph's diagrams; more would take longer than all else in a verifier."""

Presence = int
"""The number of a diagram."""

Space = tuple[Presence, ...]
"""The presence of every axis of a stream, outermost first."""

NONE: Presence = 0
"""No coordinate."""

FULL: Presence = 1
"""Every coordinate."""


class PresenceLimitError(Exception):
    """The diagrams of a graph need more than `LIMIT` nodes."""


class _Node(NamedTuple):
    """A function that is `present` where the atom has the coordinate, else `absent`."""

    atom: int
    absent: Presence
    present: Presence


_CONSTANT = _Node(-1, NONE, NONE)


@dataclass
class Atoms:
    """
    Numbers for atoms: equal keys have equal numbers. Each remembers who made it.

    Functions of atoms are made here too. Raises `PresenceLimitError` where they grow too large.
    """

    numbers: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    origins: list[str] = field(default_factory=list[str])
    nodes: list[_Node] = field(default_factory=lambda: [_CONSTANT, _CONSTANT])
    _known: dict[_Node, Presence] = field(default_factory=dict[_Node, Presence])
    _joined: dict[tuple[Presence, Presence, Presence], Presence] = field(
        default_factory=dict[tuple[Presence, Presence, Presence], Presence]
    )

    def number(self, origin: str, *key: Hashable) -> int:
        """The number of a key; `origin` is the operation to name in errors."""
        if key not in self.numbers:
            self.numbers[key] = len(self.origins)
            self.origins.append(origin)
        return self.numbers[key]

    def atom(self, origin: str, *key: Hashable) -> Presence:
        """The function that is one atom."""
        return self._node(_Node(self.number(origin, *key), NONE, FULL))

    def conjunction(self, functions: Iterable[Presence]) -> Presence:
        """True where all functions are."""
        result = FULL
        for function in sorted(set(functions), key=self._top):
            result = self._join(result, function, FULL)
        return result

    def disjunction(self, functions: Iterable[Presence]) -> Presence:
        """True where any function is."""
        result = NONE
        for function in sorted(set(functions), key=self._top):
            result = self._join(result, function, NONE)
        return result

    def describe(self, presence: Presence) -> str:
        """The operations that a function comes from, for errors."""
        if presence == FULL:
            return "every coordinate"
        atoms: set[str] = set()
        todo, seen = [presence], {NONE, FULL}
        while todo:
            function = todo.pop()
            if function not in seen:
                seen.add(function)
                node = self.nodes[function]
                atoms.add(self.origins[node.atom])
                todo += [node.absent, node.present]
        return f"the coordinates of {' and '.join(sorted(atoms))}"

    def _top(self, presence: Presence) -> int:
        return self.nodes[presence].atom

    def _node(self, node: _Node) -> Presence:
        if node.absent == node.present:
            return node.absent
        if node not in self._known:
            if len(self.nodes) >= LIMIT:
                raise PresenceLimitError
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
        return self._known[node]

    def _join(self, one: Presence, other: Presence, neutral: Presence) -> Presence:
        """The conjunction (neutral: every coordinate) or disjunction (neutral: none) of two."""
        if one == other or other == neutral:
            return one
        if one == neutral:
            return other
        if min(one, other) <= FULL:
            return FULL - neutral
        key = (min(one, other), max(one, other), neutral)
        if key not in self._joined:
            atom = max(self._top(one), self._top(other))
            (a, b), (c, d) = self._split(one, atom), self._split(other, atom)
            node = _Node(atom, self._join(a, c, neutral), self._join(b, d, neutral))
            self._joined[key] = self._node(node)
        return self._joined[key]

    def _split(self, presence: Presence, atom: int) -> tuple[Presence, Presence]:
        """The function where the atom lacks the coordinate, and where it has it."""
        node = self.nodes[presence]
        return (node.absent, node.present) if node.atom == atom else (presence, presence)
