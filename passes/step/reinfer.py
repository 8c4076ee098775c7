"""
Types and order after a rewrite.

All result types of `step` are inferred, so that a pass changes operations and properties only, and
then gives every result the type that follows from its operands.
"""

from xdsl.ir import Attribute
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from headrace.dialects import step
from headrace.dialects.stream_flow import producers_first
from headrace.passes.step.refusal import fail


def reinfer(name: str, graph: step.GraphOp) -> None:
    """
    Infer all types anew; what lies on a cycle until nothing changes.

    Raises `PassFailedException` in the name of the pass where an operation cannot take what the
    rewrite gives it.
    """
    order, cycle = producers_first(graph.body.block)
    ops = dict.fromkeys((*order, *graph.body.block.ops))
    streams = [op for op in ops if isinstance(op, step.StepOperation)]
    turns = len(streams) if cycle else 1
    while any([_retype(name, op) for op in streams]) and turns:
        turns -= 1
    if not turns and any([_retype(name, op) for op in streams]):
        raise fail(name, cycle[0], "its type grows with every turn of its feedback")


def sort_by_flow(graph: step.GraphOp) -> None:
    """Put producers first, otherwise leave the order; that of a graph with feedback stays."""
    order, cycle = producers_first(graph.body.block)
    if not cycle:
        for op in order:
            op.detach()
        graph.body.block.add_ops(order)


def _retype(name: str, op: step.StepOperation) -> bool:
    """Whether a result has another type than before."""
    changed = False
    for result, type in zip(op.results, inferred(name, op), strict=True):
        if result.type != type:
            Rewriter.replace_value_with_new_type(result, type)
            changed = True
    return changed


def inferred(name: str, op: step.StepOperation) -> tuple[Attribute, ...]:
    """The types of the results; `PassFailedException` if the operands do not fit."""
    try:
        return tuple(op.infer(op.operand_types, op.properties))
    except VerifyException as error:
        raise fail(name, op, str(error)) from None
