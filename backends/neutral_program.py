"""
From a neutral graph to a program of the stream engine.

Every node becomes one process, except that a `repsiggen` becomes one signal process for each
repeat that it serves, driven by the reference stream beside its coordinates; a missing reference
input becomes a root of its own. Broadcasts are the builder's. These rules fix the cycles.

Source: "The Sparse Abstract Machine", ASPLOS 2023; process granularity of the published simulator
on "The Dataflow Abstract Machine", ISCA 2024.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from headrace.backends.neutral import NeutralGraph, NeutralNode, Port
from headrace.backends.neutral_operators import (
    BINARY,
    OPERATORS,
    PARAMETERS,
    REDUCTIONS,
    UNARY,
    has_root,
)
from headrace.simulators.stream.program import Parameter, Program, ProgramBuilder, Slot, Stream


def build_program(graph: NeutralGraph) -> Program:
    """
    The program that runs `graph`; it writes the output in drop mode.

    Its slots are those of `backends.graph.slots_of`; its results `X.<level>.segments`,
    `X.<level>.coordinates` and `X.values` for an output named X.
    """
    builder = ProgramBuilder()
    streams: dict[Port, Stream] = {}
    ranks = {node.id: rank for rank, node in enumerate(graph.nodes)}
    by_id = {node.id: node for node in graph.nodes}

    def process(kind: str, *inputs: Stream, name: str, **parameters: Parameter) -> list[Stream]:
        outputs = list(builder.node(kind, *inputs, name=name, **parameters))
        for stream in outputs if graph.depth else ():
            builder.set_capacity(stream, graph.depth or 0)
        return outputs

    for node in graph.topological():
        if node.type == "repsiggen":
            continue
        inputs: list[Stream] = []
        for port in node.input_ports:
            if port not in node.inputs:
                if has_root(node.type, port):
                    inputs += process("root", name=f"root of {node}")
            elif node.type == "repeat" and port == "sig":
                source = _reference_beside(by_id, by_id[node.inputs["sig"][0]].inputs["crd"])
                inputs += process("repeat_signal", streams[source], name=f"signal of {node}")
            else:
                inputs.append(streams[node.inputs[port]])
        kind, parameters = _primitive(graph, node)
        outputs = process(kind, *inputs, name=str(node), rank=ranks[node.id], **parameters)
        for port, stream in zip(node.output_ports, outputs, strict=True):
            streams[node.id, port] = stream
            if port in node.attributes.get("depth", {}):
                builder.set_capacity(stream, node.attributes["depth"][port])
    return builder.build()


def _reference_beside(by_id: Mapping[int, NeutralNode], crd: Port) -> Port:
    """The reference stream that belongs to a coordinate stream, if there is one."""
    source, port = crd
    beside = {
        "fiberlookup": "ref",
        "range": "ref",
        "select_fibers": "ref",
        "intersect": "ref0",
        "union": "ref0",
    }
    return (source, beside.get(by_id[source].type, port) if port == "crd" else port)


def _primitive(graph: NeutralGraph, node: NeutralNode) -> tuple[str, dict[str, Parameter]]:
    """The engine's primitive of a node, and its parameters."""
    attributes = node.attributes
    tensor, mode = attributes.get("tensor"), attributes.get("mode")
    match node.type:
        case "fiberlookup" if attributes["format"] == "dense":
            return "scan_dense", {"extent": Slot(f"{tensor}.{mode}.extent")}
        case "fiberlookup":
            level = graph.formats[str(tensor)].order.index(int(mode or 0))
            return "scan_compressed", {
                "segments": Slot(f"{tensor}.{level}.segments"),
                "coordinates": Slot(f"{tensor}.{level}.coordinates"),
            }
        case "scan_bitvector":
            level = graph.formats[str(tensor)].order.index(int(mode or 0))
            return "scan_bitvector", {"words": Slot(f"{tensor}.{level}.words")}
        case "balance":
            level = graph.formats[str(tensor)].order.index(int(mode or 0))
            segments = Slot(f"{tensor}.{level}.segments")
            return "balance", {"segments": segments, "among": attributes["among"]}
        case "arrayvals":
            return "array", {"values": Slot(f"{tensor}.values")}
        case "fiberwrite" if mode == "vals":
            return "write_values", {"output": str(tensor)}
        case "fiberwrite":
            level = graph.formats[str(tensor)].order.index(int(mode or 0))
            return "write_coordinates", {
                "mode": writer_mode(graph, node, level),
                "output": f"{tensor}.{level}",
            }
        case "store":
            return "store", {"extents": _extents(attributes["extents"]), "output": str(tensor)}
        case "concat":
            return "concat", {"extents": _extents(attributes["extents"])}
        case "stop_drop":
            return "stop_drop", {"mode": str(attributes["stops"])}
        case "reduce" | "maxreduce":
            return "reduce", {"op": attributes.get("op", REDUCTIONS[node.type])}
        case kind:
            parameters: dict[str, Parameter] = {
                name: attributes[name] for name in PARAMETERS if name in attributes
            }
            if kind in BINARY or kind in UNARY:
                parameters["op"] = kind
            if "scalar" in attributes:
                parameters["scalar"] = float(attributes["scalar"])
            if "extent" in attributes:
                parameters["extent"] = _extents([attributes["extent"]])[0]
            return OPERATORS[kind].primitive or kind, parameters


def _extents(data: Iterable[Any]) -> tuple[int | Slot, ...]:
    return tuple(
        entry if isinstance(entry, int) else Slot(f"{entry[0]}.{entry[1]}.extent") for entry in data
    )


def writer_mode(graph: NeutralGraph, node: NeutralNode, level: int) -> str:
    """
    What the node says as `empty`; else `drop` at the root and below a level whose coordinates
    passed a coordinate drop; else `keep`.

    Behind a drop the empty fibers still come, but their coordinates are gone. Elsewhere every
    coordinate of the parent level needs its segment, or the rows shift. The root has one fiber,
    whose segment needs no writing when it is empty.
    """
    if "empty" in node.attributes:
        return str(node.attributes["empty"])
    if level == 0:
        return "drop"
    parent = graph.formats[graph.output].order[level - 1]
    by_id = {other.id: other for other in graph.nodes}
    sources = [
        by_id[other.inputs["in"][0]].type
        for other in graph.nodes
        if other.type == "fiberwrite" and other.attributes["mode"] == parent
    ]
    return "drop" if "crddrop" in sources else "keep"
