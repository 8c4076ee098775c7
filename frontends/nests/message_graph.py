"""
The products of sparse matrices in an exported graph that are messages between vertices.

    weights = torch.sparse.sampled_addmm(graph, x, y.t(), beta=0)     # or graph * (x @ y.t())
    out = torch.sparse.mm(torch.tanh(weights), y)

Between both, functions that keep 0 at 0 may stand, as PyTorch applies no others to CSR.
"""

from typing import TYPE_CHECKING, Any, cast

from xdsl.ir import SSAValue

from headrace.frontends.aten.registry import Call, Result
from headrace.frontends.nests.graph import (
    Match,
    Value,
    argument,
    has_rank,
    is_sparse,
    operator,
    transposed,
)
from headrace.frontends.nests.message_passing import message_passing
from headrace.frontends.scalars import Scalars

if TYPE_CHECKING:
    from torch.fx import Node

PRODUCTS = ("aten._sparse_mm.default", "aten.mm.default", "aten.matmul.default")
"""Products whose first operand may be a sparse matrix."""

_FUNCTIONS = {
    f"aten.{name}.default": name for name in ("abs", "neg", "relu", "sin", "sqrt", "tanh")
}
_BY_NUMBER = {"aten.mul.Tensor": "mul", "aten.div.Tensor": "div"}

_Step = tuple[str, float | None]
"""A function of the weight so far, with the second operand of those that have one."""


def matched_messages(node: "Node") -> Match | None:
    """The nest that ends in `node`, a product of a sparse matrix that is a product itself."""
    if operator(node) not in PRODUCTS:
        return None
    weights, other = cast("tuple[Any, Any]", node.args[:2])
    if not is_sparse(weights) or not has_rank(other, 2):
        return None
    inner: set[Node] = set()
    steps: list[_Step] = []
    while (step := _step(weights)) is not None:
        inner.add(weights)
        steps.insert(0, step)
        weights = weights.args[0]
    found = _sampled(weights, other)
    if found is None:
        return None
    graph, own, alpha, beta, between = found

    def weight(s: Scalars, total: SSAValue, value: SSAValue | None) -> SSAValue:
        type = total.type
        if alpha != 1:
            total = s.binary("mul", s.constant(alpha, type), total)
        if value is not None and beta is None:
            total = s.binary("mul", value, total)
        elif value is not None:
            total = s.binary(
                "add", s.binary("mul", s.constant(cast(float, beta), type), value), total
            )
        for name, number in steps:
            if name == "relu":
                total = s.binary("max", total, s.constant(0, type))
            elif number is None:
                total = s.unary(name, total)
            else:
                total = s.binary(name, total, s.constant(number, type))
        return total

    def emit(c: Call, value: Value) -> Result:
        scaled = beta is None or beta != 0
        return message_passing(c, value(graph), value(own), value(other), weight, scaled)

    leaves = frozenset({graph, own, other})
    return Match(frozenset(inner | between), leaves, emit)


def _step(node: Any) -> _Step | None:
    """The function of stored values that `node` is, if it is one."""
    name = operator(node)
    if not is_sparse(node) or name not in _FUNCTIONS | _BY_NUMBER or node.kwargs:
        return None
    if name in _FUNCTIONS:
        return _FUNCTIONS[name], None
    number = node.args[1]
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return (_BY_NUMBER[name], float(number)) if is_number else None


def _sampled(
    node: Any, other: "Node"
) -> "tuple[Node, Node, float, float | None, set[Node]] | None":
    """
    The product of rows at the entries of a graph: the graph, the left matrix, and the nodes of it.

    Between them alpha and beta of `alpha * product + beta * graph`; where beta is None, the
    values of the graph are factors.
    """
    match operator(node):
        case "aten.sparse_sampled_addmm.default":
            graph, own, right = node.args[:3]
            alpha = float(argument(node, 4, "alpha", 1))
            beta: float | None = float(argument(node, 3, "beta", 1))
            between = {node, right}
        case "aten.mul.Tensor" if operator(node.args[1]) in PRODUCTS:
            graph, product = node.args
            own, right = product.args
            alpha, beta = 1.0, None
            between = {node, product, right}
        case _:
            return None
    if not is_sparse(graph) or graph.op != "placeholder" or not has_rank(own, 2):
        return None
    if transposed(right) is not other:
        return None
    return graph, own, alpha, beta, between
