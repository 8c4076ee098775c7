"""
Expressions of rows in an exported graph, and the nests that use them: scores and sums by place.

What an expression reads has at most its shape, p x e. Numbers of another type are read as they are
and take the type of the expression, as in PyTorch.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from headrace.frontends.aten.registry import Call, Result
from headrace.frontends.aten.shapes import wrapped
from headrace.frontends.builder import Extent, View
from headrace.frontends.composed import keep
from headrace.frontends.nests import scores
from headrace.frontends.nests.edges import add_at
from headrace.frontends.nests.expressions import Apply, Dense, Expression, Number, TableRow
from headrace.frontends.nests.graph import (
    Match,
    Value,
    argument,
    has_rank,
    is_floating,
    is_integer,
    is_number,
    operator,
)

if TYPE_CHECKING:
    from torch.fx import Node

_FUNCTIONS = {
    "aten.abs.default": "abs",
    "aten.add.Tensor": "add",
    "aten.div.Tensor": "div",
    "aten.mul.Tensor": "mul",
    "aten.neg.default": "neg",
    "aten.sub.Tensor": "sub",
}

_CONVERSIONS = ("aten._to_copy.default", "aten.to.dtype")


@dataclass(frozen=True)
class _Rows:
    """Rows of a table; `wraps` if negative numbers count from the end."""

    table: "Node"
    index: "Node"
    wraps: bool


@dataclass(frozen=True)
class _Function:
    name: str
    operands: "tuple[_Term, ...]"


_Term: TypeAlias = "_Rows | _Function | Node | float"


def matched_rows(node: "Node") -> Match | None:
    """The nest that ends in `node`, if one does."""
    name = operator(node)
    if name in ("aten.linalg_vector_norm.default", "aten.sum.dim_IntList"):
        return _scores(node)
    if name in ("aten.index_add.default", "aten.scatter_add.default", "aten.index_put.default"):
        return _sums(node)
    return None


def rows_of(node: Any) -> _Rows | None:
    """The rows that `node` takes from a matrix by a vector of numbers."""
    match operator(node):
        case "aten.embedding.default":
            table, index = node.args[:2]
        case "aten.index_select.default" if argument(node, 1, "dim") in (0, -2):
            table, index = node.args[0], argument(node, 2, "index")
        case "aten.index.Tensor" if len(node.args[1]) == 1:
            table, index = node.args[0], node.args[1][0]
        case _:
            return None
    if not has_rank(table, 2) or not has_rank(index, 1) or not is_integer(index):
        return None
    return _Rows(table, index, operator(node) == "aten.index.Tensor")


def _scores(node: "Node") -> Match | None:
    source = cast("Node", node.args[0])
    if not has_rank(source, 2) or argument(node, 4, "dtype") is not None or not is_floating(source):
        return None
    if operator(node) == "aten.sum.dim_IntList":
        kind, dims, kept = scores.SUM, argument(node, 1, "dim"), argument(node, 2, "keepdim", False)
    else:
        kinds = {1: scores.NORM_1, 2: scores.NORM_2}
        kind = kinds.get(argument(node, 1, "ord", 2))
        dims, kept = argument(node, 2, "dim"), argument(node, 3, "keepdim", False)
    if kind is None or dims not in ([1], [-1]) or node.kwargs.get("dtype") is not None:
        return None
    found = Found(source)
    if not found.has_rows or not isinstance(found.term, _Function):
        return None

    def emit(c: Call, value: Value) -> Result:
        shape = found.shape(c)
        inputs, expression = found.expression(c, value, shape)
        result = scores.scores(c, inputs, expression, kind, shape)
        return keep(result, [1]) if kept else result

    return found.match(emit)


def _sums(node: "Node") -> Match | None:
    into = cast("Node", node.args[0])
    wraps = operator(node) == "aten.index_put.default"
    aside: set[Node] = set()
    if wraps:
        indices, source = cast("tuple[list[Any], Node]", node.args[1:3])
        if len(indices) != 1 or argument(node, 3, "accumulate", False) is not True:
            return None
        place = indices[0]
    else:
        dim, place, source = cast("tuple[int, Node, Node]", node.args[1:4])
        if dim not in (0, -2) or node.kwargs.get("alpha", 1) != 1:
            return None
        if operator(node) == "aten.scatter_add.default":
            place, aside = _same_along_rows(place, source)
    if place is None or not has_rank(place, 1) or not is_integer(place):
        return None
    if not has_rank(into, 2) or not has_rank(source, 2) or not is_floating(into):
        return None
    if source.meta["val"].shape[1] != into.meta["val"].shape[1]:
        return None
    found = Found(source)

    def emit(c: Call, value: Value) -> Result:
        start = value(into)
        target = value(place)
        if wraps:
            target = wrapped(c, target, c.shape[0])
        inputs, expression = found.expression(c, value, found.shape(c))
        uniform = c.emit.uniform(start)
        return add_at(
            c, {"target": target, **inputs}, expression, start if uniform is None else uniform
        )

    match = found.match(emit)
    return replace(match, inner=match.inner | aside, leaves=match.leaves | {into, place})


def _same_along_rows(index: Any, source: "Node") -> "tuple[Node | None, set[Node]]":
    """The vector that `index` repeats for each column of `source`, and the nodes that repeat it."""
    if operator(index) not in ("aten.expand.default", "aten.expand_as.default"):
        return None, set()
    column = index.args[0]
    columns = ("aten.unsqueeze.default", "aten.view.default", "aten.reshape.default")
    if operator(column) not in columns or not has_rank(column, 2):
        return None, set()
    whole = index.meta["val"].shape == source.meta["val"].shape
    upright = column.meta["val"].shape == (source.meta["val"].shape[0], 1)
    if not whole or not upright:
        return None, set()
    return cast("Node", column.args[0]), {index, column}


def dequantized(table: "Node") -> "Found | None":
    """The expression of a matrix of integers that `table` is, if it is one."""
    if not has_rank(table, 2) or not is_floating(table):
        return None
    found = Found(table)
    return found if found.is_dequantized else None


class Found:
    """The expression that ends in a node of shape p x e."""

    def __init__(self, node: "Node"):
        self.node = node
        self.value = node.meta["val"]
        self.inner: set[Node] = set()
        self.leaves: set[Node] = set()
        self.term = self._term(node)

    @property
    def has_rows(self) -> bool:
        def has(term: _Term) -> bool:
            if isinstance(term, _Function):
                return any(has(operand) for operand in term.operands)
            return isinstance(term, _Rows)

        return has(self.term)

    @property
    def is_dequantized(self) -> bool:
        """Whether a matrix of integers of this shape is made numbers of another type here."""
        return self.term is not self.node and any(
            is_integer(leaf) and leaf.meta["val"].shape == self.value.shape for leaf in self.leaves
        )

    def match(self, emit: Any) -> Match:
        return Match(frozenset(self.inner), frozenset(self.leaves), emit)

    def shape(self, c: Call) -> tuple[Extent, Extent]:
        rows, width = c.extents(self.value.shape)
        return rows, width

    def _term(self, node: Any) -> _Term:
        if isinstance(node, int | float):
            return float(node)
        rows = rows_of(node)
        whole = node.meta["val"].shape == self.value.shape
        # Rows that are dequantized are a nest of their own.
        stored = rows is not None and dequantized(rows.table) is None
        if rows is not None and stored and whole and self._same_type(node):
            self.inner.add(node)
            self.leaves |= {rows.table, rows.index}
            return rows
        if not whole or not self._same_type(node):
            self.leaves.add(node)
            return node
        if operator(node) in _CONVERSIONS and self._is_operand(node.args[0]):
            self.inner.add(node)
            self.leaves.add(node.args[0])
            return node.args[0]
        if (name := _FUNCTIONS.get(operator(node))) and not node.kwargs:
            if all(self._is_operand(operand) for operand in node.args):
                self.inner.add(node)
                return _Function(name, tuple(self._term(operand) for operand in node.args))
        self.leaves.add(node)
        return node

    def _same_type(self, node: Any) -> bool:
        return node.meta["val"].dtype == self.value.dtype

    def _is_operand(self, operand: Any) -> bool:
        if isinstance(operand, int | float) and not isinstance(operand, bool):
            return True
        return any(has_rank(operand, rank) for rank in (0, 1, 2)) and is_number(operand)

    def expression(
        self, c: Call, value: Value, shape: tuple[Extent, Extent]
    ) -> tuple[dict[str, View], Expression]:
        """What the nest reads, by name, and the expression of it."""
        inputs: dict[str, View] = {}

        def name(wanted: str, view: View) -> str:
            found, count = wanted, 1
            while found in _RESERVED or inputs.get(found, view) != view:
                count += 1
                found = f"{wanted}_{count}"
            inputs[found] = view
            return found

        def expression(term: _Term) -> Expression:
            match term:
                case _Rows():
                    table, index = value(term.table), value(term.index)
                    if term.wraps:
                        index = wrapped(c, index, table.shape[0])
                    return TableRow(name(term.table.name, table), name(term.index.name, index))
                case _Function():
                    return Apply(term.name, tuple(expression(one) for one in term.operands))
                case float() | int():
                    return Number(term)
                case _:
                    view = value(term)
                    return dense(view.base.name_hint or term.name, view)

        def dense(wanted: str, view: View) -> Expression:
            number = c.emit.uniform(view)
            if number is not None:
                return Number(number)
            view = view.expand(shape)
            axes = ""
            for letter, place in (("e", 1), ("p", 0)):
                if view.axes[place] is None:
                    view = view.drop(place)
                else:
                    axes = letter + axes
            return Dense(name(wanted, view), axes)

        return inputs, expression(self.term)


_RESERVED = {"counts", "indices", "lengths", "offsets", "out", "score", "target", "weights"}
