"""
Types after a rewrite: every result gets the type that follows from its operands.

All result types of `step` are inferred, so that a pass changes operations and properties only. A
graph may have feedback: the edges that close a cycle keep their types, and are compared with what
they get.
"""

from collections.abc import Iterator

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
    """Stream operations, producers first; where they form a cycle, in the order of the block."""
    done: set[Operation] = set()
    for first in block.ops:
        path = [first]
        on_path = {first}
        while path:
            op = path[-1]
            waiting = next(
                (
                    owner
                    for operand in op.operands
                    if isinstance(owner := operand.owner, Operation)
                    and owner not in done
                    and owner not in on_path
                ),
                None,
            )
            if waiting is not None and op not in done:
                path.append(waiting)
                on_path.add(waiting)
                continue
            path.pop()
            on_path.discard(op)
            if op not in done:
                done.add(op)
                if isinstance(op, step.StepOperation):
                    yield op
