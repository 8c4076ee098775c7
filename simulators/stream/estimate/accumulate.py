"""
Reduction: innermost fibers to one value, and accumulators, which merge fibers.

An accumulator that merges m fibers, each of which has coordinate a with probability q, holds a
with probability 1 - (1 - q)^m. Sums over fibers and coordinates are taken group by group of equal
m and q. This is exact for full fibers, and as good as coordinates of different fibers are
independent.
"""

from itertools import pairwise

import numpy as np

from headrace.simulators.stream.estimate.join import is_full
from headrace.simulators.stream.estimate.nest import Atoms, Nest, Profile, below, listed_below
from headrace.simulators.stream.estimate.node import Cost, Node
from headrace.simulators.stream.estimate.spread import Spread, Vector, padded

GROUPS = 64
"""Groups of similar coordinates."""


def reduce(node: Node) -> Cost:
    (values,) = node.inputs
    nest = values.nest
    present = nest.count * values.present
    return Cost(
        (Profile(nest.parent()),),
        present + nest.stops,
        operations=nest.count * node.tile,
        flushes=nest.fibers,
        latency=node.integer("latency", 1),
    )


def accumulate(node: Node) -> Cost:
    """Merge the fibers of the outermost coordinate stream."""
    crds, values = [profile.nest for profile in node.inputs[:-1]], node.inputs[-1]
    merged = crds[0]
    found = merged.parent()
    reduced = found.depth
    nests: list[Nest] = []
    for fibers, inner in pairwise(crds):
        found = _merged(found, fibers, inner, reduced)
        nests.append(found)
    return Cost(
        (*(Profile(nest) for nest in nests), Profile(nests[-1])),
        sum(nest.count for nest in crds) + merged.stops,
        operations=values.nest.count * node.tile,
        flushes=max(merged.fibers, 1),
    )


def _merged(outer: Nest, fibers: Nest, inner: Nest, reduced: int) -> Nest:
    """
    One level of the result: its parents are the elements of `outer`, and the fibers of `inner`,
    one for each element of `fibers`, are merged into theirs. `fibers` and `inner` have one axis
    more, at place `reduced`.
    """
    shares = inner.spreads[-1]
    extent = max(shares.extent, 1)
    if is_full(inner) and fibers.bare <= fibers.parent().bare:
        return below(outer, outer.count * extent, Spread(extent))
    atoms: Atoms = frozenset({("merged", fibers.atoms, inner.atoms)})
    listed = None if is_full(inner) else inner.elements
    if listed is not None:
        kept = tuple(axis for axis in range(inner.depth) if axis != reduced)
        different = listed.merged(kept)
        if different is not None:
            return listed_below(outer, different, atoms)
    around = [
        (fibers.spreads[place], inner.spreads[place])
        for place in range(outer.depth + 1)
        if place != reduced
    ]
    axes = range(outer.depth - 1, -1, -1)
    axis = next((a for a in axes if any(s is not outer.spreads[a] for s in around[a])), None)
    if axis is None:
        parents = np.array([outer.count])
        merged, rates = np.array([fibers.count]), np.array([inner.count])
    else:
        size = outer.spreads[axis].extent
        parents, merged, rates = (
            nest.count * padded(spread.shares, size)[:size]
            for nest, spread in zip(
                (outer, fibers, inner), (outer.spreads[axis], *around[axis]), strict=True
            )
        )
    divisor = np.maximum(parents, 1e-300)
    each = _distinct(merged / divisor, rates / divisor, shares)
    count = min(float(parents @ each), inner.count)
    empty = float(parents @ np.clip(1 - each, 0, 1)) if count else outer.count
    spreads = outer.spreads
    if axis is not None and not _is_even(each[parents > 0]):
        spread = Spread(len(parents), lambda: parents * each)
        spreads = (*spreads[:axis], spread, *spreads[axis + 1 :])
    if count >= outer.count * extent * (1 - 1e-9):
        return below(outer, count, Spread(extent))
    column = shares if shares.is_even else _column(fibers, inner, outer)
    return below(outer, count, column, empty=empty, spreads=spreads, atoms=atoms)


def _is_even(each: Vector) -> bool:
    return len(each) == 0 or float(each.max() - each.min()) <= 1e-9 * float(each.max())


def _distinct(merged: Vector, rates: Vector, shares: Spread) -> Vector:
    """
    Coordinates in the union of `merged` fibers that have `rates` elements together (vectors
    over groups of parents).
    """
    fibers = np.maximum(merged, 1e-300)
    if shares.is_even:
        probable = np.minimum(rates / (fibers * max(shares.extent, 1)), 1)
        return shares.extent * _union(probable, merged)
    values, counts = _groups(shares.shares)
    probable = np.minimum(np.multiply.outer(rates / fibers, values), 1)
    return _union(probable, merged[:, None]) @ counts


def _union(probable: Vector, times: Vector) -> Vector:
    """1 - (1 - p)^m; below one fiber p * m."""
    several = 1 - (1 - probable) ** np.maximum(times, 1)
    return np.where(times < 1, probable * times, several)


def _groups(shares: Vector) -> tuple[Vector, Vector]:
    """Similar shares as one: their mean, and how many they are."""
    largest = float(shares.max(initial=0))
    if largest == 0:
        return np.zeros(1), np.zeros(1)
    group = np.minimum((shares * (GROUPS / largest)).astype(np.int64), GROUPS - 1)
    counts = np.bincount(group, minlength=GROUPS)
    sums = np.bincount(group, weights=shares, minlength=GROUPS)
    there = counts > 0
    return sums[there] / counts[there], counts[there].astype(np.float64)


def _column(fibers: Nest, inner: Nest, outer: Nest) -> Spread:
    shares = inner.spreads[-1]
    times = np.array(fibers.count / max(outer.count, 1e-300))
    rate = inner.count / max(fibers.count, 1e-300)
    return Spread(shares.extent, lambda: _union(np.minimum(rate * shares.shares, 1), times))
