"""
`sam-order`: chooses the order in which a region's axes are iterated.

Source: "FuseFlow", ASPLOS 2026, sections 4.2 and 7.3 (dataflow order).
"""

from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, StringAttr, i64
from xdsl.passes import ModulePass

from headrace.passes.sam.region_number import numbered_region


@dataclass(frozen=True)
class SamOrderPass(ModulePass):
    """
    Sets the priority of axes that `sam-lower` decodes to an order.

    `priority` is a permutation of the axes i0, i1, .. of the region number `region`, outermost
    first. With `copies=none` the order is the legal one nearest to it; with `copies=any` it is
    taken literally, and operands that are stored in another order get a permuted copy.
    """

    name = "sam-order"

    priority: tuple[int, ...]
    region: int = 0
    copies: Literal["none", "any"] = "none"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        region = numbered_region(op, self.region, self.name)
        region.priority = DenseArrayBase.from_list(i64, self.priority)
        region.copies = StringAttr(self.copies)
