"""
Bodies: what every tile of a stream goes through, and when two of them are the same computation.

A body begins at a stream of rank 0 and has all operations on it until its tiles are split, routed
or stored. Every operation in it must treat the tiles one after the other, with no state from one to
the next: then tiles of several streams can share one body.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.2 (isomorphic branches).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from xdsl.ir import BlockArgument, Operation, SSAValue, Use

from headrace.dialects import step
from headrace.dialects.step_operation import NAMES
from headrace.passes.step.graphs import stream
from headrace.passes.step.refusal import fail

ENDS = (
    step.FlatMapOp,
    step.ReassembleOp,
    step.PartitionOp,
    step.StoreOp,
    step.SinkOp,
)
"""What a body does not hold: it takes tiles apart, or sends them elsewhere."""


class Pair(NamedTuple):
    """A value of one body and what is at its place in the other."""

    ours: SSAValue
    theirs: SSAValue


@dataclass
class Body:
    """The operations between a stream and the `exits`, the uses of what they make."""

    start: SSAValue
    ops: list[Operation] = field(default_factory=list[Operation])
    exits: list[Use] = field(default_factory=list[Use])

    @property
    def loads(self) -> Iterator[step.LoadOp]:
        return (op for op in self.ops if isinstance(op, step.LoadOp))


def body_of(name: str, start: SSAValue) -> Body:
    """
    The body that begins at a stream of rank 0.

    Raises `PassFailedException` where an operation has state from one tile to the next, and where
    one reads a stream from elsewhere.
    """
    body = Body(start)
    waiting, known = [start], {start}
    while waiting:
        for use in waiting.pop(0).uses:
            op = use.operation
            if isinstance(op, ENDS):
                body.exits.append(use)
            elif op not in body.ops:
                _check(name, op)
                body.ops.append(op)
                known.update(op.results)
                waiting += op.results
    if not body.ops:
        raise fail(name, _owner(start), "nothing is computed on its tiles that others could share")
    for op in body.ops:
        for operand in op.operands:
            if operand not in known and not isinstance(operand, BlockArgument):
                reason = (
                    "it reads a stream that is not one of its branch, so that no other can share it"
                )
                raise fail(name, op, reason)
    return body


def _check(name: str, op: Operation) -> None:
    """An operation treats what lies inside the outermost size of its streams, and no more."""
    match op:
        case step.FlattenOp():
            legal = op.integer("max") < stream(op.operands[0]).rank
        case step.ReshapeOp():
            below = op.integer("rank") < stream(op.operands[0]).rank or op.integer("chunk") == 1
            legal = below and not op.flag("outer")
        case step.PromoteOp():
            legal = op.rank is not None
        case step.LoadOp():
            legal = op.ref is not None
        case (
            step.MapOp()
            | step.AccumulateOp()
            | step.ScanOp()
            | step.RepeatOp()
            | step.BroadcastOp()
            | step.ExpandOp()
            | step.ZipOp()
            | step.BufferizeOp()
            | step.StreamifyOp()
        ):
            legal = True
        case _:
            legal = False
    if isinstance(op, step.EagerMergeOp):
        raise fail(name, op, "its tiles share a body already")
    if not legal:
        raise fail(name, op, "it does not treat one tile after the other")


def match_bodies(name: str, ours: Body, theirs: Body) -> list[Pair]:
    """
    The values of two bodies that do the same with other weights, place by place; exits too.

    Raises `PassFailedException` at the first operation that differs.
    """
    if _form(ours.start) != _form(theirs.start):
        raise fail(
            name, _owner(theirs.start), f"it gives {theirs.start.type}, its first fellow not"
        )
    pairs = [Pair(ours.start, theirs.start)]
    matched: dict[Operation, Operation] = {}
    for pair in pairs:
        uses = list(pair.ours.uses), list(pair.theirs.uses)
        for one, other in zip(*uses, strict=False):
            if _signature(one) != _signature(other):
                raise fail(
                    name, other.operation, "its branch does not do the same as the first one"
                )
            known = matched.setdefault(one.operation, other.operation)
            if known is not other.operation:
                raise fail(
                    name, other.operation, "its branch joins other streams than the first one"
                )
            if not isinstance(one.operation, ENDS):
                results = zip(one.operation.results, other.operation.results, strict=True)
                pairs += [Pair(*both) for both in results if Pair(*both) not in pairs]
        if len(uses[0]) != len(uses[1]):
            raise fail(name, _owner(pair.theirs), "it is used in one branch and not in the other")
    return pairs


def _form(value: SSAValue) -> tuple[object, ...]:
    """What a stream carries, but for the number of rows where the run decides it."""
    element = stream(value).element_type
    if not isinstance(element, step.TileType):
        return (element,)
    rows = element.rows if element.rows.is_static else None
    return element.element_type, rows, element.columns


def _signature(use: Use) -> tuple[object, ...]:
    """What an operation does, but for the names of sizes; of an end, only that it is one."""
    op = use.operation
    if isinstance(op, ENDS):
        return (type(op),)
    properties = {
        name: value for name, value in op.properties.items() if name not in (*NAMES, "assumed")
    }
    tensors = [operand.type for operand in op.operands if isinstance(operand, BlockArgument)]
    return type(op), use.index, properties, tensors, len(op.operands), len(op.results)


def _owner(value: SSAValue) -> Operation:
    assert isinstance(value.owner, Operation)
    return value.owner
