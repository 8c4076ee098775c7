"""
`sam-parallelize`: chooses an axis of a region that is computed in parallel lanes.

Source: "FuseFlow", ASPLOS 2026, section 7.1 (parallelisation).
"""

from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import sam
from headrace.passes.sam.region_number import numbered_region


@dataclass(frozen=True)
class SamParallelizePass(ModulePass):
    """
    Deals the coordinates of an axis to lanes: `factor` copies of the graph inside it.

    `axis` is the number of axis i0, i1, .. of the region number `region`. With `balance=turns` the
    coordinates go to the lanes in turn, with `balance=nonzeros` each to the lane that has the
    fewest entries so far, as stored in the compressed level right inside the axis. The copies are
    made at the end of `sam-lower`; until then the factor is a number on the region. Applied again
    with another axis, lanes nest.
    """

    name = "sam-parallelize"

    axis: int
    factor: int
    region: int = 0
    balance: Literal["turns", "nonzeros"] = "turns"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        region = numbered_region(op, self.region, self.name)
        if self.axis < 0 or self.factor < 1:
            raise PassFailedException(
                f"sam-parallelize: axis={self.axis} factor={self.factor} is not possible; axes are "
                "numbered from 0, and a factor is 1 or more"
            )
        lanes = tuple(region.lanes or ())
        if any(known.axis.data == self.axis for known in lanes):
            raise PassFailedException(
                f"sam-parallelize: axis i{self.axis} of region {self.region} has lanes already; "
                "give the product of the factors once"
            )
        region.lanes = ArrayAttr([*lanes, sam.LanesAttr(self.axis, self.factor, self.balance)])
