"""
`ember-batch-rows`: several rows a token, with their number in front.

    for p = lo to hi {                    for q = lo to hi step 16 {
      row; for e { push row }               end = min(q + 16, hi); count = end - q
      callback(row) { .. }         ->       row; for p = q to end { for e { push row } }
    }                                       callback(count, row) { for i < count { .. } }
                                          }

A token costs the core much more than a row in a counted loop: the reference sends one for each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import arith, scf, vector
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import slc
from headrace.dialects.access_rules import constant
from headrace.dialects.stream_operation import index_attribute
from headrace.passes.ember.merging import merge
from headrace.passes.ember.nests import access_nests
from headrace.passes.ember.refusal import NotPossible, refuse
from headrace.passes.ember.row_loops import is_of, outermost_around, trips_of


@dataclass(frozen=True)
class EmberBatchRowsPass(ModulePass):
    """
    Sends up to `rows` rows with one token, where `ember-buffer` has made rows.

    Rows keep their order, so all sums do. Numbers that differ between rows, such as weights, get
    rows of their own; that of a batch's rows comes in all lanes of a vector if all else is vectors.

    Callbacks before a row, such as one that counts, run with it.

    A loop over rows is left, with the reason as attribute `headrace.refused`, if there is another
    loop in its body or the access unit sums lengths or stores there, if its step is not 1, or if a
    batch may be longer than `queue`, the words of a chunk of the data queue, which is half of it.
    Rows of unknown length are taken to fit.
    """

    name = "ember-batch-rows"

    rows: int = 16
    queue: int = 4096

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.rows < 2 or self.queue < 1:
            raise PassFailedException(
                f"{self.name}: rows={self.rows} queue={self.queue} is not possible; a batch has 2 "
                "rows or more, and a queue 1 word or more"
            )
        for nest in access_nests(op, self.name):
            for loop in [op for op in nest.walk() if isinstance(op, slc.ForOp)]:
                callbacks = [op for op in loop.body.block.ops if isinstance(op, slc.CallbackOp)]
                if not any(_pops_rows(loop, callback) for callback in callbacks):
                    continue
                try:
                    self._expect_possible(loop, callbacks)
                except NotPossible as reason:
                    refuse(self.name, loop, str(reason))
                else:
                    _Batch(loop, merge(callbacks), self.rows).make()

    def _expect_possible(self, loop: slc.ForOp, callbacks: Sequence[slc.CallbackOp]) -> None:
        if constant(loop.step) != 1 or loop.lane_count > 1:
            raise NotPossible("its step is not 1")
        body = loop.body.block
        for op in body.ops:
            if isinstance(op, slc.AccumulateOp | slc.StoreOp | slc.PushOp):
                raise NotPossible(f"'{op.name}' is in its body")
        inner = [op for op in body.ops if isinstance(op, slc.ForOp)]
        if len(inner) > 1 or any(isinstance(op, slc.CallbackOp) for op in inner[0].walk()):
            raise NotPossible("its rows are not one loop without callbacks")
        words = _words(inner[0], callbacks, loop, self.rows)
        if words is not None and words > self.queue:
            raise NotPossible(
                f"{self.rows} rows are {words} words, which do not fit into a queue of "
                f"{self.queue}; take fewer rows"
            )


def _pops_rows(loop: slc.ForOp, callback: slc.CallbackOp) -> bool:
    """Whether a callback pops rows that are made in each iteration of a loop."""
    return any(
        isinstance(value.type, slc.FifoType) and is_of(loop, value) for value in callback.inputs
    )


def _words(
    inner: slc.ForOp, callbacks: Sequence[slc.CallbackOp], loop: slc.ForOp, rows: int
) -> int | None:
    """The words of a whole batch; None if the length of a row is not known."""
    trips = trips_of(inner)
    if trips is None:
        return None
    read = {value for callback in callbacks for value in callback.inputs}
    words = _count_lanes(read)
    for value in read:
        lanes = slc.lanes_of(value.type)
        if isinstance(value.type, slc.FifoType):
            words += lanes * trips * rows
        else:
            words += lanes * rows if _differs(loop, value) else lanes
    return words


def _differs(loop: slc.ForOp, value: SSAValue) -> bool:
    """Whether each row has a value of its own, but for the loop's variable."""
    return is_of(loop, value) and value is not loop.variable


def _count_lanes(inputs: Iterable[SSAValue]) -> int:
    """The lanes in which the number of rows is sent: those of a vector if all else is vectors."""
    lanes = [slc.lanes_of(value.type) for value in inputs]
    return max(lanes) if min(lanes) > 1 else 1


class _Batch:
    """Two loops in place of the loop over rows."""

    def __init__(self, loop: slc.ForOp, callback: slc.CallbackOp, rows: int):
        self.loop = loop
        self.callback = callback
        top = Builder(InsertPoint.before(outermost_around(loop)))
        self.zero, self.one, self.rows = (
            top.insert(arith.ConstantOp(IntegerAttr.from_index_int_value(value))).result
            for value in (0, 1, rows)
        )

    def make(self) -> None:
        loop, callback = self.loop, self.callback
        block = Block(arg_types=[slc.INDEX_STREAM])
        first = block.args[0]
        first.name_hint = "first"
        build = Builder(InsertPoint.at_end(block))
        behind = build.insert(slc.AddOp(first, self.rows)).result
        end = build.insert(slc.MinimumOp(behind, loop.upper)).result
        count = build.insert(slc.SubtractOp(end, first)).result
        count.name_hint = "count"
        inputs: list[SSAValue] = []
        if loop.variable in callback.inputs:
            inputs.append(first)
        inputs += [value for value in callback.inputs if not is_of(loop, value)]
        inputs.append(self._count(build, count))
        rows = {
            value: self._row(build, value) for value in callback.inputs if _differs(loop, value)
        }
        inputs += rows.values()
        core = self._core(inputs, rows)
        callback.detach()
        inner = slc.ForOp(first, end, loop.step, Region(self._detached()))
        inner.attributes |= loop.attributes
        build.insert(inner)
        build.insert(core)
        outer = slc.ForOp(loop.lower, loop.upper, self.rows, Region(block))
        Rewriter.replace_op(loop, outer)
        callback.erase()

    def _detached(self) -> Block:
        return self.loop.body.detach_block(0)

    def _count(self, build: Builder, count: SSAValue) -> SSAValue:
        """The number of rows as it is sent."""
        lanes = _count_lanes(self.callback.inputs)
        if lanes == 1:
            return count
        return build.insert(slc.BroadcastOp(count, lanes=index_attribute(lanes))).result

    def _row(self, build: Builder, value: SSAValue) -> SSAValue:
        """The row, in front of the loop, for what the callback read of each iteration."""
        if isinstance(value.type, slc.FifoType):
            row = value.owner
            assert isinstance(row, slc.FifoOp)
            row.detach()
            return build.insert(row).result
        made = build.insert(slc.FifoOp(slc.argument_type(value.type))).result
        made.name_hint = None if value.name_hint is None else f"{value.name_hint}_row"
        inner = next(op for op in self.loop.body.block.ops if isinstance(op, slc.ForOp))
        Rewriter.insert_op(slc.PushOp(value, made), InsertPoint.before(inner))
        return made

    def _core(self, inputs: list[SSAValue], rows: dict[SSAValue, SSAValue]) -> slc.CallbackOp:
        """The callback on all rows of a batch."""
        block = Block(arg_types=[slc.argument_type(value.type) for value in inputs])
        given = dict(zip(inputs, block.args, strict=True))
        build = Builder(InsertPoint.at_end(block))
        count = block.args[len(inputs) - len(rows) - 1]
        count.name_hint = "count"
        if slc.lanes_of(count.type) > 1:
            count = build.insert(vector.ExtractOp(count, [0], IndexType())).result
        body = Block(arg_types=[IndexType()])
        core = Builder(InsertPoint.at_end(body))
        values: dict[SSAValue, SSAValue] = {}
        for value, argument in zip(
            self.callback.inputs, self.callback.body.block.args, strict=True
        ):
            if value is self.loop.variable:
                op = core.insert(arith.AddiOp(block.args[0], body.args[0]))
                values[argument] = op.result
            elif value not in rows:
                values[argument] = given[value]
            elif isinstance(value.type, slc.FifoType):
                values[argument] = given[rows[value]]
            else:
                values[argument] = core.insert(slc.PopOp(given[rows[value]])).result
            values[argument].name_hint = argument.name_hint
        for op in self.callback.body.block.ops:
            core.insert(op.clone(values))
        core.insert(scf.YieldOp())
        build.insert(scf.ForOp(self.zero, count, self.one, [], body))
        made = slc.CallbackOp(inputs, Region(block))
        made.attributes |= self.callback.attributes
        return made
