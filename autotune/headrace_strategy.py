"""
The strategy of headrace: a Gaussian process with a lengthscale a parameter, and a feasible search.

Each proposal fits a process to the values and, when something has failed, one to validity; and
searches the feasible set for the largest expected improvement times the probability of validity.
Nothing that is known is proposed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

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
from headrace.autotune.parameter import Floats
from headrace.autotune.search import Search
from headrace.autotune.space import Space

VALID, INVALID = 1.0, -1.0
"""The targets of the model of validity."""


@dataclass(frozen=True)
class Headrace:
    """The strategy and its settings."""

    space: Space
    log_objective: bool = True
    """Whether the logarithms of values are modelled; they must then be positive."""
    design: int = 8
    """Points at most before a model is fitted: one more than parameters, far from each other."""
    spread: int = 400
    """Feasible points drawn, of which the design takes the one farthest from the others."""
    incumbents: int = 3
    """Of the best points so far, from which the search climbs too."""
    search: Search = field(default_factory=Search)

    def propose(self, history: History, random: np.random.Generator) -> Floats:
        """[columns] The next point."""
        done = history.of("done")
        if len(history) < min(self.design, len(self.space.parameters) + 1) or not done.any():
            return self._farthest(history, random)
        points, values = history.points[done], self._scaled(history.values[done])
        model = self._fit(points, values, random)
        validity = self._validity(history)
        seen = set(self.space.keys(history.points))
        best = float(values.min())

        def worth(rows: Floats) -> Floats:
            inputs = self.space.encode(rows)
            found = log_expected_improvement(*model.predict(inputs), best)
            if validity is not None:
                found = found + log_probability(*validity.predict(inputs))
            known = np.array([key in seen for key in self.space.keys(rows)], np.bool_)
            return np.where(known, -np.inf, found)

        first = points[np.argsort(values, kind="stable")][: self.incumbents]
        return self.search.best(self.space, worth, first, random)

    def _farthest(self, history: History, random: np.random.Generator) -> Floats:
        """Of some feasible points, the one whose nearest known point is the farthest."""
        drawn = self.space.sample(self.spread, random)
        if not len(history):
            return drawn[0]
        inputs = self.space.encode(history.points)
        gaps = distances(self.space.encode(drawn), inputs).min(axis=1)
        return drawn[int(np.argmax(gaps))]

    def _scaled(self, values: Floats) -> Floats:
        """What is modelled: the logarithms of values, or the values."""
        return np.log(values) if self.log_objective else values

    @property
    def _typical(self) -> float:
        """The logarithm of the lengthscale that is expected: longer in more dimensions."""
        return math.log(0.6 * len(self.space.parameters) ** 0.35)

    @property
    def _priors(self) -> Priors:
        return Priors(LogNormal(self._typical, 1), Flat(), LogNormal(-6, 1.5))

    @property
    def _start(self) -> Floats:
        return np.append(np.full(len(self.space.parameters), self._typical), [0.0, -6.0])

    @property
    def _owner(self) -> list[int]:
        """The parameter of each model input."""
        spans = self.space.input_spans
        return [place for place, span in enumerate(spans) for _ in range(span.start, span.stop)]

    def _fit(self, points: Floats, values: Floats, random: np.random.Generator) -> GaussianProcess:
        starts = [self._start, self._start + 0.7 * random.normal(size=len(self._start))]
        return fit(self.space.encode(points), values, self._owner, self._priors, starts)

    def _validity(self, history: History) -> GaussianProcess | None:
        """The model of validity, once something has failed."""
        if not history.of("failed").any():
            return None
        known = history.of("done", "failed")
        targets = np.where(history.of("done")[known], VALID, INVALID)
        inputs = self.space.encode(history.points[known])
        return fit(inputs, targets, self._owner, self._priors, [self._start])
