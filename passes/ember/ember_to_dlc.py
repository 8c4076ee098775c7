"""
`ember-to-dlc`: splits loops around callbacks into a program of the access unit and one of the core.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 6.3. There the innermost loop has one callback, which keeps the one counter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import VerifyException

from headrace.dialects import dlc, slc
from headrace.dialects.dlc import Event
from headrace.dialects.dlc_contract import verify_contract
from headrace.dialects.dlc_verify import verify_access
from headrace.dialects.slc_position import entry_event_of, entry_of, event_of, streams_of
from headrace.dialects.stream_operation import StreamOperation
from headrace.passes.ember.refusal import fail


@dataclass(frozen=True)
class EmberToDlcPass(ModulePass):
    """
    Each function that has loops of `slc` gets a `dlc.access` and a `dlc.execute` in their place.

    A loop becomes a traversal unit, a callback the case of a token at the event that its position
    says, with numbers from 1 in program order. What a callback reads is pushed before its token,
    and before the items of rows that it pops. Attributes of loops, loads and callbacks stay.

    Raises `PassFailedException` for callbacks that do not pop in the order of the queue.
    """

    name = "ember-to-dlc"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [child for child in op.walk() if isinstance(child, FuncOp)]:
            if _has_loops(function):
                access, execute = _split(function)
                try:
                    verify_access(access)
                    verify_contract(access, execute)
                except VerifyException as error:
                    raise fail(self.name, function, f"as two programs, {error}") from None


def _has_loops(function: FuncOp) -> bool:
    return any(isinstance(op, slc.ForOp) for block in function.body.blocks for op in block.ops)


def _split(function: FuncOp) -> tuple[dlc.AccessOp, dlc.ExecuteOp]:
    block = function.body.block
    last = [op for op in block.ops if op.dialect_name() == slc.SLC.name][-1]
    access, execute = dlc.AccessOp(Region(Block())), dlc.ExecuteOp(Region(Block()))
    block.insert_ops_after([access, execute], last)
    _Split(access, execute).move(block, None)
    access.body.block.add_op(dlc.DoneOp())
    if not execute.cases:
        execute.body.detach_block(0)
    return access, execute


class _Split:
    """Two programs that grow as a function is walked from outer to inner loops."""

    def __init__(self, access: dlc.AccessOp, execute: dlc.ExecuteOp) -> None:
        self.access = access.body.block
        self.execute = execute.body.block
        self.invariants = InsertPoint.before(access)
        self.units: dict[slc.ForOp, SSAValue] = {}

    def move(self, body: Block, around: slc.ForOp | None) -> None:
        """
        Move what stands in a body, of the loop `around` or, for None, of the function.

        Streams go first: what a later one gives may enter the queue before an earlier loop.
        """
        ops = list(body.ops)
        for op in ops:
            if isinstance(op, StreamOperation):
                op.detach()
                self.access.add_op(op)
            elif around is not None and op.dialect_name() != slc.SLC.name:
                op.detach()
                Rewriter.insert_op(op, self.invariants)
        for op in ops:
            if isinstance(op, slc.ForOp):
                self._unit(op, around)
        callbacks = [op for op in ops if isinstance(op, slc.CallbackOp)]
        entries = [(entry_of(callback), callback) for callback in callbacks]
        tokens = {callback: event_of(callback) for callback in callbacks}
        operands = {callback: entry_event_of(callback) for callback in callbacks}
        pushes = {op: event_of(op) for op in ops if isinstance(op, slc.PushOp)}
        for op in ops:
            for entry, callback in entries:
                if entry is op:
                    self._push(*operands[callback], streams_of(callback))
            match op:
                case slc.ForOp():
                    self.move(op.body.block, op)
                    Rewriter.erase_op(op)
                case slc.PushOp():
                    self._push(*pushes[op], [op.value])
                    Rewriter.erase_op(op)
                case slc.CallbackOp():
                    self._case(op, *tokens[op])
                case _:
                    pass
        for op in ops:
            if isinstance(op, slc.FifoOp):
                Rewriter.erase_op(op)

    def _unit(self, loop: slc.ForOp, around: slc.ForOp | None) -> None:
        outer = None if around is None else self.units[around]
        unit = dlc.UnitOp(loop.lower, loop.upper, loop.step, outer, loop.lane_count)
        unit.attributes |= loop.attributes
        self.access.add_op(unit)
        self.units[loop] = unit.result
        if list(loop.variable.uses):
            variable = dlc.VariableOp(unit.result, loop.lane_count)
            self.access.add_op(variable)
            loop.variable.replace_all_uses_with(variable.result)

    def _push(self, loop: slc.ForOp, event: Event, streams: Sequence[SSAValue]) -> None:
        self.access.add_ops(dlc.OperandOp(self.units[loop], event, value) for value in streams)

    def _case(self, callback: slc.CallbackOp, loop: slc.ForOp, event: Event) -> None:
        """The token of a callback, and its code with pops for what it reads."""
        number = len(self.execute.ops) + 1
        self.access.add_op(dlc.TokenOp(self.units[loop], event, number))
        region = callback.detach_region(callback.body)
        for pop in [op for op in region.walk() if isinstance(op, slc.PopOp)]:
            Rewriter.replace_op(pop, dlc.PopOp(pop.result.type))
        code = region.block
        pops: list[Operation] = []
        for argument in list(code.args):
            if not isinstance(argument.type, slc.FifoType):
                pops.append(pop := dlc.PopOp(argument.type))
                argument.replace_all_uses_with(pop.result)
            code.erase_arg(argument)
        Rewriter.insert_op(pops, InsertPoint.at_start(code))
        case = dlc.CaseOp(number, region)
        case.attributes |= callback.attributes
        self.execute.add_op(case)
        Rewriter.erase_op(callback)
