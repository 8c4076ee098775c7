"""
`step-parallelize`: several regions, each handling requests of its own.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.3.
"""

from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import step
from headrace.passes.step.dispatch import Dispatch
from headrace.passes.step.graphs import erase, graphs
from headrace.passes.step.refusal import fail
from headrace.passes.step.request_blocks import RequestBlocks
from headrace.passes.step.request_regions import Regions, chain_start, insert
from headrace.passes.step.requests import Requests, requests_of

Mode = Literal["interleaved", "coarse", "dynamic"]


@dataclass(frozen=True)
class StepParallelizePass(ModulePass):
    """
    Makes `regions` copies of what handles requests.

    `interleaved` deals requests to the regions in turn. `coarse` gives them blocks of `block`
    consecutive requests in turn, read by loads of their own; fewer blocks than regions make fewer
    regions. `dynamic` gives the next request to the region that is the first to have read all tiles
    of its last one.

    Every request must store tiles at addresses of its own. They are data, so that the stores claim
    it (`region`) and the interpreter checks it: where two requests write one tile, the graph keeps
    that of the later request, and of regions the order of time would decide. Within a region the
    order of requests stays. Runs of timing only see no difference.
    """

    name = "step-parallelize"

    mode: Mode = "interleaved"
    regions: int = 4
    block: int = 16

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.regions < 1 or self.block < 1:
            raise PassFailedException(
                f"{self.name}: regions={self.regions} block={self.block} is not possible; "
                "both are 1 or more"
            )
        for graph in graphs(op, self.name):
            requests = requests_of(self.name, graph)
            if self.mode != "coarse" and self.regions > requests.count:
                raise fail(
                    self.name,
                    graph,
                    f"it has {requests.count} requests for {self.regions} regions; take no more "
                    "regions than requests",
                )
            self._parallelize(graph, requests)

    def _parallelize(self, graph: step.GraphOp, requests: Requests) -> None:
        """Put the regions behind the original operations, and remove those."""
        end = graph.body.block.last_op
        assert isinstance(end, step.YieldOp)
        regions = Regions(self.name, requests.body, end)
        match self.mode:
            case "interleaved":
                _interleave(self.name, requests, self.regions, regions, end)
            case "coarse":
                blocks = RequestBlocks(self.name, graph, requests)
                blocks.split(self.regions, self.block, regions, end)
            case "dynamic":
                Dispatch(self.name, graph, requests, self.regions).build(regions, end)
        _finish(end, requests, regions, keep_sources=self.mode != "coarse")


def _interleave(
    name: str, requests: Requests, count: int, regions: Regions, end: Operation
) -> None:
    deals: dict[SSAValue, step.DealOp] = {}
    for source in requests.sources:
        deal = step.DealOp(source.value, rank=source.rank, consumers=count)
        insert(name, deal, end)
        deals[source.value] = deal
    for number in range(count):
        regions.add(number, {value: deal.results[number] for value, deal in deals.items()})


def _finish(end: step.YieldOp, requests: Requests, regions: Regions, keep_sources: bool) -> None:
    """Yield what the regions have written, and drop the operations that they were made of."""
    for index, operand in enumerate(end.operands):
        if isinstance(operand.owner, step.RandomStoreOp):
            end.operands[index] = regions.written[chain_start(operand.owner)]
    dropped: list[Operation] = list(requests.body)
    if not keep_sources:
        dropped += [op for source in requests.sources for op in (source.root, source.flatten)]
    erase(dropped)
