"""
Canonicalization of `step`: copies that nobody reads, levels that are added and removed again.

Each operation of a stream graph is a process with a latency, so these rewrites also save cycles;
none changes what a stream holds. An operation whose channels were given a depth stays as it is.

What is removed takes the room of its channel with it: a graph that ran at a depth may need more.
"""

from collections.abc import Sequence

from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import (
    PatternRewriter,
    RewritePattern,
    op_type_rewrite_pattern,
)
from xdsl.rewriter import InsertPoint

from headrace.dialects import step
from headrace.dialects.step_depths import has_depths


class DropUnreadCopies(RewritePattern):
    """A broadcast makes as many copies as are read; one copy is the stream itself."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: step.BroadcastOp, rewriter: PatternRewriter) -> None:
        read = [output for output in op.outputs if output.first_use is not None]
        if not read or len(read) == len(op.outputs) > 1 or has_depths(op):
            return
        copies: Sequence[SSAValue] = (op.input,)
        if len(read) > 1:
            smaller = step.BroadcastOp(op.input, consumers=len(read))
            rewriter.insert(smaller)
            copies = smaller.outputs
        for output, copy in zip(read, copies, strict=True):
            rewriter.replace_all_uses_with(output, copy)
        rewriter.erase(op)


class MergeBroadcasts(RewritePattern):
    """Copies of a copy are copies of the stream."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: step.BroadcastOp, rewriter: PatternRewriter) -> None:
        first = op.input.owner
        if not isinstance(first, step.BroadcastOp) or first is op or has_depths(op, first):
            return
        others = [output for output in first.outputs if output is not op.input]
        merged = step.BroadcastOp(first.input, consumers=len(others) + len(op.outputs))
        rewriter.insert(merged, InsertPoint.before(first))
        for old, new in zip([*others, *op.outputs], merged.outputs, strict=True):
            rewriter.replace_all_uses_with(old, new)
        rewriter.erase(op)
        rewriter.erase(first)


class RemoveFlattenOfOneLevel(RewritePattern):
    """Flattening one level leaves the stream as it is."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: step.FlattenOp, rewriter: PatternRewriter) -> None:
        if op.integer("min") == op.integer("max") and not has_depths(op):
            rewriter.replace(op, (), (op.input,))


class RemoveAddedLevel(RewritePattern):
    """
    A level of one element that is added and flattened at once was not needed.

    It is added by a promotion, by a repetition of one copy or by chunks of one element; these stay
    where their padding is read, as the stream would have two readers.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: step.FlattenOp, rewriter: PatternRewriter) -> None:
        maker = op.input.owner
        level = _added_level(maker, op.input)
        low, high = op.integer("min"), op.integer("max")
        if level is None or high != low + 1 or level not in (low, high):
            return
        assert isinstance(maker, step.PromoteOp | step.RepeatOp | step.ReshapeOp)
        if has_depths(op, maker):
            return
        if op.result.type == maker.input.type:
            rewriter.replace(op, (), (maker.input,))


def _added_level(maker: object, value: SSAValue) -> int | None:
    """The level of one element that an operation adds to a stream, if it does."""
    match maker:
        case step.RepeatOp() if maker.integer("factor") == 1:
            return 0
        case step.PromoteOp():
            stream = maker.input.type
            assert isinstance(stream, step.StreamType)
            return maker.integer("rank", stream.rank + 1)
        case step.ReshapeOp() if (
            maker.integer("chunk") == 1
            and not maker.flag("outer")
            and value is maker.result
            and not maker.padding.uses
        ):
            return maker.integer("rank")
        case _:
            return None


class MergeFlattens(RewritePattern):
    """Flattening what was flattened is one flattening, if its levels are among the merged ones."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: step.FlattenOp, rewriter: PatternRewriter) -> None:
        first = op.input.owner
        if not isinstance(first, step.FlattenOp) or first.dim is not None or op.dim is not None:
            return
        if has_depths(op, first):
            return
        low, high = first.integer("min"), first.integer("max")
        if not op.integer("min") <= low <= op.integer("max"):
            return
        merged = step.FlattenOp(
            first.input, min=op.integer("min"), max=op.integer("max") + high - low
        )
        if merged.result.type == op.result.type:
            rewriter.replace(op, merged)


class MapPartsOfZip(RewritePattern):
    """A function of tuples that were just zipped takes their parts."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: step.MapOp, rewriter: PatternRewriter) -> None:
        zips = [operand.owner for operand in op.inputs if isinstance(operand.owner, step.ZipOp)]
        if not zips or has_depths(op, *zips):
            return
        parts = [
            part
            for operand in op.inputs
            for part in (
                operand.owner.inputs if isinstance(operand.owner, step.ZipOp) else (operand,)
            )
        ]
        merged = step.MapOp.create(
            operands=parts, result_types=[op.result.type], properties=op.properties
        )
        rewriter.replace(op, merged)


def broadcast_patterns() -> tuple[RewritePattern, ...]:
    """Patterns of `step.broadcast`."""
    return (DropUnreadCopies(), MergeBroadcasts())


def flatten_patterns() -> tuple[RewritePattern, ...]:
    """Patterns of `step.flatten`."""
    return (RemoveFlattenOfOneLevel(), RemoveAddedLevel(), MergeFlattens())


def map_patterns() -> tuple[RewritePattern, ...]:
    """Patterns of `step.map`."""
    return (MapPartsOfZip(),)
