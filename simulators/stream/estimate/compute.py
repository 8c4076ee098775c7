"""Values: array reads, arithmetic and writers."""

from headrace.simulators.stream.estimate.nest import Profile
from headrace.simulators.stream.estimate.node import Cost, Node

RELU_ZEROS = 0.5
"""The share of values that `max(x, 0)` makes zero: half, as of numbers drawn around 0."""

MEET = ("mul", "mask")
"""Operations that are 0 where one operand is."""

JOIN = ("add", "sub", "max", "min")
"""Operations that are 0 where both operands are."""

ODD = ("neg", "abs", "sqrt", "sin", "tanh", "erf")
"""Functions that are 0 at 0 only (or nearly)."""


def array(node: Node) -> Cost:
    (refs,) = node.inputs
    share = refs.present * node.nonzero()
    words = refs.nest.count * refs.present * node.tile
    value = Profile(refs.nest, nonzero=share)
    latency = node.integer("latency", 1)
    return Cost((value,), refs.nest.tokens, words=words, latency=latency)


def alu(node: Node) -> Cost:
    """One operation an element; a product of tiles multiplies and adds `inner` times an entry."""
    nest = node.inputs[0].nest
    each = node.tile * (2 * node.integer("inner") if node.parameters["op"] == "matmul" else 1)
    value = Profile(nest, nonzero=_nonzero(node))
    steps = nest.tokens * node.integer("interval", 1)
    return Cost((value,), steps, nest.count * each, latency=node.integer("latency", 1))


def _nonzero(node: Node) -> float:
    """The share of results that are not 0, as if operands were independent."""
    op = node.parameters["op"]
    shares = [profile.nonzero for profile in node.inputs]
    if op in MEET:
        result = shares[0]
        for share in shares[1:]:
            result *= share
        return result
    if len(shares) == 1:
        if op == "max" and node.parameters.get("scalar", 0.0) == 0:
            return shares[0] * RELU_ZEROS
        return shares[0] if op in (*ODD, "div") else 1
    if op in JOIN:
        zero = 1.0
        for share in shares:
            zero *= 1 - share
        return 1 - zero
    return shares[0] if op == "div" else 1


def write_coordinates(node: Node) -> Cost:
    """A word for every coordinate, and one for every fiber that is kept."""
    (stream,) = node.inputs
    nest = stream.nest
    kept = nest.stops - (nest.outer.bare if nest.outer else 0)
    if node.parameters.get("mode", "keep") == "drop":
        kept = nest.stops - nest.bare
    return Cost((), nest.count + kept, words=nest.count + kept, written=stream)


def write_values(node: Node) -> Cost:
    (stream,) = node.inputs
    count = stream.nest.count
    return Cost((), count, words=count * node.tile, closing=1, written=stream)


def store(node: Node) -> Cost:
    refs, values = node.inputs
    count = refs.nest.count
    return Cost((), count, words=count * refs.present, closing=1, written=values)


def sink(node: Node) -> Cost:
    (stream,) = node.inputs
    return Cost((), (stream.nest.tokens + 1) * node.integer("interval"))
