"""Callbacks that run one behind the other become one, with one token."""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects import slc


def merge(callbacks: Sequence[slc.CallbackOp]) -> slc.CallbackOp:
    """One callback, where the last one was, that does what all did, in their order."""
    if len(callbacks) == 1:
        return callbacks[0]
    read = list(dict.fromkeys(value for callback in callbacks for value in callback.inputs))
    # What a callback pops of rows comes behind its other inputs.
    inputs = sorted(read, key=lambda value: isinstance(value.type, slc.FifoType))
    block = Block(arg_types=[slc.argument_type(value.type) for value in inputs])
    given: dict[SSAValue, SSAValue] = dict(zip(inputs, block.args, strict=True))
    builder = Builder(InsertPoint.at_end(block))
    made = slc.CallbackOp(inputs, Region(block))
    for callback in callbacks:
        values: dict[SSAValue, SSAValue] = {}
        for value, argument in zip(callback.inputs, callback.body.block.args, strict=True):
            values[argument] = given[value]
            given[value].name_hint = argument.name_hint
        for op in callback.body.block.ops:
            builder.insert(op.clone(values))
        made.attributes |= callback.attributes
    Rewriter.insert_op(made, InsertPoint.after(callbacks[-1]))
    for callback in callbacks:
        Rewriter.erase_op(callback)
    return made


def end_callbacks(loop: slc.ForOp) -> list[slc.CallbackOp]:
    """The callbacks that run at the end of a loop, before any other loop."""
    found: list[slc.CallbackOp] = []
    op = loop.next_op
    while op is not None and not isinstance(op, slc.ForOp):
        if isinstance(op, slc.CallbackOp):
            found.append(op)
        op = op.next_op
    return found
