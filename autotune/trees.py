"""
The feasible set: a product of groups of parameters that constraints tie together.

A group is the parameters of one connected component of "stands in one constraint with". Its
feasible settings are listed by extending prefixes, one parameter after the other, and dropping
those that break a constraint as soon as all that it names is set; all prefixes of one length at
once. The feasible set is the product of the groups, so that a uniform draw from each is a uniform
draw from the set, without rejection ("chain of trees").

Source: "BaCO: A Fast and Portable Bayesian Compiler Optimization Framework", ASPLOS 2023, section
4.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from headrace.autotune.constraint import Columns, Constraint
from headrace.autotune.exact import SAFE, Bools
from headrace.autotune.parameter import INACTIVE, Floats, Parameter, Permutation, Real
from headrace.autotune.permutations import all_orders
from headrace.storage.errors import InputError

Indices = npt.NDArray[np.int64]

MOST_LEAVES = 2**22
"""Prefixes of a group that are kept at once."""

MOST_TRIED = 2**27
"""Prefixes of a group that are looked at in all."""

LONGEST_LISTED = 9
"""Permutations of more elements are not listed."""


MOST_SORTED = 2**24
"""Leaves that are kept sorted, over all selections of levels."""

MOST_QUOTED = 8
"""Constraints that an error quotes."""


class TooManyError(InputError):
    """A group has too many settings to be listed."""


@dataclass(frozen=True)
class Condition:
    """A parameter is active where a constraint on others of its group holds."""

    parameter: int
    """Its place among the parameters of the space."""
    constraint: Constraint


@dataclass(frozen=True)
class Tree:
    """
    The feasible settings of a group.

    Leaves are in depth-first order of the parameters in `order`, outermost first. A real
    parameter, which only a condition brings into a group, is 0 where it is active.
    """

    order: tuple[int, ...]
    """The parameters, as places in the space."""
    spans: tuple[slice, ...]
    """Where the columns of each are in a leaf."""
    leaves: Floats
    """[leaves, columns] Index forms."""
    _sorted: dict[tuple[int, ...], tuple[Indices, Indices]] = field(
        default_factory=dict[tuple[int, ...], tuple[Indices, Indices]], compare=False, repr=False
    )
    """By the levels that are held: codes of the leaves, ascending, and the leaves they are of."""

    @property
    def count(self) -> int:
        """The number of leaves."""
        return len(self.leaves)

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        """[count, columns] Leaves, each as likely as any other."""
        return self.leaves[random.integers(len(self.leaves), size=count)]

    def every(self) -> Floats:
        """[leaves, columns] All of them."""
        return self.leaves

    def walk(self, count: int, random: np.random.Generator) -> Floats:
        """
        [count, columns] Leaves reached by choosing at each node one child, all as likely.

        Leaves under sparse prefixes are drawn more often than others.
        """
        low, high = np.zeros(count, np.int64), np.full(count, len(self.leaves))
        for starts in self._starts:
            first = np.searchsorted(starts, low)
            children = np.searchsorted(starts, high) - first
            chosen = first + random.integers(0, children)
            low = starts[chosen]
            high = np.append(starts, len(self.leaves))[chosen + 1]
        return self.leaves[low]

    def contains(self, rows: Floats) -> Bools:
        """[rows] Whether each of rows [rows, columns] is a leaf; only of an `exact` tree."""
        held = tuple(range(len(self.spans)))
        codes, leaves = self._lookup(held)
        code = self._codes(held, self.places(rows))
        found = np.minimum(np.searchsorted(codes, code), len(leaves) - 1)
        return codes[found] == code

    def places(self, rows: Floats) -> Indices:
        """[rows, columns] Where values stand among those of the leaves, -1 for what no leaf has."""
        found = np.empty(rows.shape, np.int64)
        for column, (known, _) in enumerate(self._values):
            place = np.minimum(np.searchsorted(known, rows[:, column]), len(known) - 1)
            found[:, column] = np.where(known[place] == rows[:, column], place, -1)
        return found

    @cached_property
    def exact(self) -> bool:
        """Whether settings can be told apart by one integer."""
        return math.prod(len(known) for known, _ in self._values) < SAFE

    def alike(self, places: Indices, free: Sequence[int]) -> Indices:
        """The leaves that differ from one of given `places` [columns] at most in levels `free`."""
        held = tuple(level for level in range(len(self.spans)) if level not in free)
        codes, leaves = self._lookup(held)
        code = int(self._codes(held, places[None])[0])
        found = leaves[np.searchsorted(codes, code) : np.searchsorted(codes, code, "right")]
        if self.exact:
            return found
        # Codes of many large domains wrap around, so that two settings may share one.
        for level in held:
            for column in _range(self.spans[level]):
                found = found[self._values[column][1][found] == places[column]]
        return found

    def _lookup(self, held: tuple[int, ...]) -> tuple[Indices, Indices]:
        """Codes of the settings of some levels, ascending, and the leaves they are of."""
        if held not in self._sorted:
            if (len(self._sorted) + 1) * len(self.leaves) > MOST_SORTED:
                self._sorted.clear()
            codes = np.zeros(len(self.leaves), np.int64)
            for level in held:
                for column in _range(self.spans[level]):
                    known, inverse = self._values[column]
                    codes = codes * len(known) + inverse
            order = np.argsort(codes, kind="stable")
            self._sorted[held] = codes[order], order
        return self._sorted[held]

    def _codes(self, held: tuple[int, ...], places: Indices) -> Indices:
        """[rows] The code of the levels `held` of rows of places, -1 for what no leaf has."""
        codes = np.zeros(len(places), np.int64)
        strange = np.zeros(len(places), np.bool_)
        for level in held:
            for column in _range(self.spans[level]):
                codes = codes * len(self._values[column][0]) + places[:, column]
                strange |= places[:, column] < 0
        return np.where(strange, -1, codes)

    @cached_property
    def _values(self) -> list[tuple[Floats, Indices]]:
        """The values of each column that occur, ascending, and which of them each leaf has."""
        return [np.unique(column, return_inverse=True) for column in self.leaves.T]

    @cached_property
    def _starts(self) -> list[Indices]:
        """For each level the leaves at which the prefix up to and with it changes."""
        starts: list[Indices] = []
        for span in self.spans:
            prefix = self.leaves[:, : span.stop]
            changed = (prefix[1:] != prefix[:-1]).any(axis=1)
            starts.append(np.concatenate(([0], np.flatnonzero(changed) + 1)))
        return starts


def _range(span: slice) -> range:
    return range(span.start, span.stop)


def grow(
    parameters: Sequence[Parameter],
    group: Sequence[int],
    constraints: Sequence[Constraint],
    conditions: Sequence[Condition] = (),
) -> Tree:
    """
    List the feasible settings of a group of parameters.

    Raises `InputError` if there are none, and `TooManyError` if there are more than `MOST_LEAVES`
    or finding them takes looking at more than `MOST_TRIED` prefixes.
    """
    domains = {place: _domain(parameters[place], constraints) for place in group}
    when = {condition.parameter: condition.constraint for condition in conditions}
    order = _order(parameters, domains, constraints, when)
    spans: list[slice] = []
    leaves = np.empty((1, 0))
    open_ = [one for one in constraints if one.names]
    known: set[str] = set()
    tried = 0
    for place in order:
        parameter, domain = parameters[place], domains[place]
        if place in when:
            domain = np.concatenate((domain, np.full((1, domain.shape[1]), INACTIVE)))
        known |= names_of(parameter)
        ready = [one for one in open_ if one.names <= known]
        open_ = [one for one in open_ if one not in ready]
        spans.append(slice(leaves.shape[1], leaves.shape[1] + parameter.columns))
        placed = dict(zip(order, spans, strict=False))
        tried += len(leaves) * len(domain)
        if tried <= MOST_TRIED:
            leaves = _extend(parameters, placed, leaves, domain, ready, when.get(place), place)
        if tried > MOST_TRIED or len(leaves) > MOST_LEAVES:
            raise TooManyError(
                f"the constraints on {_listed(parameters, group)} leave too many settings to list "
                "them; tie fewer parameters together or give them fewer values"
            )
        if not len(leaves):
            broken = " and ".join(f"'{one.text}'" for one in constraints[:MOST_QUOTED])
            raise InputError(
                f"no setting of {_listed(parameters, group)} satisfies {broken}; relax one"
            )
    return Tree(tuple(order), tuple(spans), leaves)


def _extend(
    parameters: Sequence[Parameter],
    placed: dict[int, slice],
    prefixes: Floats,
    domain: Floats,
    ready: Sequence[Constraint],
    condition: Constraint | None,
    place: int,
) -> Floats:
    """Every prefix with every value of one more parameter that the constraints allow."""
    kept: list[Floats] = []
    # In pieces, so that a product of which little remains is never held whole.
    piece = max(1, 2**20 // max(1, len(domain)))
    for start in range(0, len(prefixes), piece):
        part = prefixes[start : start + piece]
        rows = np.column_stack(
            (np.repeat(part, len(domain), axis=0), np.tile(domain, (len(part), 1)))
        )
        allowed = np.ones(len(rows), np.bool_)
        if condition is not None:
            active = rows[:, placed[place].start] != INACTIVE
            allowed &= active == activating(parameters, placed, rows, condition)
        for one in ready:
            allowed[allowed] = holding(parameters, placed, rows[allowed], one)
        kept.append(rows[allowed])
        if sum(map(len, kept)) > MOST_LEAVES:
            break
    return np.concatenate(kept)


def holding(
    parameters: Sequence[Parameter], placed: dict[int, slice], rows: Floats, constraint: Constraint
) -> Bools:
    """[rows] Whether a constraint holds; it does where a parameter that it names is inactive."""
    truth, inactive = _evaluated(parameters, placed, rows, constraint)
    return truth | inactive


def activating(
    parameters: Sequence[Parameter], placed: dict[int, slice], rows: Floats, condition: Constraint
) -> Bools:
    """[rows] Whether a condition holds; it does not where a parameter that it names is inactive."""
    truth, inactive = _evaluated(parameters, placed, rows, condition)
    return truth & ~inactive


def _evaluated(
    parameters: Sequence[Parameter], placed: dict[int, slice], rows: Floats, constraint: Constraint
) -> tuple[Bools, Bools]:
    """[rows] each: the truth of a constraint, and whether a parameter that it names is inactive."""
    columns: dict[str, npt.NDArray[np.generic]] = {}
    inactive = np.zeros(len(rows), np.bool_)
    for place, span in placed.items():
        if names_of(parameters[place]) & constraint.names:
            absent = rows[:, span.start] == INACTIVE
            inactive |= absent
            there = np.where(absent[:, None], 0.0, rows[:, span])
            columns |= parameters[place].variables(there)
    given: Columns = columns
    return np.broadcast_to(constraint.holds(given), (len(rows),)), inactive


def names_of(parameter: Parameter) -> frozenset[str]:
    """What constraints may call it."""
    if isinstance(parameter, Permutation):
        slots = range(parameter.length)
        return frozenset(f"{parameter.name}_{kind}{k}" for kind in ("", "i") for k in slots)
    return frozenset({parameter.name})


def _domain(parameter: Parameter, constraints: Sequence[Constraint]) -> Floats:
    """[values, columns] The values that satisfy what is said of this parameter alone."""
    if isinstance(parameter, Real):
        return np.zeros((1, 1))
    if isinstance(parameter, Permutation):
        if parameter.length > LONGEST_LISTED:
            raise TooManyError(
                f"constraints on parameter '{parameter.name}', a permutation of "
                f"{parameter.length} elements, must order its elements only: write "
                f"'{parameter.name}_i0 < {parameter.name}_i1'"
            )
        values = all_orders(parameter.length).astype(np.float64)
    else:
        assert parameter.size is not None
        if parameter.size > MOST_LEAVES:
            raise TooManyError(
                f"parameter '{parameter.name}' has {parameter.size} values, too many to list "
                "them; give it fewer or make it real"
            )
        values = np.arange(parameter.size, dtype=np.float64)[:, None]
    names = names_of(parameter)
    for constraint in constraints:
        if constraint.names and constraint.names <= names:
            values = values[constraint.holds(parameter.variables(values))]
    return values


def _order(
    parameters: Sequence[Parameter],
    domains: dict[int, Floats],
    constraints: Sequence[Constraint],
    when: dict[int, Constraint],
) -> list[int]:
    """
    The order in which prefixes grow.

    Next is a parameter that completes a constraint, if there is one, and of those the one with
    the fewest values: prefixes are dropped early and products stay small. A parameter comes after
    those of its condition.
    """
    order: list[int] = []
    left = set(domains)
    known: set[str] = set()
    while left:

        def rank(place: int) -> tuple[bool, bool, int, int]:
            names = names_of(parameters[place])
            waits = place in when and not when[place].names <= known
            completes = any(
                names & one.names and one.names <= known | names and not one.names <= names
                for one in constraints
            )
            return waits, not completes, len(domains[place]), place

        chosen = min(left, key=rank)
        order.append(chosen)
        left.remove(chosen)
        known |= names_of(parameters[chosen])
    return order


def _listed(parameters: Sequence[Parameter], group: Sequence[int]) -> str:
    return ", ".join(f"'{parameters[place].name}'" for place in group)
