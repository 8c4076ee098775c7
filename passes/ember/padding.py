"""
Numbers that are sent as vectors, so that the vectors behind them in the queue are aligned.

A number that is data, such as the weight of a row, cannot be counted. Sent in all lanes of a vector
it costs as many words as a vector has lanes, and the core takes it as it takes any vector.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 5.4.
"""

from collections.abc import Sequence

from xdsl.dialects import vector
from xdsl.dialects.builtin import VectorType
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects import slc
from headrace.dialects.slc_types import FifoType, lanes_of
from headrace.dialects.stream_operation import index_attribute


def pad(callbacks: Sequence[slc.CallbackOp]) -> None:
    """Widen the numbers that `callbacks`, all of one function, read to the widest vectors there."""
    lanes = max((lanes_of(type) for op in callbacks for type in op.inputs.types), default=1)
    if lanes == 1:
        return
    wide: dict[SSAValue, SSAValue] = {}
    for callback in callbacks:
        for argument, value in zip(callback.body.block.args, callback.inputs, strict=True):
            if isinstance(value.type, FifoType) or lanes_of(value.type) > 1:
                continue
            if value not in wide:
                wide[value] = _broadcast(value, lanes)
            callback.operands[argument.index] = wide[value]
            _widen(argument, lanes)


def _broadcast(value: SSAValue, lanes: int) -> SSAValue:
    """The vector, made where the number is."""
    op = slc.BroadcastOp(value, lanes=index_attribute(lanes))
    op.result.name_hint = value.name_hint
    owner = value.owner
    at = InsertPoint.at_start(owner) if isinstance(owner, Block) else InsertPoint.after(owner)
    Rewriter.insert_op(op, at)
    return op.result


def _widen(argument: BlockArgument, lanes: int) -> None:
    """Make the argument of a callback a vector; who wants one takes it, others the first lane."""
    number, type = argument.type, VectorType(argument.type, [lanes])
    uses = list(argument.uses)
    wide = Rewriter.replace_value_with_new_type(argument, type)
    others = [use for use in uses if not _is_broadcast(use.operation, type)]
    for use in uses:
        if use not in others:
            Rewriter.replace_op(use.operation, [], [wide])
    if others:
        first = vector.ExtractOp(wide, [0], number)
        first.result.name_hint = wide.name_hint
        Rewriter.insert_op(first, InsertPoint.at_start(argument.block))
        for use in others:
            use.operation.operands[use.index] = first.result


def _is_broadcast(op: Operation, type: Attribute) -> bool:
    return isinstance(op, vector.BroadcastOp) and op.vector.type == type
