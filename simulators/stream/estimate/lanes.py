"""Parallel lanes, and streams one after the other."""

from headrace.simulators.stream.estimate.nest import Nest, Profile, below
from headrace.simulators.stream.estimate.node import Cost, Node
from headrace.simulators.stream.estimate.spread import Spread, mixture


def fork(node: Node) -> Cost:
    """Every lane gets the same share of the elements, and all stops."""
    (stream,) = node.inputs
    lanes = node.integer("lanes")
    shares = [1 / lanes] * lanes
    outputs = [stream.under(_lane(node, stream.nest, k, share)) for k, share in enumerate(shares)]
    return Cost((*outputs, Profile(stream.nest)), stream.nest.tokens)


def _lane(node: Node, nest: Nest, lane: int, share: float) -> Nest:
    """One lane of a structure; forks of streams that line up give the same."""
    key = (id(nest), lane, share)
    if key not in node.lanes:
        outer = nest.parent()
        filled = max(outer.count - (nest.bare - outer.bare), 1)
        length = nest.count / filled
        empty = nest.bare - outer.bare + filled * max(1 - share * length, 0)
        found = below(
            outer,
            nest.count * share,
            nest.spreads[-1],
            empty=empty,
            spreads=nest.spreads[:-1],
            atoms=nest.atoms | {("lane", lane, share)},
        )
        node.lanes[key] = Profile(found)
    return node.lanes[key].nest


def gather(node: Node) -> Cost:
    """The elements of all lanes, under the structure before the fork."""
    *lanes, order = node.inputs
    levels = node.integer("levels")
    found = order.nest
    for level in reversed(range(levels)):
        parts = [_at(lane.nest, level) for lane in lanes]
        count = sum(part.count for part in parts)
        spreads = [
            mixture([(part.count, part.spreads[axis]) for part in parts])
            for axis in range(found.depth + 1)
        ]
        empty = sum(part.bare - part.parent().bare for part in parts)
        atoms = frozenset({("gathered", *(part.atoms for part in parts))})
        full = all(not part.atoms for part in parts)
        found = below(
            found,
            count,
            spreads[-1],
            empty=empty,
            spreads=tuple(spreads[:-1]),
            atoms=frozenset() if full else atoms,
        )
    present = sum(lane.nest.count * lane.present for lane in lanes)
    every = sum(lane.nest.count for lane in lanes)
    result = Profile(found, present / every if every else 1, nonzero=lanes[0].nonzero)
    return Cost((result,), found.tokens)


def _at(nest: Nest, levels: int) -> Nest:
    for _ in range(levels):
        nest = nest.parent()
    return nest


def concat(node: Node) -> Cost:
    """Fiber behind fiber; a cycle for the stop of each."""
    nests = [profile.nest for profile in node.inputs]
    first = nests[0]
    count = sum(nest.count for nest in nests)
    extent = sum(nest.spreads[-1].extent for nest in nests)
    found = below(
        first.parent(),
        count,
        Spread(extent),
        empty=min(nest.bare for nest in nests) - first.parent().bare,
        spreads=first.spreads[:-1],
        atoms=frozenset({("joined", *(nest.atoms for nest in nests))})
        if any(nest.atoms for nest in nests)
        else frozenset(),
    )
    present = sum(p.nest.count * p.present for p in node.inputs) / count if count else 1
    return Cost((Profile(found, present),), count + len(nests) * first.stops)
