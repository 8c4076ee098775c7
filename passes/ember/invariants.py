"""Operations that give the same in all iterations move in front of the loops."""

from xdsl.dialects import func, memref, scf
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.traits import is_speculatable


def hoist_invariants(nest: func.FuncOp) -> None:
    """
    Move what depends on nothing of a loop, and can do no harm where the loop has no iteration.

    Divisions by numbers that may be 0 and accesses to memory stay.
    """
    top = nest.body.block
    for outermost in [op for op in top.ops if isinstance(op, scf.ForOp)]:
        for op in list(outermost.walk()):
            if op is outermost or not _is_harmless(op):
                continue
            if all(_is_at(top, operand) for operand in op.operands):
                op.detach()
                top.insert_op_before(op, outermost)


def _is_harmless(op: Operation) -> bool:
    if op.regions or not op.results:
        return False
    return isinstance(op, memref.DimOp) or is_speculatable(op)


def _is_at(top: Block, value: SSAValue) -> bool:
    block = value.block if isinstance(value, BlockArgument) else value.owner.parent_block()
    return block is top
