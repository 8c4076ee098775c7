"""The rule of every primitive, by name."""

from headrace.simulators.stream.estimate import (
    accumulate,
    bitvector,
    compute,
    join,
    lanes,
    reshape,
    scan,
)
from headrace.simulators.stream.estimate.nest import Nest, Profile
from headrace.simulators.stream.estimate.node import Cost, Node, Rule


def broadcast(node: Node) -> Cost:
    return Cost(node.inputs * node.integer("lanes"), 0)


def source(node: Node) -> Cost:
    """Given tokens: how they nest is not looked at."""
    tokens = node.parameters.get("tokens", ())
    count = len(tokens) if isinstance(tokens, tuple) else node.integer("tokens")
    return Cost((Profile(Nest(None, count, 0, 0, ())),), count, latency=0)


RULES: dict[str, Rule] = {
    "accumulate": accumulate.accumulate,
    "alu": compute.alu,
    "array": compute.array,
    "balance": lanes.balance,
    "bitvector_build": bitvector.build,
    "bitvector_chunk": bitvector.chunk,
    "bitvector_drop": bitvector.drop,
    "bitvector_intersect": bitvector.intersect,
    "broadcast": broadcast,
    "concat": lanes.concat,
    "coordinate_drop": reshape.coordinate_drop,
    "coordinate_hold": reshape.coordinate_hold,
    "coordinates": scan.coordinates,
    "deal": lanes.deal,
    "flatten": reshape.flatten,
    "fork": lanes.fork,
    "gather": lanes.gather,
    "intersect": join.intersect,
    "locate": scan.locate,
    "mask": reshape.mask,
    "number": scan.number,
    "points_to_fibers": reshape.points_to_fibers,
    "reduce": accumulate.reduce,
    "repeat": scan.repeat,
    "repeat_signal": scan.repeat_signal,
    "root": scan.root,
    "scan_bitvector": bitvector.scan_bitvector,
    "scan_compressed": scan.scan_compressed,
    "scan_dense": scan.scan_dense,
    "select_fibers": scan.select_fibers,
    "select_values": scan.select_values,
    "sink": compute.sink,
    "source": source,
    "split": reshape.split,
    "stop_drop": reshape.stop_drop,
    "store": compute.store,
    "union": join.union,
    "value_drop": reshape.value_drop,
    "write_coordinates": compute.write_coordinates,
    "write_values": compute.write_values,
}
