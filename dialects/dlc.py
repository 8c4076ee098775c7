"""
Decoupled lookup-compute: a program of the access unit and a program of the core, joined by queues.

`dlc.access` is a dataflow program of traversal units, one for each loop, and of the streams that
they carry. At its events (begin, iteration, end) a unit pushes operands into the data queue and
tokens into the control queue. `dlc.execute` is the core's loop: it pops a token, runs the case of
that number, which pops its operands, and ends on the token of `dlc.done`.

```
%bag = dlc.counter %c0
dlc.access {
  %bags = dlc.unit %c0 to %n step %c1 : index, index
  %b = dlc.variable %bags : !slc.stream<index>
  ..
  %rows = dlc.unit %begin to %end step %c1 in %bags : !slc.stream<index>, !slc.stream<index>
  ..
  dlc.operand %columns ite %value : !slc.stream<vector<8xf32>>
  dlc.token %columns end 1
  dlc.token %rows end 2
  dlc.done
}
dlc.execute {
  dlc.case 1 {
    scf.for .. { %x = dlc.pop : vector<8xf32> .. }
  }
  dlc.case 2 {
    dlc.advance %bag, %c1
  }
}
```

A unit runs once for each iteration of its parent, after its elder sisters. It fires `beg`, then for
each trip its inner units run and `ite` fires, then `end` fires, also when there was no trip.
Operands of an event are pushed in the order in which they stand, then its tokens. Streams of
`slc` (loads, arithmetic) belong to the deepest unit among their operands.

Counters are the core's own: callbacks of `slc` use them as well.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 6. There the counter has no name, so that there can be one only.
"""

from __future__ import annotations

from xdsl.dialects.builtin import IndexType, IntegerAttr
from xdsl.dialects.func import FuncOp
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import (
    Attribute,
    Dialect,
    ParametrizedAttribute,
    Region,
    SpacedOpaqueSyntaxAttribute,
    SSAValue,
    TypeAttribute,
)
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
)
from xdsl.traits import (
    HasAncestor,
    HasParent,
    MemoryReadEffect,
    MemoryWriteEffect,
    NoTerminator,
)
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from headrace.dialects.slc import CallbackOp, is_index, variable_type
from headrace.dialects.slc_types import StreamType
from headrace.dialects.stream_operation import index_attribute


@irdl_attr_definition
class UnitType(ParametrizedAttribute, TypeAttribute):
    """`!dlc.unit`: a traversal unit."""

    name = "dlc.unit"


@irdl_attr_definition
class CounterType(ParametrizedAttribute, TypeAttribute):
    """`!dlc.counter`: an index that the core keeps from token to token."""

    name = "dlc.counter"


class Event(StrEnum):
    """When a traversal unit pushes."""

    BEGIN = "beg"
    ITERATION = "ite"
    END = "end"


@irdl_attr_definition
class EventAttr(EnumAttribute[Event], SpacedOpaqueSyntaxAttribute):
    """When a traversal unit pushes."""

    name = "dlc.event"


@irdl_op_definition
class AccessOp(IRDLOperation):
    """`dlc.access { .. }`: the program of the access unit."""

    name = "dlc.access"

    body = region_def("single_block")

    traits = traits_def(NoTerminator())

    assembly_format = "$body attr-dict"

    def __init__(self, body: Region):
        super().__init__(regions=[body])

    def verify_(self) -> None:
        from headrace.dialects.dlc_verify import verify_access

        verify_access(self)


@irdl_op_definition
class UnitOp(IRDLOperation):
    """
    A traversal unit: a loop of the access unit, run for each iteration of `outer`.

    `%p = dlc.unit %begin to %end step %c1 in %b lanes 8 : !slc.stream<index>, !slc.stream<index>`
    """

    name = "dlc.unit"

    lower = operand_def()
    upper = operand_def()
    step = operand_def(IndexType)
    outer = opt_operand_def(UnitType)
    lanes = opt_prop_def(IntegerAttr[IndexType])
    result = result_def(UnitType)

    traits = traits_def(HasParent(AccessOp))

    assembly_format = (
        "$lower `to` $upper `step` $step (`in` $outer^)? (`lanes` $lanes^)? attr-dict "
        "`:` type($lower) `,` type($upper)"
    )

    def __init__(
        self,
        lower: SSAValue,
        upper: SSAValue,
        step: SSAValue,
        outer: SSAValue | None = None,
        lanes: int = 1,
    ):
        super().__init__(
            operands=[lower, upper, step, outer],
            properties={} if lanes == 1 else {"lanes": index_attribute(lanes)},
            result_types=[UnitType()],
        )

    @property
    def lane_count(self) -> int:
        """Iterations a trip."""
        return 1 if self.lanes is None else self.lanes.value.data

    def verify_(self) -> None:
        for bound in (self.lower, self.upper):
            if not is_index(bound.type):
                raise VerifyException(f"a bound of '{self.name}' is an index, not {bound.type}")


@irdl_op_definition
class VariableOp(IRDLOperation):
    """`%e = dlc.variable %unit : !slc.stream<index>`: the loop's variable of a unit."""

    name = "dlc.variable"

    unit = operand_def(UnitType)
    result = result_def(StreamType)

    traits = traits_def(HasParent(AccessOp))

    assembly_format = "$unit attr-dict `:` type($result)"

    def __init__(self, unit: SSAValue, lanes: int = 1):
        super().__init__(operands=[unit], result_types=[variable_type(lanes)])


@irdl_op_definition
class OperandOp(IRDLOperation):
    """`dlc.operand %unit ite %v : !slc.stream<f32>`: push a stream's element at each event."""

    name = "dlc.operand"

    unit = operand_def(UnitType)
    event = prop_def(EventAttr)
    stream = operand_def(StreamType)

    traits = traits_def(HasParent(AccessOp), MemoryWriteEffect())

    assembly_format = "$unit $event $stream attr-dict `:` type($stream)"

    def __init__(self, unit: SSAValue, event: Event, stream: SSAValue):
        super().__init__(operands=[unit, stream], properties={"event": EventAttr(event)})


@irdl_op_definition
class TokenOp(IRDLOperation):
    """`dlc.token %unit end 1`: push the number of a case into the control queue at each event."""

    name = "dlc.token"

    unit = operand_def(UnitType)
    event = prop_def(EventAttr)
    case = prop_def(IntegerAttr[IndexType])

    traits = traits_def(HasParent(AccessOp), MemoryWriteEffect())

    assembly_format = "$unit $event $case attr-dict"

    def __init__(self, unit: SSAValue, event: Event, case: int):
        super().__init__(
            operands=[unit],
            properties={"event": EventAttr(event), "case": index_attribute(case)},
        )


@irdl_op_definition
class DoneOp(IRDLOperation):
    """`dlc.done`: the last token, when all units have ended."""

    name = "dlc.done"

    traits = traits_def(HasParent(AccessOp), MemoryWriteEffect())

    assembly_format = "attr-dict"


@irdl_op_definition
class ExecuteOp(IRDLOperation):
    """`dlc.execute { dlc.case .. }`: the loop of the core over the control queue."""

    name = "dlc.execute"

    body = region_def()

    traits = traits_def(NoTerminator())

    assembly_format = "$body attr-dict"

    def __init__(self, body: Region):
        super().__init__(regions=[body])

    @property
    def cases(self) -> tuple[CaseOp, ...]:
        """The cases, in their order; none where the access unit does all the work."""
        ops = [op for block in self.body.blocks for op in block.ops]
        return tuple(op for op in ops if isinstance(op, CaseOp))

    def verify_(self) -> None:
        from headrace.dialects.dlc_contract import verify_contract
        from headrace.dialects.dlc_verify import verify_cases

        verify_contract(verify_cases(self), self)


@irdl_op_definition
class CaseOp(IRDLOperation):
    """`dlc.case 1 { .. }`: what the core does on the token of this number."""

    name = "dlc.case"

    case = prop_def(IntegerAttr[IndexType])
    body = region_def("single_block")

    traits = traits_def(HasParent(ExecuteOp), NoTerminator())

    assembly_format = "$case $body attr-dict"

    def __init__(self, case: int, body: Region):
        super().__init__(properties={"case": index_attribute(case)}, regions=[body])


@irdl_op_definition
class PopOp(IRDLOperation):
    """`%x = dlc.pop : vector<8xf32>`, in a case: the next item of the data queue."""

    name = "dlc.pop"

    result = result_def()

    traits = traits_def(HasAncestor(CaseOp), MemoryReadEffect(), MemoryWriteEffect())

    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, type: Attribute):
        super().__init__(result_types=[type])


@irdl_op_definition
class CounterOp(IRDLOperation):
    """`%bag = dlc.counter %c0`: a counter of the core that starts at `initial`."""

    name = "dlc.counter"

    initial = operand_def(IndexType)
    result = result_def(CounterType)

    traits = traits_def(HasParent(FuncOp))

    assembly_format = "$initial attr-dict"

    def __init__(self, initial: SSAValue):
        super().__init__(operands=[initial], result_types=[CounterType()])


@irdl_op_definition
class ReadOp(IRDLOperation):
    """`%b = dlc.read %bag`: the value of a counter."""

    name = "dlc.read"

    counter = operand_def(CounterType)
    result = result_def(IndexType)

    traits = traits_def(HasAncestor(CallbackOp, CaseOp), MemoryReadEffect())

    assembly_format = "$counter attr-dict"

    def __init__(self, counter: SSAValue):
        super().__init__(operands=[counter], result_types=[IndexType()])


@irdl_op_definition
class AdvanceOp(IRDLOperation):
    """`dlc.advance %bag, %c1`: add to a counter."""

    name = "dlc.advance"

    counter = operand_def(CounterType)
    step = operand_def(IndexType)

    traits = traits_def(HasAncestor(CallbackOp, CaseOp), MemoryWriteEffect())

    assembly_format = "$counter `,` $step attr-dict"

    def __init__(self, counter: SSAValue, step: SSAValue):
        super().__init__(operands=[counter, step])


@irdl_op_definition
class ResetOp(IRDLOperation):
    """`dlc.reset %position, %c0`: give a counter a value."""

    name = "dlc.reset"

    counter = operand_def(CounterType)
    value = operand_def(IndexType)

    traits = traits_def(HasAncestor(CallbackOp, CaseOp), MemoryWriteEffect())

    assembly_format = "$counter `,` $value attr-dict"

    def __init__(self, counter: SSAValue, value: SSAValue):
        super().__init__(operands=[counter, value])


DLC = Dialect(
    "dlc",
    [
        AccessOp,
        AdvanceOp,
        CaseOp,
        CounterOp,
        DoneOp,
        ExecuteOp,
        OperandOp,
        PopOp,
        ReadOp,
        ResetOp,
        TokenOp,
        UnitOp,
        VariableOp,
    ],
    [CounterType, EventAttr, UnitType],
)
