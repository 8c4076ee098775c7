"""
`ember-buffer`: a row goes to the core as one item, with one token at its end.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 5 (bufferization).
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import slc
from headrace.passes.ember.merging import end_callbacks, merge
from headrace.passes.ember.nests import access_nests
from headrace.passes.ember.refusal import NotPossible, refuse
from headrace.passes.ember.row_loops import is_of, outermost_around, trips_of
from headrace.passes.ember.row_sums import keep_sums_on_lanes


@dataclass(frozen=True)
class EmberBufferPass(ModulePass):
    """
    Moves the callback of each innermost loop behind that loop, as a loop of the core over the row.

    Each stream of the loop that the callback reads gets a row (`slc.fifo`); the items of several
    rows lie in the queue as they are pushed, one of each a trip, in the order of the inputs.
    Streams of outer loops are read once a row; the core counts the loop's variable itself. What
    callbacks did at the end of the loop is done behind the row, with the same token.

    A loop is left, with the reason as attribute `headrace.refused`, if the core cannot know its
    bounds, if it has several callbacks, whose order would change, if no loop is around it, or if a
    row is longer than `queue`, the words of a chunk of the data queue, which is half of it.

    Elements of memory are updated in the order that they were. One that a whole row is summed into
    lane by lane is summed after the row.
    """

    name = "ember-buffer"

    queue: int = 4096

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.queue < 1:
            raise PassFailedException(
                f"{self.name}: queue={self.queue} is not possible; it is 1 or more words"
            )
        loops = [
            loop
            for nest in access_nests(op, self.name)
            for loop in nest.walk()
            if isinstance(loop, slc.ForOp) and loop.is_innermost
        ]
        for loop in loops:
            callbacks = [
                child for child in loop.body.block.ops if isinstance(child, slc.CallbackOp)
            ]
            if not callbacks:
                continue
            try:
                self._expect_possible(loop, callbacks)
            except NotPossible as reason:
                refuse(self.name, loop, str(reason))
            else:
                _buffer(loop, callbacks[0])
                merge(end_callbacks(loop))

    def _expect_possible(self, loop: slc.ForOp, callbacks: list[slc.CallbackOp]) -> None:
        if not isinstance(loop.parent_op(), slc.ForOp):
            raise NotPossible("no loop is around it, of which its iterations would be a row")
        if len(callbacks) > 1:
            raise NotPossible(
                f"it has {len(callbacks)} callbacks, which take turns in each iteration"
            )
        for bound, word in ((loop.lower, "lower"), (loop.upper, "upper")):
            if not isinstance(bound.type, IndexType):
                raise NotPossible(
                    f"its {word} bound is a stream: rows differ in length, and the core knows none"
                )
        words = row_words(loop, callbacks[0])
        if words is None:
            return
        # Numbers of outer loops come with the row, each in a vector of its own if they are padded.
        numbers = sum(not is_of(loop, value) for value in callbacks[0].inputs)
        total = words + numbers * loop.lane_count
        if total > self.queue:
            raise NotPossible(
                f"a row of {words} words, {total} with the numbers of outer loops, does not fit "
                f"into a queue of {self.queue}; it is sent in pieces"
            )


def row_words(loop: slc.ForOp, callback: slc.CallbackOp) -> int | None:
    """The words of one row, padded to whole vectors; None if its length is not known."""
    trips = trips_of(loop)
    sent = [value for value in callback.inputs if is_of(loop, value) and not _is_index(loop, value)]
    return None if trips is None else trips * sum(slc.lanes_of(value.type) for value in sent)


def _is_index(loop: slc.ForOp, value: SSAValue) -> bool:
    """Whether a stream is the loop's variable, or that of its first lane."""
    owner = value.owner
    return value is loop.variable or (
        isinstance(owner, slc.ExtractOp) and owner.input is loop.variable
    )


def _buffer(loop: slc.ForOp, callback: slc.CallbackOp) -> None:
    """Move the callback behind the loop."""
    before = Builder(InsertPoint.before(loop))
    pushing = Builder(InsertPoint.before(callback))
    outer: list[SSAValue] = []
    rows: list[SSAValue] = []
    for value in callback.inputs:
        if not is_of(loop, value):
            outer.append(value)
        elif not _is_index(loop, value):
            row = before.insert(slc.FifoOp(slc.argument_type(value.type))).result
            row.name_hint = "row" if value.name_hint is None else f"{value.name_hint}_row"
            pushing.insert(slc.PushOp(value, row))
            rows.append(row)
    inputs = [*outer, *rows]
    block = Block(arg_types=[slc.argument_type(value.type) for value in inputs])
    given = dict(zip(inputs, block.args, strict=True))
    body = Block(arg_types=[IndexType()])
    core, popped = Builder(InsertPoint.at_end(body)), iter(rows)
    values: dict[SSAValue, SSAValue] = {}
    for value, argument in zip(callback.inputs, callback.body.block.args, strict=True):
        if not is_of(loop, value):
            values[argument] = given[value]
        elif _is_index(loop, value):
            values[argument] = body.args[0]
        else:
            values[argument] = core.insert(slc.PopOp(given[next(popped)])).result
        values[argument].name_hint = argument.name_hint
    for op in callback.body.block.ops:
        core.insert(op.clone(values))
    core.insert(scf.YieldOp())
    counted = scf.ForOp(loop.lower, loop.upper, _step(loop), [], body)
    block.add_op(counted)
    keep_sums_on_lanes(counted)
    made = slc.CallbackOp(inputs, Region(block))
    made.attributes |= callback.attributes
    Rewriter.insert_op(made, InsertPoint.after(loop))
    Rewriter.erase_op(callback)
    _drop_unused(loop)


def _step(loop: slc.ForOp) -> SSAValue:
    """By how much the core counts."""
    if loop.lane_count == 1:
        return loop.step
    number = arith.ConstantOp(IntegerAttr.from_index_int_value(loop.lane_count))
    Rewriter.insert_op(number, InsertPoint.before(outermost_around(loop)))
    return number.result


def _drop_unused(loop: slc.ForOp) -> None:
    for op in list(loop.body.block.ops):
        if isinstance(op, slc.ExtractOp) and not op.result.uses:
            Rewriter.erase_op(op)
