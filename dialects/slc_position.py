"""Where an operation stands in the loops of an access unit, and so at which event it runs."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Block, Operation, SSAValue

from headrace.dialects.dlc import Event
from headrace.dialects.slc import CallbackOp, FifoType, ForOp, PushOp


def event_of(op: Operation) -> tuple[ForOp, Event]:
    """
    The loop and its event at which a callback or a push runs.

    In a body without loops it is each iteration of the body's loop; before the first loop of a
    body, that loop's begin; after a loop, that loop's end.
    """
    block = op.parent
    assert block is not None
    first: ForOp | None = None
    last: ForOp | None = None
    for other in block.ops:
        if other is op:
            if last is not None:
                return last, Event.END
        elif isinstance(other, ForOp):
            first, last = first or other, other
    if first is not None:
        return first, Event.BEGIN
    around = op.parent_op()
    assert isinstance(around, ForOp), "the verifier wants loops around a callback, or beside it"
    return around, Event.ITERATION


def rows_of(callback: CallbackOp) -> Sequence[SSAValue]:
    """The rows that a callback pops."""
    return [value for value in callback.inputs if isinstance(value.type, FifoType)]


def streams_of(callback: CallbackOp) -> Sequence[SSAValue]:
    """The streams that a callback reads."""
    return [value for value in callback.inputs if not isinstance(value.type, FifoType)]


def child_of(op: Operation, block: Block) -> Operation | None:
    """The operation of the block that is `op` or is around it; None if `op` is elsewhere."""
    found: Operation | None = op
    while found is not None and found.parent is not block:
        found = found.parent_op()
    return found


def pushes_of(row: SSAValue) -> Sequence[PushOp]:
    """What pushes into a row, in no order."""
    return [use.operation for use in row.uses if isinstance(use.operation, PushOp)]


def entry_of(callback: CallbackOp) -> Operation:
    """
    The operation of the same body before which what a callback reads enters the queue.

    It is the callback, or what pushes the first item of a row that it pops: the core needs the
    streams while it pops.
    """
    block = callback.parent
    assert block is not None
    filling = {child_of(push, block) for row in rows_of(callback) for push in pushes_of(row)}
    return next((op for op in block.ops if op in filling), callback)


def entry_event_of(callback: CallbackOp) -> tuple[ForOp, Event]:
    """The loop and its event at which what a callback reads enters the queue."""
    entry = entry_of(callback)
    return (entry, Event.BEGIN) if isinstance(entry, ForOp) else event_of(entry)
