"""
A Gaussian process on points of a search space, fitted by its closed-form likelihood.

With inputs x in columns that belong to parameters, targets y standardised, and a lengthscale l_p
for each parameter,

    k(x, x') = s^2 (1 + q + q^2 / 3) exp(-q),    q^2 = 5 sum_p |x_p - x'_p|^2 / l_p^2

(Matern 5/2). Lengthscales, s^2 and the noise maximise the marginal likelihood times their priors.
The gradient is written out, so that a fit needs no automatic differentiation.

Source: "Gaussian Processes for Machine Learning", Rasmussen and Williams, 2006, sections 4.2 and
5.4; the priors of the presets are in `settings`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.optimize

Floats = npt.NDArray[np.float64]

_linalg, _optimize = cast(Any, scipy.linalg), cast(Any, scipy.optimize)
"""SciPy's types are incomplete."""

JITTER = 1e-10
BOUNDS = {"lengthscale": (-5.0, 7.0), "variance": (-5.0, 5.0), "noise": (-16.0, 1.0)}
"""Of the logarithms of the hyperparameters."""


class Prior(Protocol):
    """A density on a positive number, as a function of its logarithm."""

    def log_density(self, logarithm: Floats) -> Floats:
        """Up to a constant, of the number, at each logarithm."""
        ...

    def slope(self, logarithm: Floats) -> Floats:
        """The derivative of `log_density` by the logarithm."""
        ...


@dataclass(frozen=True)
class Flat:
    """No prior."""

    def log_density(self, logarithm: Floats) -> Floats:
        return np.zeros_like(logarithm)

    def slope(self, logarithm: Floats) -> Floats:
        return np.zeros_like(logarithm)


@dataclass(frozen=True)
class LogNormal:
    """The logarithm is normal, with this mean and standard deviation."""

    mean: float
    deviation: float

    def log_density(self, logarithm: Floats) -> Floats:
        return -0.5 * ((logarithm - self.mean) / self.deviation) ** 2

    def slope(self, logarithm: Floats) -> Floats:
        return -(logarithm - self.mean) / self.deviation**2


@dataclass(frozen=True)
class Gamma:
    """With this shape and rate; the mode is (shape - 1) / rate."""

    shape: float
    rate: float

    def log_density(self, logarithm: Floats) -> Floats:
        return (self.shape - 1) * logarithm - self.rate * np.exp(logarithm)

    def slope(self, logarithm: Floats) -> Floats:
        return self.shape - 1 - self.rate * np.exp(logarithm)


@dataclass(frozen=True)
class Priors:
    """What is believed of the hyperparameters before the data."""

    lengthscale: Prior
    variance: Prior
    noise: Prior


@dataclass(frozen=True)
class GaussianProcess:
    """A fitted process: `predict` it."""

    inputs: Floats
    """[points, inputs]"""
    owner: npt.NDArray[np.int64]
    """[inputs] The lengthscale of each column."""
    logarithms: Floats
    """[lengthscales + 2] Of lengthscales, s^2 and the noise's variance."""
    centre: float
    scale: float
    """Targets are (value - centre) / scale."""
    value: float
    """The logarithm of likelihood times priors."""
    _factor: Floats
    _weights: Floats

    def predict(self, inputs: Floats) -> tuple[Floats, Floats]:
        """[rows] Mean and standard deviation, without noise, at inputs [rows, inputs]."""
        lengths, variance = self._lengths(), math.exp(self.logarithms[-2])
        cross = matern(distances(inputs / lengths, self.inputs / lengths), variance)
        mean = cross @ self._weights
        solved: Floats = _linalg.solve_triangular(self._factor, cross.T, lower=True)
        left = np.maximum(variance - (solved**2).sum(axis=0), 1e-12)
        return self.centre + self.scale * mean, self.scale * np.sqrt(left)

    def _lengths(self) -> Floats:
        return np.exp(self.logarithms[:-2])[self.owner]


def matern(squares: Floats, variance: float) -> Floats:
    """The covariance at squared distances that are scaled by lengthscales."""
    q = np.sqrt(5 * squares)
    return variance * (1 + q + q * q / 3) * np.exp(-q)


def distances(a: Floats, b: Floats) -> Floats:
    """[rows of a, rows of b] Squared distances."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.maximum(squares, 0)


def fit(
    inputs: Floats,
    values: Floats,
    owner: Sequence[int],
    priors: Priors,
    starts: Sequence[Floats],
) -> GaussianProcess:
    """
    The process of inputs [points, inputs] and values [points].

    `owner` [inputs] says which lengthscale a column has, `starts` are logarithms of hyperparameters
    [lengthscales + 2] from each of which the likelihood is climbed. Values that are all equal, or a
    single one, are taken as they are: the scale is then 1.
    """
    columns = np.asarray(owner, np.int64)
    centre = float(values.mean())
    scale = float(values.std()) or 1.0
    targets = (values - centre) / scale
    squares = np.stack(
        [
            distances(inputs[:, columns == one], inputs[:, columns == one])
            for one in range(int(columns.max()) + 1)
        ]
    )
    low, high = _limits(len(squares))

    def negative(logarithms: Floats) -> tuple[float, Floats]:
        value, slope = likelihood(squares, targets, logarithms, priors)
        return -value, -slope

    best, least = starts[0], math.inf
    for start in starts:
        found = _optimize.minimize(
            negative,
            np.clip(start, low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)),
            options={"maxiter": 100},
        )
        if float(found.fun) < least:
            best, least = cast(Floats, found.x), float(found.fun)
    covariance = _covariance(squares, best)[0]
    factor: Floats = _linalg.cholesky(covariance, lower=True)
    weights: Floats = _linalg.cho_solve((factor, True), targets)
    return GaussianProcess(inputs, columns, best, centre, scale, -least, factor, weights)


def likelihood(
    squares: Floats, targets: Floats, logarithms: Floats, priors: Priors
) -> tuple[float, Floats]:
    """
    The logarithm of marginal likelihood times priors, and its gradient [lengthscales + 2].

    `squares` [lengthscales, points, points] are squared distances by parameter, not scaled.
    """
    covariance, q, decay, scaled = _covariance(squares, logarithms)
    variance, noise = np.exp(logarithms[-2]), np.exp(logarithms[-1])
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return -1e25, np.zeros_like(logarithms)
    inverse: Floats = _linalg.cho_solve((factor, True), np.eye(len(targets)), check_finite=False)
    weights = inverse @ targets
    value = float(-0.5 * targets @ weights - np.log(np.diag(factor)).sum())
    # The trace of (w w^T - K^-1) dK, for each hyperparameter.
    inner = np.outer(weights, weights) - inverse
    slope = np.empty_like(logarithms)
    by_length = inner * (variance * 5 / 3 * (1 + q) * decay)
    slope[:-2] = 0.5 * np.einsum("ij,pij->p", by_length, scaled)
    slope[-2] = 0.5 * (inner * (variance * (1 + q + q * q / 3) * decay)).sum()
    slope[-1] = 0.5 * noise * np.trace(inner)
    for prior, part in (
        (priors.lengthscale, slice(0, -2)),
        (priors.variance, slice(-2, -1)),
        (priors.noise, slice(-1, None)),
    ):
        value += float(prior.log_density(logarithms[part]).sum())
        slope[part] += prior.slope(logarithms[part])
    return value, slope


def _covariance(squares: Floats, logarithms: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    scaled = squares * np.exp(-2 * logarithms[:-2])[:, None, None]
    q = np.sqrt(5 * scaled.sum(axis=0))
    decay = np.exp(-q)
    covariance = np.exp(logarithms[-2]) * (1 + q + q * q / 3) * decay
    covariance[np.diag_indices_from(covariance)] += np.exp(logarithms[-1]) + JITTER
    return covariance, q, decay, scaled


def _limits(lengthscales: int) -> tuple[Floats, Floats]:
    bounds = [BOUNDS["lengthscale"]] * lengthscales + [BOUNDS["variance"], BOUNDS["noise"]]
    low, high = np.array(bounds).T
    return low, high
