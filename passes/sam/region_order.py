"""
The order of axes of a `sam.region`, from its attributes and the storage of its operands.

`priority` is a permutation of the axes i0, i1, ..; the order is the legal one nearest to it.
`copies = "any"` takes the permutation literally, with permuted copies of the operands that
contradict it.

Source: "FuseFlow", ASPLOS 2026, section 4.2.
"""

from collections.abc import Sequence

from xdsl.dialects.builtin import DYNAMIC_INDEX, AnyTensorType, IntegerAttr, UnitAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.utils.hints import isa

from headrace.dialects import sam, sparse_tensor
from headrace.dialects.sparse_tensor import format_of
from headrace.passes.sam.expression import Expression, Input, walk
from headrace.passes.sam.order import Order, StoredUse, choose, literal
from headrace.passes.sam.refusal import fail
from headrace.passes.sam.region_expression import RegionExpression
from headrace.storage.levels import Format, Level

ASSUMED_DENSITY = 0.1
"""Share of stored entries in a compressed operand of unknown size, for comparing copies."""

ASSUMED_EXTENT = 1000
"""Extent of a dimension that is not known at compile time, for comparing copies."""


def order_of(
    region: sam.RegionOp,
    read: RegionExpression,
    results: Sequence[Expression],
    formats: Sequence[Format],
) -> Order:
    """
    The axes outermost first, and the uses to store permuted.

    Raises `PassFailedException` where `priority` is not a permutation of the axes.
    """
    axes = read.order
    if region.priority is not None:
        priority = region.priority.get_values()
        if sorted(priority) != list(range(len(axes))):
            raise fail(
                region,
                f"priority {list(priority)} must name each of the axes 0 to {len(axes) - 1} once",
            )
        axes = tuple(axes[p] for p in priority)
    uses = [*stored_uses(region, results, formats), *stored_results(region, read)]
    is_literal = region.copies is not None and region.copies.data == "any"
    return literal(axes, uses) if is_literal else choose(axes, uses)


def stored_uses(
    region: sam.RegionOp, results: Sequence[Expression], formats: Sequence[Format]
) -> list[StoredUse]:
    """The uses of stored operands with the axes of their levels."""
    return [
        StoredUse(
            use,
            tuple(use.axes[d] for d in formats[use.operand].order),
            _copy_cost(region.inputs[use.operand], formats[use.operand]),
        )
        for use in walk(results)
        if isinstance(use, Input)
    ]


def stored_results(region: sam.RegionOp, read: RegionExpression) -> list[StoredUse]:
    """The results with the axes of the levels in which they are asked for."""
    formats = [format_of(value.type) for value in region.outputs]
    return [
        StoredUse(None, tuple(axes[d] for d in format.order), _copy_cost(value, format))
        for value, format, axes in zip(region.outputs, formats, read.result_axes, strict=True)
    ]


def _copy_cost(value: SSAValue, format: Format) -> float:
    """Entries to copy: those declared on the argument, or an estimate from the shape."""
    attributes = _argument_attributes(value)
    if isinstance(attributes.get("headrace.constant"), UnitAttr) or is_symmetric(value):
        return 0.0
    entries = attributes.get("headrace.nonzeros")
    if isinstance(entries, IntegerAttr):
        return float(entries.value.data)
    cost = 1.0
    assert isa(value.type, AnyTensorType)
    for size in value.type.get_shape():
        cost *= ASSUMED_EXTENT if size == DYNAMIC_INDEX else size
    return cost * (ASSUMED_DENSITY if Level.COMPRESSED in format.levels else 1.0)


def is_symmetric(value: SSAValue) -> bool:
    """Whether the caller declared that the matrix equals its transpose."""
    return isinstance(_argument_attributes(value).get("headrace.symmetric"), UnitAttr)


def _argument_attributes(value: SSAValue) -> dict[str, Attribute]:
    """The attributes of the function argument that `value` is, or is a copy of."""
    while isinstance(value.owner, sparse_tensor.ConvertOp):
        value = value.owner.source
    if not isinstance(value, BlockArgument):
        return {}
    function = value.block.parent_op()
    if not isinstance(function, FuncOp) or function.arg_attrs is None:
        return {}
    return dict(function.arg_attrs.data[value.index].data)
