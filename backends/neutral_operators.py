"""
The operators of the neutral form: ports and attributes, in the order of the engine's primitives.

The first group are those of the published simulators, under their names; the others are ours.
A port name that ends in `*` stands for numbered ports: `crd*` is `crd0`, `crd1`, ..
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Operator:
    """The ports of an operator, the attributes that it must have, and the primitive that it is."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    primitive: str = ""
    """Its name where it differs from the operator's."""


BINARY = ("add", "sub", "mul", "div")
UNARY = ("exp", "log", "neg", "abs", "sqrt", "rsqrt", "sin", "cos", "tanh", "sigmoid", "erf")
REDUCTIONS = {"reduce": "add", "maxreduce": "max"}

OPERATORS: dict[str, Operator] = {
    "fiberlookup": Operator(("ref",), ("crd", "ref"), ("tensor", "mode", "format")),
    "repsiggen": Operator(("crd",), ("sig",), primitive="repeat_signal"),
    "repeat": Operator(("ref", "sig"), ("ref",)),
    "intersect": Operator(("crd*", "ref*"), ("crd", "ref*")),
    "union": Operator(("crd*", "ref*"), ("crd", "ref*")),
    "arrayvals": Operator(("ref",), ("val",), ("tensor",), "array"),
    **{op: Operator(("in0", "in1"), ("val",), primitive="alu") for op in BINARY},
    **{op: Operator(("in0",), ("val",), primitive="alu") for op in UNARY},
    **{op: Operator(("val",), ("val",), primitive="reduce") for op in REDUCTIONS},
    "spaccumulator": Operator((), (), ("order", "in0", "in1"), "accumulate"),
    "crddrop": Operator(("outer", "inner"), ("outer", "inner"), primitive="coordinate_drop"),
    "crdhold": Operator(("outer", "inner"), ("outer", "inner"), primitive="coordinate_hold"),
    "fiberwrite": Operator(("in",), (), ("tensor", "mode")),
    # Ours. A root of its own for every port is left out; one that several ports share is not.
    "root": Operator((), ("ref",)),
    "alu": Operator(("in*",), ("val",), ("op",)),
    "scan_bitvector": Operator(("ref",), ("bv", "ref"), ("tensor", "mode", "index")),
    "range": Operator(("ref",), ("crd", "ref"), ("index", "extent"), "scan_dense"),
    "locate": Operator(("crd", "ref"), ("ref",), ("extent",)),
    "value_drop": Operator(("val", "crd"), ("val", "crd"), ("empty",)),
    "stop_drop": Operator(("in",), ("out",), ("stops",)),
    "mask": Operator(("outer", "inner", "ref"), ("outer", "inner", "ref"), ("predicate",)),
    "points_to_fibers": Operator(
        ("outer", "inner"), ("outer", "inner"), ("outer_axis", "inner_axis")
    ),
    "split": Operator(("crd",), ("outer", "inner"), ("factor", "outer_axis", "inner_axis")),
    "flatten": Operator(("outer", "inner"), ("crd",), ("factor", "index")),
    "bitvector_build": Operator(("crd",), ("bv",)),
    "bitvector_chunk": Operator(("bv",), ("bv", "ref"), ("width", "size")),
    "bitvector_intersect": Operator(("bv0", "ref0", "bv1", "ref1"), ("bv", "ref0", "ref1")),
    "bitvector_drop": Operator(("outer", "inner"), ("outer", "inner")),
    "fork": Operator(("in",), ("out*", "order"), ("lanes",)),
    "balance": Operator(("ref",), ("order",), ("tensor", "mode", "among")),
    "deal": Operator(("in", "order"), ("out*",), ("lanes",)),
    "gather": Operator(("in*", "order"), ("out",)),
    "concat": Operator(("in*",), ("out",), ("extents",)),
    "coordinates": Operator(("val",), ("crd",), ("extent",)),
    "number": Operator(("crd",), ("ref",)),
    "select_fibers": Operator(("ref", "crd"), ("crd", "ref")),
    "select_values": Operator(("ref", "val"), ("val",)),
    "store": Operator(("ref", "val"), (), ("tensor", "extents")),
}

PARAMETERS = ("op", "empty", "predicate", "factor", "width", "size", "lanes", "among", "levels")
"""Attributes that are parameters of the primitive, under the same name."""


def has_root(kind: str, port: str) -> bool:
    """Whether the port, if nothing is connected, reads the root stream."""
    return port == "ref" and kind != "locate"


def is_optional(kind: str, port: str) -> bool:
    """Whether nothing need be connected."""
    return (port == "ref" and OPERATORS[kind].inputs[0] == "ref") or (kind, port) == (
        "locate",
        "ref",
    )


def input_ports(kind: str, attributes: Mapping[str, Any], connected: int) -> tuple[str, ...]:
    """The names of the inputs of an operator with `connected` inputs."""
    if kind == "spaccumulator":
        return (*(f"crd_{index}" for index in accumulated(attributes)), "val")
    if kind in BINARY and "scalar" in attributes:
        return ("in0",)
    return _expand(OPERATORS[kind].inputs, _group_size(kind, attributes, connected))


def output_ports(kind: str, attributes: Mapping[str, Any], connected: int) -> tuple[str, ...]:
    """The names of the outputs of an operator with `connected` inputs."""
    if kind == "spaccumulator":
        return (*(f"crd_{index}" for index in accumulated(attributes)[1:]), "val")
    return _expand(OPERATORS[kind].outputs, _group_size(kind, attributes, connected))


def accumulated(attributes: Mapping[str, Any]) -> list[str]:
    """The indices of an accumulator, the reduced one first."""
    return [str(attributes[f"in{n}"]) for n in range(int(attributes["order"]), -1, -1)]


def _group_size(kind: str, attributes: Mapping[str, Any], connected: int) -> int:
    if kind in ("fork", "deal"):
        return int(attributes["lanes"])
    inputs = OPERATORS[kind].inputs
    groups = sum(name.endswith("*") for name in inputs)
    return max((connected - len(inputs) + groups) // groups, 1) if groups else 0


def _expand(names: Sequence[str], count: int) -> tuple[str, ...]:
    return tuple(
        port
        for name in names
        for port in ([f"{name[:-1]}{n}" for n in range(count)] if name[-1] == "*" else [name])
    )
