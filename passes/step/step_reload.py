"""
`step-reload`: reads tiles again by the pattern of a load, instead of keeping them or being told.

The graphs of Figure 8 of "Streaming Tensor Programs", arXiv 2511.07776, are written so: every load
is static, and a stride of 0 reads the same tiles again (LinearOffChipLoad, section 3.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import step
from headrace.dialects.stream_operation import index_attribute
from headrace.passes.canonicalization.step import DropUnreadCopies
from headrace.passes.step.graphs import graphs, stream

MEMORY = step.LoadOp | step.StoreOp | step.RandomLoadOp | step.RandomStoreOp
"""What sends requests to the memory."""


@dataclass(frozen=True)
class StepReloadPass(ModulePass):
    """
    Makes static loads of loads by a reference of static sizes, and of repetitions of loaded tiles.

    A repetition costs memory on chip and a reference makes a load wait; reading again costs
    traffic. Levels of such a load that are flattened become one dimension of it where its strides
    allow. What depends on the run stays: the sizes of its references are no numbers. With
    `dispatch`, loads and stores send so many requests in a cycle; 0 leaves them as they are.
    """

    name = "step-reload"

    dispatch: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.dispatch < 0:
            raise PassFailedException(
                f"{self.name}: dispatch={self.dispatch} is not possible; it is 1 or more, or 0 to "
                "leave it as it is"
            )
        found = graphs(op, self.name)
        changed = [_reload(graph) for graph in found]
        if not any(changed) and not self.dispatch:
            raise PassFailedException(
                f"{self.name}: there is nothing to read again: no load has a reference of static "
                "sizes, and no repetition has tiles of a static load"
            )
        for graph in found:
            for one in graph.body.block.ops:
                if self.dispatch and isinstance(one, MEMORY):
                    one.dispatch = index_attribute(self.dispatch) if self.dispatch > 1 else None


def _reload(graph: step.GraphOp) -> bool:
    """Whether something of the graph changed."""
    reading: list[RewritePattern] = [
        ReadWithoutReference(),
        ReadInsteadOfRepeat(),
        FlattenByReading(),
    ]
    applier = GreedyRewritePatternApplier(reading, dce_enabled=False)
    changed = PatternRewriteWalker(applier).rewrite_region(graph.body)
    if changed:
        # References are not read any more, nor loads that others repeated.
        unread = GreedyRewritePatternApplier([DropUnreadCopies()])
        PatternRewriteWalker(unread).rewrite_region(graph.body)
    return changed


class ReadWithoutReference(RewritePattern):
    """A load once for each element of [1, 4] is a static load with a dimension of 4, stride 0."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: step.LoadOp, rewriter: PatternRewriter) -> None:
        if op.ref is None:
            return
        first, *others = stream(op.ref).dimensions
        if first != 1 or not all(size.is_static for size in others):
            return
        shape = (*(size.value for size in others), *op.integers("shape"))
        strides = (*(0 for _ in others), *op.integers("strides"))
        rewriter.replace(op, _load(op, op, shape, strides))


class ReadInsteadOfRepeat(RewritePattern):
    """A repetition of the tiles of a static load is one with a further dimension, stride 0."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: step.RepeatOp, rewriter: PatternRewriter) -> None:
        value = op.input
        while isinstance(value.owner, step.BroadcastOp):
            value = value.owner.input
        load = value.owner
        if isinstance(load, step.LoadOp) and load.ref is None:
            shape = (*load.integers("shape"), op.integer("factor"))
            rewriter.replace(op, _load(load, op, shape, (*load.integers("strides"), 0)))


class FlattenByReading(RewritePattern):
    """Levels of a static load that are flattened are one dimension where one stride serves all."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: step.FlattenOp, rewriter: PatternRewriter) -> None:
        load = op.input.owner
        if not isinstance(load, step.LoadOp) or load.ref is not None:
            return
        steps = list(zip(load.integers("shape"), load.integers("strides"), strict=True))
        first = len(steps) - 1 - op.integer("max")
        end = len(steps) - op.integer("min")
        # The outermost level of a static load is the 1 of what starts it: it has no stride.
        merged = _merged(steps[first:end]) if first >= 0 else None
        if merged is not None:
            shape, strides = zip(*steps[:first], merged, *steps[end:], strict=True)
            rewriter.replace(op, _load(load, op, shape, strides))


def _merged(steps: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Dimensions (size, stride), outermost first, as one, if one stride goes through all."""
    size, stride = 1, 0
    for inner, by in steps:
        if size == 1:
            size, stride = inner, by
        elif inner != 1:
            if stride != inner * by:
                return None
            size, stride = size * inner, by
    return size, stride


def _load(
    load: step.LoadOp, instead: step.StepOperation, shape: Sequence[int], strides: Sequence[int]
) -> step.LoadOp:
    """A static load of the same tiles; the depth of its channel is that of what it replaces."""
    made = step.LoadOp(
        load.tensor,
        tile=load.integers("tile"),
        shape=shape,
        strides=strides,
        dispatch=load.integer("dispatch", 1),
    )
    made.attributes.update(instead.attributes)
    return made
