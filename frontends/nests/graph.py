"""What the recognition of nests asks of nodes of an exported graph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from headrace.frontends.aten.registry import Call, Result

if TYPE_CHECKING:
    from torch.fx import Node

Value: TypeAlias = Callable[["Node"], Any]
"""What a node became: a view, or a matrix in compressed rows."""


@dataclass(frozen=True)
class Match:
    """Nodes that become one nest."""

    inner: "frozenset[Node]"
    """Computed inside the nest."""
    leaves: "frozenset[Node]"
    """Computed before; what the nest reads."""
    emit: Callable[[Call, Value], Result]
    """Emits the nest and its call; the result of the last node."""


def operator(node: Any) -> str:
    """The operator of a node, such as `aten.add.Tensor`; empty for what is no operation."""
    return str(node.target) if getattr(node, "op", "") == "call_function" else ""


def argument(node: "Node", position: int, name: str, default: Any = None) -> Any:
    """An operand by its place or, where it was given so, its name."""
    if position < len(node.args):
        return node.args[position]
    return node.kwargs.get(name, default)


def has_rank(node: Any, rank: int) -> bool:
    """Whether `node` is a dense tensor of `rank` whose sizes do not depend on values."""
    import torch
    from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols

    value: Any = node.meta.get("val") if hasattr(node, "meta") else None
    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.ndim == rank
        and not free_unbacked_symbols(cast(Any, value.shape))
    )


def is_sparse(node: Any) -> bool:
    """Whether `node` is a matrix of a sparse layout."""
    import torch

    value: Any = node.meta.get("val") if hasattr(node, "meta") else None
    return isinstance(value, torch.Tensor) and value.layout != torch.strided and value.ndim == 2


def is_floating(node: Any) -> bool:
    return bool(node.meta["val"].is_floating_point())


def is_integer(node: Any) -> bool:
    import torch

    return node.meta["val"].dtype in (torch.int8, torch.int16, torch.int32, torch.int64)


def is_number(node: Any) -> bool:
    """Whether elements are real numbers, which choices are not."""
    return is_integer(node) or is_floating(node)


def transposed(node: Any) -> "Node | None":
    """The matrix of which `node` is the transpose."""
    if operator(node) == "aten.t.default":
        return cast("Node", node.args[0])
    swapped: Any = {
        "aten.permute.default": [([1, 0],)],
        "aten.transpose.int": [(0, 1), (1, 0), (-1, -2), (-2, -1)],
    }.get(operator(node), [])
    return cast("Node", node.args[0]) if node.args[1:] in swapped else None
