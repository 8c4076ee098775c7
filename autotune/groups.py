"""
Groups of parameters whose settings are not listed, and how they are drawn.

A parameter that no constraint names is drawn from its domain, a long permutation under rules of
order as a linear extension, and parameters with too many settings to list by trying.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np

from headrace.autotune.constraint import Constraint
from headrace.autotune.exact import Bools
from headrace.autotune.linear_extensions import LinearExtensions
from headrace.autotune.parameter import Floats, Parameter, Permutation, Real
from headrace.autotune.permutations import all_orders
from headrace.autotune.trees import LONGEST_LISTED, MOST_QUOTED, holding
from headrace.storage.errors import InputError

ROUNDS = 1000
"""Draws for a point before constraints that are asked of whole draws count as unsatisfiable."""


SPARE = 256
"""Draws that are made at once at least."""


class Group(Protocol):
    """Feasible settings of parameters that depend on no other."""

    @property
    def count(self) -> int | None: ...

    def sample(self, count: int, random: np.random.Generator) -> Floats: ...

    def walk(self, count: int, random: np.random.Generator) -> Floats: ...

    def every(self) -> Floats | None:
        """[count, columns] All settings; None if they cannot be listed."""
        ...


def accepted(
    count: int,
    draw: Callable[[int], Floats],
    accept: Callable[[Floats], Bools] | None,
    constraints: Sequence[Constraint],
) -> Floats:
    """[count, columns] Draws that are accepted: each is repeated as a whole until it is."""
    rows = draw(count)
    if accept is None:
        return rows
    for _ in range(ROUNDS):
        bad = np.flatnonzero(~accept(rows))
        if not len(bad):
            return rows
        # Several at once where few are missing, so that the rounds of the last do not add up.
        spare = draw(max(len(bad), SPARE))
        spare = spare[accept(spare)][: len(bad)]
        rows[bad[: len(spare)]] = spare
    texts = " and ".join(f"'{one.text}'" for one in constraints[:MOST_QUOTED])
    raise InputError(
        f"{ROUNDS} draws found no point that satisfies {texts}; narrow the ranges of the parameters"
    )


class Values:
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

    def every(self) -> Floats:
        if isinstance(self.parameter, Permutation):
            return all_orders(self.parameter.length).astype(np.float64)
        return np.arange(self.count, dtype=np.float64)[:, None]


class Tried:
    """Parameters with more settings than can be listed: drawn until the constraints hold."""

    count = None

    def __init__(
        self,
        parameters: Sequence[Parameter],
        places: Sequence[int],
        constraints: Sequence[Constraint],
    ):
        self.parameters = [parameters[place] for place in places]
        self.alone = [Values(one) for one in self.parameters]
        self.placed = dict(enumerate(spans_of(one.columns for one in self.parameters)))
        self.constraints = constraints
        self.sample(1, np.random.default_rng(0))

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        return accepted(
            count,
            lambda missing: np.concatenate(
                [one.sample(missing, random) for one in self.alone], axis=1
            ),
            self._accept,
            self.constraints,
        )

    def _accept(self, rows: Floats) -> Bools:
        allowed = np.ones(len(rows), np.bool_)
        for one in self.constraints:
            allowed[allowed] = holding(self.parameters, self.placed, rows[allowed], one)
        return allowed

    walk = sample

    def every(self) -> None:
        """There is no list."""


class Reals:
    """A real parameter."""

    count = 0

    def __init__(self, parameter: Real):
        self.parameter = parameter

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        return self.parameter.draw(random, count)

    walk = sample

    def every(self) -> None:
        """There is no list."""


class Orders:
    """A long permutation under rules of order."""

    def __init__(self, parameter: Permutation, constraints: Sequence[Constraint]):
        rules = _precedence(parameter, constraints)
        self.extensions = LinearExtensions.of(parameter.length, rules)
        self.count = self.extensions.count

    def sample(self, count: int, random: np.random.Generator) -> Floats:
        return self.extensions.sample(count, random).astype(np.float64)

    walk = sample

    def every(self) -> Floats:
        return self.extensions.every().astype(np.float64)


def _precedence(parameter: Permutation, constraints: Sequence[Constraint]) -> list[tuple[int, int]]:
    """The pairs that constraints on a long permutation order."""
    slots = {f"{parameter.name}_i{k}": k for k in range(parameter.length)}
    pairs: list[tuple[int, int]] = []
    for one in constraints:
        ordered = one.ordered_pairs
        if ordered is None or not {name for pair in ordered for name in pair} <= slots.keys():
            raise InputError(
                f"'{one.text}' is no rule that a permutation of {parameter.length} elements may "
                f"have; longer ones than {LONGEST_LISTED} take '{parameter.name}_i0 < "
                f"{parameter.name}_i1', and such joined by 'and', only"
            )
        pairs += [(slots[small], slots[large]) for small, large in ordered]
    return pairs


def spans_of(widths: Iterable[int]) -> tuple[slice, ...]:
    """Where columns of given widths are, one beside the other."""
    ends = itertools.accumulate(widths, initial=0)
    return tuple(itertools.starmap(slice, itertools.pairwise(ends)))
