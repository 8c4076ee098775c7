"""
Where the coordinates of an axis come from: monotone Boolean functions of atoms.

An atom is a set of coordinates under the axes outside it: those that a level stores, those
that an accumulator collects, and so on. An intersection is the conjunction of its operands, a
union the disjunction, a dense level is true everywhere. A function is kept as its minimal sets
of atoms, so that equal functions are equal values, in whatever order they were joined.

Source: the merge lattices of "The Tensor Algebra Compiler", OOPSLA 2017, section 4.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import product

Presence = frozenset[frozenset[int]]
"""The minimal sets of atoms that make the function true."""

Space = tuple[Presence, ...]
"""The presence of every axis of a stream, outermost first."""

FULL: Presence = frozenset({frozenset[int]()})
"""Every coordinate."""


def conjunction(functions: Iterable[Presence]) -> Presence:
    """True where all functions are."""
    return _minimal(frozenset[int]().union(*sets) for sets in product(*functions))


def disjunction(functions: Iterable[Presence]) -> Presence:
    """True where any function is."""
    return _minimal(atoms for function in functions for atoms in function)


def _minimal(sets: Iterable[frozenset[int]]) -> Presence:
    unique = set(sets)
    return frozenset(one for one in unique if not any(other < one for other in unique))


@dataclass
class Atoms:
    """Numbers for atoms: equal keys have equal numbers. Each remembers who made it."""

    numbers: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    origins: list[str] = field(default_factory=list[str])

    def number(self, origin: str, *key: Hashable) -> int:
        """The number of a key; `origin` is the operation to name in errors."""
        if key not in self.numbers:
            self.numbers[key] = len(self.origins)
            self.origins.append(origin)
        return self.numbers[key]

    def atom(self, origin: str, *key: Hashable) -> Presence:
        """The function that is one atom."""
        return frozenset({frozenset({self.number(origin, *key)})})

    def describe(self, presence: Presence) -> str:
        """The operations that a function comes from, for errors."""
        if presence == FULL:
            return "every coordinate"
        atoms = {self.origins[atom] for atoms in presence for atom in atoms}
        return f"the coordinates of {' and '.join(sorted(atoms))}"
