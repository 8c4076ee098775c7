"""
Functions of `dlc` as programs of the access-execute machine.

The loops of the access unit are emitted where `dlc.access` stands. A token is an instruction that
calls the code of its case, which follows the code of the function.
"""

from collections.abc import Mapping
from typing import Literal, cast

from xdsl.dialects import func
from xdsl.ir import Operation, SSAValue
from xdsl.traits import IsTerminator

from headrace.backends.dae_code import Code, bytes_of, element, is_float
from headrace.backends.dae_core import Core
from headrace.backends.dae_heights import heights
from headrace.dialects import dlc, slc
from headrace.dialects.dlc import Event
from headrace.dialects.dlc_traversal import Traversal, Unit
from headrace.dialects.functions import only_block
from headrace.dialects.slc_types import Level, StreamType, lanes_of, scalar_of
from headrace.interpreters.nest_memory import name_of
from headrace.simulators.dae.cost import CaseWork
from headrace.simulators.dae.opcodes import Element, Op
from headrace.simulators.dae.program import Program
from headrace.simulators.dae.trace import Stream
from headrace.storage.errors import InputError

_ARITHMETIC: Mapping[type[Operation], Op] = {
    slc.AddOp: Op.ADD_I,
    slc.SubtractOp: Op.SUBTRACT_I,
    slc.MultiplyOp: Op.MULTIPLY_I,
    slc.DivideOp: Op.DIVIDE_I,
    slc.MinimumOp: Op.MINIMUM_I,
}


def build(function: func.FuncOp) -> Program:
    """
    The program of a function on memrefs, decoupled or not.

    Raises `InputError` for operations that the machine has not.
    """
    return _Builder(function).build()


class _Builder:
    """Builds the program of one function."""

    def __init__(self, function: func.FuncOp) -> None:
        self.block = only_block(function)
        self.code = Code(function.sym_name.data)
        self.core = Core(self.code)
        self.inside: dict[SSAValue, int] = {}
        """For variables of several lanes, the register of how many are inside of the loop."""
        self.heights: Mapping[Operation, int] = {}
        self.calls: list[tuple[int, int]] = []
        """Calls of cases, and the numbers of these."""
        self.case_places: dict[int, int] = {}

    def build(self) -> Program:
        for argument in self.block.args:
            self.code.add_buffer(argument, at=None)
        self.code.begin_work()
        executes: list[dlc.ExecuteOp] = []
        for op in self.block.ops:
            match op:
                case dlc.AccessOp():
                    self._access(op)
                case dlc.ExecuteOp():
                    executes.append(op)
                case _ if op.has_trait(IsTerminator):
                    break
                case _:
                    self.core.operation(op)
        self.code.end_work()
        self.code.emit(Op.HALT)
        for execute in executes:
            for case in execute.cases:
                self._case(case)
        for call, case in self.calls:
            if case not in self.case_places:
                raise InputError(
                    f"@{self.code.function}: the access unit sends token {case}, of which there is "
                    "no case"
                )
            self.code.patch(call, a=self.case_places[case])
        return self.code.finish(len(self.block.args))

    def _case(self, case: dlc.CaseOp) -> None:
        self.case_places[case.case.value.data] = self.code.here
        self.core.case = case.body.block
        self.code.begin_work(CaseWork(dispatches=1))
        self.core.block(case.body.block)
        self.code.end_work()
        self.code.emit(Op.RETURN)

    # --- the access unit -----------------------------------------------------------------------

    def _access(self, access: dlc.AccessOp) -> None:
        self.code.programs += 1
        traversal = Traversal.of(access)
        self.heights = heights(traversal)
        for op in traversal.invariant:
            self._stream(op)
        for unit in traversal.outermost:
            self._unit(unit, [])
        self.code.set_place([])
        self.code.emit(Op.DONE)

    def _unit(self, unit: Unit, around: list[tuple[str, int]]) -> None:
        """One fiber of a unit."""
        code = self.code
        lower, upper, step = (code.register(bound) for bound in unit.bounds)
        variable, inside = self._variable(unit)
        name = name_of(unit.op.result if unit.variable is None else unit.variable)
        here = [*around, (name, variable)]
        for op in unit.accumulations:
            end = code.fresh()
            code.share(op.end, end)
            code.emit(Op.MOVE_I, element=Element.I64, to=end, a=code.register(op.initial))
        self._fire(unit, Event.BEGIN, name)
        enter = code.emit(
            Op.LOOP, lanes=unit.lanes, element=inside, to=variable, a=lower, b=upper, c=step
        )
        code.set_place(here)
        body = code.here
        for op in unit.streams:
            self._stream(op)
        for inner in unit.inner:
            self._unit(inner, here)
            code.set_place(here)
        self._fire(unit, Event.ITERATION, name)
        code.emit(Op.NEXT, lanes=unit.lanes, element=inside, to=variable, b=upper, c=step, d=body)
        code.patch(enter, d=code.here)
        code.set_place(around)
        self._fire(unit, Event.END, name)
        if not unit.inner:
            if unit.tokens(Event.ITERATION):
                code.begin_work(CaseWork(exits=1))
                code.end_work()
            self._item(name, requests=True)

    def _variable(self, unit: Unit) -> tuple[int, int]:
        """The registers of a loop's variable, and of how many lanes are inside, or -1."""
        code = self.code
        variable = code.fresh()
        if unit.variable is not None:
            code.share(unit.variable, variable)
        if unit.lanes == 1:
            return variable, -1
        inside = code.fresh()
        if unit.variable is not None:
            self.inside[unit.variable] = inside
        return variable, inside

    def _fire(self, unit: Unit, event: Event, name: str) -> None:
        """Push what an event of a unit pushes; outside of innermost units that is an item."""
        code = self.code
        for stream in unit.operands(event):
            opcode = Op.PUSH_F if is_float(scalar_of(stream.type)) else Op.PUSH_I
            code.emit(opcode, lanes=lanes_of(stream.type), a=code.register(stream))
        for case in unit.tokens(event):
            code.cases.append(str(case))
            code.emit(Op.TOKEN, a=len(code.cases) - 1)
            self.calls.append((code.emit(Op.CALL), case))
        if unit.inner and (unit.operands(event) or unit.tokens(event)):
            self._item(f"{event} of {name}", requests=False)

    def _item(self, kind: str, *, requests: bool) -> None:
        self.code.kinds.append(kind)
        self.code.emit(Op.ITEM, a=len(self.code.kinds) - 1, b=int(requests))

    # --- streams -------------------------------------------------------------------------------

    def _stream(self, op: Operation) -> None:
        code = self.code
        match op:
            case slc.LoadOp():
                self._load(op)
            case slc.StoreOp():
                self._store(op)
            case slc.IndexCastOp() | slc.ExtractOp():
                code.share(op.results[0], code.fresh())
                to, source = code.register(op.results[0]), code.register(op.operands[0])
                code.emit(Op.MOVE_I, element=Element.I64, to=to, a=source)
            case slc.BroadcastOp():
                scalar = scalar_of(op.result.type)
                code.share(op.result, code.fresh(is_float(scalar)))
                code.emit(
                    Op.BROADCAST_F if is_float(scalar) else Op.BROADCAST_I,
                    lanes=lanes_of(op.result.type),
                    element=element(scalar),
                    to=code.register(op.result),
                    a=code.register(op.input),
                )
            case slc.AccumulateOp():
                begin, end = code.fresh(), code.register(op.end)
                code.share(op.begin, begin)
                code.emit(Op.MOVE_I, element=Element.I64, to=begin, a=end)
                length = code.register(op.length)
                code.emit(Op.ADD_I, element=Element.I64, to=end, a=begin, b=length)
            case _ if opcode := _ARITHMETIC.get(type(op)):
                code.share(op.results[0], code.fresh())
                lhs, rhs = (code.register(operand) for operand in op.operands)
                to = code.register(op.results[0])
                code.emit(opcode, element=Element.I64, to=to, a=lhs, b=rhs)
            case _:
                raise InputError(f"@{code.function}: the access unit has no '{op.name}'")

    def _load(self, op: slc.LoadOp) -> None:
        type = op.result.type
        level = "l2" if op.level is not None and op.level.data is Level.L2 else "llc"
        height = self.heights[op]
        stream = self._add_stream(op.memref, type, height, level, op.nontemporal is None, False)
        floating = is_float(scalar_of(type))
        self.code.share(op.result, self.code.fresh(floating))
        self.code.emit(
            Op.LOAD_F if floating else Op.LOAD_I,
            lanes=lanes_of(type),
            element=self._lanes_inside(op.indices),
            to=self.code.register(op.result),
            a=self.code.buffer(op.memref),
            b=self.code.registers(op.indices),
            c=len(op.indices),
            d=stream,
        )

    def _store(self, op: slc.StoreOp) -> None:
        if self.heights[op]:
            raise InputError(
                f"@{self.code.function}: the access unit stores into {name_of(op.memref)} from a "
                "loop that has loops inside; it stores from innermost loops only"
            )
        type = cast(StreamType, op.value.type)
        stream = self._add_stream(op.memref, type, 0, "llc", True, True)
        self.code.emit(
            Op.STORE_F if is_float(scalar_of(type)) else Op.STORE_I,
            lanes=lanes_of(type),
            element=self._lanes_inside(op.indices),
            to=self.code.register(op.value),
            a=self.code.buffer(op.memref, written=True),
            b=self.code.registers(op.indices),
            c=len(op.indices),
            d=stream,
        )

    def _lanes_inside(self, indices: "tuple[SSAValue, ...]") -> int:
        return self.inside.get(indices[-1], -1) if indices else -1

    def _add_stream(
        self,
        buffer: SSAValue,
        type: StreamType,
        height: int,
        level: Literal["l2", "llc"],
        temporal: bool,
        writes: bool,
    ) -> int:
        name = name_of(buffer).removeprefix("%")
        others = [stream.name for stream in self.code.streams]
        if name in others:
            name = f"{name} {sum(one.split(' ')[0] == name for one in others) + 1}"
        entry = bytes_of(scalar_of(type)) * lanes_of(type)
        self.code.streams.append(Stream(name, height, level, temporal, writes, entry))
        return len(self.code.streams) - 1
