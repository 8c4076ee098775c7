"""
The neutral form of a stream graph: JSON that any simulator of the operators can read.

    {"kernel": .., "expression": .., "output": "X", "fmt": {"X": "ss01", "B": "ss10"},
     "nodes": [{"id": 4, "type": "fiberlookup", "tensor": "B", "mode": 0, "index": "i",
                "format": "compressed", "in": {"ref": [3, "ref0"]}}, ..]}

`fmt` names one letter per level and the storage order of the logical modes; `none` is a scalar.
`mode` of a node is a logical mode. An absent `ref` input is the root. Several nodes may read one
port: fan-out is implicit here and becomes one broadcast per stream in a program. The order of the
nodes carries meaning only for the memory, whose ports are numbered in it.

A binary operation with a `scalar` has one input. A fiberwrite may say `empty`: `keep` (an empty
fiber closes a segment) or `drop`; see `neutral_program.writer_mode` for what holds otherwise.
`depth` is the capacity of channels: of all of them at the top, of those that carry an output of
a node as `"depth": {"crd": 4}`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from headrace.backends.neutral_operators import (
    OPERATORS,
    input_ports,
    is_optional,
    output_ports,
)
from headrace.storage.errors import InputError
from headrace.storage.levels import Format

Extent = int | tuple[str, int]
"""A number of coordinates, or the tensor and the mode that have it."""

Port = tuple[int, str]
"""A stream: the node that produces it, and the name of its output."""


@dataclass(frozen=True)
class NeutralNode:
    """One operator: attributes and inputs as in the JSON, in the order of the JSON."""

    id: int
    type: str
    attributes: Mapping[str, Any]
    inputs: Mapping[str, Port]

    def __str__(self) -> str:
        what = (str(self.attributes[k]) for k in ("tensor", "index") if k in self.attributes)
        return f"{self.type} {'.'.join(what)} [{self.id}]".replace("  ", " ")

    @property
    def input_ports(self) -> tuple[str, ...]:
        """The names of all inputs, in the order of the engine's primitives."""
        return input_ports(self.type, self.attributes, len(self.inputs))

    @property
    def output_ports(self) -> tuple[str, ...]:
        """The names of all outputs, in the order of the engine's primitives."""
        return output_ports(self.type, self.attributes, len(self.inputs))


@dataclass(frozen=True)
class NeutralGraph:
    """A graph of operators over named tensors; the first format is the output's."""

    kernel: str
    expression: str
    output: str
    formats: Mapping[str, Format]
    nodes: tuple[NeutralNode, ...]
    shape: tuple[Extent, ...] | None = None
    """Of the output, where it does not follow from the written indices."""
    depth: int | None = None
    """The capacity of channels that have none of their own; None leaves it to the run."""

    def topological(self) -> list[NeutralNode]:
        """
        The nodes, producers first; otherwise in the order of the file.

        Raises `InputError` when the graph has a cycle.
        """
        waiting = {node.id: {source for source, _ in node.inputs.values()} for node in self.nodes}
        ordered: list[NeutralNode] = []
        while waiting:
            free = [node for node in self.nodes if node.id in waiting and not waiting[node.id]]
            if not free:
                raise InputError(
                    f"{self.kernel or 'the graph'}: nodes {sorted(waiting)} lie on or behind a "
                    "cycle, which has no initial token; put one on its back edge, or cut it"
                )
            for node in free:
                del waiting[node.id]
            done = {node.id for node in free}
            for sources in waiting.values():
                sources -= done
            ordered += free
        return ordered

    def to_json(self) -> str:
        """The text of the graph, one node a line."""
        fmt = {name: _format_text(format) for name, format in self.formats.items()}
        head = {"kernel": self.kernel, "expression": self.expression, "output": self.output}
        shape = {} if self.shape is None else {"shape": self.shape}
        depth = {} if self.depth is None else {"depth": self.depth}
        fields = {**head, "fmt": fmt, **shape, **depth}
        lines = [f' "{key}": {json.dumps(value)},' for key, value in fields.items()]
        nodes = ",\n".join(
            "  "
            + json.dumps(
                {
                    "id": node.id,
                    "type": node.type,
                    **node.attributes,
                    "in": {port: list(source) for port, source in node.inputs.items()},
                }
            )
            for node in self.nodes
        )
        return "\n".join(["{", *lines, ' "nodes": [', nodes, " ]", "}"]) + "\n"


def _format_text(format: Format) -> str:
    letters = "".join(level.value for level in format.levels)
    return letters + "".join(str(mode) for mode in format.order) or "none"


def read_graph(path: Path) -> NeutralGraph:
    """
    Read a `graph.json`.

    Raises `InputError` naming the file, and the node where there is one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a graph.json") from error
    return parse_graph(text, str(path))


def parse_graph(text: str, where: str = "graph") -> NeutralGraph:
    """Read the text of a `graph.json`; `where` begins the messages of `InputError`."""
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: not JSON, line {error.lineno}: {error.msg}; repair or regenerate the file"
        ) from error
    return graph_from_data(data, where)


def graph_from_data(data: Any, where: str = "graph") -> NeutralGraph:
    """Read a graph that is already parsed JSON."""
    top = _object(data, where)
    formats = {
        name: _format(text, f"{where}: fmt of {name}")
        for name, text in _object(_field(top, "fmt", where), f"{where}: fmt").items()
    }
    output = str(_field(top, "output", where))
    if output not in formats:
        raise InputError(f"{where}: fmt has no entry for the output {output}; add one")
    entries = _field(top, "nodes", where)
    if not isinstance(entries, list):
        raise InputError(f"{where}: 'nodes' must be a list")
    nodes = tuple(_node(entry, where) for entry in cast(list[Any], entries))
    graph = NeutralGraph(
        str(top.get("kernel", "")),
        str(top.get("expression", "")),
        output,
        formats,
        nodes,
        None if "shape" not in top else extents_of(top["shape"], formats, f"{where}: shape"),
        None if "depth" not in top else _depth(top["depth"], where),
    )
    _check(graph, where)
    return graph


def _object(data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InputError(f"{where}: expected a JSON object with named fields")
    return cast(dict[str, Any], data)


def _field(data: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in data:
        raise InputError(f"{where}: '{name}' is missing; add it")
    return data[name]


def _format(text: Any, where: str) -> Format:
    letters = str(text) if text != "none" else ""
    try:
        return Format.parse(letters, sum(letter in "dsc" for letter in letters))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _depth(data: Any, where: str) -> int:
    if not isinstance(data, int) or data < 1:
        raise InputError(f"{where}: a channel of depth {data} can hold no token; give 1 or more")
    return data


def extents_of(data: Any, formats: Mapping[str, Format], where: str) -> tuple[Extent, ...]:
    """Read a list of numbers and of [tensor, mode]."""
    extents: list[Extent] = []
    for entry in cast(list[Any], data) if isinstance(data, list | tuple) else [data]:
        match entry:
            case int() if entry >= 0:
                extents.append(entry)
            case [str() as tensor, int() as mode] if (
                tensor in formats and 0 <= mode < formats[tensor].rank
            ):
                extents.append((tensor, mode))
            case _:
                raise InputError(f"{where}: {entry} is neither a size nor a [tensor, mode]")
    return tuple(extents)


def _node(entry: Any, where: str) -> NeutralNode:
    data = _object(entry, f"{where}: a node")
    number = _field(data, "id", f"{where}: a node")
    here = f"{where}: node {number}"
    kind = str(_field(data, "type", here))
    if kind not in OPERATORS:
        raise InputError(f"{here}: unknown type '{kind}'; known are {', '.join(sorted(OPERATORS))}")
    inputs: dict[str, Port] = {}
    for port, source in _object(_field(data, "in", here), f"{here}: 'in'").items():
        match source:
            case [int(), str()]:
                inputs[port] = cast(Port, tuple(cast(Sequence[Any], source)))
            case _:
                raise InputError(f"{here}: input '{port}' must be [node id, port name]")
    attributes = {key: value for key, value in data.items() if key not in ("id", "type", "in")}
    for name in OPERATORS[kind].attributes:
        _field(attributes, name, here)
    if not isinstance(number, int):
        raise InputError(f"{here}: an id must be an integer")
    return NeutralNode(number, kind, attributes, inputs)


def _check(graph: NeutralGraph, where: str) -> None:
    """Every port exists once and is connected, every tensor has a format with the level."""
    by_id = {node.id: node for node in graph.nodes}
    if len(by_id) != len(graph.nodes):
        raise InputError(f"{where}: two nodes have the same id; number them anew")
    for node in graph.nodes:
        here = f"{where}: node {node.id} ({node.type})"
        _check_attributes(graph, node, here)
        for port in node.input_ports:
            if port not in node.inputs and not is_optional(node.type, port):
                raise InputError(f"{here}: input '{port}' is missing; connect it")
        for port, (source, output) in node.inputs.items():
            if port not in node.input_ports:
                raise InputError(
                    f"{here}: there is no input '{port}'; its inputs are "
                    f"{', '.join(node.input_ports)}"
                )
            if source not in by_id:
                raise InputError(
                    f"{here}: input '{port}' comes from node {source}, which is not there"
                )
            if output not in by_id[source].output_ports:
                raise InputError(
                    f"{here}: input '{port}' reads '{output}' of node {source} "
                    f"({by_id[source].type}), which has no such output"
                )
    graph.topological()


def _check_attributes(graph: NeutralGraph, node: NeutralNode, here: str) -> None:
    if node.type == "spaccumulator":
        order = node.attributes["order"]
        if not isinstance(order, int) or order < 1:
            raise InputError(f"{here}: order must be 1 or more, not {order}")
        for n in range(order + 1):
            _field(node.attributes, f"in{n}", here)
    if "extent" in node.attributes:
        extents_of([node.attributes["extent"]], graph.formats, f"{here}, extent")
    if "extents" in node.attributes:
        extents_of(node.attributes["extents"], graph.formats, f"{here}, extents")
    for port, depth in _object(node.attributes.get("depth", {}), f"{here}: 'depth'").items():
        _depth(depth, f"{here}, output '{port}'")
        if port not in node.output_ports:
            raise InputError(f"{here}: 'depth' names the output '{port}', which it does not have")
    if "tensor" not in node.attributes:
        return
    tensor = node.attributes["tensor"]
    if tensor not in graph.formats:
        raise InputError(f"{here}: tensor {tensor} has no entry in fmt; add one")
    mode = node.attributes.get("mode", "vals")
    if mode != "vals" and mode not in graph.formats[tensor].order:
        raise InputError(f"{here}: tensor {tensor} has no mode {mode}")
    if node.type == "fiberlookup":
        format = graph.formats[tensor]
        letter = format.levels[format.order.index(mode)].value
        if node.attributes["format"] != {"d": "dense", "s": "compressed"}[letter]:
            raise InputError(
                f"{here}: format '{node.attributes['format']}' contradicts fmt of {tensor}, "
                f"where mode {mode} is '{letter}'"
            )
