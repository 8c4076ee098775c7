"""
What the loops of `slc` in a function must obey beyond their single operations.

* Loops stand in a function or in a loop; between them only streams, callbacks, rows and invariants.
* What a stream is made of was defined before it, by the access unit, so never by a callback.
* What touches memory, or sums, takes a stream of the loop that it stands in: the access unit does
  it once for each iteration of the loop of its streams, also where a loop inside has none.
* A callback gets what it reads of the access unit through its inputs.
* Nothing that the access unit reads is written; what it stores, only it accesses.
* A row is popped by one callback, in the body in which it is declared, after all pushes, and as
  often as it is pushed (`slc_rows`).

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, sections 4 to 6, which leave these rules to the reader.
"""

from __future__ import annotations

from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.traits import is_side_effect_free
from xdsl.utils.exceptions import VerifyException

from headrace.dialects import dlc, slc
from headrace.dialects.access_rules import (
    expect_core_code,
    expect_order,
    expect_unwritten,
    function_around,
)
from headrace.dialects.memory_writes import name_of
from headrace.dialects.slc_rows import expect_rows
from headrace.dialects.stream_operation import StreamOperation


def verify_function(outermost: Operation) -> None:
    """
    Check the function in which an outermost loop stands, once: for its first loop.

    Raises `VerifyException`, which names the operation, its fault and the remedy.
    """
    function = function_around(outermost)
    body = function.body.block
    if outermost is next(op for op in body.ops if isinstance(op, slc.ForOp)):
        expect_order(function)
        _expect_together(body)
        _expect_body(body, function)
        expect_unwritten(function)
        expect_rows(body)


def _is_ours(op: Operation) -> bool:
    return op.dialect_name() == slc.SLC.name


def _expect_together(body: Block) -> None:
    """The loops of a function run as one program: what stands between them runs before it."""
    places = [place for place, op in enumerate(body.ops) if _is_ours(op)]
    for place, op in enumerate(body.ops):
        between = places[0] < place < places[-1] and not _is_ours(op)
        if between and not is_side_effect_free(op) and not isinstance(op, dlc.CounterOp):
            raise VerifyException(
                f"'{op.name}' stands between loops of the access unit, which run as one program; "
                "put it before them, after them, or in a callback"
            )


def _expect_body(block: Block, around: FuncOp | slc.ForOp) -> None:
    own: set[SSAValue] = set(block.args) if isinstance(around, slc.ForOp) else set()
    for op in block.ops:
        match op:
            case slc.ForOp():
                _expect_given(op)
                _expect_body(op.body.block, op)
            case slc.CallbackOp():
                _expect_given(op)
                expect_core_code(op.body.block, "a callback")
                _expect_pops(op)
            case StreamOperation():
                _expect_given(op)
                if own.intersection(op.operands):
                    own.update(op.results)
                elif isinstance(op, slc.LoadOp | slc.StoreOp | slc.AccumulateOp):
                    raise VerifyException(
                        f"'{op.name}' takes no stream of the loop that it stands in; put it in the "
                        "loop of its streams"
                    )
            case slc.PushOp():
                _expect_given(op)
            case slc.FifoOp():
                pass
            case _:
                _expect_invariant(op, isinstance(around, slc.ForOp))


def _expect_given(op: Operation) -> None:
    """Streams come from the access unit's own operations."""
    for operand in op.operands:
        if isinstance(operand.type, slc.StreamType | slc.FifoType):
            owner = operand.owner
            maker = owner.parent_op() if isinstance(owner, Block) else owner
            streams = isinstance(maker, StreamOperation | slc.FifoOp)
            if not streams and not (isinstance(maker, slc.ForOp) and isinstance(owner, Block)):
                raise VerifyException(
                    f"'{op.name}' reads {name_of(operand)}, which no operation of the access unit "
                    "makes"
                )


def _expect_invariant(op: Operation, in_loop: bool) -> None:
    for operand in op.operands:
        if isinstance(operand.type, slc.StreamType | slc.FifoType):
            raise VerifyException(
                f"'{op.name}' reads {name_of(operand)} outside of a callback; the core gets what "
                "the access unit loads in callbacks only"
            )
    if in_loop and (op.regions or not is_side_effect_free(op)):
        raise VerifyException(
            f"'{op.name}' stands in a loop of the access unit, outside of a callback; the access "
            "unit only loads and computes indices: put it in a callback"
        )


def _expect_pops(callback: slc.CallbackOp) -> None:
    for op in callback.body.walk():
        if isinstance(op, slc.PopOp) and op.fifo not in callback.body.block.args:
            raise VerifyException(
                f"'{op.name}' pops {name_of(op.fifo)}, which is no argument of its callback"
            )
