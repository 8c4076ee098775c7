"""Bit vectors: one word for a fiber; the innermost extent of their structure is its bits."""

import math

from headrace.simulators.stream.estimate.nest import Profile, below
from headrace.simulators.stream.estimate.node import Cost, Node
from headrace.simulators.stream.estimate.spread import Spread


def scan_bitvector(node: Node) -> Cost:
    (refs,) = node.inputs
    level, nest = node.level("words"), refs.nest
    words = nest.count * refs.present
    atoms = frozenset({("words", refs.key)})
    found = below(nest, words, Spread(level.extent), empty=nest.count - words, atoms=atoms)
    bits = words * level.length(refs.visits(level.parents))
    return Cost((Profile(found, bits=bits), Profile(found)), found.tokens, words=words)


def build(node: Node) -> Cost:
    nest = node.inputs[0].nest
    outer = nest.parent()
    empty = max(nest.bare - outer.bare, 0)
    spread = Spread(nest.spreads[-1].extent)
    atoms = frozenset({("words", nest.atoms)})
    words = outer.count - empty
    found = below(outer, words, spread, empty=empty, spreads=nest.spreads[:-1], atoms=atoms)
    return Cost((Profile(found, bits=nest.count),), nest.tokens + words)


def chunk(node: Node) -> Cost:
    (stream,) = node.inputs
    nest, width = stream.nest, node.integer("width")
    parts = math.ceil(node.integer("size") / width)
    found = below(
        nest.parent(),
        nest.count * parts,
        Spread(width),
        empty=max(nest.bare - nest.parent().bare, 0),
        spreads=nest.spreads[:-1],
        atoms=nest.atoms,
    )
    return Cost((Profile(found, bits=stream.bits), Profile(found)), found.tokens)


def intersect(node: Node) -> Cost:
    one, other = node.inputs[0], node.inputs[2]
    nest = one.nest
    size = nest.count * nest.spreads[-1].extent
    both = min(one.bits * other.bits / size, one.bits, other.bits) if size else 0
    spread = nest.spreads[-1]
    atoms = nest.atoms | other.nest.atoms
    found = below(nest.parent(), both, spread, spreads=nest.spreads[:-1], atoms=atoms)
    words = Profile(nest, bits=both)
    return Cost((words, Profile(found), Profile(found)), nest.tokens + both)


def drop(node: Node) -> Cost:
    """Outer bits whose inner fiber has no bit are cleared; none is assumed to have none."""
    outer, inner = node.inputs
    steps = outer.nest.tokens + inner.nest.tokens
    return Cost((outer, inner), steps)
