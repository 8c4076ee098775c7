"""
Intersection and union of coordinates.

How many coordinates two operands share is expected from the sizes of their fibers and how often
each coordinate occurs (the degree-corrected product model): with p(i) fibers under coordinate i of
an outer axis, operands with a(i) and b(i) coordinates there, and shares s(k), t(k) of coordinate k,

    both = P * (A / P) (B / P) * sum_i p(i) / P * (a(i) / p(i)) / (A / P) * (b(i) / p(i)) / (B / P)
             * sum_k s(k) t(k)

with one such sum for each outer axis on which both depend. It is exact if one operand has every
coordinate, and for operands that are known to have equal ones.
"""

from headrace.simulators.stream.estimate.nest import Atoms, Nest, Profile, below, listed_below
from headrace.simulators.stream.estimate.node import Cost, Node
from headrace.simulators.stream.estimate.spread import Spread, mixture, overlap, product
from headrace.simulators.stream.estimate.spread import product_weights as weights


def common(one: Nest, other: Nest) -> Nest:
    """The coordinates that both have."""
    if one is other or one.atoms > other.atoms or one.atoms == other.atoms != frozenset():
        return one
    if other.atoms > one.atoms and one.atoms:
        return other
    if is_full(one):
        return other
    if is_full(other):
        return one
    outer = one.parent()
    if one.listing and other.listing and one.elements and other.elements:
        found = one.elements.common(other.elements)
        if found is not None:
            return listed_below(outer, found, one.atoms | other.atoms)
    count = one.count * other.count / outer.count if outer.count else 0
    spreads: list[Spread] = []
    for axis, around in enumerate(outer.spreads):
        left, right = one.spreads[axis], other.spreads[axis]
        if one.varies_with(axis) and other.varies_with(axis):
            count *= float(weights(left, right, around).sum())
            spreads.append(product(left, right, around))
        else:
            spreads.append(left if one.varies_with(axis) else right)
    left, right = one.spreads[-1], other.spreads[-1]
    count = min(count * overlap(left, right), one.count, other.count)
    filled = count / outer.count if outer.count else 0
    size = max(left.extent, right.extent, 1)
    empty = outer.count * max(1 - filled / size, 0) ** size
    least = max(one.bare, other.bare) - outer.bare
    return below(
        outer,
        count,
        product(left, right),
        empty=max(empty, least),
        spreads=tuple(spreads),
        atoms=one.atoms | other.atoms,
    )


def either(one: Nest, other: Nest, both: Nest) -> Nest:
    """The coordinates that one or the other has."""
    if both is one:
        return other
    if both is other:
        return one
    outer = one.parent()
    atoms: Atoms = frozenset({("either", one.atoms, other.atoms)})
    if one.listing and other.listing and one.elements and other.elements:
        found = one.elements.either(other.elements)
        if found is not None:
            return listed_below(outer, found, atoms)
    count = one.count + other.count - both.count
    spreads = [
        mixture([(one.count, a), (other.count, b), (-both.count, c)])
        for a, b, c in zip(one.spreads, other.spreads, both.spreads, strict=True)
    ]
    empties = [max(nest.bare - outer.bare, 0) / max(outer.count, 1) for nest in (one, other)]
    return below(
        outer,
        count,
        spreads[-1],
        empty=outer.count * empties[0] * empties[1],
        spreads=tuple(spreads[:-1]),
        atoms=atoms,
    )


def is_full(nest: Nest) -> bool:
    """Whether every fiber has every coordinate."""
    extent = nest.spreads[-1].extent
    return not nest.atoms and nest.count >= nest.fibers * extent * (1 - 1e-9)


def _joined(node: Node) -> tuple[list[Nest], Nest, Nest]:
    """The operands, what all of them have, and what any of them has."""
    half = len(node.inputs) // 2
    nests = [profile.nest for profile in node.inputs[:half]]
    all_have = any_has = nests[0]
    for nest in nests[1:]:
        any_has = either(any_has, nest, common(any_has, nest))
        all_have = common(all_have, nest)
    return nests, all_have, any_has


def intersect(node: Node) -> Cost:
    nests, found, visited = _joined(node)
    outputs = [Profile(found)]
    outputs += [profile.under(found) for profile in node.inputs[len(nests) :]]
    # A step for every coordinate that any operand has, also behind the last common one.
    return Cost(tuple(outputs), visited.tokens)


def union(node: Node) -> Cost:
    nests, _, found = _joined(node)
    outputs = [Profile(found)]
    for nest, profile in zip(nests, node.inputs[len(nests) :], strict=True):
        share = min(nest.count / found.count, 1) if found.count else 1
        kept = profile.fixed()
        outputs.append(
            Profile(found, kept.present * share, kept.factors, kept.nonzero * share)
            if share < 1
            else profile.under(found)
        )
    return Cost(tuple(outputs), found.tokens)
