"""
The elements of a stream one by one, where they follow from tensors that are there.

Marginal spreads do not tell which rows a row refers to. Where that matters (how many coordinates an
accumulator holds, how work differs between rows) and there are few enough elements, they are
listed: the coordinates of each on every axis.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[Any]
Places = npt.NDArray[np.bool_]

MOST = 1 << 19
"""Elements that are listed at most; more are expected from marginals."""


PLACES = 1 << 23
"""Places among which different elements are looked for at most."""


def unnumbered() -> None:
    """The keys of positions that are numbers of places themselves."""


@dataclass(frozen=True, slots=True)
class Path:
    """
    How coordinates lead to the positions of a level of a tensor.

    The coordinates on `axes`, as digits of a number, name a place. Without compressed levels that
    is the position; else `keys` has the place of each position, and increases.
    """

    axes: tuple[int, ...]
    extents: tuple[int, ...]
    keys: Callable[[], Integers | None] = unnumbered


@dataclass(frozen=True, slots=True, eq=False)
class Elements:
    """
    The coordinates of the elements of a stream: one array for each axis, outermost first.

    What is derived from them is kept, as schedules of one program ask for the same.
    """

    coordinates: tuple[Integers, ...]
    extents: tuple[int, ...]
    merges: dict[tuple[int, ...], "Elements | None"] = field(
        default_factory=dict[tuple[int, ...], "Elements | None"]
    )
    histograms: dict[int, Integers] = field(default_factory=dict[int, Integers])

    @property
    def count(self) -> int:
        return len(self.coordinates[0]) if self.coordinates else 1

    @staticmethod
    @cache
    def of_range(extent: int) -> "Elements":
        """Every coordinate of one axis."""
        return Elements((np.arange(extent),), (extent,))

    def merged(self, axes: tuple[int, ...]) -> "Elements | None":
        """The different elements when only these axes are left."""
        if axes not in self.merges:
            extents = tuple(self.extents[axis] for axis in axes)
            coordinates = tuple(self.coordinates[axis] for axis in axes)
            there = Elements(coordinates, extents).places()
            self.merges[axes] = None if there is None else Elements.at(there, extents)
        return self.merges[axes]

    def common(self, other: "Elements") -> "Elements | None":
        """The elements that both have."""
        return self._joined(other, np.logical_and)

    def either(self, other: "Elements") -> "Elements | None":
        """The elements that one or the other has."""
        return self._joined(other, np.logical_or)

    def _joined(
        self, other: "Elements", function: Callable[[Places, Places], Places]
    ) -> "Elements | None":
        pairs = zip(self.extents, other.extents, strict=True)
        extents = tuple(max(one, two) for one, two in pairs)
        one = Elements(self.coordinates, extents).places()
        two = Elements(other.coordinates, extents).places()
        if one is None or two is None:
            return None
        return Elements.at(function(one, two), extents)

    def places(self) -> Places | None:
        """Which of all places have an element; `None` if there are too many places."""
        size = prod(self.extents)
        if size > PLACES:
            return None
        there = np.zeros(size, dtype=np.bool_)
        there[np.ravel_multi_index(self.coordinates, self.extents)] = True
        return there

    @staticmethod
    def at(there: Places, extents: tuple[int, ...]) -> "Elements":
        """The elements at places."""
        return Elements(np.unravel_index(np.flatnonzero(there), extents), extents)

    def positions(self, path: Path) -> npt.NDArray[np.int64] | None:
        """The position that each element names; `None` if one names none."""
        number = np.zeros(self.count, dtype=np.int64)
        for axis, extent in zip(path.axes, path.extents, strict=True):
            number = number * extent + self.coordinates[axis]
        keys = path.keys()
        if keys is None:
            return number
        found = np.searchsorted(keys, number)
        if len(found) and (found.max() >= len(keys) or (keys[found] != number).any()):
            return None
        return found.astype(np.int64)

    def picked(self, chosen: Places) -> "Elements":
        """The elements that are chosen, in order."""
        return Elements(tuple(one[chosen] for one in self.coordinates), self.extents)

    def histogram(self, axis: int) -> Integers:
        """How many elements each coordinate of an axis has."""
        if axis not in self.histograms:
            found = np.bincount(self.coordinates[axis], minlength=self.extents[axis])
            self.histograms[axis] = found
        return self.histograms[axis]

    def fibers(self) -> int:
        """Fibers of the innermost axis that are not empty."""
        outer = self.merged(tuple(range(len(self.extents) - 1))) if len(self.extents) > 1 else None
        return outer.count if outer else min(self.count, 1)


class Listing:
    """Elements that are listed when they are first asked for; `None` if they cannot be."""

    __slots__ = ("_known", "_make")

    def __init__(self, make: Callable[[], Elements | None]) -> None:
        self._make: Callable[[], Elements | None] | None = make
        self._known: Elements | None = None

    def get(self) -> Elements | None:
        if self._make is not None:
            self._known, self._make = self._make(), None
        return self._known
