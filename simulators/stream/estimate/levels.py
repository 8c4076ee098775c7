"""
Statistics of stored levels: what a scan of them will find, without reading them again.

Those of a level that is there are exact (its row lengths and coordinates); those of a level that
a graph will write are expected values.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream.estimate.elements import Elements, Path
from headrace.simulators.stream.estimate.spread import Spread, Vector

Integers = npt.NDArray[np.int64]


class LevelStatistics:
    """A compressed level: `parents` fibers with `count` coordinates below `extent` in all."""

    def __init__(
        self,
        parents: int,
        count: float,
        extent: int,
        lengths: Spread | None = None,
        columns: Spread | None = None,
        *,
        segments: Integers | None = None,
        coordinates: Integers | None = None,
    ) -> None:
        """
        `lengths` is how the coordinates spread over fibers, `columns` how over coordinates; both
        are even if not given. `segments` and `coordinates` are the level itself, if it is there.
        """
        self.parents = parents
        self.count = count
        self.extent = extent
        self.lengths = lengths or Spread(parents)
        self.columns = columns or Spread(extent)
        self.segments = segments
        self.coordinates = coordinates
        self._scanned: dict[object, tuple[Elements, Elements | None]] = {}
        self._keys: dict[int, tuple[Integers | None, Integers]] = {}

    @staticmethod
    def of(
        segments: Integers, coordinates: Integers, extent: int | None = None
    ) -> "LevelStatistics":
        """The exact statistics of a level; without an extent, the largest coordinate gives it."""
        size = int(coordinates.max(initial=-1)) + 1 if extent is None else extent
        lengths = np.diff(segments)
        even = len(lengths) == 0 or lengths.min() == lengths.max()
        full = even and len(coordinates) == len(lengths) * size
        return LevelStatistics(
            len(lengths),
            len(coordinates),
            size,
            None if even else Spread(len(lengths), lambda: lengths),
            None if full else Spread(size, lambda: np.bincount(coordinates, minlength=size)),
            segments=segments,
            coordinates=coordinates,
        )

    @cached_property
    def fiber_lengths(self) -> Vector:
        """The length of each fiber."""
        if self.segments is not None:
            return np.diff(self.segments).astype(np.float64)
        return self.lengths.shares * self.count

    @cached_property
    def _empty(self) -> Vector:
        """How probable it is that each fiber is empty."""
        if self.segments is not None:
            return (self.fiber_lengths == 0).astype(np.float64)
        return np.maximum(1 - self.fiber_lengths / max(self.extent, 1), 0) ** self.extent

    @cached_property
    def _mean_empty(self) -> float:
        return float(self._empty.mean()) if self.parents else 0

    def length(self, visits: Spread) -> float:
        """The mean length of the fibers that are visited."""
        if visits.is_even or self.lengths.is_even:
            return self.count / max(self.parents, 1)
        return float(visits.shares @ self.fiber_lengths)

    def empty(self, visits: Spread) -> float:
        """The share of visits to empty fibers."""
        if visits.is_even:
            return self._mean_empty
        return float(visits.shares @ self._empty)

    def found(self, visits: Spread) -> Spread:
        """How the coordinates spread that the visits find."""
        segments, stored = self.segments, self.coordinates
        if visits.is_even or segments is None or stored is None or self.columns.is_even:
            return self.columns
        size = self.extent

        def weights() -> npt.NDArray[Any]:
            each = np.repeat(visits.shares, np.diff(segments))
            return np.bincount(stored, weights=each, minlength=size)

        return Spread(size, weights)

    def scanned(self, outer: Elements, path: Path) -> Elements | None:
        """
        The elements that a scan finds, if the level is there and each of `outer` opens a fiber.

        Equal scans are done once.
        """
        segments, stored = self.segments, self.coordinates
        if segments is None or stored is None:
            return None
        key = (id(outer), path.axes, path.extents, id(path.keys()))
        if key not in self._scanned:
            opened = outer.positions(path)
            found = None
            if opened is not None:
                found = _scanned(outer, opened, segments, stored, self.extent)
            # The outer elements are kept, so that no others get their id.
            self._scanned[key] = outer, found
        return self._scanned[key][1]

    def keys(self, above: Integers | None) -> Integers | None:
        """The place of each position, from the places of the fibers; see `Path`."""
        segments, stored = self.segments, self.coordinates
        if segments is None or stored is None:
            return None
        if id(above) not in self._keys:
            fibers = np.arange(self.parents) if above is None else above
            places = np.repeat(fibers, np.diff(segments)) * self.extent + stored
            self._keys[id(above)] = above, places
        return self._keys[id(above)][1]

    def positions(self, visits: Spread) -> Spread:
        """How the visits spread over the positions of this level."""
        segments = self.segments
        count = round(self.count)
        if visits.is_even or segments is None:
            return Spread(count)
        return Spread(count, lambda: np.repeat(visits.shares, np.diff(segments)))


def _scanned(
    outer: Elements, opened: Integers, segments: Integers, stored: Integers, extent: int
) -> Elements:
    starts = segments[opened]
    lengths = segments[opened + 1] - starts
    parents = np.repeat(np.arange(len(opened)), lengths)
    first = np.cumsum(lengths) - lengths
    places = np.arange(len(parents)) + (starts - first)[parents]
    around = tuple(one[parents] for one in outer.coordinates)
    return Elements((*around, stored[places]), (*outer.extents, extent))


Statistics = Mapping[str, LevelStatistics | float]
"""
What the slots of a program stand for: `A.0` is level 0 of tensor A if that is compressed,
`A.0.extent` the size of dimension 0, `A.values` the share of the stored values that are not 0
(1 if it is not given).
"""


def statistics_of_arrays(arrays: Mapping[str, Any]) -> dict[str, LevelStatistics | float]:
    """The statistics of the arrays and numbers that `simulate` takes."""
    found: dict[str, LevelStatistics | float] = {}
    for name, value in arrays.items():
        level, _, what = name.rpartition(".")
        if what == "extent":
            found[name] = int(value)
        elif what == "values":
            stored = np.asarray(value)
            found[name] = np.count_nonzero(stored) / stored.size if stored.size else 1
        elif what == "segments":
            segments = np.asarray(value, dtype=np.int64)
            coordinates = np.asarray(arrays[f"{level}.coordinates"], dtype=np.int64)
            found[level] = LevelStatistics.of(segments, coordinates)
    return found
