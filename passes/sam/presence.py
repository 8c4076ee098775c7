"""
Where an expression can be present on one axis: monotone formulas over sparse levels.

A formula is kept in disjunctive normal form without absorbed terms: a set of terms, each a
set of atoms that must all hold the coordinate. `factor` turns it into the tree of joiners
that visits exactly these coordinates, reading each atom once where that is possible.

Source: "FuseFlow", ASPLOS 2026, section 4.3 (joiners); merge lattices of "The Tensor Algebra
Compiler", OOPSLA 2017, section 5.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, cast

AtomT = TypeVar("AtomT", bound=Hashable)

Formula = frozenset[frozenset[AtomT]]

EVERYWHERE: frozenset[frozenset[Hashable]] = frozenset({frozenset[Hashable]()})
"""The formula that holds at every coordinate."""


@dataclass(frozen=True)
class Presence(Generic[AtomT]):
    """
    Where an expression is present, as seen by a joiner that carries its operands.

    An atom of a term is read only where the whole term holds. `loose` names the atoms that
    matter at other coordinates too: those of an operand that does not decide where its user is
    present, and those of terms that a weaker term absorbed.
    """

    formula: Formula[AtomT]
    loose: frozenset[AtomT] = frozenset()

    def everywhere(self) -> "Presence[AtomT]":
        """The same operands, visited at every coordinate."""
        return Presence(frozenset({frozenset[AtomT]()}), self.loose | atoms_of(self.formula))

    @property
    def beside(self) -> frozenset[AtomT]:
        """
        The loose atoms that a join tree of the formula does not hand on wherever they are
        present: those that are neither a term of their own nor part of every term.
        """
        return frozenset(
            name
            for name in self.loose
            if frozenset({name}) not in self.formula
            and not all(name in term for term in self.formula)
        )


def either(parts: Iterable[Presence[AtomT]]) -> Presence[AtomT]:
    """Present where any part is."""
    parts = list(parts)
    return _settled([term for part in parts for term in part.formula], parts)


def both(parts: Iterable[Presence[AtomT]]) -> Presence[AtomT]:
    """Present where all parts are."""
    parts = list(parts)
    product: list[frozenset[AtomT]] = [frozenset()]
    for part in parts:
        product = [left | right for left in product for right in part.formula]
    return _settled(product, parts)


def _settled(
    terms: Sequence[frozenset[AtomT]], parts: Sequence[Presence[AtomT]]
) -> Presence[AtomT]:
    formula = _absorb(terms)
    loose = {name for part in parts for name in part.loose}
    for term in set(terms) - formula:
        loose |= term - next(weaker for weaker in formula if weaker <= term)
    return Presence(formula, frozenset(loose))


@dataclass(frozen=True)
class Join(Generic[AtomT]):
    """A joiner over atoms or other joiners."""

    kind: Literal["intersect", "union"]
    parts: tuple["Join[AtomT] | AtomT", ...]


def atom(name: AtomT) -> Formula[AtomT]:
    return frozenset({frozenset({name})})


def union(formulas: Iterable[Formula[AtomT]]) -> Formula[AtomT]:
    return _absorb(term for formula in formulas for term in formula)


def intersect(formulas: Iterable[Formula[AtomT]]) -> Formula[AtomT]:
    product: set[frozenset[AtomT]] = {frozenset()}
    for formula in formulas:
        product = set(_absorb(left | right for left in product for right in formula))
    return frozenset(product)


def implies(left: Formula[AtomT], right: Formula[AtomT]) -> bool:
    """Whether `right` holds wherever `left` does."""
    return all(any(weaker <= term for weaker in right) for term in left)


def atoms_of(formula: Formula[AtomT]) -> frozenset[AtomT]:
    return frozenset(name for term in formula for name in term)


def factor(formula: Formula[AtomT], rank: dict[AtomT, int]) -> Join[AtomT] | AtomT:
    """
    The join tree of a formula over at least one atom, operands ordered by `rank`.

    Where the formula has no form that reads each atom once (such as ab + bc + ca), the tree
    is the union of its atoms: it visits more coordinates, at which the absent operands count
    as zero, so that values stay right.
    """
    names = sorted(atoms_of(formula), key=lambda name: rank[name])
    if len(names) == 1:
        return names[0]
    together = {a: {b for term in formula if a in term for b in term} for a in names}
    apart = {a: {b for b in names if b == a or b not in together[a]} for a in names}
    groups = _components(names, together)
    if len(groups) > 1:
        summands = [_inside(formula, group) for group in groups]
        return _join("union", [factor(part, rank) for part in summands])
    groups = _components(names, apart)
    if len(groups) > 1:
        factors = [_projected(formula, group) for group in groups]
        if intersect(factors) == formula:
            return _join("intersect", [factor(part, rank) for part in factors])
    return Join("union", tuple(names))


def _inside(formula: Formula[AtomT], group: frozenset[AtomT]) -> Formula[AtomT]:
    """The terms within `group`."""
    return frozenset(term for term in formula if term <= group)


def _projected(formula: Formula[AtomT], group: frozenset[AtomT]) -> Formula[AtomT]:
    """The terms, each cut down to `group`."""
    return frozenset(term & group for term in formula)


def _join(kind: Literal["intersect", "union"], parts: list[Join[AtomT] | AtomT]) -> Join[AtomT]:
    flat: list[Join[AtomT] | AtomT] = []
    for part in parts:
        joined = cast("Join[AtomT]", part) if isinstance(part, Join) else None
        flat += joined.parts if joined is not None and joined.kind == kind else (part,)
    return Join(kind, tuple(flat))


def _absorb(terms: Iterable[frozenset[AtomT]]) -> Formula[AtomT]:
    kept: list[frozenset[AtomT]] = []
    for term in sorted(set(terms), key=len):
        if not any(weaker <= term for weaker in kept):
            kept.append(term)
    return frozenset(kept)


def _components(names: list[AtomT], neighbours: dict[AtomT, set[AtomT]]) -> list[frozenset[AtomT]]:
    """Connected components, in the order of their first name."""
    left = dict.fromkeys(names)
    groups: list[frozenset[AtomT]] = []
    while left:
        group: set[AtomT] = set()
        todo = [next(iter(left))]
        while todo:
            name = todo.pop()
            if name not in group:
                group.add(name)
                todo += neighbours[name]
        for name in group:
            del left[name]
        groups.append(frozenset(group))
    return groups
