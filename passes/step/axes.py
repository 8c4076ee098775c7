"""
Axes: which sizes of streams and tiles must change together when a graph is tiled anew.

A tensor axis that is cut into tiles shows up twice: as a size of the tiles, and as a dimension of
the streams that carry them. Both are nodes of a union-find structure; an operation joins the nodes
that it makes equal, and a load joins the dimension that steps over an axis with the size of the
tile along that axis. A class of nodes, an `Axis`, is what a pass tiles anew as a whole.

An operation that would not compute the same with other tiles pins the nodes that it depends on. A
pin does no harm until its axis is to be changed; then it is the reason of the refusal.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from xdsl.ir import Operation, SSAValue

from headrace.dialects import step
from headrace.passes.step.graphs import stream

Side = Literal["rows", "columns"]
ROWS: Side = "rows"
COLUMNS: Side = "columns"


class Node(NamedTuple):
    """A dimension of a stream, counted from the innermost, or a size of its tiles."""

    value: SSAValue
    size: int | Side


class Pin(NamedTuple):
    """The operation that needs a node as it is, and why."""

    node: Node
    op: Operation
    reason: str


class Condition(NamedTuple):
    """Nodes that must be of one axis, where any of them is changed."""

    nodes: tuple[Node, ...]
    op: Operation
    reason: str


@dataclass
class Axes:
    """
    The classes of nodes, of the streams of one graph.

    `ones` are the classes of size 1 that no tiling can change, as that of the row of a bias;
    `steps` are the sizes of tiles that loads read one after the other, `contracted` those that
    products sum over, `outputs` those that the right operand gives to a product.
    """

    parents: dict[Node, Node] = field(default_factory=dict[Node, Node])
    ones: set[Node] = field(default_factory=set[Node])
    pins: list[Pin] = field(default_factory=list[Pin])
    conditions: list[Condition] = field(default_factory=list[Condition])
    steps: list[Node] = field(default_factory=list[Node])
    contracted: list[Node] = field(default_factory=list[Node])
    outputs: list[Node] = field(default_factory=list[Node])

    def find(self, node: Node) -> Node:
        """The node that stands for the class."""
        path: list[Node] = []
        while (parent := self.parents.get(node, node)) != node:
            path.append(node)
            node = parent
        for passed in path:
            self.parents[passed] = node
        return node

    def join(self, *nodes: Node) -> None:
        first, *others = (self.find(node) for node in nodes)
        for other in others:
            self.parents[other] = first
        if not self.ones.isdisjoint(others):
            self.ones.add(first)

    def pin(self, op: Operation, reason: str, nodes: Iterable[Node]) -> None:
        self.pins += [Pin(node, op, reason) for node in nodes]

    def same(self, one: Node, other: Node) -> bool:
        return self.find(one) == self.find(other)

    def obstacle(self, *axes: Node) -> tuple[Operation, str] | None:
        """
        Why the class of a node cannot be tiled anew: the first operation that forbids it.

        Of several nodes: why not if their classes were one.
        """
        roots = {self.find(axis) for axis in axes}
        for root in roots:
            for pin in self._pins.get(root, ()):
                return pin.op, pin.reason
        for root in roots:
            for condition in self._conditions.get(root, ()):
                if not all(self.find(node) in roots for node in condition.nodes):
                    return condition.op, condition.reason
        return None

    @cached_property
    def _pins(self) -> dict[Node, list[Pin]]:
        """By class, when all operations are known."""
        found: dict[Node, list[Pin]] = {}
        for pin in self.pins:
            found.setdefault(self.find(pin.node), []).append(pin)
        return found

    @cached_property
    def _conditions(self) -> dict[Node, list[Condition]]:
        found: dict[Node, list[Condition]] = {}
        for condition in self.conditions:
            for node in condition.nodes:
                found.setdefault(self.find(node), []).append(condition)
        return found


def dimension_nodes(value: SSAValue) -> list[Node]:
    """The dimensions of a stream, innermost first."""
    return [Node(value, index) for index in range(stream(value).rank + 1)]


def nodes(value: SSAValue) -> Iterator[Node]:
    """All nodes of a stream."""
    yield from dimension_nodes(value)
    yield from tile_nodes(value)


def tile_nodes(value: SSAValue) -> tuple[Node, ...]:
    """The sizes of the tiles of a stream, if it carries tiles."""
    if isinstance(stream(value).element_type, step.TileType):
        return Node(value, ROWS), Node(value, COLUMNS)
    return ()


def is_one(node: Node) -> bool:
    """Whether the size of a node is 1: no axis, but the lack of one."""
    type = stream(node.value)
    if isinstance(node.size, int):
        return type.dimensions[type.rank - node.size] == 1
    tile = type.element_type
    assert isinstance(tile, step.TileType)
    return (tile.rows if node.size == ROWS else tile.columns) == 1
