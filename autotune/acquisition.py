"""
What a point is worth trying, from the predictions of a model; values are minimised.

Source: "Unexpected Improvements to Expected Improvement for Bayesian Optimization", NeurIPS 2023
(the logarithm), and "BaCO", ASPLOS 2023, section 4.3 (times the probability of validity).
"""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.special

Floats = npt.NDArray[np.float64]

_special = cast(Any, scipy.special)
"""SciPy's types are incomplete."""


def expected_improvement(mean: Floats, deviation: Floats, best: float, least: float = 0) -> Floats:
    """[rows] How much below `best` - `least` a value is expected to be."""
    z = (best - least - mean) / deviation
    worth = deviation * (z * _special.ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi))
    return np.asarray(worth, np.float64)


def log_expected_improvement(
    mean: Floats, deviation: Floats, best: float, least: float = 0
) -> Floats:
    """[rows] The logarithm of `expected_improvement`, also where that underflows."""
    z = (best - least - mean) / deviation
    return np.log(deviation) + _log_h(z)


def _log_h(z: Floats) -> Floats:
    """log(phi(z) + z Phi(z))."""
    near = np.maximum(z, -1.0)
    above = np.log(np.exp(-0.5 * near * near) / np.sqrt(2 * np.pi) + near * _special.ndtr(near))
    # phi(z) (1 + z Phi(z) / phi(z)), and Phi / phi by a function that does not underflow; far out
    # the difference from 1 is 1 / z^2.
    far = np.minimum(z, -1.0)
    ratio = -far * np.sqrt(np.pi / 2) * _special.erfcx(-far / np.sqrt(2))
    rest = np.where(far < -1e5, -2 * np.log(-far), np.log(np.maximum(1 - ratio, 1e-300)))
    below = -0.5 * far * far - 0.5 * np.log(2 * np.pi) + rest
    return np.asarray(np.where(z > -1, above, below), np.float64)


def lower_confidence_bound(mean: Floats, deviation: Floats, evaluations: int) -> Floats:
    """[rows] Minus (mean - beta deviation): a larger one is better, as of the others."""
    return -(mean - np.sqrt(0.125 * np.log(2 * evaluations + 1)) * deviation)


def log_probability(mean: Floats, deviation: Floats) -> Floats:
    """[rows] Of being valid, for a model of -1 (invalid) and 1 (valid)."""
    return np.asarray(_special.log_ndtr(2 * mean / np.sqrt(1 + deviation**2)), np.float64)
