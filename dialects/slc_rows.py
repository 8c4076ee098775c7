"""
Rows of `slc`: each is filled by the access unit and emptied by one callback.

A row is declared in a body and is empty there in each iteration. So the callback stands in the same
body, after all that pushes, and pops exactly what was pushed. The streams that the callback reads
enter the queue before the row, so between the first push and the callback no other one may run.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from headrace.dialects import slc
from headrace.dialects.index_values import IndexValues
from headrace.dialects.memory_writes import name_of
from headrace.dialects.queue_language import Consumer, Item, Words, repeated
from headrace.dialects.slc_position import child_of, entry_of, pushes_of


def expect_rows(body: Block) -> None:
    """Raises `VerifyException` for a row of a body, or of its loops, that is not emptied."""
    for op in body.walk():
        if isinstance(op, slc.FifoOp):
            _expect_emptied(op)
        elif isinstance(op, slc.CallbackOp):
            _expect_alone(op)


def _expect_emptied(row: slc.FifoOp) -> None:
    name = f"'{row.name}' {name_of(row.result)}"
    readers = [use for use in row.result.uses if isinstance(use.operation, slc.CallbackOp)]
    if len(readers) != 1:
        raise VerifyException(f"{name} is read {len(readers)} times; one callback pops a row")
    (use,) = readers
    callback, block = use.operation, row.parent
    assert isinstance(callback, slc.CallbackOp)
    assert block is not None
    if callback.parent is not block:
        raise VerifyException(
            f"{name} is popped in another loop than it is declared in; declare it in the body of "
            "its callback"
        )
    before = set(_until(block, callback))
    for push in pushes_of(row.result):
        if child_of(push, block) not in before:
            raise VerifyException(f"{name} is pushed after the callback that pops it")
    indices = IndexValues()
    items = _pushed(list(_until(block, callback)), row.result, indices)
    for argument, value in zip(callback.body.block.args, callback.inputs, strict=True):
        if isinstance(value.type, slc.StreamType):
            indices.bind(argument, value)
    argument = callback.body.block.args[use.index]
    consumer = Consumer(items, indices, lambda op: _popped(op, argument))
    try:
        consumer.consume(callback.body.block)
    except VerifyException as error:
        raise VerifyException(f"the callback of {name} {error}") from None
    if items:
        raise VerifyException(f"the callback of {name} leaves {items[0]} that was pushed")


def _until(block: Block, last: Operation) -> Sequence[Operation]:
    ops = list(block.ops)
    return ops[: ops.index(last)]


def _pushed(ops: Sequence[Operation], row: SSAValue, indices: IndexValues) -> list[Item]:
    """What operations of a body, and of its loops, push into a row."""
    items: list[Item] = []
    for op in ops:
        if isinstance(op, slc.PushOp) and op.fifo is row:
            items.append(Words(slc.argument_type(op.value.type), stream=op.value))
        elif isinstance(op, slc.ForOp):
            inner = _pushed(list(op.body.block.ops), row, indices)
            trips = indices.trips(op.lower, op.upper, op.step, op.lane_count)
            items += repeated(trips, inner)
    return items


def _popped(op: Operation, argument: SSAValue) -> Attribute | None:
    return op.result.type if isinstance(op, slc.PopOp) and op.fifo is argument else None


def _expect_alone(callback: slc.CallbackOp) -> None:
    block, entry = callback.parent, entry_of(callback)
    assert block is not None
    ops = list(block.ops)
    for between in ops[ops.index(entry) : ops.index(callback)]:
        for other in between.walk():
            if isinstance(other, slc.CallbackOp):
                raise VerifyException(
                    "a callback runs between the first push into a row and the callback that pops "
                    "it; what both read would change places in the queue: put it before the loop "
                    "or after the other callback"
                )
