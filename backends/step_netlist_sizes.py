"""
Names for the sizes of a netlist that only its run knows, one for each size.

The recorded graphs make a generator of selectors for every use, so that equal selectors get sizes
of different names. Here the name belongs to what decides the size: the values of the selectors, the
lengths of a list, the merge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from headrace.backends.step_netlist_shape import recorded_size, symbol_text
from headrace.dialects.step_dimension import RESERVED, Dimension, product, summed, symbol
from headrace.simulators.stream.netlist import Netlist, NetlistNode, Port

SAME_VALUES = frozenset(("Broadcast", "Flatten", "Promote"))
"""Operators whose every output carries the values of their input."""

CLEAN = re.compile(r"[a-z][a-z0-9_]*")

PACKER = ("RetileRow", "Flatten", "Reshape")
"""How rows are packed: into chunks, which are then one tile each, or all one tile."""

Origin: TypeAlias = tuple[Any, ...]
"""What decides a size: equal origins, equal sizes."""

Rows: TypeAlias = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Named:
    """Names for the new sizes of an operation, and which of them another operation declares."""

    names: tuple[str, ...]
    assumed: tuple[str, ...] = ()


@dataclass
class Sizes:
    """The names given so far, and what the recorded symbols stand for."""

    netlist: Netlist
    recorded: dict[str, Dimension] = field(default_factory=dict[str, Dimension])
    """By the recorded symbol."""
    values: dict[str, int | list[int]] = field(default_factory=dict[str, "int | list[int]"])
    """Of the sizes that selectors and lengths decide that are there before the run."""
    _names: dict[Origin, tuple[str, ...]] = field(default_factory=dict[Origin, tuple[str, ...]])
    _declared: dict[Origin, Origin] = field(default_factory=dict[Origin, Origin])
    """The selectors of the first partition with such sizes: partitions by others assume them."""

    def __post_init__(self) -> None:
        """Name what partitions give first: a graph that feeds back uses the names earlier."""
        for node in self.netlist.nodes:
            if node.op == "FlatPartition":
                self._name_partition(node, self._origin(node.inputs["control"][0]))

    def _name_partition(self, node: NetlistNode, origin: Origin) -> None:
        if self._has_last_of_each(origin):
            return
        texts = [self._text(Port(node.id, output), 0) for output in range(node.output_count)]
        names = self._named(origin, texts)
        self._declared.setdefault(origin, self._source(node.inputs["control"][0]))
        if origin[0] == "port" and self._node(origin[1]).op == "FlatReassemble":
            names = self._names[origin] = self._shared_out(origin[1], names)
        for name, text in zip(names, texts, strict=True):
            self._remember(text, Dimension.of(name))
        if origin[0] == "rows":
            for output, name in enumerate(names):
                self.values[name] = sum(row.count(output) for row in origin[1])

    def _shared_out(self, port: Port, names: Sequence[str]) -> tuple[str, ...]:
        """
        Names for the outputs of a partition by reassembled one-hot selectors, as feedback makes.

        The last output gets the units that the others leave: a merge of all has a known size.
        """
        try:
            units = product(self.shape(port))
        except ValueError:
            return tuple(names)
        return (*names[:-1], str(units - summed(map(symbol, names[:-1]))))

    def partition(self, node: NetlistNode, selectors: Sequence[Dimension]) -> Named:
        """How many units each output gets, of a stream of selectors with these sizes."""
        port = node.inputs["control"][0]
        origin = self._origin(port)
        if self._has_last_of_each(origin):
            return self._last_and_others(node, selectors)
        names = self._names[origin]
        declares = self._declared[origin] == self._source(port)
        return Named(names, () if declares else names)

    def _has_last_of_each(self, origin: Origin) -> bool:
        """Whether selectors choose the last of every list, of which none is known to be empty."""
        if origin[0] != "last":
            return False
        kind, *lengths = origin[1]
        return kind != "integers" or 0 not in lengths[0]

    def _last_and_others(self, node: NetlistNode, selectors: Sequence[Dimension]) -> Named:
        """Of each list one element is the last: as many as there are lists."""
        *outer, length = selectors
        last = product(outer)
        sizes = (last, (length.total() if length.is_ragged else last * length) - last)
        for output, size in enumerate(sizes):
            self._remember(self._text(Port(node.id, output), 0), size)
        return _claims(*sizes)

    def list_of_length(self, node: NetlistNode, operand: str) -> Named:
        """A list for each integer of an operand, as long as that integer."""
        port = node.inputs[operand][0]
        origin = ("lists", self._origin(port))
        text = self._text(Port(node.id), -1)
        (name,) = self._named(origin, [text])
        self._remember(text, symbol(name, ragged=True))
        lengths = self._integers(port)
        if lengths is not None:
            self.values[f"~{name}"] = list(lengths)
        return Named((name,))

    def rows_kept(self, node: NetlistNode, ragged: bool) -> Named:
        """The size that is left when padding is dropped."""
        text = self._text(Port(node.id), -1)
        known = self.recorded.get(symbol_text(text) or "")
        if known is not None and known.is_ragged == ragged:
            return _claims(known)
        (name,) = self._named(("rows kept", node.id), [text])
        self._remember(text, symbol(name, ragged))
        kept = self._rows_of_packs(node)
        if kept is not None:
            self.values[f"~{name}" if ragged else name] = kept if ragged else sum(kept)
        return Named((name,))

    def _rows_of_packs(self, node: NetlistNode) -> list[int] | None:
        """The valid rows of each pack of rows that an operator gets, with their copies."""
        copies = 1
        while node.op != "Accum":
            if node.op == "RepeatStatic":
                copies *= int(node.parameters["repeat_factor"])
            elif node.op not in ("RetileStreamify", "UnaryMap", "BinaryMap", "Broadcast"):
                return None
            node = self._node(node.ports[0])
        flattened = self._node(node.ports[0])
        if flattened.op != "Flatten":
            return None
        reshaped = self._node(flattened.ports[0])
        if (node.parameters["fn"]["fn"], flattened.op, reshaped.op) != PACKER:
            return None
        routed = self._node(reshaped.ports[0])
        if routed.op != "FlatPartition":
            return None
        names = self._names[self._origin(routed.inputs["control"][0])]
        rows = self.values.get(names[reshaped.ports[0].output])
        if not isinstance(rows, int):
            return None
        one_pack = flattened.parameters["min_rank"] == 0
        size = max(1, rows) if one_pack else int(reshaped.parameters["chunk_size"])
        return [min(size, rows - first) * copies for first in range(0, rows, size)]

    def sum_of_lists(self, node: NetlistNode) -> str:
        """A name for the size of lists that were strung together of ragged ones."""
        text = node.outputs[0].shape[-1 - int(node.parameters["min_rank"])]
        (name,) = self._named(("sum of lists", node.id), [text])
        self._remember(text, symbol(name, ragged=True))
        return name

    def selected(self, node: NetlistNode, hot: int | None) -> str | None:
        """How many inputs each selector of a reassembly selects: a name if that is not `hot`."""
        text = self._text(Port(node.id), -1 - int(node.parameters["reassemble_rank"]))
        if hot is not None:
            self._remember(text, Dimension.of(hot))
            return None
        (name,) = self._named(("selected", node.id), [text])
        self._remember(text, symbol(name, ragged=True))
        return name

    def shape(self, port: Port) -> tuple[Dimension, ...]:
        """The recorded shape of an output, outermost first. Raises ValueError without one."""
        texts = self._texts(port)
        if not texts:
            raise ValueError(f"output {port} has no recorded shape")
        return tuple(recorded_size(text, self._known) for text in texts)

    def _known(self, name: str) -> Dimension:
        if name not in self.recorded:
            raise ValueError(f"nothing in the graph decides the recorded size {name!r}")
        return self.recorded[name]

    def _remember(self, text: str, size: Dimension) -> None:
        name = symbol_text(text)
        if name is not None:
            self.recorded.setdefault(name, size)

    def _named(self, origin: Origin, texts: Sequence[str]) -> tuple[str, ...]:
        if origin not in self._names:
            taken = {name for names in self._names.values() for name in names}
            clean = [text for text in texts if CLEAN.fullmatch(text) and text not in RESERVED]
            if len(set(clean)) < len(texts) or taken.intersection(clean):
                clean = [f"d{len(self._names)}_{place}" for place in range(len(texts))]
            self._names[origin] = tuple(clean)
        return self._names[origin]

    def _node(self, port: Port) -> NetlistNode:
        return self.netlist.nodes[port.node]

    def _texts(self, port: Port) -> Sequence[str]:
        outputs = self._node(port).outputs
        return outputs[port.output].shape if port.output < len(outputs) else ()

    def _text(self, port: Port, place: int) -> str:
        """A recorded size, empty where a netlist has none."""
        texts = self._texts(port)
        return texts[place] if -len(texts) <= place < len(texts) else ""

    def _source(self, port: Port) -> Origin:
        """The output that has made the values: before fan-out and reshaping."""
        node = self._node(port)
        while node.op in SAME_VALUES:
            port = node.inputs["input"][0]
            node = self._node(port)
        if node.op == "SelectGen":
            return ("hot", hot_rows(node.parameters["underlying"]))
        return ("port", port)

    def _origin(self, port: Port) -> Origin:
        source = self._source(port)
        if source[0] == "hot":
            underlying = self._node(self._first(port)).parameters["underlying"]
            return ("rows", _by_row(underlying, source[1]), underlying["shape"][-1])
        node = self._node(source[1])
        if node.op == "MetadataGen":
            return ("integers", tuple(node.parameters["underlying"]["values"]))
        if node.op == "FilterLastTile":
            return ("last", self._origin(node.inputs["input"][0]))
        return source

    def _first(self, port: Port) -> Port:
        while self._node(port).op in SAME_VALUES:
            port = self._node(port).inputs["input"][0]
        return port

    def _integers(self, port: Port) -> Sequence[int] | None:
        """The integers on a stream, if the generators alone decide them."""
        port = self._first(port)
        node = self._node(port)
        if node.op == "MetadataGen":
            return node.parameters["underlying"]["values"]
        if node.op == "Parallelize":
            dealt = self._integers(node.inputs["input"][0])
            consumers = int(node.parameters["num_consumers"])
            return None if dealt is None else dealt[port.output :: consumers]
        return None


def _claims(*sizes: Dimension) -> Named:
    """Sizes that are known by other operations' symbols."""
    texts = tuple(str(size).removeprefix("~") for size in sizes)
    return Named(texts, tuple(filter(str.isidentifier, texts)))


def hot_rows(underlying: Mapping[str, Any]) -> Rows:
    """The selectors of a generator, in order."""
    return tuple(tuple(row) for row in underlying["hot"])


def _by_row(underlying: Mapping[str, Any], hot: Rows) -> Rows:
    """
    The outputs that get the units of each row, sorted.

    One-hot selectors [64, 2, 8] and two-hot ones [64, 8] send equally many units everywhere.
    """
    rows = int(underlying["shape"][0])
    each = len(hot) // max(1, rows)
    return tuple(
        tuple(sorted(output for row in hot[first : first + each] for output in row))
        for first in range(0, len(hot), max(1, each))
    )
