"""
A dispatcher: the next request goes to the region that is the first to be ready for it.

A region is ready when all tiles of its last request have been read; the merge of these signals says
which regions became ready, in order. The first requests go to the regions in turn. The signals of
the last requests, one for each region, find nothing to dispatch and are dropped: the number of
requests is known, so that the feedback ends.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.3.
"""

from collections.abc import Iterable, Sequence

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    TensorType,
    UnrealizedConversionCastOp,
    i64,
)
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint

from headrace.dialects import step
from headrace.passes.step.graphs import add_input, erase, stream
from headrace.passes.step.refusal import fail
from headrace.passes.step.request_regions import Regions, insert
from headrace.passes.step.requests import Requests, first_ragged_read
from headrace.passes.step.symbols import fresh_names


class Dispatch:
    """Makes the dispatcher of a graph and its regions."""

    def __init__(self, name: str, graph: step.GraphOp, requests: Requests, count: int) -> None:
        self.name = name
        self.graph = graph
        self.requests = requests
        self.count = count
        read = first_ragged_read(requests.body)
        if read is None:
            raise fail(
                name,
                graph,
                "nothing tells when a region is ready: no step.random_load reads the tiles of a "
                "request; interleave the requests instead",
            )
        self.read = read

    def build(self, regions: Regions, end: Operation) -> None:
        """Put dispatcher and regions before `end`."""
        ready = self._placeholder(end)
        targets = self._targets(ready.results[0], end)
        names = fresh_names(self.graph, "requests")
        sizes = [next(names) for _ in range(self.count - 1)]
        last = " - ".join([str(self.requests.count), *sizes])
        parts: dict[SSAValue, step.PartitionOp] = {}
        for number, (source, target) in enumerate(zip(self.requests.sources, targets, strict=True)):
            part = step.PartitionOp(
                source.value,
                target,
                rank=source.rank,
                dims=[*sizes, last],
                assumed=sizes if number else (),
            )
            insert(self.name, part, end)
            parts[source.value] = part
        signals = [
            self._region(
                regions, number, {value: part.results[number] for value, part in parts.items()}, end
            )
            for number in range(self.count)
        ]
        merge = step.EagerMergeOp(signals, rank=0)
        insert(self.name, merge, end)
        if merge.selector.type != ready.results[0].type:
            raise fail(
                self.name, merge, f"{merge.selector.type} is not one signal for each request"
            )
        ready.results[0].replace_all_uses_with(merge.selector)
        erase([ready])

    def _placeholder(self, end: Operation) -> UnrealizedConversionCastOp:
        """Stands for the order in which regions become ready, until there are regions."""
        type = step.StreamType(step.SelectorType(self.count, hot=1), (self.requests.count,))
        cast = UnrealizedConversionCastOp.get([], [type])
        return Builder(InsertPoint.before(end)).insert(cast)

    def _targets(self, ready: SSAValue, end: Operation) -> Sequence[SSAValue]:
        """For each source a stream of the regions that requests go to."""
        waiting = self.requests.count - self.count
        everyone = range(self.requests.count)
        first = self._selectors(range(self.count), self.count, end)
        if waiting:
            which = self._selectors((int(one >= self.count) for one in everyone), 2, end)
            used = self._selectors((int(one < waiting) for one in everyone), 2, end)
            kept = step.PartitionOp(ready, used, rank=0, dims=[self.count, waiting])
            insert(self.name, kept, end)
            order = step.ReassembleOp(which, [first, kept.results[1]], rank=0)
            insert(self.name, order, end)
            flat = step.FlattenOp(order.results[0], min=0, max=1)
            insert(self.name, flat, end)
            first = flat.results[0]
        copies = step.BroadcastOp(first, consumers=len(self.requests.sources))
        insert(self.name, copies, end)
        return copies.results

    def _selectors(self, hot: Iterable[int], width: int, end: Operation) -> SSAValue:
        """A stream of one-hot selectors that is known now."""
        rows = [[int(place == one) for place in range(width)] for one in hot]
        type = TensorType(i64, (len(rows), width))
        bits = [bit for row in rows for bit in row]
        constant = arith.ConstantOp(DenseIntOrFPElementsAttr.from_list(type, bits), type)
        Builder(InsertPoint.before(self.graph)).insert(constant)
        select = step.SelectOp(add_input(self.graph, constant.result), hot=1)
        insert(self.name, select, end)
        flat = step.FlattenOp(select.results[0], min=0, max=1)
        insert(self.name, flat, end)
        return flat.results[0]

    def _region(
        self, regions: Regions, number: int, streams: dict[SSAValue, SSAValue], end: Operation
    ) -> SSAValue:
        """One region; its signals that it is ready."""
        values = regions.add(number, streams)
        tiles = values[self.read.results[0]]
        copies = step.BroadcastOp(tiles, consumers=2)
        insert(self.name, copies, end)
        tiles.replace_uses_with_if(copies.results[0], lambda use: use.operation is not copies)
        last = copies.results[1]
        signal = step.AccumulateOp(last, fn=step.Function.SIGNAL, rank=stream(last).rank)
        insert(self.name, signal, end)
        return signal.results[0]
