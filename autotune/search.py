"""
The search of a feasible set for the point that is worth most: candidates, then climbs.

Source: "BaCO: A Fast and Portable Bayesian Compiler Optimization Framework", ASPLOS 2023, section
4.3. Moves inside a group of tied parameters, and steps of reals of several widths, are added here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headrace.autotune.parameter import Floats, Real
from headrace.autotune.space import Space

Worth = Callable[[Floats], Floats]
"""[rows, columns] -> [rows] What points are worth trying; minus infinity for those never to."""

WIDTHS = (0.1, 0.03, 0.01)
"""Standard deviations of the steps of a real parameter, as parts of its range."""


@dataclass(frozen=True)
class Search:
    """How much is searched for one proposal."""

    candidates: int = 3000
    """Feasible points drawn."""
    starts: int = 4
    """Those of them that are climbed from, the best."""
    coupled: int = 40
    """Moves inside groups of tied parameters, in each step of a climb."""
    steps: int = 30
    """The longest climb."""

    def best(
        self, space: Space, worth: Worth, known: Floats, random: np.random.Generator
    ) -> Floats:
        """
        [columns] The point that is worth most, of those found.

        Climbs start at candidates and at the `known` points [rows, columns].
        """
        drawn = space.sample(self.candidates, random)
        ranked = drawn[np.argsort(-worth(drawn), kind="stable")]
        starts = np.concatenate((ranked[: self.starts], known))
        reached = [self._climb(space, worth, start, random) for start in starts]
        return max(reached, key=lambda found: found[1])[0]

    def _climb(
        self, space: Space, worth: Worth, start: Floats, random: np.random.Generator
    ) -> tuple[Floats, float]:
        here, value = start, float(worth(start[None])[0])
        for _ in range(self.steps):
            rows = np.concatenate(
                (
                    space.neighbours(here),
                    space.coupled(here, self.coupled, random),
                    _real_steps(space, here, random),
                )
            )
            if not len(rows):
                break
            found = worth(rows)
            best = int(np.argmax(found))
            if not found[best] > value:
                break
            here, value = rows[best], float(found[best])
        return here, value


def _real_steps(space: Space, here: Floats, random: np.random.Generator) -> Floats:
    """[steps, columns] Feasible points that differ from a point in one real parameter."""
    moved: list[Floats] = [np.empty((0, space.columns))]
    for parameter, span in zip(space.parameters, space.spans, strict=True):
        if isinstance(parameter, Real):
            steps = (
                random.normal(size=(2, len(WIDTHS))).ravel()
                * np.repeat([WIDTHS], 2, axis=0).ravel()
            )
            rows = np.tile(here, (len(steps), 1))
            reached = here[span] + steps[:, None] * (parameter.high - parameter.low)
            rows[:, span] = np.clip(reached, parameter.low, parameter.high)
            moved.append(rows)
    found = np.concatenate(moved)
    return found[space.contains(found)]
