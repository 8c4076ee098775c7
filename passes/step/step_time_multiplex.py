"""
`step-time-multiplex`: experts take turns on fewer copies of their body.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.2 (configuration
time-multiplexing).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, BlockArgument, Operation, OpResult, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from headrace.dialects import step
from headrace.dialects.step_operation import is_name
from headrace.passes.step.axes import stream
from headrace.passes.step.axis_rules import tile_counts
from headrace.passes.step.bodies import Body, body_of, match_bodies
from headrace.passes.step.broadcasts import share, trim
from headrace.passes.step.graphs import graphs
from headrace.passes.step.packing import packings
from headrace.passes.step.refusal import fail
from headrace.passes.step.reinfer import reinfer
from headrace.passes.step.row_tiles import drop_padding
from headrace.passes.step.symbols import fresh_names
from headrace.passes.step.weights import drop_unused, stack


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
        for graph in graphs(op, self.name, regions=self.regions):
            layers = list(_layers(graph))
            if not layers:
                reason = "it has no partition whose parts are all packed into tiles: no experts"
                raise fail(self.name, graph, reason)
            for partition, packs in layers:
                if len(packs) % self.regions:
                    reason = f"its {len(packs)} parts are not shared evenly by {self.regions} regions"
                    raise fail(self.name, partition, reason)
                bodies = [body_of(self.name, pack) for pack in packs]
                size = len(packs) // self.regions
                for start in range(0, len(bodies) if size > 1 else 0, size):
                    self._share(graph, bodies[start : start + size])
            reinfer(self.name, graph)

    def _share(self, graph: step.GraphOp, bodies: Sequence[Body]) -> None:
        """The first body serves all."""
        first, *others = bodies
        for load in first.loads:
            self._check_load(load)
        places = [dict(match_bodies(self.name, first, body)) for body in others]
        leaving = [use.operation.operands[use.index] for use in first.exits]
        exits = [first.exits, *([_use(there[value]) for value in leaving] for there in places)]
        read = [[_weight(load.result), *(_weight(there[load.result]) for there in places)]
                for load in first.loads]
        packs = [body.start for body in bodies]
        claims = [str(stream(pack).dimensions[0]) for pack in packs]
        differ = len({pack.type for pack in packs}) > 1 and _rows_differ(packs)
        if differ:
            for use in (use for uses in exits for use in uses):
                if not isinstance(use.operation, step.FlatMapOp):
                    reason = "it takes tiles of one height; those of the experts are as high as their rows"
                    raise fail(self.name, use.operation, reason)
                drop_padding(use.operation)
        # From here on the graph is changed, and nothing is refused.
        build = Builder(InsertPoint.after(_last(packs)))
        (entry,) = packs[0].uses
        rows = next(fresh_names(graph, "rows")) if differ else None
        merge = build.insert(step.EagerMergeOp(packs, rank=0, rows=rows))
        entry.operation.operands[entry.index] = merge.result
        loads = list(first.loads)
        counts = list(dict.fromkeys(_tiles(load) for load in loads))
        selectors = iter(share(build, merge.selector, len(counts) + len(leaving)))
        for count in counts:
            alike = [index for index, load in enumerate(loads) if _tiles(load) == count]
            addresses = build.insert(step.ExpertAddressOp(next(selectors), tiles=count)).result
            for index, address in zip(alike, share(build, addresses, len(alike)), strict=True):
                _read_by_address(loads[index], stack(graph, read[index]), address)
        for value, uses in zip(leaving, zip(*exits, strict=True), strict=True):
            type = stream(value)
            assumed = [claim for claim in claims if is_name(claim)]
            parts = build.insert(
                step.PartitionOp(
                    value, next(selectors), rank=type.rank, dims=claims, assumed=assumed
                )
            ).outputs
            for use, part in zip(uses, parts, strict=True):
                use.operation.operands[use.index] = part
        ...
