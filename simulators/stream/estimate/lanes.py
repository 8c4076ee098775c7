"""Parallel lanes, and streams one after the other."""

from collections.abc import Callable
from heapq import heapreplace

import numpy as np

from headrace.simulators.stream.estimate.elements import Integers
from headrace.simulators.stream.estimate.nest import Nest, Profile, below, listed_below
from headrace.simulators.stream.estimate.node import Cost, Node
from headrace.simulators.stream.estimate.spread import Spread, mixture


def fork(node: Node) -> Cost:
    """Lane k gets elements k, k + n, .. of the whole stream, and all stops."""
    (stream,) = node.inputs
    nest, lanes = stream.nest, node.integer("lanes")

    def turns() -> Integers | None:
        return None if nest.elements is None else np.arange(nest.elements.count) % lanes

    key = (id(nest), lanes)
    outputs = [stream.under(nest) for nest in _lanes(node, nest, lanes, key, turns)]
    return Cost((*outputs, Profile(nest)), nest.tokens)


def balance(node: Node) -> Cost:
    """Each fiber goes to the lane that has the least to do so far: entries and stops."""
    (refs,) = node.inputs
    level, lanes = node.level("segments"), node.integer("among")
    segments = level.segments

    def turns() -> Integers | None:
        positions = refs.positions()
        if positions is None or segments is None:
            return None
        loads = [(0, lane) for lane in range(lanes)]
        found = np.empty(len(positions), dtype=np.int64)
        for place, entries in enumerate((segments[positions + 1] - segments[positions]).tolist()):
            load, lane = loads[0]
            heapreplace(loads, (load + entries + 1, lane))
            found[place] = lane
        return found

    order = Profile(refs.nest, turns=turns)
    return Cost((order,), refs.nest.tokens, words=2 * refs.nest.count * refs.present)


def deal(node: Node) -> Cost:
    """Elements go to the lanes that an order names; equal shares if they are not known."""
    stream, order = node.inputs
    nest = stream.nest
    key = (id(nest), id(order.turns))
    lanes = node.integer("lanes")
    outputs = [stream.under(lane) for lane in _lanes(node, nest, lanes, key, order.turns)]
    return Cost(tuple(outputs), nest.tokens)


def _lanes(
    node: Node, nest: Nest, lanes: int, key: object, turns: Callable[[], Integers | None] | None
) -> list[Nest]:
    """The structure of each lane; streams that line up are dealt to lanes that line up."""
    if key not in node.lanes:
        elements, turn = nest.elements, turns() if turns is not None else None
        if elements is None or turn is None:
            found = [_share(nest, lane, lanes) for lane in range(lanes)]
        else:
            found = [
                listed_below(
                    nest.parent(),
                    elements.picked(turn == lane),
                    nest.atoms | {("lane", lane, lanes)},
                )
                for lane in range(lanes)
            ]
        node.lanes[key] = found
    return node.lanes[key]


def _share(nest: Nest, lane: int, lanes: int) -> Nest:
    """One lane of elements that are not listed."""
    outer = nest.parent()
    already = nest.bare - outer.bare
    filled = max(outer.count - already, 1)
    empty = already + filled * max(1 - nest.count / filled / lanes, 0)
    atoms = nest.atoms | {("lane", lane, lanes)}
    around = nest.spreads[:-1]
    count = nest.count / lanes
    return below(outer, count, nest.spreads[-1], empty=empty, spreads=around, atoms=atoms)


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
