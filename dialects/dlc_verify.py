"""
What the two programs of `dlc` in a function must obey beyond their single operations.

* A function has one access program, and one of the core right behind it.
* Streams and units of the access program come from itself, in order; operands of one stream belong
  to units inside of each other. Bounds of a unit belong to units around it.
* What is pushed at the begin and the end of a unit belongs to units around it, at an iteration
  perhaps to itself. The last operation is the only `dlc.done`.
* Every token has a case, every case a token.
* Nothing that the access unit reads is written; what it stores, only it accesses.

That every case pops what was pushed for it is in `dlc_contract`.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 6, which leaves these rules to the reader.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from headrace.dialects import dlc
from headrace.dialects.access_rules import (
    expect_core_code,
    expect_lane_step,
    expect_order,
    expect_unwritten,
    function_around,
)
from headrace.dialects.dlc import Event
from headrace.dialects.memory_writes import name_of
from headrace.dialects.slc import variable_type
from headrace.dialects.slc_types import StreamType
from headrace.dialects.stream_operation import StreamOperation


def verify_access(access: Operation) -> None:
    """Raises `VerifyException`, which names the operation, its fault and the remedy."""
    assert isinstance(access, dlc.AccessOp)
    function = function_around(access)
    programs = [op for op in function.body.block.ops if isinstance(op, dlc.AccessOp)]
    if len(programs) > 1:
        raise VerifyException(f"a function has {len(programs)} '{access.name}'; it may have one")
    if not isinstance(access.next_op, dlc.ExecuteOp):
        raise VerifyException(f"'{access.name}' needs a 'dlc.execute' right behind it")
    expect_order(function)
    _Streams().check(access.body.block)
    expect_unwritten(function)


def verify_cases(execute: Operation) -> dlc.AccessOp:
    """
    The access program whose tokens the cases fit.

    Raises `VerifyException` for a token without a case, and the other way round.
    """
    assert isinstance(execute, dlc.ExecuteOp)
    access = execute.prev_op
    if not isinstance(access, dlc.AccessOp):
        raise VerifyException(f"'{execute.name}' needs a 'dlc.access' right before it")
    if len(execute.body.blocks) > 1:
        raise VerifyException(f"'{execute.name}' has {len(execute.body.blocks)} blocks; it has one")
    for op in execute.body.ops if execute.body.blocks else ():
        if not isinstance(op, dlc.CaseOp):
            raise VerifyException(f"'{execute.name}' has a '{op.name}'; it has cases only")
    numbers = [case.case.value.data for case in execute.cases]
    sent = {op.case.value.data for op in access.body.block.ops if isinstance(op, dlc.TokenOp)}
    for number in numbers:
        if numbers.count(number) > 1:
            raise VerifyException(f"case {number} is there {numbers.count(number)} times")
        if number not in sent:
            raise VerifyException(f"case {number} has no token: nothing ever runs it")
    for number in sorted(sent - set(numbers)):
        raise VerifyException(f"token {number} has no case")
    for case in execute.cases:
        expect_core_code(case.body.block, f"case {case.case.value.data}")
    return access


class _Streams:
    """Units of streams as far as an access program has been read."""

    def __init__(self) -> None:
        self.around: dict[SSAValue, SSAValue | None] = {}
        """The units, and those around them."""
        self.unit: dict[SSAValue, SSAValue | None] = {}
        """The deepest unit of each stream, None for an invariant one."""
        self.variables: set[SSAValue] = set()

    def check(self, block: Block) -> None:
        done = [op for op in block.ops if isinstance(op, dlc.DoneOp)]
        if len(done) != 1:
            raise VerifyException(f"'dlc.access' has {len(done)} 'dlc.done'; it has one")
        if block.last_op is not done[0]:
            raise VerifyException("'dlc.done' is not the last operation of 'dlc.access'")
        for op in block.ops:
            self._expect_own(op)
            self._read(op)
            for result in op.results:
                for use in result.uses:
                    if use.operation.parent is not block:
                        raise VerifyException(
                            f"'{use.operation.name}' uses {name_of(result)} of 'dlc.access'; what "
                            "the access unit loads leaves it by 'dlc.operand' only"
                        )

    def _expect_own(self, op: Operation) -> None:
        for operand in op.operands:
            foreign = operand not in self.unit and operand not in self.around
            if foreign and isinstance(operand.type, StreamType | dlc.UnitType):
                raise VerifyException(
                    f"'{op.name}' uses {name_of(operand)}, which 'dlc.access' does not make"
                )

    def _read(self, op: Operation) -> None:
        match op:
            case dlc.UnitOp():
                self._enter_unit(op)
            case dlc.VariableOp():
                self._enter_variable(op)
            case dlc.OperandOp():
                self._expect_known(op)
            case dlc.TokenOp():
                if op.case.value.data < 0:
                    raise VerifyException(f"'{op.name}' {op.case.value.data}; cases count from 0")
            case dlc.DoneOp():
                pass
            case StreamOperation():
                deepest = self._deepest(op, op.operands)
                self.unit.update((result, deepest) for result in op.results)
                if deepest is None and not op.results:
                    raise VerifyException(f"'{op.name}' takes no stream of a unit")
            case _:
                raise VerifyException(
                    f"'dlc.access' has a '{op.name}'; the access unit has units, streams, operands "
                    "and tokens"
                )

    def _enter_unit(self, op: dlc.UnitOp) -> None:
        expect_lane_step(op.name, op.lane_count, op.step)
        for bound in (op.lower, op.upper):
            unit = self.unit.get(bound)
            if unit is not None and not self._is_around(unit, op.outer):
                raise VerifyException(
                    f"'{op.name}' {name_of(op.result)} has the bound {name_of(bound)}, which is no "
                    "stream of a unit around it"
                )
        self.around[op.result] = op.outer

    def _enter_variable(self, op: dlc.VariableOp) -> None:
        unit = op.unit.owner
        assert isinstance(unit, dlc.UnitOp)
        if op.result.type != variable_type(unit.lane_count):
            raise VerifyException(
                f"'{op.name}' of a unit of {unit.lane_count} lanes is a "
                f"{variable_type(unit.lane_count)}, not {op.result.type}"
            )
        if op.unit in self.variables:
            raise VerifyException(f"'{op.name}' stands twice for {name_of(op.unit)}; use one")
        self.variables.add(op.unit)
        self.unit[op.result] = op.unit

    def _expect_known(self, op: dlc.OperandOp) -> None:
        unit = self.unit[op.stream]
        event = op.event.data
        limit = op.unit if event is Event.ITERATION else self.around[op.unit]
        if unit is not None and not self._is_around(unit, limit):
            raise VerifyException(
                f"'{op.name}' pushes {name_of(op.stream)} at {event} of {name_of(op.unit)}, when "
                "it has no value: give a stream of a unit around, or, at ite, of the unit itself"
            )

    def _deepest(self, op: Operation, operands: Sequence[SSAValue]) -> SSAValue | None:
        """The unit to which a stream belongs."""
        deepest: SSAValue | None = None
        for unit in filter(None, map(self.unit.get, operands)):
            if deepest is None or self._is_around(deepest, unit):
                deepest = unit
            elif not self._is_around(unit, deepest):
                raise VerifyException(
                    f"'{op.name}' takes streams of {name_of(deepest)} and {name_of(unit)}; neither "
                    "unit is inside of the other"
                )
        return deepest

    def _is_around(self, unit: SSAValue, inner: SSAValue | None) -> bool:
        """Whether `inner` is the unit or inside of it."""
        while inner is not None:
            if inner is unit:
                return True
            inner = self.around[inner]
        return False
