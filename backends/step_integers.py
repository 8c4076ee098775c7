"""Integers of a `step` graph that decide when things happen: a simulation must know them."""

from collections.abc import Iterator, Sequence

from xdsl.dialects.builtin import IndexType
from xdsl.ir import Operation, SSAValue

from headrace.dialects import step
from headrace.dialects.step_functions import Function
from headrace.dialects.step_types import StreamType
from headrace.storage.errors import InputError

HANDED_ON = (
    step.BroadcastOp,
    step.DealOp,
    step.EagerMergeOp,
    step.ExpandOp,
    step.FlattenOp,
    step.PartitionOp,
    step.PromoteOp,
    step.ReassembleOp,
    step.RepeatOp,
    step.ReshapeOp,
)
"""Operations that hand integers on as they are."""


def expect_known_integers(operation: Operation) -> None:
    """
    Check that the lengths that an operation reads come from generators.

    Raises `InputError` for those that the graph computes: a simulation does no arithmetic.
    """
    for value in _lengths(operation):
        for source in _sources(value):
            if isinstance(source, step.ComputeOperation):
                raise InputError(
                    f"'{operation.name}' makes as much as integers say that '{source.name}' "
                    f"computes (fn {source.function.value}), which a simulation of time does not: "
                    "let the graph take them as an argument (step.integers)"
                )


def is_known(value: SSAValue) -> bool:
    """Whether a simulation has the integers of a stream: a graph computed none of them."""
    return not any(isinstance(source, step.ComputeOperation) for source in _sources(value))


def _lengths(operation: Operation) -> Sequence[SSAValue]:
    """The operands whose values decide sizes."""
    match operation:
        case step.CacheReadAddressOp() | step.FilterLastOp():
            return [operation.length]
        case step.FlatMapOp() if operation.function in (Function.COPIES, Function.RANGE):
            return [operation.input]
        case step.MapOp() if operation.function is Function.SET_OFFSET:
            return operation.operands[1:]
        case _:
            return []


def _sources(value: SSAValue) -> Iterator[Operation]:
    """The operations that make the integers of a stream."""
    seen: set[SSAValue] = set()
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if value in seen or not isinstance(value.owner, Operation):
            continue
        seen.add(value)
        if isinstance(value.owner, HANDED_ON):
            waiting += [operand for operand in value.owner.operands if _is_integers(operand)]
        else:
            yield value.owner


def _is_integers(value: SSAValue) -> bool:
    return isinstance(value.type, StreamType) and isinstance(value.type.element_type, IndexType)
