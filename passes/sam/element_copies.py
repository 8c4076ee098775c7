"""
The operands of regions with blocks: copies without blocks, and vectors of ones.

Where a region does not work tile by tile, each of its blocked operands is copied to the same
levels without blocks, in front of the region, and read like any other. Regions share the copy of
an operand, which says why each of them reads it.
"""

from xdsl.dialects.builtin import DYNAMIC_INDEX, StringAttr, TensorType, i1
from xdsl.ir import Block, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects import sam, sparse_tensor
from headrace.dialects.sparse_tensor import format_of
from headrace.passes.sam.constant_results import constant_tensor
from headrace.passes.sam.refusal import fail
from headrace.passes.sam.region_blocks import blocks_of
from headrace.passes.sam.region_expression import ConstantResult, Extent, RegionExpression
from headrace.passes.sam.tile_region import NotTiledError, Tiles, read_tiles
from headrace.storage.levels import Format


class ElementCopies:
    """The copies that the regions of a module read, one for each operand and block of code."""

    def __init__(self) -> None:
        self.copies: dict[tuple[SSAValue, Block | None], sparse_tensor.ConvertOp] = {}
        self.reasons: dict[sparse_tensor.ConvertOp, list[str]] = {}

    def tiles_of(self, region: sam.RegionOp, read: RegionExpression) -> Tiles:
        """
        What the region computes: on tiles, or on numbers with copies of its blocked operands.

        A copy is a `sparse_tensor.convert {headrace.reason = ".."}`. Raises `PassFailedException`
        where tiles were asked for and it does not work on them.
        """
        formats = [format_of(value.type) for value in region.inputs]
        wanted = blocks_of(region, read)
        try:
            tiles = read_tiles(read, formats, wanted)
            for axis in tiles.ones.values():
                _add_ones(region, read.extents[axis])
            return tiles
        except NotTiledError as error:
            if wanted:
                raise fail(
                    region,
                    f"blocks were asked for, but {error} does not work tile by tile; cut the "
                    "region there, or ask for blocks on other axes",
                ) from error
            for operand, format in enumerate(formats):
                if format.block:
                    self._read_copy(region, operand, str(error))
            return Tiles(read.results)

    def _read_copy(self, region: sam.RegionOp, operand: int, reason: str) -> None:
        value = region.inputs[operand]
        key = (value, region.parent)
        if key not in self.copies:
            format = format_of(value.type)
            type = sparse_tensor.with_format(value.type, Format(format.levels, format.order))
            self.copies[key] = sparse_tensor.ConvertOp(value, type)
            Rewriter.insert_op(self.copies[key], InsertPoint.before(region))
        copy = self.copies[key]
        reasons = self.reasons.setdefault(copy, [])
        if reason not in reasons:
            reasons.append(reason)
        because = " and ".join(f"because {one} does not work tile by tile" for one in reasons)
        copy.attributes["headrace.reason"] = StringAttr(f"read element by element, {because}")
        region.operands[operand] = copy.result
        Rewriter.replace_value_with_new_type(region.body.block.args[operand], copy.result.type)


def _add_ones(region: sam.RegionOp, extent: Extent) -> None:
    """A further operand of the region: a vector of ones."""
    size = DYNAMIC_INDEX if extent.size is None else extent.size
    made = constant_tensor(region, ConstantResult(1.0, (extent,)), TensorType(i1, [size]))
    Rewriter.insert_op(made, InsertPoint.before(region))
    ones = made[-1].results[0]
    region.operands = [*region.operands, ones]
    region.body.block.insert_arg(ones.type, len(region.body.block.args))
