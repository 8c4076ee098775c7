"""
Strategies: what to try next, given what is known.

A strategy is a pure function of the space, its settings, the history and a random stream, so that
a study goes on after a restart as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from headrace.autotune.history import History
from headrace.autotune.parameter import Floats
from headrace.autotune.space import Space
from headrace.storage.errors import InputError

LARGEST_LISTED = 2**17
"""Points of a space that can be listed one by one."""

DRAWS = 256
"""Points drawn at once in search of one that is not known."""


class SpaceExhausted(InputError):
    """Every configuration that the constraints allow has been asked or told."""


@dataclass(frozen=True)
class Proposal:
    """The next point, and why."""

    point: Floats
    """[columns] In the index form of the space."""
    origin: str
    """"design", "random", "listed" or "model"."""
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the strategy knew, as plain data; "lengthscales" by parameter are drawn in reports."""


class Strategy(Protocol):
    """Chooses points that the history does not have."""

    def propose(self, history: History, random: np.random.Generator) -> Proposal: ...


@dataclass(frozen=True)
class Draws:
    """Feasible points at random: uniform, or by walks that favour sparse prefixes."""

    space: Space
    walk: bool = False

    def propose(self, history: History, random: np.random.Generator) -> Proposal:
        return Proposal(unknown(self.space, history, random, walk=self.walk), "random")


@dataclass(frozen=True)
class Exhaustive:
    """Every point once, ascending in the index form."""

    space: Space

    def propose(self, history: History, random: np.random.Generator) -> Proposal:
        return Proposal(_left(self.space, self._points, history)[0], "listed")

    @cached_property
    def _points(self) -> Floats:
        return listed(self.space)


@dataclass(frozen=True)
class Fresh:
    """Another strategy, with what is left at random where it finds nothing that is not known."""

    space: Space
    choose: Callable[[History, np.random.Generator], Floats]
    design: int
    """Points before a model is fitted."""

    def propose(self, history: History, random: np.random.Generator) -> Proposal:
        count, known = self.space.count, set(self.space.keys(history.points))
        if count is not None and count - len(known) < count / 20:
            return Proposal(unknown(self.space, history, random), "random")
        point = self.choose(history, random)
        if self.space.keys(point[None])[0] in known:
            return Proposal(unknown(self.space, history, random), "random")
        modelled = len(history) >= self.design and bool(history.of("done").any())
        return Proposal(point, "model" if modelled else "design")


def unknown(
    space: Space, history: History, random: np.random.Generator, *, walk: bool = False
) -> Floats:
    """
    [columns] A feasible point at random that the history does not have.

    Raises `SpaceExhausted` if there is none.
    """
    known = set(space.keys(history.points))
    drawn = (space.walk if walk else space.sample)(DRAWS, random)
    for key, point in zip(space.keys(drawn), drawn, strict=True):
        if key not in known:
            return point
    return random.choice(_left(space, listed(space), history))


def listed(space: Space) -> Floats:
    """
    [points, columns] Every feasible point, ascending.

    Raises `InputError` for a space that is too large.
    """
    points = space.every(LARGEST_LISTED)
    if points is None:
        size = "too many" if space.count is None else f"{space.count}"
        raise InputError(
            f"the space has {size} points, and at most {LARGEST_LISTED} can be listed; "
            'use the strategy "random"'
        )
    return points[np.lexsort(points.T[::-1])]


def _left(space: Space, points: Floats, history: History) -> Floats:
    known = set(space.keys(history.points))
    left = points[[key not in known for key in space.keys(points)]]
    if not len(left):
        raise SpaceExhausted(
            f"all {len(points)} configurations of the space have been asked; "
            "widen a parameter or relax a constraint"
        )
    return left


def _headrace(space: Space, log_objective: bool, options: Mapping[str, Any]) -> Strategy:
    from headrace.autotune.headrace_strategy import Headrace
    from headrace.autotune.search import Search

    names = {part.name for part in fields(Search)}
    search = Search(**{name: value for name, value in options.items() if name in names})
    others = {name: value for name, value in options.items() if name not in names}
    strategy = Headrace(space, log_objective=log_objective, search=search, **others)
    return Fresh(space, strategy.propose, min(strategy.design, len(space.parameters) + 1))


Preset = Callable[[Space, bool, Mapping[str, Any]], Strategy]
"""Makes a strategy of a space, whether to model the logarithm of the objective, and options."""

PRESETS: dict[str, Preset] = {
    "headrace": _headrace,
    "random": lambda space, _, options: Draws(space, **options),
    "walk": lambda space, _, options: Draws(space, walk=True, **options),
    "exhaustive": lambda space, _, options: Exhaustive(space, **options),
}


def preset(name: str, space: Space, log_objective: bool, options: Mapping[str, Any]) -> Strategy:
    """The strategy of a name. Raises `InputError` for a name or an option that there is not."""
    if name not in PRESETS:
        raise InputError(f"there is no strategy '{name}'; choose from {', '.join(PRESETS)}")
    try:
        return PRESETS[name](space, log_objective, options)
    except TypeError as error:
        given = ", ".join(options) or "none"
        raise InputError(
            f"the strategy '{name}' does not take these options ({given}): {error}"
        ) from error
