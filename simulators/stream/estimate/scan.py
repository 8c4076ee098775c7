"""Scans, positions and repeats: how streams get deeper."""

from typing import Any

from headrace.simulators.stream.estimate.elements import MOST, Elements, Listing, Path
from headrace.simulators.stream.estimate.levels import LevelStatistics
from headrace.simulators.stream.estimate.nest import (
    NO_AXIS,
    ROOT,
    Atoms,
    Factor,
    Nest,
    Profile,
    below,
    listed_below,
)
from headrace.simulators.stream.estimate.node import Cost, Node
from headrace.simulators.stream.estimate.spread import Spread, Vector, product, product_weights
from headrace.simulators.stream.program import Slot


def root(node: Node) -> Cost:
    return Cost((Profile(ROOT),), 0)


def scan_compressed(node: Node) -> Cost:
    """Every reference p opens a fiber as long as row p: lengths are weighted by visits."""
    (refs,) = node.inputs
    level, nest = node.level("segments"), refs.nest
    visits = refs.visits(level.parents)
    opened = nest.count * refs.present
    count = opened * level.length(visits)
    slot = node.parameters["segments"]
    assert isinstance(slot, Slot)
    key = (slot.name, refs.key)
    spread = level.found(visits)
    listing = Listing(lambda: _listed(refs, level)) if count <= MOST else None
    atoms: Atoms = frozenset({key if refs.present == 1 else (key, nest.atoms)})
    found = below(
        nest,
        count,
        spread,
        empty=opened * level.empty(visits) + nest.count - opened,
        spreads=_weighted(refs, level, visits, listing),
        atoms=atoms,
        listing=listing,
    )
    elements = None if visits.is_even or not refs.factors[0].path else found.elements
    if elements is not None:
        # Which of the positions a joiner has left is better known from the elements.
        found = listed_below(nest, elements, atoms)
        count = found.count
    position = Factor(
        round(level.count),
        nest.depth if level.coordinates is not None else NO_AXIS,
        key,
        level.positions(visits),
        level.coordinates,
        found.spreads[-1],
        _path(refs, level),
    )
    outputs = (Profile(found), Profile(found, factors=(position,)))
    return Cost(outputs, found.tokens, words=2 * opened + count)


def _listed(refs: Profile, level: LevelStatistics) -> Elements | None:
    """The elements that a scan finds, if it is known which fibers it opens."""
    outer, path = refs.nest.elements, refs.path
    return None if outer is None or path is None else level.scanned(outer, path)


def _path(refs: Profile, level: LevelStatistics) -> Path | None:
    """How coordinates lead to the positions of a level."""
    above = refs.path
    if above is None or level.segments is None:
        return None
    axes = (*above.axes, refs.nest.depth)
    return Path(axes, (*above.extents, level.extent), lambda: level.keys(above.keys()))


def _weighted(
    refs: Profile, level: LevelStatistics, visits: Spread, listing: Listing | None
) -> tuple[Spread, ...]:
    """
    How the coordinates found spread over the outer axes: those that the references follow are
    weighted by the lengths of their fibers.
    """
    spreads = list(refs.nest.spreads)
    if level.lengths.is_even:
        return tuple(spreads)
    for axis, before in enumerate(spreads):

        def weights(axis: int = axis, before: Spread = before) -> Any:
            elements = listing.get() if listing is not None else None
            if elements is not None and elements.extents[axis] == before.extent:
                return elements.histogram(axis)
            return _followed(refs, level, visits, axis)

        spreads[axis] = Spread(before.extent, weights)
    return tuple(spreads)


def _followed(refs: Profile, level: LevelStatistics, visits: Spread, axis: int) -> Vector:
    """The weights of an axis that the references follow; as before if they do not."""
    before = refs.nest.spreads[axis]
    for place, factor in enumerate(refs.factors):
        if factor.axis == axis and factor.axis_extent == before.extent:
            each = visits.shares * level.fiber_lengths
            others = tuple(n for n in range(len(refs.factors)) if n != place)
            if others:
                sizes = [other.extent for other in refs.factors]
                each = each.reshape(sizes).sum(axis=others)
            return factor.over_axis(each)
    return before.shares


def scan_dense(node: Node) -> Cost:
    """Every reference opens a fiber with every coordinate."""
    (refs,) = node.inputs
    extent, nest = node.integer("extent"), refs.nest
    opened = nest.count * refs.present
    empty = nest.count - (opened if extent else 0)
    atoms: Atoms = frozenset()
    if refs.present < 1:
        atoms = frozenset({("present", refs.key, nest.atoms)})
    listing = None
    if nest.depth == 0 and extent <= MOST:
        listing = Listing(lambda: Elements.of_range(extent))
    count = opened * extent
    found = below(nest, count, Spread(extent), empty=empty, atoms=atoms, listing=listing)
    digit = Factor(extent, nest.depth, nest.depth)
    outputs = (Profile(found), Profile(found, factors=(*refs.factors, digit)))
    return Cost(outputs, found.tokens)


def locate(node: Node) -> Cost:
    """Coordinates become positions: nothing is counted anew."""
    coordinates, *outer = node.inputs
    nest = coordinates.nest
    digit = Factor(node.integer("extent"), nest.depth - 1, nest.depth - 1)
    factors = (*outer[0].factors, digit) if outer else (digit,)
    present = outer[0].present if outer else 1
    return Cost((Profile(nest, present, factors),), nest.tokens)


def repeat_signal(node: Node) -> Cost:
    (stream,) = node.inputs
    return Cost((Profile(stream.nest),), stream.nest.tokens)


def repeat(node: Node) -> Cost:
    stream, signal = node.inputs
    return Cost((stream.under(signal.nest),), signal.nest.tokens)


def coordinates(node: Node) -> Cost:
    """Indices as coordinates, in any order: which they are is not looked at."""
    (values,) = node.inputs
    return Cost((Profile(values.nest),), values.nest.tokens)


def number(node: Node) -> Cost:
    """References to the elements of the stream itself."""
    nest = node.inputs[0].nest
    size = max(round(nest.count), 1)
    position = Factor(size, NO_AXIS, ("number", nest.atoms, nest.depth), Spread(size))
    return Cost((Profile(nest, factors=(position,)),), nest.tokens)


def select_fibers(node: Node) -> Cost:
    """As a scan of the fibers of a stream; those that are skipped take a cycle a token."""
    refs, stream = node.inputs[0], node.inputs[1].nest
    nest, source = refs.nest, stream.parent()
    opened = nest.count * refs.present
    length = stream.count / source.count if source.count else 0
    spreads = list(nest.spreads)
    for axis in range(min(nest.depth, stream.depth - 1)):
        if stream.varies_with(axis):
            # The fibers that are picked may be longer than the mean.
            around = spreads[axis], stream.spreads[axis], source.spreads[axis]
            length *= float(product_weights(*around).sum())
            spreads[axis] = product(*around)
    empty_share = (stream.bare - source.bare) / source.count if source.count else 0
    found = below(
        nest,
        opened * length,
        stream.spreads[-1],
        empty=opened * empty_share + nest.count - opened,
        spreads=tuple(spreads),
        atoms=frozenset({("picked", refs.key, nest.atoms, stream.atoms)}),
    )
    size = max(round(stream.count), 1)
    position = Factor(size, NO_AXIS, ("picked", stream.atoms), Spread(size))
    steps = max(stream.tokens - opened, 0) + found.stops
    return Cost((Profile(found), Profile(found, factors=(position,))), steps)


def select_values(node: Node) -> Cost:
    refs, values = node.inputs
    nest: Nest = refs.nest
    skipped = max(values.nest.tokens - nest.count * refs.present, 0)
    return Cost((Profile(nest, refs.present, nonzero=values.nonzero),), nest.tokens + skipped)
