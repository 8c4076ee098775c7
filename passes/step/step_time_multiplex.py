"""
`step-time-multiplex`: experts take turns on fewer copies of their body.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.2 (configuration
time-multiplexing).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriteWalker
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import step
from headrace.passes.canonicalization.step import DropUnreadCopies
from headrace.passes.step.bodies import body_of
from headrace.passes.step.expert_regions import merge_bodies, planned_region
from headrace.passes.step.graphs import graphs
from headrace.passes.step.packing import packings
from headrace.passes.step.refusal import fail
from headrace.passes.step.reinfer import reinfer, sort_by_flow


@dataclass(frozen=True)
class StepTimeMultiplexPass(ModulePass):
    """
    Makes `regions` bodies serve all experts, consecutive ones together.

    The packed tiles of the experts of a region are merged as they arrive; weights are read by the
    address of the expert that a tile came from, and the results go back to where their rows are
    put together. Compute and weight buffers are there once for each region, packers for each
    expert.

    A body gives results in the order of arrival, and what puts rows together asks for them in the
    order of rows: a region may wait for ever unless the channels behind it hold what it has under
    way. Give channels of more depth then (`step-size-fifos`).
    """

    name = "step-time-multiplex"

    regions: int

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.regions < 1:
            raise PassFailedException(
                f"{self.name}: regions={self.regions} is not possible; give 1 or more"
            )
        for graph in graphs(op, self.name):
            layers = list(_layers(graph))
            if not layers:
                reason = "it has no partition whose parts are all packed into tiles: no experts"
                raise fail(self.name, graph, reason)
            for partition, packs in layers:
                size, left = divmod(len(packs), self.regions)
                if left or not size:
                    reason = f"{self.regions} regions cannot share its {len(packs)} parts evenly"
                    raise fail(self.name, partition, reason)
                bodies = [body_of(self.name, pack) for pack in packs]
                groups = [bodies[at : at + size] for at in range(0, len(bodies), size)]
                plans = [planned_region(self.name, group) for group in groups if size > 1]
                for plan in plans:
                    merge_bodies(graph, plan)
            sort_by_flow(graph)
            reinfer(self.name, graph)
            # The copies of tiles that loads were triggered by are not read any more.
            PatternRewriteWalker(DropUnreadCopies()).rewrite_region(graph.body)


def _layers(graph: step.GraphOp) -> Iterator[tuple[step.PartitionOp, list[SSAValue]]]:
    """Partitions whose parts are all packed, with the packed tiles in the order of the parts."""
    packed = {packing.source: packing.accumulate.result for packing in packings(graph)}
    for op in graph.body.block.ops:
        if isinstance(op, step.PartitionOp) and all(part in packed for part in op.outputs):
            yield op, [packed[part] for part in op.outputs]
