"""How the operations and streams of a dialect look in a drawing in DOT."""

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.ir import Attribute, Operation, SSAValue


@dataclass(frozen=True)
class Style:
    """Boxes and arrows of one dialect."""

    is_node: Callable[[Operation], bool]
    """Whether an operation has a box."""
    label: Callable[[Operation, int], str]
    """What stands in the box of an operation, given its place in the graph."""
    colour: Callable[[Operation], str]
    edge: Callable[[Attribute], tuple[str | None, str]]
    """Label and colour of the arrow of a value of this type; no label for what is no stream."""


def tensor_name(tensor: SSAValue) -> str:
    """The name hint of a tensor, or its number among the arguments."""
    if tensor.name_hint is not None:
        return tensor.name_hint
    return f"argument {getattr(tensor, 'index', '')}"
