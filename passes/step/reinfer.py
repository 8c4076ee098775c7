"""
Types after a rewrite: every result gets the type that follows from its operands.

All result types of `step` are inferred, so that a pass changes operations and properties only. A
graph may have feedback: the edges that close a cycle keep their types, and are compared with what
they get.
"""

from collections.abc import Iterator
from heapq import heappop, heappush

from xdsl.ir import Attribute, Block, Operation
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from headrace.dialects import step
from headrace.passes.step.refusal import fail


def reinfer(name: str, graph: step.GraphOp) -> None:
    """
    Infer all types of the graph anew.

    Raises `PassFailedException` in the name of the pass where an operation cannot take what the
    rewrite gives it.
    """
    order = list(in_order_of_flow(graph.body.block))
    for op in order:
        for result, type in zip(op.results, inferred(name, op), strict=True):
            if result.type != type:
                Rewriter.replace_value_with_new_type(result, type)
    for op in order:
        if tuple(inferred(name, op)) != tuple(op.result_types):
            raise fail(name, op, "its result types change by way of a feedback edge")


def inferred(name: str, op: step.StepOperation) -> tuple[Attribute, ...]:
    """The types of the results; `PassFailedException` if the operands do not fit."""
    try:
        return tuple(op.infer(op.operand_types, op.properties))
    except VerifyException as error:
        raise fail(name, op, str(error)) from None


def in_order_of_flow(block: Block) -> Iterator[step.StepOperation]:
    """
    Operations on streams, producers first, otherwise as they stand in the block.

    Where they form a cycle, the first of those that are left goes first.
    """
    ops = list(block.ops)
    place = {op: index for index, op in enumerate(ops)}
    producers = [{operand.owner for operand in op.operands} & place.keys() for op in ops]
    missing = [len(owners) for owners in producers]
    readers: list[list[int]] = [[] for _ in ops]
    for index, owners in enumerate(producers):
        for owner in owners:
            assert isinstance(owner, Operation)
            readers[place[owner]].append(index)
    ready = [index for index, count in enumerate(missing) if not count]
    left = dict.fromkeys(range(len(ops)))
    while left:
        index = heappop(ready) if ready else next(iter(left))
        if index not in left:
            continue
        del left[index]
        op = ops[index]
        if isinstance(op, step.StepOperation):
            yield op
        for reader in readers[index]:
            missing[reader] -= 1
            if not missing[reader] and reader in left:
                heappush(ready, reader)


def sort_by_flow(graph: step.GraphOp) -> None:
    """Put producers first, and leave the order as it is otherwise."""
    block = graph.body.block
    last = block.last_op
    assert last is not None
    for op in list(in_order_of_flow(block)):
        op.detach()
        block.insert_op_before(op, last)
