"""
`step-dynamic-tile`: packs all rows that the run brings into one tile, as high as they need.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.1; rounding and the cap are ours.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import step
from headrace.dialects.stream_operation import index_attribute
from headrace.passes.step.axis_rules import axes_of
from headrace.passes.step.graphs import graphs
from headrace.passes.step.packing import packings, rebuild
from headrace.passes.step.refusal import fail
from headrace.passes.step.reinfer import reinfer
from headrace.passes.step.row_tiles import check_rows, drop_padding, keep_all, on_rows, splits_of
from headrace.passes.step.symbols import fresh_names


@dataclass(frozen=True)
class StepDynamicTilePass(ModulePass):
    """
    Makes packed tiles as high as there are rows: weights are then read once for each expert.

    With `round` the rows of a tile are filled up to a multiple, as compute units may want. With
    `maximum` no tile has more rows than that, which bounds its memory: more rows make several
    tiles, of which the last is as high as it needs. `compute`, where given, is the new FLOPs per
    cycle of the operations on the tiles that have a bandwidth: the published graphs have 6400 with
    dynamic tiles and 4096 with static ones, which is not the same machine.
    """

    name = "step-dynamic-tile"

    round: int = 1
    maximum: int = 0
    compute: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.round < 1 or min(self.maximum, self.compute) < 0:
            raise PassFailedException(
                f"{self.name}: round={self.round} maximum={self.maximum} compute={self.compute} is "
                "not possible; round is 1 or more, the others too, or 0 for none"
            )
        if self.round > 1 and self.maximum:
            raise PassFailedException(
                f"{self.name}: round={self.round} fills tiles up and maximum={self.maximum} leaves "
                "them as they are; give one of them"
            )
        for graph in graphs(op, self.name):
            self._tile(graph)

    def _tile(self, graph: step.GraphOp) -> None:
        found = list(packings(graph))
        if not found:
            raise fail(
                self.name, graph, "it packs no rows into tiles; what has no packing is static"
            )
        axes = axes_of(graph)
        for packing in found:
            check_rows(self.name, axes, packing)
        packers = {packing.accumulate for packing in found}
        ops = [op for op in on_rows(axes, found, graph.body.block.ops) if op not in packers]
        for op in ops:
            if self.compute and isinstance(op, step.MapOp | step.AccumulateOp) and op.compute:
                op.compute = index_attribute(self.compute)
        splits = splits_of(axes, found, ops)
        if self.round > 1 or self.maximum:
            for op in splits:
                drop_padding(op)
        names = fresh_names(graph, "rows")
        for packing in found:
            if self.maximum:
                rebuild(self.name, packing, "capped", self.maximum, next(names))
            else:
                rebuild(self.name, packing, "dynamic", self.round)
        reinfer(self.name, graph)
        if self.round == 1 and not self.maximum:
            for op in splits:
                keep_all(self.name, op)
