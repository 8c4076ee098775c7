"""
Blocked operands that a region reads element by element.

Where a region does not work tile by tile, each of its blocked operands is copied to the same
levels without blocks, in front of the region, and read like any other. The copy says why.
"""

from xdsl.dialects.builtin import StringAttr
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects import sam, sparse_tensor
from headrace.dialects.sparse_tensor import format_of
from headrace.passes.sam.region_expression import read_region
from headrace.passes.sam.tile_region import NotTiledError, read_tiles
from headrace.storage.levels import Format


def copy_by_element(region: sam.RegionOp) -> None:
    """
    Give the region copies of its blocked operands if it does not work on tiles.

    A copy is a `sparse_tensor.convert {headrace.reason = ".."}`.
    """
    formats = [format_of(value.type) for value in region.inputs]
    if not any(format.block for format in formats):
        return
    try:
        read_tiles(read_region(region), formats)
    except NotTiledError as error:
        for operand, format in enumerate(formats):
            if format.block:
                _copy(region, operand, format, str(error))


def _copy(region: sam.RegionOp, operand: int, format: Format, reason: str) -> None:
    value = region.inputs[operand]
    type = sparse_tensor.with_format(value.type, Format(format.levels, format.order))
    copy = sparse_tensor.ConvertOp(value, type)
    copy.attributes["headrace.reason"] = StringAttr(
        f"read element by element, because {reason} does not work tile by tile"
    )
    Rewriter.insert_op(copy, InsertPoint.before(region))
    region.operands[operand] = copy.result
    Rewriter.replace_value_with_new_type(region.body.block.args[operand], type)
