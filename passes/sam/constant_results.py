"""
Results of a region that are one number leave it: they need no streams.

Each becomes a `linalg.fill` in front of the region, in the format that the result had.
"""

from typing import cast

from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    AnyTensorType,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    TensorType,
    i1,
)
from xdsl.dialects.linalg.ops import FillOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects import sam, sparse_tensor
from headrace.passes.sam.refusal import fail
from headrace.passes.sam.region_expression import ConstantResult, constant_results


def hoist_constant_results(region: sam.RegionOp) -> sam.RegionOp | None:
    """The region without its constant results; None if it has no others."""
    constants = constant_results(region)
    if not constants:
        return region
    terminator = cast(Operation, region.body.block.last_op)
    for position, constant in constants.items():
        made = constant_tensor(region, constant, terminator.operands[position].type)
        Rewriter.insert_op(made, InsertPoint.before(region))
        region.results[position].replace_all_uses_with(made[-1].results[0])
    kept = [k for k in range(len(region.results)) if k not in constants]
    if not kept:
        Rewriter.erase_op(region)
        return None
    terminator.operands = [terminator.operands[k] for k in kept]
    body = region.detach_region(region.body)
    smaller = sam.RegionOp.create(
        operands=region.inputs,
        result_types=[region.results[k].type for k in kept],
        properties=region.properties,
        attributes=region.attributes,
        regions=[body],
    )
    for old, new in zip(kept, smaller.results, strict=True):
        region.results[old].replace_all_uses_with(new)
    Rewriter.insert_op(smaller, InsertPoint.before(region))
    Rewriter.erase_op(region)
    return smaller


def constant_tensor(
    region: sam.RegionOp, constant: ConstantResult, type: Attribute
) -> list[Operation]:
    """
    Operations of which the last gives a tensor of the constant.

    Sizes that are not known are those of dimensions of the region's operands.
    """
    wanted = cast(AnyTensorType, type)
    made: list[Operation] = []
    sizes: list[SSAValue] = []
    for size, extent in zip(wanted.get_shape(), constant.extents, strict=True):
        if size != DYNAMIC_INDEX:
            continue
        if extent.size is not None and extent.size != DYNAMIC_INDEX:
            position = arith.ConstantOp(IntegerAttr(extent.size, IndexType()))
            made.append(position)
            sizes.append(position.result)
            continue
        if extent.size is not None:
            raise fail(region, "a constant result has a dimension that no operand has")
        position = arith.ConstantOp(IntegerAttr(extent.dimension, IndexType()))
        dimension = tensor.DimOp(region.inputs[extent.operand], position.result)
        made += [position, dimension]
        sizes.append(dimension.result)
    dense = TensorType(wanted.element_type, wanted.get_shape())
    number = arith.ConstantOp(_number(region, constant.value, wanted.element_type))
    empty = tensor.EmptyOp(sizes, dense)
    fill = FillOp([number.result], [empty.tensor], [dense])
    made += [number, empty, fill]
    if dense != wanted:
        made.append(sparse_tensor.ConvertOp(fill.results[0], wanted))
    return made


def _number(
    region: sam.RegionOp, value: float, type: Attribute
) -> FloatAttr | IntegerAttr[IntegerType]:
    if isinstance(type, AnyFloat):
        return FloatAttr(value, type)
    assert isinstance(type, IntegerType)
    if not value.is_integer():
        raise fail(region, f"a result of type {type} is the constant {value}, which is no integer")
    return IntegerAttr(int(value != 0) if type == i1 else int(value), cast(IntegerType, type))
