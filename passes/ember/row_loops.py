"""What passes on rows ask about loops of the access unit."""

from xdsl.ir import Block, Operation, SSAValue

from headrace.dialects import slc
from headrace.dialects.access_rules import constant


def is_of(loop: slc.ForOp, value: SSAValue) -> bool:
    """Whether a stream or a row is made in the body of a loop."""
    owner = value.owner
    return (owner if isinstance(owner, Block) else owner.parent) is loop.body.block


def trips_of(loop: slc.ForOp) -> int | None:
    """How often a loop runs through its body; None if that is not known."""
    first, last, step = map(constant, (loop.lower, loop.upper, loop.step))
    if first is None or last is None or not step:
        return None
    return max(-(-(last - first) // (step * loop.lane_count)), 0)


def outermost_around(loop: slc.ForOp) -> Operation:
    """The outermost loop of the access unit around a loop, or it itself."""
    found: Operation = loop
    while isinstance(parent := found.parent_op(), slc.ForOp):
        found = parent
    return found
