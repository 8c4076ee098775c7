"""Operators that remove elements or change nesting. What values decide is assumed."""

import math

from headrace.simulators.stream.estimate.nest import Nest, Profile, below
from headrace.simulators.stream.estimate.node import Cost, Node
from headrace.simulators.stream.estimate.spread import Spread


def empty_after(nest: Nest, kept: float) -> float:
    """Fibers without an element when each element is kept with probability `kept`."""
    outer = nest.parent()
    already = max(nest.bare - outer.bare, 0)
    filled = outer.count - already
    length = nest.count / filled if filled > 0 else 0
    return already + max(filled, 0) * (1 - kept) ** length


def thinned(nest: Nest, kept: float, *, drop: bool) -> Nest:
    """A share of the elements; with `drop` without fibers that become empty."""
    outer = nest.parent()
    empty = empty_after(nest, kept)
    atoms = frozenset({object()})
    count = nest.count * kept
    if not drop:
        spreads = nest.spreads[:-1]
        return below(outer, count, nest.spreads[-1], empty=empty, spreads=spreads, atoms=atoms)
    return Nest(outer, count, max(outer.count - empty, 0), 0, nest.spreads, atoms)


def coordinate_drop(node: Node) -> Cost:
    outer, inner = node.inputs[0].nest, node.inputs[1].nest
    empty = max(inner.bare - outer.bare, 0)
    kept = 1 - empty / outer.count if outer.count else 1
    dropped = outer if kept == 1 or outer.outer is None else thinned(outer, kept, drop=False)
    return Cost((Profile(dropped), node.inputs[1]), outer.tokens)


def coordinate_hold(node: Node) -> Cost:
    outer, inner = node.inputs
    return Cost((outer.under(inner.nest), inner), inner.nest.tokens)


def value_drop(node: Node) -> Cost:
    """The share of values that are not 0 stays."""
    values = node.inputs[0]
    drop = node.parameters.get("empty", "keep") == "drop"
    nest = thinned(values.nest, values.nonzero, drop=drop)
    return Cost((Profile(nest), Profile(nest)), values.nest.tokens)


def stop_drop(node: Node) -> Cost:
    (stream,) = node.inputs
    nest = stream.nest
    if node.parameters["mode"] == "all" or nest.outer is None:
        kept = Nest(None, nest.count, 0, 0, ())
    else:
        kept = Nest(nest.outer, nest.count, nest.stops - nest.bare, 0, nest.spreads, nest.atoms)
    return Cost((Profile(kept, stream.present, nonzero=stream.nonzero),), nest.tokens)


def mask(node: Node) -> Cost:
    """Inner elements are dropped where the predicate holds, as if coordinates were independent."""
    outer, inner = node.inputs[0].nest, node.inputs[1].nest
    kept = 1 - _holds(str(node.parameters["predicate"]), inner.spreads[-2], inner.spreads[-1])
    empty = empty_after(inner, kept)
    rows = outer
    if outer.outer is not None and outer.count:
        rows = thinned(outer, 1 - empty / outer.count, drop=False)
    spreads = inner.spreads[:-1]
    atoms = frozenset({object()})
    rest = below(rows, inner.count * kept, inner.spreads[-1], spreads=spreads, atoms=atoms)
    outputs = (Profile(rows), Profile(rest), node.inputs[2].under(rest))
    return Cost(outputs, inner.tokens)


def _holds(predicate: str, one: Spread, other: Spread) -> float:
    """How probable it is that `one predicate other`."""
    size = max(one.extent, other.extent)
    if size == 0:
        return 0
    below_one = [0.0, *other.shares.cumsum().tolist()]
    less = sum(
        share * below_one[min(place, other.extent)] for place, share in enumerate(one.shares)
    )
    least = min(one.extent, other.extent)
    same = float(one.shares[:least] @ other.shares[:least])
    return {
        "gt": less,
        "ge": less + same,
        "lt": 1 - less - same,
        "le": 1 - less,
        "eq": same,
        "ne": 1 - same,
    }[predicate]


def points_to_fibers(node: Node) -> Cost:
    """How many points a fiber has is not known: one each."""
    points = node.inputs[0].nest.count
    outer = below(Nest(None, 1, 0, 0, ()), points, Spread(max(round(points), 1)))
    inner = below(outer, points, Spread(max(round(points), 1)), atoms=frozenset({object()}))
    return Cost((Profile(outer), Profile(inner)), points)


def split(node: Node) -> Cost:
    """Coordinates c become c // factor and, one level deeper, c % factor."""
    nest, factor = node.inputs[0].nest, node.integer("factor")
    parent = nest.parent()
    parts = math.ceil(nest.spreads[-1].extent / factor)
    places = parent.count * nest.spreads[-1].extent
    share = min(nest.count / places, 1) if places else 0
    count = min(parent.count * parts * (1 - (1 - share) ** factor), nest.count)
    empty = max(nest.bare - parent.bare, 0)
    around = nest.spreads[:-1]
    atoms = frozenset({("split", factor, nest.atoms)}) if nest.atoms else frozenset[object]()
    outer = below(parent, count, Spread(parts), empty=empty, spreads=around, atoms=atoms)
    inner = below(outer, nest.count, Spread(factor), atoms=atoms)
    return Cost((Profile(outer), Profile(inner)), nest.tokens)


def flatten(node: Node) -> Cost:
    outer, inner = node.inputs[0].nest, node.inputs[1].nest
    factor = node.integer("factor")
    nest = below(
        outer.parent(),
        inner.count,
        Spread(outer.spreads[-1].extent * factor),
        empty=max(outer.bare - outer.parent().bare, 0),
        spreads=inner.spreads[:-2],
        atoms=outer.atoms | inner.atoms,
    )
    return Cost((Profile(nest),), inner.tokens)
