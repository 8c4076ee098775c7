"""
Netlists of streaming tensor programs in files: `{"meta": {..}, "nodes": [..]}`, json or json.gz.

Reading checks everything that a simulation relies on, so that a damaged file is refused with one
sentence that says where.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.backends.netlist_schema import (
    HBM,
    META,
    OPERATORS,
    RECORDED,
    Check,
    as_list,
    as_object,
    is_count,
)
from headrace.simulators.stream.netlist import Netlist, NetlistNode, Output, Port
from headrace.storage.errors import InputError
from headrace.storage.files import write_bytes

SUFFIXES = (".json", ".json.gz")

UNNAMED = -1
"""The index of an output that is the only one: null in files."""


def is_netlist_path(path: Path) -> bool:
    """Whether the name is that of a netlist."""
    return path.name.endswith(SUFFIXES)


def read_netlist(path: Path) -> Netlist:
    """
    Read a netlist; a file without a name in its `meta` is called like the file.

    Raises `InputError` for a file that is missing, damaged, or no netlist.
    """
    try:
        content = path.read_bytes()
        text = gzip.decompress(content) if path.suffix == ".gz" else content
        data = json.loads(text)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from None
    except (EOFError, RecursionError, ValueError, zlib.error) as error:
        raise InputError(f"'{path}' is no complete JSON file: {error}; write it again") from None
    return parse_netlist(data, str(path))


def write_netlist(path: Path, netlist: Netlist) -> None:
    """Write a netlist, compressed if the path ends in .gz; readers see all of it or nothing."""
    text = json.dumps(netlist_data(netlist)).encode()
    write_bytes(path, gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def netlist_data(netlist: Netlist) -> dict[str, Any]:
    """The netlist as what is written to a file."""
    indexed = {node.id: node.indexed_outputs for node in netlist.nodes}

    def port(read: Port) -> list[int | None]:
        return [read.node, read.output if indexed[read.node] else None]

    def entry(node: NetlistNode) -> dict[str, Any]:
        many = OPERATORS[node.op].many
        data: dict[str, Any] = {"id": node.id, "op": node.op}
        if node.outputs:
            data["out"] = [{"shape": list(o.shape), "dtype": o.dtype} for o in node.outputs]
        data["params"] = dict(node.parameters)
        data["inputs"] = {
            name: list(map(port, ports)) if name == many else port(ports[0])
            for name, ports in node.inputs.items()
        }
        return data

    return {"meta": dict(netlist.meta), "nodes": list(map(entry, netlist.nodes))}


def parse_netlist(data: object, where: str) -> Netlist:
    """The netlist in parsed JSON; `where` starts every message. Raises `InputError`."""
    meta: dict[str, Any] = _field(data, "meta", dict, where)
    entries: list[Any] = _field(data, "nodes", list, where)
    _check_fields(meta, META, f"{where}: meta")
    _check_fields(_field(meta, "hbm", dict, f"{where}: meta"), HBM, f"{where}: meta.hbm")
    if (depth := meta.get("channel_depth")) is not None:
        _check_fields({"channel_depth": depth}, {"channel_depth": META["onchip_bw"]}, where)
    _check_fields(meta, {n: RECORDED[n] for n in RECORDED if n in meta}, f"{where}: meta")
    nodes = [_node(entry, f"{where}: node {i}") for i, entry in enumerate(entries)]
    named = {"name": Path(where).name.split(".")[0], **meta}
    return Netlist(named, _connected(nodes, where))


_KINDS: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a whole number",
}


def _field(data: object, key: str, kind: type, where: str) -> Any:
    fields = as_object(data)
    if fields is None or key not in fields:
        raise InputError(f"{where} lacks '{key}', {_KINDS[kind]}; see the schema of netlists")
    if not isinstance(fields[key], kind):
        raise InputError(f"{where}: '{key}' is {_shown(fields[key])}, not {_KINDS[kind]}")
    return fields[key]


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}.."


def _check_fields(values: Mapping[str, Any], checks: Mapping[str, Check], where: str) -> None:
    for name, check in checks.items():
        if name not in values:
            raise InputError(f"{where} lacks '{name}'; see the schema of netlists")
        if problem := check(values[name]):
            raise InputError(f"{where}: '{name}' {problem}; it is {_shown(values[name])}")


def _node(entry: object, where: str) -> NetlistNode:
    number: int = _field(entry, "id", int, where)
    op: str = _field(entry, "op", str, where)
    if op not in OPERATORS:
        raise InputError(f"{where} has the unknown operator '{op}'; there are {_listed(OPERATORS)}")
    where = f"{where} ({op})"
    schema = OPERATORS[op]
    parameters: dict[str, Any] = _field(entry, "params", dict, where)
    _check_fields(parameters, dict(schema.parameters), where)
    given: dict[str, Any] = _field(entry, "inputs", dict, where)
    if set(given) != set(schema.operands):
        raise InputError(
            f"{where} has the inputs {_listed(given)}, but the operator has "
            f"{_listed(schema.operands)}"
        )
    inputs = {
        name: _ports(given[name], name == schema.many, f"{where}: input '{name}'") for name in given
    }
    if schema.switched is not None:
        expected = len(inputs[schema.many]) if schema.many else int(parameters[schema.switched])
        if len(parameters["switch_cycles"]) != expected:
            raise InputError(
                f"{where}: 'switch_cycles' has {len(parameters['switch_cycles'])} entries for "
                f"{expected} streams; give one for each"
            )
    listed: list[Any] = (
        _field(entry, "out", list, where) if "out" in (as_object(entry) or {}) else []
    )
    outputs = tuple(
        Output(tuple(map(str, _field(out, "shape", list, where))), _field(out, "dtype", str, where))
        for out in listed
    )
    node = NetlistNode(number, op, parameters, inputs, outputs)
    if outputs and len(outputs) != node.output_count:
        raise InputError(
            f"{where}: 'out' has {len(outputs)} entries for {node.output_count} outputs"
        )
    _check_shape_parameters(node, where)
    return node


def _check_shape_parameters(node: NetlistNode, where: str) -> None:
    parameters = node.parameters
    if node.op == "Reshape" and not parameters["reshape_rank"]:
        if parameters["chunk_size"] > 1 and parameters["pad_fn"] is None:
            raise InputError(f"{where} fills chunks, but 'pad_fn' is null; give a tile")
    elif node.op == "Flatten" and parameters["min_rank"] > parameters["max_rank"]:
        raise InputError(f"{where} flattens from rank {parameters['min_rank']} down; swap the two")


def _ports(given: object, many: bool, where: str) -> tuple[Port, ...]:
    pairs = as_list(given) if many else [given]
    if not pairs:
        raise InputError(f"{where} is {_shown(given)}; give a list of [node, output]")
    return tuple(_port(pair, where) for pair in pairs)


def _port(given: object, where: str) -> Port:
    pair = as_list(given)
    if pair is None or len(pair) != 2 or not is_count(pair[0]):
        raise InputError(f"{where} has the port {_shown(given)}; give [node, output or null]")
    if pair[1] is None:
        return Port(pair[0], UNNAMED)
    if not is_count(pair[1]):
        raise InputError(f"{where} has the port {_shown(given)}; give [node, output or null]")
    return Port(pair[0], pair[1])


def _connected(nodes: Sequence[NetlistNode], where: str) -> tuple[NetlistNode, ...]:
    """The nodes with complete ports, each of which exists and is read once."""
    for place, node in enumerate(nodes):
        if node.id != place:
            raise InputError(
                f"{where}: node {place} ({node.op}) has the id {node.id}; ids are places in the "
                "list, from 0"
            )
    readers: dict[Port, str] = {}
    connected: list[NetlistNode] = []
    for node in nodes:
        inputs: dict[str, tuple[Port, ...]] = {}
        for name, ports in node.inputs.items():
            at = f"{where}: input '{name}' of node {node.id} ({node.op})"
            inputs[name] = tuple(_resolved(port, nodes, at) for port in ports)
            for port in inputs[name]:
                if port in readers:
                    raise InputError(
                        f"{at} reads {port}, which {readers[port]} reads; put a Broadcast between"
                    )
                readers[port] = f"node {node.id} ({node.op})"
        connected.append(replace(node, inputs=inputs))
    return tuple(connected)


def _resolved(port: Port, nodes: Sequence[NetlistNode], at: str) -> Port:
    if port.node >= len(nodes):
        raise InputError(f"{at} reads node {port.node}, which does not exist")
    source = nodes[port.node]
    if not source.output_count:
        raise InputError(f"{at} reads node {port.node} ({source.op}), which has no output")
    if not source.indexed_outputs:
        if port.output != UNNAMED:
            raise InputError(
                f"{at} reads output {port.output} of node {port.node} ({source.op}), which has one "
                "output; write null"
            )
        return Port(port.node)
    if not 0 <= port.output < source.output_count:
        shown = "null" if port.output == UNNAMED else str(port.output)
        raise InputError(
            f"{at} reads output {shown} of node {port.node} ({source.op}), which has the outputs 0 "
            f"to {source.output_count - 1}"
        )
    return port


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
