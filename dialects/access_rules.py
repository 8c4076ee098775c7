"""
What holds for functions with a program of an access unit, in `slc` and in `dlc`.

The access unit may run ahead of the core as far as it likes because nothing that it reads is ever
written while it runs, and because bounds and addresses come from what it reads, never from the
core.
"""

from __future__ import annotations

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IntegerAttr, MemRefType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import is_side_effect_free
from xdsl.utils.exceptions import VerifyException

from headrace.dialects import dlc, slc
from headrace.dialects.memory_writes import ANY, name_of, roots, writes_of
from headrace.dialects.stream_operation import StreamOperation


def function_around(op: Operation) -> FuncOp:
    """
    The function in whose body an operation stands.

    Raises `VerifyException` if it stands elsewhere, or in a body of several blocks.
    """
    function = op.parent_op()
    if not isinstance(function, FuncOp):
        place = "nothing" if function is None else f"'{function.name}'"
        raise VerifyException(
            f"'{op.name}' stands in {place}; it belongs in the body of a 'func.func'"
        )
    if len(function.body.blocks) > 1:
        raise VerifyException(
            f"'{op.name}' stands in a 'func.func' of {len(function.body.blocks)} blocks; programs "
            "of the access unit stand in one block"
        )
    return function


def expect_order(function: FuncOp) -> None:
    """Raises `VerifyException` for a value that is used before it is defined."""
    _expect_order(function.body.block, set())


def _expect_order(block: Block, defined: set[SSAValue]) -> None:
    defined.update(block.args)
    for op in block.ops:
        for operand in op.operands:
            if operand not in defined:
                raise VerifyException(f"'{op.name}' uses {name_of(operand)} before it is defined")
        for region in op.regions:
            for inner in region.blocks:
                _expect_order(inner, defined)
        defined.update(op.results)


def expect_unwritten(function: FuncOp) -> None:
    """Raises `VerifyException` for memory that the access unit reads and anything writes."""
    writes = writes_of(function)
    for op in function.walk():
        if isinstance(op, slc.LoadOp):
            why = writes.why(op.memref)
            if why is not None:
                raise VerifyException(
                    f"'{op.name}' reads ahead of the core, but {why}; let the core read it"
                )
        elif isinstance(op, slc.StoreOp):
            _expect_only_access(function, op)


def _expect_only_access(function: FuncOp, store: slc.StoreOp) -> None:
    other = other_access(function, store, store.memref)
    if other is not None:
        raise VerifyException(
            f"'{store.name}' writes {name_of(store.memref)}, which '{other.name}' may access as "
            "well; the access unit stores only to memory that it has for itself"
        )


def other_access(function: FuncOp, store: Operation, memory: SSAValue) -> Operation | None:
    """Another operation than `store` that may access the same memory while the access unit runs."""
    ours = roots(memory)
    for other in function.walk():
        if other is store or is_side_effect_free(other) or not _is_inside(other, function):
            continue
        for operand in other.operands:
            if isinstance(operand.type, MemRefType):
                theirs = roots(operand)
                if ours & theirs or ANY in ours | theirs:
                    return other
    return None


def _is_inside(op: Operation, function: FuncOp) -> bool:
    """Whether an operation runs while the access unit does."""
    while (parent := op.parent_op()) is not function:
        if parent is None:
            return False
        op = parent
    return isinstance(op, slc.ForOp | slc.CallbackOp | slc.StoreOp | dlc.AccessOp | dlc.ExecuteOp)


def expect_lane_step(name: str, lanes: int, step: SSAValue) -> None:
    """Raises `VerifyException` for lanes of a loop whose iterations are not consecutive."""
    if lanes < 1:
        raise VerifyException(f"'{name}' has {lanes} lanes; give 1 or more")
    if lanes > 1 and constant(step) != 1:
        raise VerifyException(
            f"'{name}' of {lanes} lanes needs the constant step 1: a trip takes consecutive "
            "iterations"
        )


def constant(value: SSAValue) -> int | None:
    """The number that a value is, None if it is not a constant."""
    owner = value.owner
    if isinstance(owner, ConstantOp) and isinstance(owner.value, IntegerAttr):
        return owner.value.value.data
    return None


def expect_core_code(code: Block, where: str) -> None:
    """
    Raises `VerifyException` for what the core cannot run, or reads of the access unit by name.

    `where` is how a message calls the code.
    """
    for op in code.walk():
        if isinstance(op, _OF_ACCESS):
            raise VerifyException(f"{where} has a '{op.name}'; that is the access unit's")
        for operand in op.operands:
            if isinstance(operand.type, slc.StreamType):
                raise VerifyException(
                    f"{where} uses the stream {name_of(operand)} in '{op.name}', but does not get "
                    "it through the queue"
                )


_OF_ACCESS = (
    StreamOperation,
    slc.CallbackOp,
    slc.FifoOp,
    slc.ForOp,
    slc.PushOp,
    dlc.AccessOp,
    dlc.CounterOp,
    dlc.ExecuteOp,
)
