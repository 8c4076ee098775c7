"""
Programs of the stream engine: nodes, channels and parameters as NumPy arrays.

A node names a primitive of the catalogue; a parameter is a number, a word, or a `Slot` that is
bound to an array or number when the program runs, so that one program serves every input.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.simulators.stream.catalogue import variant_of
from headrace.simulators.stream.errors import ProgramError
from headrace.storage.atomic import replace_file

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Slot:
    """The name of an array or number that is bound when the program runs."""

    name: str


Extents = tuple[int | Slot, ...]
Parameter = int | float | str | Slot | Extents


@dataclass(frozen=True)
class Stream:
    """The output `port` of `node` while a program is built."""

    node: int
    port: int


@dataclass(frozen=True)
class Program:
    """A stream graph, its nodes in an order in which data flows except along back edges."""

    kinds: Array
    """The primitive of each node (str)."""
    names: Array
    """A label for each node (str), unique."""
    parameters: Array
    """The parameters of each node as JSON (str); a slot is `{"slot": name}`."""
    ranks: Array
    """The place of each node in the order of memory ports."""
    input_starts: Array
    """Node i reads channels `inputs[input_starts[i] : input_starts[i + 1]]`, in port order."""
    inputs: Array
    output_starts: Array
    outputs: Array
    capacities: Array
    """Tokens that each channel holds; 0 leaves it to the run."""
    initial_starts: Array
    """Channel c holds `initial[initial_starts[c] : initial_starts[c + 1]]` at the beginning."""
    initial: Array

    def node_inputs(self, node: int) -> list[int]:
        return self.inputs[self.input_starts[node] : self.input_starts[node + 1]].tolist()

    def node_outputs(self, node: int) -> list[int]:
        return self.outputs[self.output_starts[node] : self.output_starts[node + 1]].tolist()

    def node_parameters(self, node: int) -> dict[str, Parameter]:
        return dict(_decoded(str(self.parameters[node])))

    def slots(self) -> list[str]:
        """The names that a run must bind, sorted."""
        names: set[str] = set()
        for node in range(len(self.kinds)):
            for value in self.node_parameters(node).values():
                parts = value if isinstance(value, tuple) else (value,)
                names |= {part.name for part in parts if isinstance(part, Slot)}
        return sorted(names)

    def save(self, path: str | Path) -> None:
        """Write the program as npz; the file appears complete or not at all."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{f.name: getattr(self, f.name) for f in fields(self)})
        replace_file(Path(path), buffer.getvalue())

    @staticmethod
    def load(path: str | Path) -> "Program":
        """Read what `save` wrote. Raises `ProgramError` if the file is not a whole program."""
        try:
            with np.load(path) as data:
                return Program(**{f.name: data[f.name] for f in fields(Program)})
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ProgramError(
                f"cannot read a stream program from '{path}' ({error}); save it again"
            ) from None


class ProgramBuilder:
    """Builds a `Program` node by node."""

    def __init__(self) -> None:
        self._kinds: list[str] = []
        self._names: list[str] = []
        self._taken: set[str] = set()
        """The names, for lookup."""
        self._parameters: list[dict[str, Parameter]] = []
        self._ranks: list[int] = []
        self._inputs: list[list[Stream]] = []
        self._outputs: list[int] = []
        self._capacities: dict[Stream, int] = {}
        self._feedback: dict[Stream, Stream | None] = {}
        self._initial: dict[Stream, list[int]] = {}

    def node(
        self, kind: str, *inputs: Stream, name: str = "", **parameters: Parameter
    ) -> tuple[Stream, ...]:
        """
        Add a node; returns its output streams in port order.

        Writers take `output="Y.0"` and write the arrays `Y.0.<parameter>`. Raises `ProgramError`
        for an unknown primitive, a wrong number of inputs or a wrong parameter.
        """
        label = name or kind
        if label in self._taken:
            label = f"{label} #{len(self._names)}"
        index = len(self._kinds)
        rank = parameters.pop("rank", index)
        if not isinstance(rank, int):
            raise ProgramError(f"node '{label}': rank must be a number, not {rank!r}")
        try:
            variant = variant_of(kind, len(inputs), parameters)
        except ProgramError as error:
            raise ProgramError(f"node '{label}': {error}") from None
        self._kinds.append(kind)
        self._names.append(label)
        self._taken.add(label)
        self._ranks.append(rank)
        self._parameters.append(parameters)
        self._inputs.append(list(inputs))
        self._outputs.append(len(variant.outputs))
        return tuple(Stream(index, port) for port in range(len(variant.outputs)))

    def set_capacity(self, stream: Stream, capacity: int) -> None:
        """Let every channel that carries `stream` hold `capacity` tokens."""
        if capacity < 1:
            raise ProgramError(
                f"the capacity of a channel of '{self._names[stream.node]}' is {capacity}; "
                "a channel holds at least one token"
            )
        self._capacities[stream] = capacity

    def feedback(self, initial: Iterable[int] = ()) -> Stream:
        """A stream that is connected later, by `connect`: the back edge of a cycle."""
        stream = Stream(-1 - len(self._feedback), 0)
        self._feedback[stream] = None
        self._initial[stream] = list(initial)
        return stream

    def connect(self, feedback: Stream, source: Stream) -> None:
        """Let `feedback` carry what `source` sends, after its initial tokens."""
        if feedback not in self._feedback:
            raise ProgramError("connect() needs a stream that feedback() made")
        self._feedback[feedback] = source

    def build(self) -> Program:
        """
        Freeze the graph; every output with two or more readers gets one broadcast.

        Raises `ProgramError` if a feedback stream was never connected or a node reads itself
        directly.
        """
        edges = [
            _Edge(self._source(stream), (reader, port), self._initial.get(stream, []))
            for reader, streams in enumerate(self._inputs)
            for port, stream in enumerate(streams)
        ]
        kinds, names = list(self._kinds), list(self._names)
        parameters, ranks = list(self._parameters), list(self._ranks)
        outputs: list[list[int]] = [[-1] * count for count in self._outputs]
        inputs: list[list[int]] = [[-1] * len(streams) for streams in self._inputs]
        channels: list[tuple[int, list[int]]] = []

        def channel(capacity: int, initial: Sequence[int]) -> int:
            channels.append((capacity, list(initial)))
            return len(channels) - 1

        readers: dict[Stream, list[_Edge]] = {}
        for edge in edges:
            if edge.source.node == edge.reader[0]:
                raise ProgramError(
                    f"node '{names[edge.source.node]}' reads its own output directly; put another "
                    "node between"
                )
            readers.setdefault(edge.source, []).append(edge)
        for node, ports in enumerate(outputs.copy()):
            for port in range(len(ports)):
                stream = Stream(node, port)
                capacity = self._capacities.get(stream, 0)
                found = readers.get(stream, [])
                if len(found) < 2:
                    ports[port] = channel(capacity, found[0].initial if found else [])
                    for edge in found:
                        inputs[edge.reader[0]][edge.reader[1]] = ports[port]
                    continue
                ports[port] = channel(capacity, [])
                kinds.append("broadcast")
                label = f"broadcast {names[node]}"
                names.append(f"{label}.{port}" if len(ports) > 1 else label)
                parameters.append({"lanes": len(found)})
                ranks.append(len(ranks))
                inputs.append([ports[port]])
                legs = [channel(capacity, edge.initial) for edge in found]
                for leg, edge in zip(legs, found, strict=True):
                    inputs[edge.reader[0]][edge.reader[1]] = leg
                outputs.append(legs)
        order = _flow_order(inputs, outputs)
        return Program(
            kinds=np.array([kinds[i] for i in order], dtype=np.str_),
            names=np.array([names[i] for i in order], dtype=np.str_),
            parameters=np.array([_encode(parameters[i]) for i in order], dtype=np.str_),
            ranks=np.array([ranks[i] for i in order], dtype=np.int64),
            input_starts=_starts([inputs[i] for i in order]),
            inputs=_flat([inputs[i] for i in order]),
            output_starts=_starts([outputs[i] for i in order]),
            outputs=_flat([outputs[i] for i in order]),
            capacities=np.array([capacity for capacity, _ in channels], dtype=np.int64),
            initial_starts=_starts([initial for _, initial in channels]),
            initial=_flat([initial for _, initial in channels]),
        )

    def _source(self, stream: Stream) -> Stream:
        if stream.node >= 0:
            return stream
        source = self._feedback[stream]
        if source is None:
            raise ProgramError("a feedback stream was never connected; call connect()")
        return source


@dataclass(frozen=True)
class _Edge:
    source: Stream
    reader: tuple[int, int]
    initial: list[int]


def _flow_order(inputs: list[list[int]], outputs: list[list[int]]) -> list[int]:
    """Nodes so that writers precede readers; a cycle is entered at its first node."""
    writer = {channel: node for node, ports in enumerate(outputs) for channel in ports}
    order: list[int] = []
    state = [0] * len(inputs)
    for start in range(len(inputs)):
        stack = [start]
        while stack:
            node = stack[-1]
            if state[node] == 0:
                state[node] = 1
                stack += [w for c in reversed(inputs[node]) if state[w := writer[c]] == 0]
            else:
                stack.pop()
                if state[node] == 1:
                    state[node] = 2
                    order.append(node)
    return order


def _starts(lists: list[list[int]]) -> Array:
    return np.cumsum([0, *(len(entries) for entries in lists)], dtype=np.int64)


def _flat(lists: list[list[int]]) -> Array:
    return np.array([entry for entries in lists for entry in entries], dtype=np.int64)


def _encode(parameters: dict[str, Parameter]) -> str:
    def plain(value: Parameter) -> object:
        match value:
            case Slot(name=name):
                return {"slot": name}
            case tuple():
                return [plain(part) for part in value]
            case _:
                return value

    values = {key: plain(value) for key, value in parameters.items()}
    return json.dumps(values, default=np.generic.item)


@lru_cache(maxsize=4096)
def _decoded(text: str) -> dict[str, Parameter]:
    """The parameters of a node; nodes of many graphs have the same."""
    return {key: _decode(value) for key, value in json.loads(text).items()}


def _decode(value: Any) -> Any:
    match value:
        case {"slot": name}:
            return Slot(name)
        case [*parts]:
            return tuple(_decode(part) for part in parts)
        case _:
            return value
