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

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from headrace.autotune.constraint import Constraint, Kind
from headrace.autotune.exact import Bools
from headrace.autotune.groups import Group, Orders, Reals, Tried, Values, accepted, spans_of
from headrace.autotune.parameter import (
    INACTIVE,
    Discrete,
    Floats,
    Parameter,
    Permutation,
    Real,
    Value,
)
from headrace.autotune.trees import (
    LONGEST_LISTED,
    Condition,
    TooManyError,
    Tree,
    activating,
    grow,
    holding,
    names_of,
)
from headrace.storage.errors import InputError

Configuration = Mapping[str, Value]
"""A value for each active parameter, by its name."""


class Space:
    """
    Parameters, and what is known of which settings are legal.

    `constraints` are expressions over the parameters (see `constraint`); `conditions` say for
    parameters when they are active. A parameter that is not active has no value, and a constraint
    that names it holds. A condition that names a parameter that is not active does not.

    Raises `InputError` for constraints that cannot be read or that nothing satisfies, and for
    parameters of the same name.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        constraints: Sequence[str] = (),
        conditions: Mapping[str, str] | None = None,
    ):
        if not parameters:
            raise InputError("a space needs one parameter at least")
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
        self.spans = spans_of(parameter.columns for parameter in self.parameters)
        """The columns of each parameter in a point."""
        self.input_spans = spans_of(parameter.inputs for parameter in self.parameters)
        """The columns of each parameter in model inputs."""
        self._placed = dict(enumerate(self.spans))
        self._when = {one.parameter: one.constraint for one in self.conditions}
        self._ranked = self._rank_conditions()
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
        self._home = {place: at for at, places in enumerate(self.groups) for place in places}
        """The group of each parameter."""
        self._trees = tuple(self._group(group) for group in self.groups)

    @property
    def columns(self) -> int:
        """Columns of a point."""
        return sum(parameter.columns for parameter in self.parameters)

    @cached_property
    def count(self) -> int | None:
        """
        How many points satisfy the constraints.

        None where a parameter is real, and where a group is too large to be listed.
        """
        if any(parameter.size is None for parameter in self.parameters):
            return None
        counts = [count for count in self.leaves if count is not None]
        return math.prod(counts) if len(counts) == len(self.leaves) else None

    @property
    def leaves(self) -> tuple[int | None, ...]:
        """The feasible settings of each group of parameters; None where they are not counted."""
        return tuple(tree.count for tree in self._trees)

    @cached_property
    def default(self) -> Floats | None:
        """
        [columns] The point of the defaults; None unless all parameters that it needs have one.

        Whether it satisfies the constraints is asked by `contains` and `broken`.
        """
        point = np.full(self.columns, INACTIVE)
        always = [place for place in range(len(self.parameters)) if place not in self._when]
        for place in (*always, *self._ranked):
            if self._active(point[None], place)[0]:
                default = self.parameters[place].default
                if default is None:
                    return None
                point[self.spans[place]] = self.parameters[place].point(default)
        return point

    def broken(self, point: Floats) -> list[str]:
        """The constraints that a point [columns] breaks."""
        return [
            one.text
            for one in self.constraints
            if one.names and not holding(self.parameters, self._placed, point[None], one)[0]
        ]

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        """[count, columns] Feasible points, independent and each as likely as any other."""
        return self._drawn(count, random, walk=False)

    def every(self, limit: int) -> Floats | None:
        """[count, columns] All feasible points; None if there are more than `limit` or no count."""
        if self.count is None or self.count > limit:
            return None
        points = np.full((1, self.columns), INACTIVE)
        for places, tree in zip(self.groups, self._trees, strict=True):
            listed = tree.every()
            if listed is None:
                return None
            repeated = np.repeat(points, len(listed), axis=0)
            points = self._put(repeated, places, tree, np.tile(listed, (len(points), 1)))
        return points

    def walk(self, count: int, random: np.random.Generator) -> Floats:
        """[count, columns] Feasible points, biased to sparse prefixes; see `Tree.walk`."""
        return self._drawn(count, random, walk=True)

    def contains(self, points: Floats) -> Bools:
        """[rows] Whether points [rows, columns] of legal values satisfy all constraints."""
        allowed = np.ones(len(points), np.bool_)
        for places, tree in zip(self.groups, self._trees, strict=True):
            allowed[allowed] = self._group_contains(places, tree, points[allowed])
        for one in self._late:
            allowed[allowed] = holding(self.parameters, self._placed, points[allowed], one)
        return allowed

    def neighbours(self, point: Floats) -> Floats:
        """
        [neighbours, columns] Feasible points that differ from a point [columns] in one parameter.

        Of a number the nearest feasible value above and below (and `Integer.leaps`), of a category
        every other, of a permutation see `permutations.neighbours`. Reals have none. Parameters
        that a move makes active take their default, or else the middle of their values.
        """
        found = [np.empty((0, self.columns))]
        for place, (parameter, span) in enumerate(zip(self.parameters, self.spans, strict=True)):
            if point[span.start] == INACTIVE or isinstance(parameter, Real):
                continue
            moved = self._moved(point, place, parameter.moves(point[span]))
            if isinstance(parameter, Discrete):
                above = moved[:, span.start] > point[span.start]
                leaps = self._moved(point, place, parameter.leaps(point[span]))
                moved = np.concatenate((moved[above][:1], moved[~above][:1], leaps))
                moved = moved[np.sort(np.unique(moved[:, span.start], return_index=True)[1])]
            found.append(moved)
        rows = np.concatenate(found)
        return rows[self.contains(rows)]

    def coupled(self, point: Floats, count: int, random: np.random.Generator) -> Floats:
        """
        [up to count, columns] Feasible points that differ from a point [columns] in few parameters.

        Each is the point with two or three parameters of one group drawn anew, and with those of
        which they are the condition, so that a step can cross where parameters that constraints
        tie together cannot move one at a time.
        """
        tied = [
            (tree, tree.places(self._leaves(tree, point[None]))[0])
            for tree in self._trees
            if isinstance(tree, Tree) and len(tree.order) > 1
        ]
        found = [np.empty((0, self.columns))]
        for _ in range(count if tied else 0):
            tree, places = tied[random.integers(len(tied))]
            size = min(len(tree.order), int(random.integers(2, 4)))
            drawn = random.choice(len(tree.order), size, replace=False)
            chosen = {tree.order[int(level)] for level in drawn}
            chosen |= self._dependent(chosen)
            free = [level for level, place in enumerate(tree.order) if place in chosen]
            rows = tree.alike(places, free)
            if len(rows):
                leaf = tree.leaves[rows[random.integers(len(rows))]][None]
                found.append(self._with_leaves(point[None].copy(), tree, leaf, random))
        moved = np.concatenate(found)
        moved = moved[(moved != point).any(axis=1)]
        return moved[self.contains(moved)]

    def encode(self, points: Floats) -> Floats:
        """
        [rows, inputs] Model inputs, in [0, 1]; see the parameters.

        A parameter that is not active is in the middle.
        """
        return self._encoded(points, [one.encode for one in self.parameters])

    def encode_compatible(self, points: Floats) -> Floats:
        """[rows, inputs] As `encode`, to the letter of the reference; not for new work."""
        return self._encoded(points, [one.encode_compatible for one in self.parameters])

    def log_prior(self, points: Floats) -> Floats:
        """[rows] Logarithm of the product of the priors, up to a constant; without any, 0."""
        total = np.zeros(len(points))
        for parameter, span in zip(self.parameters, self.spans, strict=True):
            if parameter.prior is not None:
                active = points[:, span.start] != INACTIVE
                total[active] += parameter.log_prior(points[active, span])
        return total

    def point(self, configuration: Mapping[str, Any]) -> Floats:
        """
        [columns] The point of a configuration.

        Raises `InputError` for names and values that there are not, and for parameters that are
        missing; whether constraints hold is asked by `contains`.
        """
        for name in configuration:
            self._place(name)
        point = np.full(self.columns, INACTIVE)
        for place, (parameter, span) in enumerate(zip(self.parameters, self.spans, strict=True)):
            if parameter.name in configuration:
                point[span] = parameter.point(configuration[parameter.name])
            elif place not in self._when:
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
                {"type": type(one).__name__.lower(), **dataclasses.asdict(one)}
                for one in self.parameters
            ],
            "constraints": [one.text for one in self.constraints],
            "conditions": {
                self.names[one.parameter]: one.constraint.text for one in self.conditions
            },
        }

    def _encoded(self, points: Floats, encoders: Sequence[Callable[[Floats], Floats]]) -> Floats:
        inputs = np.full((len(points), self.input_spans[-1].stop), 0.5)
        for encoder, span, inside in zip(encoders, self.spans, self.input_spans, strict=True):
            active = points[:, span.start] != INACTIVE
            inputs[active, inside] = encoder(points[active, span])
        return inputs

    def _active(self, points: Floats, place: int) -> Bools:
        """[rows] Whether a parameter is to be active, as its condition says."""
        if place not in self._when:
            return np.ones(len(points), np.bool_)
        return activating(self.parameters, self._placed, points, self._when[place])

    def _rank_conditions(self) -> tuple[int, ...]:
        """
        The parameters that have a condition, each after those that its condition names.

        Raises `InputError` for conditions that wait for each other.
        """
        ranked: list[int] = []
        left = dict(self._when)
        while left:
            ready = [
                place
                for place, condition in left.items()
                if not any(names_of(self.parameters[other]) & condition.names for other in left)
            ]
            if not ready:
                circle = " and ".join(f"'{self.names[place]}'" for place in left)
                raise InputError(
                    f"the conditions of {circle} wait for each other; let one not name the other"
                )
            ranked += ready
            left = {place: one for place, one in left.items() if place not in ready}
        return tuple(ranked)

    def _dependent(self, places: set[int]) -> set[int]:
        """The parameters whose condition names one of some others, or one that depends on them."""
        found: set[int] = set()
        for place in self._ranked:
            named = self._when[place].names
            if any(names_of(self.parameters[one]) & named for one in places | found):
                found.add(place)
        return found

    def _moved(self, point: Floats, place: int, moves: Floats) -> Floats:
        """[up to moves, columns] A point with one parameter moved, where what names it holds."""
        moved = np.tile(point, (len(moves), 1))
        moved[:, self.spans[place]] = moves
        if dependent := self._dependent({place}):
            for other in self._ranked:
                if other in dependent:
                    self._settle(moved, other)
            return moved[self.contains(moved)]
        group = self._home[place]
        moved = moved[self._group_contains(self.groups[group], self._trees[group], moved)]
        for one in self._late:
            if one.names & names_of(self.parameters[place]):
                moved = moved[holding(self.parameters, self._placed, moved, one)]
        return moved

    def _group_contains(self, places: Sequence[int], tree: Group, points: Floats) -> Bools:
        """[rows] Whether the parameters of a group are as their constraints and conditions say."""
        if isinstance(tree, Tree) and tree.exact:
            return tree.contains(self._leaves(tree, points))
        allowed = np.ones(len(points), np.bool_)
        for place in places:
            active = (points[:, self.spans[place]] != INACTIVE).all(axis=1)
            allowed &= active == self._active(points, place)
        for one in self._early(places):
            allowed[allowed] = holding(self.parameters, self._placed, points[allowed], one)
        return allowed

    def _settle(self, points: Floats, place: int) -> None:
        """Makes a parameter of points [rows, columns] active or not, as its condition says."""
        parameter, span = self.parameters[place], self.spans[place]
        active = self._active(points, place)
        new = active & (points[:, span.start] == INACTIVE)
        points[~active, span] = INACTIVE
        middle = (
            parameter.middle if parameter.default is None else parameter.point(parameter.default)
        )
        points[new, span] = middle

    def _leaves(self, tree: Tree, points: Floats) -> Floats:
        """[rows, columns of the tree] What points [rows, columns] are in a tree."""
        leaves = np.empty((len(points), tree.leaves.shape[1]))
        for place, span in zip(tree.order, tree.spans, strict=True):
            leaves[:, span] = points[:, self.spans[place]]
            if isinstance(self.parameters[place], Real):
                leaves[leaves[:, span.start] != INACTIVE, span] = 0.0
        return leaves

    def _with_leaves(
        self, points: Floats, tree: Tree, leaves: Floats, random: np.random.Generator
    ) -> Floats:
        """Points [rows, columns] with leaves of a tree put in; reals that get active are drawn."""
        for place, span in zip(tree.order, tree.spans, strict=True):
            inside, parameter = self.spans[place], self.parameters[place]
            if isinstance(parameter, Real):
                active = leaves[:, span.start] != INACTIVE
                new = active & (points[:, inside.start] == INACTIVE)
                points[~active, inside] = INACTIVE
                points[new, inside] = parameter.draw(random, int(new.sum()))
            else:
                points[:, inside] = leaves[:, span]
        return points

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

    def _early(self, places: Sequence[int]) -> list[Constraint]:
        """The constraints of a group, without those on reals."""
        names = frozenset[str]().union(*(names_of(self.parameters[place]) for place in places))
        return [one for one in self.constraints if one not in self._late and one.names & names]

    def _group(self, places: tuple[int, ...]) -> Group:
        early = self._early(places)
        conditions = [one for one in self.conditions if one.parameter in places]
        alone = self.parameters[places[0]]
        if len(places) == 1 and not conditions:
            if isinstance(alone, Real):
                return Reals(alone)
            if isinstance(alone, Permutation) and alone.length > LONGEST_LISTED:
                return Orders(alone, early)
            if not early:
                return Values(alone)
        try:
            return grow(self.parameters, places, early, conditions)
        except TooManyError:
            if conditions or any(
                isinstance(self.parameters[place], Permutation)
                and self.parameters[place].columns > LONGEST_LISTED
                for place in places
            ):
                raise
            return Tried(self.parameters, places, early)

    def _drawn(self, count: int, random: np.random.Generator, *, walk: bool) -> Floats:
        return accepted(
            count,
            lambda missing: self._draw(missing, random, walk=walk),
            self.contains if self._late else None,
            self._late,
        )

    def _draw(self, count: int, random: np.random.Generator, *, walk: bool) -> Floats:
        points = np.full((count, self.columns), INACTIVE)
        for places, tree in zip(self.groups, self._trees, strict=True):
            drawn = tree.walk(count, random) if walk else tree.sample(count, random)
            if isinstance(tree, Tree):
                self._with_leaves(points, tree, drawn, random)
            else:
                self._put(points, places, tree, drawn)
        return points

    def _put(self, points: Floats, places: Sequence[int], tree: Group, rows: Floats) -> Floats:
        """Points [rows, columns] with settings of a group put in."""
        order = tree.order if isinstance(tree, Tree) else places
        spans = spans_of(self.parameters[place].columns for place in order)
        for place, span in zip(order, spans, strict=True):
            points[:, self.spans[place]] = rows[:, span]
        return points


def _kinds(parameters: Sequence[Parameter]) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for parameter in parameters:
        for name in sorted(names_of(parameter)):
            if name in kinds:
                raise InputError(f"two parameters of the space are called '{name}'; rename one")
            kinds[name] = parameter.kind
    return kinds
