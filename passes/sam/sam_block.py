"""
`sam-block`: lets a region compute on dense tiles.

Source: "FuseFlow", ASPLOS 2026, section 6.3 (sparsity blocking).
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i64
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from headrace.passes.sam.region_expression import read_region
from headrace.passes.sam.region_number import numbered_region

LEAST, MOST = 2, 64
"""The elements of a block along one axis."""


@dataclass(frozen=True)
class SamBlockPass(ModulePass):
    """
    Sets the block sizes of axes, with which `sam-lower` computes on tiles.

    `axes` are some of the axes i0, i1, .. of the region number `region`, and `sizes` has the
    elements of a block along each, 2 to 64. The operands are converted to blocks of these sizes,
    unless they are stored so. At most two axes of any value may have blocks: its tiles have rows
    and columns.
    """

    name = "sam-block"

    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    region: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        region = numbered_region(op, self.region, self.name)
        count = len(read_region(region).order)
        self._expect_sizes(count)
        blocks = [1] * count if region.blocks is None else list(region.blocks.get_values())
        for axis, size in zip(self.axes, self.sizes, strict=True):
            blocks[axis] = size
        region.blocks = DenseArrayBase.from_list(i64, blocks)

    def _expect_sizes(self, count: int) -> None:
        """Check the options against the number of axes of the region."""
        if len(self.axes) != len(self.sizes) or len(set(self.axes)) != len(self.axes):
            raise PassFailedException(
                f"sam-block: axes={_listed(self.axes)} with sizes={_listed(self.sizes)}; give one "
                "size for each axis, and each axis once"
            )
        for axis, size in zip(self.axes, self.sizes, strict=True):
            if not 0 <= axis < count:
                raise PassFailedException(
                    f"sam-block: the region has the axes 0 to {count - 1}, but no axis {axis}"
                )
            if not LEAST <= size <= MOST:
                raise PassFailedException(
                    f"sam-block: blocks of {size} on axis {axis}; tiles have {LEAST} to {MOST} "
                    "elements along an axis"
                )


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
