"""
The strategy of headrace: a Gaussian process a parameter at a time, and a search of the feasible set.

Each proposal fits a process to the logarithms of the values and, when something has failed, one to
validity; draws feasible candidates, and climbs from the best of them and from the best trials by
moves of one parameter and moves inside a group of tied ones. Nothing is proposed twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.autotune.acquisition import log_expected_improvement, log_probability
from headrace.autotune.gaussian_process import (
    Flat,
    GaussianProcess,
    LogNormal,
    Priors,
    distances,
    fit,
)
from headrace.autotune.history import History
from headrace.autotune.parameter import Permutation
from headrace.autotune.permutations import encoded
from headrace.autotune.space import Space

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Headrace:
    """The strategy and its settings."""

    space: Space
    log_objective: bool = True
    design: int = 8
    spread: int = 400
    candidates: int = 3000
    starts: int = 4
    incumbents: int = 3
    coupled: int = 40
    steps: int = 30

    def propose(self, history: History, random: np.random.Generator) -> Floats:
        """[columns] The next point."""
        count = min(self.design, len(self.space.parameters) + 1)
        done = history.of("done")
        if len(history) < count or not done.any():
            return self._spread(history, random)
        seen = set(self.space.keys(history.points))
        values = self._scaled(history.values[done])
        points = history.points[done]
        model = self._fit(points, values, random)
        validity = self._validity(history, random)
        best = float(values.min())

        def worth(rows: Floats) -> Floats:
            inputs = self._inputs(rows)
            mean, deviation = model.predict(inputs)
            found = log_expected_improvement(mean, deviation, best)
            if validity is not None:
                found = found + log_probability(*validity.predict(inputs))
            known = [key in seen for key in self.space.keys(rows)]
            return np.where(known, -np.inf, found)

        drawn = self.space.sample(self.candidates, random)
        ranked = drawn[np.argsort(-worth(drawn), kind="stable")]
        first = points[np.argsort(values, kind="stable")][: self.incumbents]
        starts = np.concatenate((ranked[: self.starts], first))
        reached = [self._climb(start, worth, random) for start in starts]
        rows = np.stack([point for point, _ in reached])
        return rows[int(np.argmax([value for _, value in reached]))]

    def _climb(self, start: Floats, worth: object, random: np.random.Generator) -> tuple[Floats, float]:
        here, value = start, float(worth(start[None])[0])  # type: ignore[operator]
        for _ in range(self.steps):
            near = self.space.neighbours(here)
            moved = self.space.coupled(here, self.coupled, random)
            rows = np.concatenate((near, moved, self._reals(here, random)))
            if not len(rows):
                break
            found = worth(rows)  # type: ignore[operator]
            best = int(np.argmax(found))
            if not found[best] > value:
                break
            here, value = rows[best], float(found[best])
        return here, value

    def _reals(self, here: Floats, random: np.random.Generator) -> Floats:
        from headrace.autotune.parameter import Real

        rows = []
        for parameter, span in zip(self.space.parameters, self.space.spans, strict=True):
            if isinstance(parameter, Real):
                for width in (0.1, 0.1, 0.03, 0.03, 0.01, 0.01):
                    moved = here.copy()
                    step = random.normal() * width * (parameter.high - parameter.low)
                    moved[span] = np.clip(here[span] + step, parameter.low, parameter.high)
                    rows.append(moved)
        if not rows:
            return np.empty((0, self.space.columns))
        found = np.stack(rows)
        return found[self.space.contains(found)]

    def _spread(self, history: History, random: np.random.Generator) -> Floats:
        drawn = self.space.sample(self.spread, random)
        seen = set(self.space.keys(history.points))
        fresh = np.array([key not in seen for key in self.space.keys(drawn)])
        drawn = drawn[fresh]
        if not len(history):
            return drawn[0]
        gaps = distances(self._inputs(drawn), self._inputs(history.points)).min(axis=1)
        return drawn[int(np.argmax(gaps))]

    def _inputs(self, points: Floats) -> Floats:
        return self.space.encode(points)

    def _owner(self) -> list[int]:
        return [
            place
            for place, span in enumerate(self.space.input_spans)
            for _ in range(span.start, span.stop)
        ]

    def _scaled(self, values: Floats) -> Floats:
        scaled = np.log(values) if self.log_objective else values
        middle, least = float(np.median(scaled)), float(scaled.min())
        return np.minimum(scaled, middle + 2 * (middle - least)) if middle > least else scaled

    def _priors(self) -> Priors:
        size = len(self.space.parameters)
        return Priors(LogNormal(math.log(0.6 * size**0.35), 1), Flat(), LogNormal(-6, 1.5))

    def _start(self) -> Floats:
        size = len(self.space.parameters)
        return np.append(np.full(size, math.log(0.6 * size**0.35)), [0.0, -6.0])

    def _fit(self, points: Floats, values: Floats, random: np.random.Generator) -> GaussianProcess:
        start = self._start()
        starts = [start, start + random.normal(size=len(start)) * 0.7]
        return fit(self._inputs(points), values, self._owner(), self._priors(), starts)

    def _validity(self, history: History, random: np.random.Generator) -> GaussianProcess | None:
        if not history.of("failed").any():
            return None
        known = history.of("done", "failed")
        targets = np.where(history.of("done")[known], 1.0, -1.0)
        return fit(
            self._inputs(history.points[known]),
            targets,
            self._owner(),
            self._priors(),
            [self._start()],
        )
