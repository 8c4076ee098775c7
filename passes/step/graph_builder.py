"""Builds one `step.graph`: its inputs, its operations, a broadcast where a stream is read twice."""

from collections.abc import Sequence

from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects import step


class GraphBuilder:
    """Collects the body of a graph; `finish` puts it into the program."""

    def __init__(self) -> None:
        self.block = Block()
        self._inputs: dict[SSAValue, SSAValue] = {}

    def tensor(self, value: SSAValue) -> SSAValue:
        """A tensor of the program, inside of the graph."""
        if value not in self._inputs:
            inner = self.block.insert_arg(value.type, len(self.block.args))
            inner.name_hint = value.name_hint
            self._inputs[value] = inner
        return self._inputs[value]

    def add(self, op: Operation) -> SSAValue:
        """Append an operation; its first result."""
        self.block.add_op(op)
        return op.results[0]

    def lines_of(self, start: Operation | None) -> list[Operation]:
        """The operations behind `start`, in order; all of them without one."""
        ops = list(self.block.ops)
        return ops if start is None else ops[ops.index(start) + 1 :]

    def interleave(self, parts: Sequence[Sequence[Operation]]) -> None:
        """
        Order the operations of equal parts by their place in them: the first of each, the second..

        Memory ports are served in the order of operations, so that no part comes before others.
        """
        if len({len(part) for part in parts}) == 1:
            for stage in zip(*parts, strict=True):
                for op in stage:
                    op.detach()
                    self.block.add_op(op)

    def finish(self, before: Operation, results: Sequence[SSAValue]) -> step.GraphOp:
        """Insert the graph, with tensors as its results, before an operation of the program."""
        self._broadcast()
        self.block.add_op(step.YieldOp(*results))
        types: list[Attribute] = [result.type for result in results]
        graph = step.GraphOp(list(self._inputs), types, Region(self.block))
        graph.attributes.update(
            {
                name: value
                for name, value in before.attributes.items()
                if name in ("headrace.module", "headrace.source")
            }
        )
        Rewriter.insert_op(graph, InsertPoint.before(before))
        return graph

    def _broadcast(self) -> None:
        ops = list(self.block.ops)
        order = {op: place for place, op in enumerate(ops)}
        for op in ops:
            for result in op.results:
                uses = sorted(result.uses, key=lambda use: (order[use.operation], use.index))
                if not isinstance(result.type, step.StreamType) or len(uses) < 2:
                    continue
                copies = step.BroadcastOp(result, consumers=len(uses))
                self.block.add_op(copies)
                for use, copy in zip(uses, copies.results, strict=True):
                    use.operation.operands[use.index] = copy
