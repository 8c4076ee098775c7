"""
What the cost model knows of a stream: how many elements it has, and how they spread.

Streams that are zipped share a `Nest`; references and values know a little more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream.estimate.elements import Elements, Integers, Listing, Path
from headrace.simulators.stream.estimate.spread import Spread, Vector, padded

Atoms = frozenset[object]


@dataclass(frozen=True, slots=True, eq=False)
class Nest:
    """The structure of a stream of depth d, linked to that of depth d - 1."""

    outer: "Nest | None"
    count: float
    """Elements."""
    stops: float
    bare: float
    """Stops with no element of this depth before them: empty fibers, and rows without fibers."""
    spreads: tuple[Spread, ...]
    """How the elements spread over the coordinates of each axis, outermost first."""
    atoms: Atoms = frozenset()
    """What decides which coordinates the innermost axis has; nothing: it has all."""
    listing: Listing | None = None
    """The elements one by one, if they follow from tensors that are there."""

    @property
    def elements(self) -> Elements | None:
        return self.listing.get() if self.listing is not None else None

    @property
    def depth(self) -> int:
        return len(self.spreads)

    @property
    def tokens(self) -> float:
        """Tokens but for D."""
        return self.count + self.stops

    @property
    def fibers(self) -> float:
        return self.outer.count if self.outer else 1

    def parent(self) -> "Nest":
        """The structure of the elements that open the fibers of this one."""
        assert self.outer is not None, "a stream without axes has no fibers"
        return self.outer

    def varies_with(self, axis: int) -> bool:
        """Whether fibers under different coordinates of an outer axis have different lengths."""
        return self.spreads[axis] is not self.parent().spreads[axis]


NO_AXIS = -1
"""The axis of positions whose coordinates are not known."""

ROOT = Nest(None, 1, 0, 0, (), listing=Listing(lambda: Elements((), ())))


def below(
    outer: Nest,
    count: float,
    spread: Spread,
    *,
    empty: float = 0,
    spreads: tuple[Spread, ...] | None = None,
    atoms: Atoms = frozenset(),
    listing: Listing | None = None,
) -> Nest:
    """
    One level more: every element of `outer` opens a fiber, `count` elements in all.

    `empty` of the fibers have no element; `spreads` is how the new elements spread over the outer
    axes, if not as before, `spread` how over their own.
    """
    bare = min(empty, outer.count) + outer.bare
    around = outer.spreads if spreads is None else spreads
    return Nest(outer, count, outer.count + outer.bare, bare, (*around, spread), atoms, listing)


def listed_below(outer: Nest, elements: Elements, atoms: Atoms) -> Nest:
    """One level more, of which the elements are listed."""

    def spread(axis: int) -> Spread:
        return Spread(elements.extents[axis], lambda: elements.histogram(axis))

    spreads = tuple(spread(axis) for axis in range(outer.depth + 1))
    return below(
        outer,
        elements.count,
        spreads[-1],
        empty=max(outer.count - elements.fibers(), 0),
        spreads=spreads[:-1],
        atoms=atoms,
        listing=Listing(lambda: elements),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """
    What one part of a reference follows.

    A reference is a mixed number whose digits are factors. One without `visits` is the coordinate
    on `axis`; one with them is a position of a compressed level, and `coordinates` are those
    stored there.
    """

    extent: int
    axis: int
    key: object
    visits: Spread | None = None
    coordinates: npt.NDArray[np.int64] | None = None
    origin: Spread | None = None
    """How the elements spread over `axis` when the visits were counted."""
    path: Path | None = None
    """How coordinates lead to the position."""

    def spread(self, nest: Nest) -> Spread:
        """How the elements of a stream of references spread over this factor."""
        now = nest.spreads[self.axis] if 0 <= self.axis < nest.depth else None
        if self.visits is None:
            return self._of_extent(now) if now is not None else Spread(self.extent)
        visits, stored, origin = self.visits, self.coordinates, self.origin
        if now is None or now is origin or stored is None or origin is None:
            return visits

        def weights() -> Vector:
            size = min(now.extent, origin.extent)
            before = origin.shares[:size]
            change = np.divide(now.shares[:size], before, out=np.zeros(size), where=before > 0)
            return visits.shares * padded(change, origin.extent)[stored]

        return Spread(self.extent, weights)

    def over_axis(self, weights: Vector) -> Vector:
        """Weights of the positions as weights of the coordinates on the axis."""
        if self.coordinates is None:
            return weights
        assert self.origin is not None
        summed = np.bincount(self.coordinates, weights=weights, minlength=self.origin.extent)
        return summed.astype(np.float64)

    @property
    def axis_extent(self) -> int:
        """The length of what `over_axis` gives."""
        return self.extent if self.origin is None else self.origin.extent

    def _of_extent(self, now: Spread) -> Spread:
        if now.extent == self.extent:
            return now
        if now.is_even:
            return Spread(self.extent)
        return Spread(self.extent, lambda: padded(now.shares, self.extent)[: self.extent])


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A stream: its structure, and what its elements are."""

    nest: Nest
    present: float = 1
    """The share of the elements that are not N."""
    factors: tuple[Factor, ...] = ()
    """What references follow; nothing: the reference 0, or not known."""
    nonzero: float = 1
    """The share of values that are not 0."""
    bits: float = 0
    """Bits set in a bit vector."""
    turns: Callable[[], Integers | None] | None = None
    """The lane of each element of a stream that says how to deal, if elements are listed."""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for references to equal positions."""
        return tuple(factor.key for factor in self.factors)

    def visits(self, positions: int) -> Spread:
        """How the references spread over the positions of an array."""
        parts = [factor.spread(self.nest) for factor in self.factors]
        extent = prod(part.extent for part in parts)
        if extent != positions or all(part.is_even for part in parts):
            return Spread(positions)
        if len(parts) == 1:
            return parts[0]

        def weights() -> Vector:
            total = np.ones(1)
            for part in parts:
                total = np.multiply.outer(total, part.shares).reshape(-1)
            return total

        return Spread(positions, weights)

    def positions(self) -> Integers | None:
        """The references one by one, if they are coordinates of listed elements."""
        elements, path = self.nest.elements, self.path
        return None if elements is None or path is None else elements.positions(path)

    @property
    def path(self) -> Path | None:
        """How coordinates lead to the references, if they do and every element has one."""
        if self.present < 1:
            return None
        if all(factor.visits is None for factor in self.factors):
            axes = tuple(factor.axis for factor in self.factors)
            return Path(axes, tuple(factor.extent for factor in self.factors))
        return self.factors[0].path if len(self.factors) == 1 else None

    def under(self, nest: Nest) -> "Profile":
        """The same elements in another structure, repeated or picked."""
        return Profile(nest, self.present, self.factors, self.nonzero, self.bits)

    def fixed(self) -> "Profile":
        """The same, following where the axes are now even if a union adds coordinates."""
        factors = tuple(
            factor
            if factor.visits is not None
            else Factor(factor.extent, factor.axis, factor.key, factor.spread(self.nest))
            for factor in self.factors
        )
        return Profile(self.nest, self.present, factors, self.nonzero, self.bits)
