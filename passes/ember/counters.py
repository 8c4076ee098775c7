"""
Numbers of iterations that the core counts, instead of being sent them.

A callback that reads the variable of a loop around it gets the number from a counter, which starts
at the loop's lower bound and advances by its step behind each iteration. The token that advances it
comes in every iteration, also where inner loops have none. Loops whose bounds are loaded are not
counted: segments need not follow each other, nor begin at 0.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 5.4. There a counter starts at 0, advances by 1, and there is one.
"""

from xdsl.dialects import func
from xdsl.ir import Block, Operation, Region
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects import dlc, slc
from headrace.dialects.slc_types import StreamType


def count(loop: slc.ForOp) -> str | None:
    """Let the core count `loop`; None, or why the variable is still sent."""
    readers = [op for op in loop.walk() if _reads(op, loop)]
    if not readers:
        return _not_read(loop)
    if loop.is_innermost:
        return "the core would be told of each iteration only to count it; buffer the row first"
    if isinstance(loop.lower.type, StreamType):
        return "its lower bound is loaded, and segments need not follow each other"
    counter = _declare(loop)
    if isinstance(around := loop.parent_op(), slc.ForOp):
        reset = _callback_beside(loop, around)
        _append(reset, dlc.ResetOp(counter.result, loop.lower))
    for reader in readers:
        assert isinstance(reader, slc.CallbackOp)
        _count_in(reader, loop, counter)
    last = _last_callback(loop, readers)
    _append(last, dlc.AdvanceOp(counter.result, loop.step))
    return None


def _reads(op: Operation, loop: slc.ForOp) -> bool:
    return isinstance(op, slc.CallbackOp) and loop.variable in op.inputs


def _not_read(loop: slc.ForOp) -> str | None:
    """The reason where only numbers computed of the variable are sent."""
    for op in loop.body.walk():
        if isinstance(op, slc.ArithmeticOperation) and loop.variable in op.operands:
            if any(isinstance(use.operation, slc.CallbackOp) for use in op.result.uses):
                return f"the core reads what '{op.name}' makes of its variable"
    return None


def _declare(loop: slc.ForOp) -> dlc.CounterOp:
    """A counter in front of the outermost loop."""
    outermost: Operation = loop
    while not isinstance(parent := outermost.parent_op(), func.FuncOp):
        assert parent is not None
        outermost = parent
    counter = dlc.CounterOp(loop.lower)
    counter.result.name_hint = loop.variable.name_hint
    Rewriter.insert_op(counter, InsertPoint.before(outermost))
    return counter


def _count_in(callback: slc.CallbackOp, loop: slc.ForOp, counter: dlc.CounterOp) -> None:
    """Read the counter in place of the input."""
    block = callback.body.block
    read = dlc.ReadOp(counter.result)
    read.result.name_hint = loop.variable.name_hint
    Rewriter.insert_op(read, InsertPoint.at_start(block))
    inputs = list(callback.inputs)
    place = inputs.index(loop.variable)
    block.args[place].replace_all_uses_with(read.result)
    block.erase_arg(block.args[place])
    callback.operands = [*inputs[:place], *inputs[place + 1 :]]


def _last_callback(loop: slc.ForOp, readers: list[Operation]) -> slc.CallbackOp:
    """A callback that runs once in each iteration, behind all that read the counter."""
    body = loop.body.block
    for op in reversed(list(body.ops)):
        if isinstance(op, slc.CallbackOp):
            return op
        if any(op.is_ancestor(reader) for reader in readers):
            break
    made = slc.CallbackOp([], Region(Block()))
    Rewriter.insert_op(made, InsertPoint.at_end(body))
    return made


def _callback_beside(loop: slc.ForOp, around: slc.ForOp) -> slc.CallbackOp:
    """A callback that runs once for each time that `loop` does, before or behind it."""
    for op in around.body.block.ops:
        if isinstance(op, slc.CallbackOp):
            return op
    made = slc.CallbackOp([], Region(Block()))
    Rewriter.insert_op(made, InsertPoint.before(loop))
    return made


def _append(callback: slc.CallbackOp, op: Operation) -> None:
    callback.body.block.add_op(op)
