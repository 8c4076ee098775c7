"""
`sam-lower`: every `sam.region` of linalg operations becomes a `sam.graph` of streams.

Source: "FuseFlow", ASPLOS 2026, sections 4 and 5.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from headrace.dialects import sam
from headrace.passes.sam.constant_results import hoist_constant_results
from headrace.passes.sam.element_copies import ElementCopies
from headrace.passes.sam.lower_region import RegionLowering
from headrace.passes.sam.region_expression import read_region

FRAMES = 20
"""More Python frames than reading or evaluating one operation takes."""


@dataclass(frozen=True)
class SamLowerPass(ModulePass):
    """
    Lowers regions by their fusion tables.

    `reference` reproduces the granularity of the reference compiler, to compare node counts:
    dense levels are scanned and joined except in a product with one compressed level, reductions
    share the joiner of their consumer, results are compressed on every level, and what no operand
    stores is left out, so that results lack f(0) there.
    """

    name = "sam-lower"

    reference: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        regions = [region for region in op.walk() if isinstance(region, sam.RegionOp)]
        copies = ElementCopies()
        for region in regions:
            with _recursion(sum(1 for _ in region.walk())):
                streamed = hoist_constant_results(region)
                if streamed is not None:
                    read = read_region(streamed)
                    tiles = copies.tiles_of(streamed, read)
                    lowering = RegionLowering(streamed, read, tiles, reference=self.reference)
                    Rewriter.replace_op(streamed, *lowering.run())


@contextmanager
def _recursion(operations: int) -> Generator[None]:
    """Room for walking a chain of `operations`, of which each takes a few Python frames."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + FRAMES * operations)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
