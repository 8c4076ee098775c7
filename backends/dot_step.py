"""Graphs of `step` in drawings: operations by their place, streams by sizes and elements."""

from xdsl.dialects.builtin import IntegerAttr, TensorType
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, BlockArgument, Operation
from xdsl.utils.str_enum import StrEnum

from headrace.backends.dot_style import Style, tensor_name
from headrace.backends.svg import COLOURS
from headrace.dialects import step
from headrace.dialects.step_types import (
    BufferType,
    SelectorType,
    StreamType,
    TileType,
    sizes_of,
)

CLASSES: tuple[tuple[tuple[type[Operation], ...], str], ...] = (
    ((step.LoadOp, step.RandomLoadOp), "array_read"),
    ((step.StoreOp, step.RandomStoreOp), "writer"),
    ((step.BufferizeOp, step.StreamifyOp), "locate"),
    ((step.MapOp,), "alu"),
    ((step.AccumulateOp, step.ScanOp), "accumulator"),
    ((step.PartitionOp, step.ReassembleOp, step.EagerMergeOp, step.DealOp), "joiner"),
    ((step.SelectOp, step.IntegersOp), "generator"),
    ((step.ExpandOp, step.RepeatOp), "repeat"),
)
"""The operations whose boxes have a colour, by the class of node that it stands for."""

ELEMENT_COLOURS: tuple[tuple[type[Attribute], str], ...] = (
    (TileType, "#d62728"),
    (SelectorType, "#9467bd"),
    (BufferType, "#8c564b"),
)
OTHER_COLOUR = "#2ca02c"
"""Of integers, addresses, truth values and tuples."""

SHOWN = ("fn", "rank", "chunk", "factor")
"""The properties that stand in the box."""


def _label(op: Operation, place: int) -> str:
    """The name and place, as in the results of a run; what it does, and the tensors it reads."""
    words = [f"{op.name.removeprefix('step.')} {place}"]
    words += [_text(name, op.properties[name]) for name in SHOWN if name in op.properties]
    tensors = [
        tensor_name(operand)
        for operand in op.operands
        if isinstance(operand, BlockArgument) and isinstance(operand.type, TensorType)
    ]
    return "\n".join([" ".join(words), *tensors])


def _text(name: str, value: Attribute) -> str:
    match value:
        case EnumAttribute(data=StrEnum() as word):
            return str(word)
        case IntegerAttr():
            return f"{name} {value.value.data}"
        case _:
            return str(value)


def _colour(op: Operation) -> str:
    found = next((name for kinds, name in CLASSES if isinstance(op, kinds)), "")
    return COLOURS.get(found, "#ffffff")


def _edge(type: Attribute) -> tuple[str | None, str]:
    """The sizes of a stream, and its elements."""
    if not isinstance(type, StreamType):
        return None, "#7f7f7f"
    element = type.element_type
    colours = (colour for kind, colour in ELEMENT_COLOURS if isinstance(element, kind))
    sizes = f"[{', '.join(map(str, type.dimensions))}]"
    return f"{sizes} {_element(element)}", next(colours, OTHER_COLOUR)


def _element(element: Attribute) -> str:
    match element:
        case TileType():
            return f"tile {element.rows} x {element.columns} {element.element_type}"
        case SelectorType():
            hot = "some" if element.hot is None else str(element.hot)
            return f"{hot} of {element.width}"
        case BufferType():
            sizes = ", ".join(map(str, sizes_of(element.shape)))
            return f"buffer [{sizes}] of {_element(element.element_type)}"
        case _:
            return str(element)


STEP = Style(
    is_node=lambda op: isinstance(op, step.StepOperation),
    label=_label,
    colour=_colour,
    edge=_edge,
)
