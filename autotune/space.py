"""
A search space: parameters and the constraints that are known before anything is run.

    space = Space(
        [Ordinal("chunk", values=(2, 4, 8), transform="log"), Ordinal("unroll", values=(2, 4, 8))],
        ["unroll < chunk"],
    )
    space.count                     # 3
    space.configurations(space.sample(2, np.random.default_rng(0)))

Points are rows of float64 in index form (see `parameter`); every method takes and gives rows.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from headrace.autotune.constraint import Bools, Constraint, Kind
from headrace.autotune.linear_extensions import LinearExtensions
from headrace.autotune.parameter import (
    INACTIVE,
    Categorical,
    Floats,
    Parameter,
    Permutation,
    Real,
    Value,
)
from headrace.autotune.trees import (
    LONGEST_LISTED,
    Condition,
    Tree,
    grow,
    holding,
    names_of,
)
from headrace.storage.errors import InputError

Configuration = Mapping[str, Value]
"""A value for each active parameter, by its name."""

ROUNDS = 1000
"""Draws of reals for one point before a constraint on them counts as unsatisfiable."""


class Group(Protocol):
    """Feasible settings of parameters that depend on no other."""

    @property
    def count(self) -> int: ...

    def sample(self, count: int, random: np.random.Generator) -> Floats: ...

    def walk(self, count: int, random: np.random.Generator) -> Floats: ...


class Space:
    """
    Parameters, and what is known of which settings are legal.

    `constraints` are expressions over the parameters (see `constraint`); `conditions` say for
    parameters when they are active. A parameter that is not active has no value, and a constraint
    that names it holds.

    Raises `InputError` for constraints that cannot be read or that nothing satisfies, and for
    parameters of the same name.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        constraints: Sequence[str] = (),
        conditions: Mapping[str, str] | None = None,
    ):
        self.parameters = tuple(parameters)
        self.names = tuple(parameter.name for parameter in self.parameters)
        kinds = _kinds(self.parameters)
        self.constraints = tuple(Constraint.parse(text, kinds) for text in constraints)
        for one in self.constraints:
            if not one.names and not bool(one.holds({})):
                raise InputError(f"the constraint '{one.text}' never holds; leave it out")
        self.conditions = tuple(
            Condition(self._place(name), Constraint.parse(text, kinds))
            for name, text in (conditions or {}).items()
        )
        self.spans = _spans(parameter.columns for parameter in self.parameters)
        """The columns of each parameter in a point."""
        self.input_spans = _spans(parameter.inputs for parameter in self.parameters)
        """The columns of each parameter in model inputs."""
        self._placed = dict(enumerate(self.spans))
        self._late = tuple(one for one in self.constraints if self._names_a_real(one))
        """Constraints on reals, which are drawn before they are asked."""
        for condition in self.conditions:
            if self._names_a_real(condition.constraint):
                raise InputError(
                    f"the condition '{condition.constraint.text}' names a real parameter; "
                    "conditions may name others only"
                )
        self.groups = tuple(map(tuple, self._components()))
        """The parameters, as places, that depend on each other."""
        self._trees = tuple(self._group(group) for group in self.groups)

    @property
    def columns(self) -> int:
        """Columns of a point."""
        return sum(parameter.columns for parameter in self.parameters)

    @cached_property
    def count(self) -> int | None:
        """How many points satisfy the constraints; None where a parameter is real."""
        if any(parameter.size is None for parameter in self.parameters):
            return None
        return math.prod(tree.count for tree in self._trees)

    @property
    def leaves(self) -> tuple[int, ...]:
        """The feasible settings of each group of parameters."""
        return tuple(tree.count for tree in self._trees)

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        """[count, columns] Feasible points, independent and each as likely as any other."""
        return self._drawn(count, random, walk=False)

    def walk(self, count: int, random: np.random.Generator) -> Floats:
        """[count, columns] Feasible points, biased to sparse prefixes; see `Tree.walk`."""
        return self._drawn(count, random, walk=True)

    def contains(self, points: Floats) -> Bools:
        """[rows] Whether points [rows, columns] of legal values satisfy all constraints."""
        allowed = np.ones(len(points), np.bool_)
        inactive = {condition.parameter for condition in self.conditions}
        for place, span in enumerate(self.spans):
            if place not in inactive:
                allowed &= (points[:, span] != INACTIVE).all(axis=1)
        for condition in self.conditions:
            active = points[:, self.spans[condition.parameter].start] != INACTIVE
            allowed &= active == holding(
                self.parameters, self._placed, points, condition.constraint
            )
        for one in self.constraints:
            if one.names:
                allowed[allowed] = holding(self.parameters, self._placed, points[allowed], one)
        return allowed

    def neighbours(self, point: Floats) -> Floats:
        """
        [neighbours, columns] Feasible points that differ from a point [columns] in one parameter.

        Of a number the nearest feasible value above and below, of a category every other, of a
        permutation see `permutations.neighbours`. Reals have none.
        """
        found = [np.empty((0, self.columns))]
        for parameter, span in zip(self.parameters, self.spans, strict=True):
            if point[span.start] == INACTIVE or isinstance(parameter, Real):
                continue
            moves = parameter.moves(point[span])
            moved = np.tile(point, (len(moves), 1))
            moved[:, span] = moves
            moved = moved[self.contains(moved)]
            if not isinstance(parameter, Categorical | Permutation):
                above = moved[:, span.start] > point[span.start]
                moved = np.concatenate((moved[above][:1], moved[~above][:1]))
            found.append(moved)
        return np.concatenate(found)

    def coupled(self, point: Floats, count: int, random: np.random.Generator) -> Floats:
        """
        [up to count, columns] Feasible points that differ from a point [columns] in few parameters.

        Each is the point with two or three parameters of one group drawn anew, so that a step can
        cross where parameters that constraints tie together cannot move one at a time.
        """
        tied = [tree for tree in self._trees if isinstance(tree, Tree) and len(tree.order) > 1]
        found = [np.empty((0, self.columns))]
        for _ in range(count if tied else 0):
            tree = tied[random.integers(len(tied))]
            size = min(len(tree.order), int(random.integers(2, 4)))
            free = random.choice(len(tree.order), size, replace=False)
            same = np.ones(len(tree.leaves), np.bool_)
            for level, (place, span) in enumerate(zip(tree.order, tree.spans, strict=True)):
                if level not in free:
                    same &= (tree.leaves[:, span] == point[self.spans[place]]).all(axis=1)
            rows = np.flatnonzero(same)
            if not len(rows):
                continue
            moved = point.copy()
            leaf = tree.leaves[random.choice(rows)]
            for place, span in zip(tree.order, tree.spans, strict=True):
                moved[self.spans[place]] = leaf[span]
            found.append(moved[None])
        moved = np.concatenate(found)
        return moved[self.contains(moved)]

    def encode(self, points: Floats) -> Floats:
        """[rows, inputs] Model inputs, in [0, 1]; see the parameters."""
        parts = zip(self.parameters, self.spans, strict=True)
        return np.concatenate([one.encode(points[:, span]) for one, span in parts], axis=1)

    def point(self, configuration: Mapping[str, Any]) -> Floats:
        """
        [columns] The point of a configuration.

        Raises `InputError` for names and values that there are not, and for parameters that are
        missing; whether constraints hold is asked by `contains`.
        """
        for name in configuration:
            self._place(name)
        point = np.full(self.columns, INACTIVE)
        conditional = {condition.parameter for condition in self.conditions}
        for place, (parameter, span) in enumerate(zip(self.parameters, self.spans, strict=True)):
            if parameter.name in configuration:
                point[span] = parameter.point(configuration[parameter.name])
            elif place not in conditional:
                raise InputError(f"a configuration has no value for parameter '{parameter.name}'")
        return point

    def configurations(self, points: Floats) -> list[dict[str, Value]]:
        """The values of points [rows, columns], by name; inactive parameters are left out."""
        return [
            {
                parameter.name: parameter.value(point[span])
                for parameter, span in zip(self.parameters, self.spans, strict=True)
                if point[span.start] != INACTIVE
            }
            for point in points
        ]

    def keys(self, points: Floats) -> list[bytes]:
        """A key for each point, equal for equal points."""
        return [point.tobytes() for point in np.ascontiguousarray(points) + 0.0]

    @cached_property
    def identity(self) -> str:
        """A hash of the parameters and constraints."""
        return hashlib.sha256(json.dumps(self.description, sort_keys=True).encode()).hexdigest()

    @property
    def description(self) -> dict[str, Any]:
        """What defines the space, as plain data."""
        return {
            "parameters": [
                {"type": type(one).__name__.lower(), **vars(one)} for one in self.parameters
            ],
            "constraints": [one.text for one in self.constraints],
            "conditions": {
                self.names[one.parameter]: one.constraint.text for one in self.conditions
            },
        }

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise InputError(f"there is no parameter '{name}'; there are {', '.join(self.names)}")
        return self.names.index(name)

    def _names_a_real(self, constraint: Constraint) -> bool:
        return any(
            isinstance(one, Real) and one.name in constraint.names for one in self.parameters
        )

    def _components(self) -> list[list[int]]:
        """Places of parameters that constraints and conditions join, in the order of the space."""
        group = list(range(len(self.parameters)))
        joined = [one.names for one in self.constraints if one not in self._late]
        joined += [
            one.constraint.names | names_of(self.parameters[one.parameter])
            for one in self.conditions
        ]
        for names in joined:
            touched = {
                group[place]
                for place, parameter in enumerate(self.parameters)
                if names_of(parameter) & names
            }
            group = [min(touched) if one in touched else one for one in group]
        return [
            [place for place, one in enumerate(group) if one == first]
            for first in sorted(set(group))
        ]

    def _group(self, places: tuple[int, ...]) -> Group:
        names = frozenset[str]().union(*(names_of(self.parameters[place]) for place in places))
        early = [one for one in self.constraints if one not in self._late and one.names & names]
        conditions = [one for one in self.conditions if one.parameter in places]
        alone = self.parameters[places[0]]
        if len(places) == 1 and not conditions:
            if isinstance(alone, Real):
                return _Reals(alone)
            if isinstance(alone, Permutation) and alone.length > LONGEST_LISTED:
                return _Orders(LinearExtensions.of(alone.length, _precedence(alone, early)))
            if not early:
                return _Values(alone)
        return grow(self.parameters, places, early, conditions)

    def _drawn(self, count: int, random: np.random.Generator, *, walk: bool) -> Floats:
        points = self._draw(count, random, walk=walk)
        for _ in range(ROUNDS if self._late else 0):
            bad = ~self.contains(points)
            if not bad.any():
                break
            points[bad] = self._draw(int(bad.sum()), random, walk=walk)
        else:
            if self._late:
                texts = " and ".join(f"'{one.text}'" for one in self._late)
                raise InputError(
                    f"{ROUNDS} draws found no point that satisfies {texts}; narrow the ranges of "
                    "the real parameters"
                )
        return points

    def _draw(self, count: int, random: np.random.Generator, *, walk: bool) -> Floats:
        points = np.empty((count, self.columns))
        for places, tree in zip(self.groups, self._trees, strict=True):
            drawn = tree.walk(count, random) if walk else tree.sample(count, random)
            if isinstance(tree, Tree):
                for place, span in zip(tree.order, tree.spans, strict=True):
                    points[:, self.spans[place]] = drawn[:, span]
            else:
                points[:, self.spans[places[0]]] = drawn
        return points


class _Values:
    """A discrete parameter that no constraint names."""

    def __init__(self, parameter: Parameter):
        self.parameter = parameter
        assert parameter.size is not None
        self.count = parameter.size

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        if isinstance(self.parameter, Permutation):
            orders = np.tile(np.arange(float(self.parameter.length)), (count, 1))
            return random.permuted(orders, axis=1)
        return random.integers(0, self.count, (count, 1)).astype(np.float64)

    walk = sample


class _Reals:
    """A real parameter."""

    count = 0

    def __init__(self, parameter: Real):
        self.parameter = parameter

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        return self.parameter.draw(random, count)

    walk = sample


class _Orders:
    """A long permutation under rules of precedence."""

    def __init__(self, extensions: LinearExtensions):
        self.extensions = extensions
        self.count = extensions.count

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        return self.extensions.sample(count, random).astype(np.float64)

    walk = sample


def _precedence(parameter: Permutation, constraints: Sequence[Constraint]) -> list[tuple[int, int]]:
    """The pairs that constraints on a long permutation order."""
    slots = {f"{parameter.name}_i{k}": k for k in range(parameter.length)}
    pairs: list[tuple[int, int]] = []
    for one in constraints:
        pair = one.ordered_pair
        if pair is None or not set(pair) <= slots.keys():
            raise InputError(
                f"'{one.text}' is no rule that a permutation of {parameter.length} elements may "
                f"have; longer ones than {LONGEST_LISTED} take '{parameter.name}_i0 < "
                f"{parameter.name}_i1' only"
            )
        pairs.append((slots[pair[0]], slots[pair[1]]))
    return pairs


def _kinds(parameters: Sequence[Parameter]) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for parameter in parameters:
        for name in sorted(names_of(parameter)):
            if name in kinds:
                raise InputError(f"two parameters of the space are called '{name}'; rename one")
            kinds[name] = parameter.kind
    return kinds


def _spans(widths: Iterable[int]) -> tuple[slice, ...]:
    ends = itertools.accumulate(widths, initial=0)
    return tuple(itertools.starmap(slice, itertools.pairwise(ends)))
