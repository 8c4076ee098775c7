"""How the elements of a stream, or the visits of an array, spread over coordinates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


class Spread:
    """
    The share of each of `extent` coordinates; shares sum to 1.

    Even shares have no vector, and others are computed when they are first read: most are not.
    """

    __slots__ = ("_make", "_shares", "extent", "is_even")

    def __init__(self, extent: int, make: Callable[[], npt.NDArray[Any]] | None = None) -> None:
        """`make` gives what the shares are proportional to; without it they are even."""
        self.extent = extent
        self.is_even = make is None
        self._make = make
        self._shares: Vector | None = None

    @property
    def shares(self) -> Vector:
        if self._shares is None:
            self._shares = self._computed()
        return self._shares

    def _computed(self) -> Vector:
        if self._make is None:
            return np.full(self.extent, 1 / max(self.extent, 1))
        weights = np.asarray(self._make(), dtype=np.float64)
        total = weights.sum()
        return weights / total if total > 0 else np.zeros(self.extent)


def product(one: Spread, other: Spread, over: Spread | None = None) -> Spread:
    """Shares in proportion to one * other / over."""
    if one is over or (over is None and one.is_even):
        return other
    if other is over or (over is None and other.is_even):
        return one
    return Spread(max(one.extent, other.extent), lambda: product_weights(one, other, over))


def product_weights(one: Spread, other: Spread, over: Spread | None = None) -> Vector:
    """The products one * other / over of the shares; 0 where `over` is."""
    size = min(one.extent, other.extent)
    weights = one.shares[:size] * other.shares[:size]
    if over is None:
        return padded(weights, max(one.extent, other.extent))
    below = padded(over.shares, size)[:size]
    return np.divide(weights, below, out=np.zeros(size), where=below > 0)


def padded(shares: Vector, extent: int) -> Vector:
    """The shares with zeros up to `extent`."""
    if len(shares) >= extent:
        return shares
    return np.concatenate([shares, np.zeros(extent - len(shares))])


def overlap(one: Spread, other: Spread) -> float:
    """The sum of the products of shares: how probable it is that two draws agree."""
    if one.is_even and other.is_even:
        return 1 / max(one.extent, other.extent, 1)
    if one.is_even or other.is_even:
        even, uneven = (one, other) if one.is_even else (other, one)
        if even.extent >= uneven.extent:
            return 1 / max(even.extent, 1)
    return float(product_weights(one, other).sum())


def mixture(parts: list[tuple[float, Spread]]) -> Spread:
    """The spread of all elements of the parts, each a number of elements and how they spread."""
    first = parts[0][1]
    if all(spread is first for _, spread in parts):
        return first
    extent = max(spread.extent for _, spread in parts)

    def weights() -> Vector:
        total = np.zeros(extent)
        for count, spread in parts:
            total[: spread.extent] += count * spread.shares
        return np.maximum(total, 0)

    return Spread(extent, weights)
