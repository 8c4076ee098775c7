"""The block sizes that were asked for a `sam.region`, from its attributes."""

from headrace.dialects import sam
from headrace.passes.sam.expression import Axis
from headrace.passes.sam.refusal import fail
from headrace.passes.sam.region_expression import RegionExpression


def blocks_of(region: sam.RegionOp, read: RegionExpression) -> dict[Axis, int]:
    """
    The block size of each axis for which one was asked.

    Raises `PassFailedException` where `blocks` does not have one size for each axis.
    """
    if region.blocks is None:
        return {}
    sizes = region.blocks.get_values()
    if len(sizes) != len(read.order):
        raise fail(
            region,
            f"blocks {list(sizes)} must have one size for each of the axes 0 to "
            f"{len(read.order) - 1}",
        )
    return {axis: size for axis, size in zip(read.order, sizes, strict=True) if size > 1}
