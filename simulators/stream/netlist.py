"""
Netlists: a graph of streaming tensor programs as plain data, ready to be simulated.

A node is one operator with its parameters and the ports that it reads. Node order matters: memory
ports are served readers first, then writers, each in node order. Every port is read at most once,
and cycles through a node are legal (feedback).

Source: "Streaming Tensor Programs", ASPLOS 2026, sections 3 and 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Port(NamedTuple):
    """One output of a node."""

    node: int
    output: int = 0

    def __str__(self) -> str:
        return f"{self.node}[{self.output}]"


@dataclass(frozen=True)
class Output:
    """The shape (SymPy expressions, outermost first) and the data type of one output."""

    shape: tuple[str, ...]
    dtype: str


@dataclass(frozen=True)
class NetlistNode:
    """
    One operator.

    `inputs` maps the name of an operand to its ports; only the operand `inputs` of merging
    operators may have other than one.
    """

    id: int
    op: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, tuple[Port, ...]]
    outputs: tuple[Output, ...] = ()

    @property
    def ports(self) -> tuple[Port, ...]:
        """All ports read, in the order of the operands."""
        return tuple(port for ports in self.inputs.values() for port in ports)

    @property
    def label(self) -> str:
        """The operator and the id, which is unique."""
        return f"{self.op}_{self.id}"

    @property
    def output_count(self) -> int:
        """How many streams the operator yields."""
        match self.op:
            case "OffChipStore" | "ConsumerContext":
                return 0
            case "EagerMerge":
                return 2
            case "Broadcast" | "FlatPartition" | "Parallelize":
                return int(self.parameters["num_consumers"])
            case _:
                return 1

    @property
    def indexed_outputs(self) -> bool:
        """Whether readers name an output by its index; other operators have one, unnamed."""
        return self.op in ("EagerMerge", "Broadcast", "FlatPartition", "Parallelize")


@dataclass(frozen=True)
class Netlist:
    """
    Nodes in the order of their memory ports, and what is known of the graph besides.

    The id of a node is its place.
    """

    meta: Mapping[str, Any]
    nodes: tuple[NetlistNode, ...]

    @property
    def name(self) -> str:
        return str(self.meta["name"])

    @property
    def channel_depth(self) -> int:
        """Of every channel, in elements."""
        return int(self.meta.get("channel_depth") or DEFAULT_DEPTH)

    @property
    def element_bytes(self) -> int:
        """Bytes of an element of a tile: 2 accounts as bf16, 4 as fp32."""
        return int(self.meta["elem_bytes"])


DEFAULT_DEPTH = 1024
"""Of channels whose graph names none."""
