"""What softmax and attention mean, in dense float64 arithmetic."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Dense = npt.NDArray[np.float64]


def softmax(scores: Array, axis: int = -1, mask: Array | None = None) -> Dense:
    """Along `axis`, where `mask` is not zero: the others, and what is masked as a whole, are 0."""
    x = scores.astype(np.float64)
    if mask is None:
        weights = np.exp(x - x.max(axis=axis, keepdims=True))
        return weights / weights.sum(axis=axis, keepdims=True)
    x = np.where(mask != 0, x, -np.inf)
    largest = x.max(axis=axis, keepdims=True)
    weights = np.exp(x - np.where(largest == -np.inf, 0, largest))
    # The largest weight is 1, unless there is none.
    return weights / np.maximum(weights.sum(axis=axis, keepdims=True), 1)


def attention(q: Array, k: Array, v: Array, divisor: float, mask: Array | None = None) -> Dense:
    """Of queries, keys and values, each .. x positions x width; scores are divided first."""
    return softmax(q @ k.swapaxes(-1, -2) / divisor, mask=mask) @ v.astype(np.float64)
