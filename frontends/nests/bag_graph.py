"""Bags of rows in an exported graph that are more than one operator, and their gradients."""

from dataclasses import dataclass
from operator import getitem
from typing import TYPE_CHECKING, cast

from headrace.frontends.aten.registry import Call, Result
from headrace.frontends.aten.shapes import wrapped
from headrace.frontends.nests.bag_gradients import (
    maximum_gradient,
    refuse_scaling,
    table_gradient,
    weight_gradient,
)
from headrace.frontends.nests.embedding_bag import MAX, SUM, bags
from headrace.frontends.nests.graph import Match, Value, argument, operator
from headrace.frontends.nests.lengths import checked_lengths, running_sum
from headrace.frontends.nests.row_graph import Found, dequantized, rows_of
from headrace.frontends.nests.rows import table_rows
from headrace.frontends.nests.segments import Segments, segments_of
from headrace.frontends.nests.tables import Computed, Stored, Table
from headrace.storage.errors import InputError

if TYPE_CHECKING:
    from torch.fx import Node

_TABLE_GRADIENTS = (
    "aten._embedding_bag_backward.default",
    "aten._embedding_bag_dense_backward.default",
)
FORWARD = ("aten._embedding_bag.default", "aten._embedding_bag_forward_only.default")


@dataclass(frozen=True)
class Bag:
    """The operands of an embedding bag, and what it reads to know where its bags lie."""

    table: "Node"
    indices: "Node"
    offsets: "Node"
    scale_by_frequency: bool
    mode: int
    weights: "Node | None"
    includes_last: bool
    padding: int

    @staticmethod
    def of(node: "Node") -> "Bag":
        """That of a node of one of the operators `FORWARD`."""
        table, indices, offsets = cast("tuple[Node, Node, Node]", node.args[:3])
        return Bag(
            table,
            indices,
            offsets,
            argument(node, 3, "scale_grad_by_freq", False),
            argument(node, 4, "mode", SUM),
            argument(node, 6, "per_sample_weights"),
            argument(node, 7, "include_last_offset", False),
            argument(node, 8, "padding_idx", -1),
        )

    @property
    def lengths(self) -> "tuple[Node, set[Node]] | None":
        """The lengths of the bags if the offsets are their running sums, which then need not be."""
        return running_sum(self.offsets) if self.includes_last else None

    @property
    def leaves(self) -> "set[Node]":
        """What a nest that walks the bags reads."""
        found = self.lengths
        return {self.indices, self.offsets if found is None else found[0]}

    @property
    def inner(self) -> "set[Node]":
        """What such a nest computes itself."""
        found = self.lengths
        return set() if found is None else found[1]

    def segments(self, c: Call, value: Value) -> Segments:
        """Where the bags lie. Emits the checks of it."""
        found, indices = self.lengths, value(self.indices)
        if found is None:
            return segments_of(c, value(self.offsets), indices, self.includes_last)
        return checked_lengths(c, value(found[0]), indices.shape[0], "le")


def matched_bags(node: "Node") -> Match | None:
    """The nest of bags with lengths, or of a table that is dequantized, that `node` gives."""
    if operator(node) not in FORWARD:
        return None
    bag = Bag.of(node)
    table = dequantized(bag.table)
    if bag.lengths is None and table is None:
        return None

    def emit(c: Call, value: Value) -> Result:
        made = Stored(value(bag.table)) if table is None else _computed(c, table, value)
        weights = None if bag.weights is None else value(bag.weights)
        segments, indices = bag.segments(c, value), value(bag.indices)
        return bags(c, made, indices, segments, bag.mode, weights, bag.padding)

    leaves = {*bag.leaves, *([] if bag.weights is None else [bag.weights])}
    if table is None:
        return Match(frozenset(bag.inner), frozenset({*leaves, bag.table}), emit)
    return Match(frozenset(bag.inner | table.inner), frozenset(leaves | table.leaves), emit)


def matched_gradients(node: "Node") -> Match | None:
    """The nest of the gradient of a table, or of weights, that `node` gives."""
    of_table = operator(node) in _TABLE_GRADIENTS
    if not of_table and operator(node) != "aten._embedding_bag_per_sample_weights_backward.default":
        return None
    # What the bag remembers for it, which a nest finds itself.
    kept = cast("list[Node]", node.args[3:6] if of_table else node.args[4:5])
    forward = cast("Node", kept[0].args[0]) if kept[0].target is getitem else None
    if forward is None or operator(forward) not in FORWARD:
        return None
    bag = Bag.of(forward)
    gradient = cast("Node", node.args[0])
    table = dequantized(bag.table)

    def emit(c: Call, value: Value) -> Result:
        refuse_scaling(bag.scale_by_frequency)
        if of_table and argument(node, 9, "sparse", False):
            raise InputError(
                "a gradient in a sparse layout is not supported; leave sparse=True out"
            )
        segments, indices, from_above = bag.segments(c, value), value(bag.indices), value(gradient)
        if of_table and bag.mode != MAX:
            weights = None if bag.weights is None else value(bag.weights)
            return table_gradient(c, from_above, indices, segments, bag.mode, weights, bag.padding)
        made = Stored(value(bag.table)) if table is None else _computed(c, table, value)
        nest = maximum_gradient if of_table else weight_gradient
        return nest(c, from_above, indices, segments, made, bag.padding)

    inner, leaves = bag.inner | set(kept), {*bag.leaves, gradient}
    if of_table and bag.mode != MAX:
        leaves |= set() if bag.weights is None else {bag.weights}
    elif table is None:
        leaves.add(bag.table)
    else:
        inner, leaves = inner | table.inner, leaves | table.leaves
    return Match(frozenset(inner), frozenset(leaves), emit)


def matched_embedding(node: "Node") -> Match | None:
    """The nest of single rows of a table that is dequantized."""
    if operator(node) == "aten.embedding.default":
        of, index, wraps = *cast("tuple[Node, Node]", node.args[:2]), False
    else:
        rows = rows_of(node)
        if rows is None:
            return None
        of, index, wraps = rows.table, rows.index, rows.wraps
    table = dequantized(of)
    if table is None:
        return None

    def emit(c: Call, value: Value) -> Result:
        made, places = _computed(c, table, value), value(index)
        if wraps:
            places = wrapped(c, places, made.shape[0])
        return table_rows(c, "embedding", made, places)

    return Match(frozenset(table.inner), frozenset({index, *table.leaves}), emit)


def _computed(c: Call, found: Found, value: Value) -> Table:
    shape = found.shape(c)
    inputs, expression = found.expression(c, value, shape)
    return Computed(inputs, expression, shape, c.element)
