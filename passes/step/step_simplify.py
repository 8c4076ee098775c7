"""`step-simplify`: removes what takes time and room on the machine and changes no result."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.transforms.canonicalize import CanonicalizePass

from headrace.passes.step.graphs import graphs
from headrace.passes.step.weights import drop_unused


@dataclass(frozen=True)
class StepSimplifyPass(ModulePass):
    """
    Canonicalizes, and removes streams that nothing reads and tensors that no stream comes from.

    A stream that is not read costs nothing where it leaves an operation that others need; an
    operation all of whose results are unread still reads memory and takes cycles, until it is
    removed. What is removed takes the room of its channel with it, so that a graph that ran at a
    depth may need more; operations whose channels have a depth of their own stay.
    """

    name = "step-simplify"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        found = graphs(op, self.name)
        CanonicalizePass().apply(ctx, op)
        for graph in found:
            if graph.parent is not None:
                drop_unused(graph, graph.body.block.args)
