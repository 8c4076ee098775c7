"""
Structured lookup-compute: loops of an access unit around callbacks of a core.

A loop of `slc` runs on the access unit: its bounds and addresses come from memory that nothing in
the kernel writes, so it may run ahead of the core as far as its queue allows. What it loads are
streams. A callback is code of the core; where it stands says when it runs: in a loop without inner
loops in each iteration, before an inner loop at that loop's begin, after it at that loop's end. A
body is an ordered list of streams, callbacks and loops.

```
slc.for %b = %c0 to %bags step %c1 : index, index, index {
  %begin = slc.load %offsets, %b : memref<3xindex>, !slc.stream<index>
  %next = slc.add %b, %c1 : !slc.stream<index>, index
  %end = slc.load %offsets, %next : memref<3xindex>, !slc.stream<index>
  slc.for %p = %begin to %end step %c1 : !slc.stream<index>, !slc.stream<index>, index {
    %row = slc.load %indices, %p : memref<3xindex>, !slc.stream<index>
    slc.for %e = %c0 to %length step %c1 : index, index, index {
      %value = slc.load %table, %row, %e : memref<6x4xf32>, !slc.stream<index>, !slc.stream<index>
      slc.callback(%b, %e, %value : !slc.stream<index>, !slc.stream<index>, !slc.stream<f32>) {
      ^bb0(%bag: index, %column: index, %x: f32):
        %sum = memref.load %out[%bag, %column] : memref<2x4xf32>
        ..
      }
    }
  }
}
```

A loop of V lanes takes V consecutive iterations a trip: its induction variable is a stream of V
consecutive indices, a load whose last index it is gives a vector, and lanes past the upper bound
are zero. The core knows which they are and masks them.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, sections 4 and 5. The paper has `slcvec` for vectors; here a loop says how many lanes it
has. The paper allows one inner loop in a body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, cast

from xdsl.dialects.builtin import (
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    UnitAttr,
    VectorType,
)
from xdsl.ir import Attribute, Dialect, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import HasAncestor, MemoryReadEffect, MemoryWriteEffect, NoTerminator
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.slc_lanewise import LanewiseOp, YieldOp
from headrace.dialects.slc_types import (
    INDEX_STREAM,
    FifoType,
    Level,
    LevelAttr,
    StreamType,
    lanes_of,
    scalar_of,
)
from headrace.dialects.stream_operation import Properties, StreamOperation, Types, index_attribute

__all__ = [
    "INDEX_STREAM",
    "SLC",
    "AccumulateOp",
    "AddOp",
    "ArithmeticOperation",
    "BroadcastOp",
    "CallbackOp",
    "DivideOp",
    "ExtractOp",
    "FifoOp",
    "FifoType",
    "ForOp",
    "IndexCastOp",
    "LanewiseOp",
    "Level",
    "LevelAttr",
    "LoadOp",
    "MinimumOp",
    "MultiplyOp",
    "PopOp",
    "PushOp",
    "StoreOp",
    "StreamType",
    "SubtractOp",
    "YieldOp",
    "lanes_of",
    "scalar_of",
]


def is_index(type: Attribute) -> bool:
    """Whether a bound or an address may be of this type: one index, invariant or of a stream."""
    return type == IndexType() or type == INDEX_STREAM


def _expect_index(operation: str, types: Types) -> None:
    for type in types:
        if not is_index(type):
            raise VerifyException(f"'{operation}' takes index or {INDEX_STREAM}, but got {type}")


@irdl_op_definition
class ForOp(IRDLOperation):
    """
    A loop of the access unit from `lower` up to, without, `upper`.

    With `lanes` V each trip takes V consecutive iterations, the last trip perhaps fewer; the step
    must then be 1. The loop's variable is a stream of indices, or of V indices.

    `slc.for %e = %c0 to %n step %c1 lanes 8 : index, index, index { .. }`
    """

    name = "slc.for"

    lower = operand_def()
    upper = operand_def()
    step = operand_def(IndexType)
    lanes = opt_prop_def(IntegerAttr)
    body = region_def("single_block")

    traits = traits_def(NoTerminator())

    def __init__(
        self, lower: SSAValue, upper: SSAValue, step: SSAValue, body: Region, lanes: int = 1
    ):
        super().__init__(
            operands=[lower, upper, step],
            properties={} if lanes == 1 else {"lanes": index_attribute(lanes)},
            regions=[body],
        )

    @property
    def lane_count(self) -> int:
        """Iterations a trip."""
        return 1 if self.lanes is None else self.lanes.value.data

    @property
    def variable(self) -> SSAValue:
        """The stream of the loop's variable."""
        return self.body.block.args[0]

    @property
    def is_innermost(self) -> bool:
        """Whether no loop is inside."""
        return not any(isinstance(op, ForOp) for op in self.body.block.ops)

    def verify_(self) -> None:
        _expect_index(self.name, (self.lower.type, self.upper.type))
        expected = variable_type(self.lane_count)
        if [argument.type for argument in self.body.block.args] != [expected]:
            raise VerifyException(f"the body of '{self.name}' takes one {expected}")
        from headrace.dialects.access_rules import expect_lane_step
        from headrace.dialects.slc_verify import verify_function

        expect_lane_step(self.name, self.lane_count, self.step)
        if not isinstance(self.parent_op(), ForOp):
            verify_function(self)

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.variable)
        for word, value in (("=", self.lower), ("to", self.upper), ("step", self.step)):
            printer.print_string(f" {word} ")
            printer.print_ssa_value(value)
        if self.lanes is not None:
            printer.print_string(f" lanes {self.lane_count}")
        printer.print_string(" : ")
        printer.print_list(self.operand_types, printer.print_attribute)
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False, print_empty_block=False)
        printer.print_op_attributes(self.attributes)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        variable = parser.parse_argument(expect_type=False)
        start = parser.pos
        parser.parse_punctuation("=")
        names = [parser.parse_unresolved_operand()]
        for word in ("to", "step"):
            parser.parse_keyword(word)
            names.append(parser.parse_unresolved_operand())
        lanes = 1
        if parser.parse_optional_keyword("lanes"):
            lanes = parser.parse_integer(allow_boolean=False, allow_negative=False)
        parser.parse_punctuation(":")
        types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
        lower, upper, step = parser.resolve_operands(names, types, start)
        body = parser.parse_region((variable.resolve(variable_type(lanes)),))
        loop = cls(lower, upper, step, body, lanes)
        loop.attributes |= parser.parse_optional_attr_dict()
        return loop


def variable_type(lanes: int) -> StreamType:
    """The type of the variable of a loop of so many lanes."""
    return INDEX_STREAM if lanes == 1 else StreamType(VectorType(IndexType(), [lanes]))


@irdl_op_definition
class LoadOp(StreamOperation):
    """
    What a tensor that is never written has at an index, in each iteration.

    One index at least is a stream of the loop that the operation stands in. A last index of V lanes
    gives a vector. `level` is the cache that is read from, `nontemporal` says that what is read
    will not be read again soon.

    `%v = slc.load %table, %row, %e level L2 : memref<6x4xf32>, !slc.stream<index>, ..`
    """

    name = "slc.load"

    memref = operand_def(MemRefType)
    indices = var_operand_def()
    level = opt_prop_def(LevelAttr)
    nontemporal = opt_prop_def(UnitAttr)
    result = result_def(StreamType)

    traits = traits_def(MemoryReadEffect())

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        return (StreamType(accessed(cls.name, types[0], types[1:])),)


def accessed(operation: str, memref: Attribute, indices: Types) -> Attribute:
    """
    The type of the element, or the vector, of a memory at indices.

    Raises `VerifyException` for a wrong number of indices and for lanes that are not in the last.
    """
    if not isinstance(memref, MemRefType):
        raise VerifyException(f"'{operation}' needs a memref, but got {memref}")
    memref = cast(MemRefType, memref)
    if len(indices) != memref.get_num_dims():
        raise VerifyException(
            f"'{operation}' of {memref} takes {memref.get_num_dims()} indices, "
            f"but got {len(indices)}"
        )
    lanes = lanes_of(indices[-1]) if indices else 1
    if lanes > 1 and indices[-1] == variable_type(lanes):
        _expect_index(operation, indices[:-1])
        return VectorType(memref.element_type, [lanes])
    _expect_index(operation, indices)
    return memref.element_type


class ArithmeticOperation(StreamOperation):
    """Arithmetic on indices; one operand at least is a stream."""

    lhs = operand_def()
    rhs = operand_def()
    result = result_def(INDEX_STREAM)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        _expect_index(cls.name, types)
        if INDEX_STREAM not in types:
            raise VerifyException(f"'{cls.name}' has no stream among its operands; use arith")
        return (INDEX_STREAM,)


@irdl_op_definition
class AddOp(ArithmeticOperation):
    """`%n = slc.add %b, %c1 : !slc.stream<index>, index`: the sum."""

    name = "slc.add"


@irdl_op_definition
class SubtractOp(ArithmeticOperation):
    """`%n = slc.sub %end, %begin : ..`: the difference."""

    name = "slc.sub"


@irdl_op_definition
class MultiplyOp(ArithmeticOperation):
    """`%n = slc.mul %b, %length : ..`: the product."""

    name = "slc.mul"


@irdl_op_definition
class DivideOp(ArithmeticOperation):
    """`%n = slc.div %b, %length : ..`: the quotient of non-negative indices, rounded down."""

    name = "slc.div"


@irdl_op_definition
class MinimumOp(ArithmeticOperation):
    """`%n = slc.min %last, %end : ..`: the smaller one."""

    name = "slc.min"


@irdl_op_definition
class IndexCastOp(StreamOperation):
    """`%row = slc.index_cast %i : !slc.stream<i64>`: integers that were loaded, as indices."""

    name = "slc.index_cast"

    input = operand_def(StreamType)
    result = result_def(INDEX_STREAM)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        if not isinstance(types[0], StreamType) or not isinstance(
            types[0].element_type, IntegerType
        ):
            raise VerifyException(f"'{cls.name}' takes a stream of integers, but got {types[0]}")
        return (INDEX_STREAM,)


@irdl_op_definition
class AccumulateOp(StreamOperation):
    """
    Running sums of a stream of lengths: where each segment begins and ends.

    `%begin, %end = slc.accumulate %length, %c0 : !slc.stream<index>, index`: in the first iteration
    of the loop that the operation stands in `%begin` is `initial`, later the last `%end`; `%end` is
    `%begin` plus the length.
    """

    name = "slc.accumulate"

    length = operand_def(INDEX_STREAM)
    initial = operand_def(IndexType)
    begin = result_def(INDEX_STREAM)
    end = result_def(INDEX_STREAM)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        if list(types) != [INDEX_STREAM, IndexType()]:
            raise VerifyException(f"'{cls.name}' takes {INDEX_STREAM} and index, but got {types}")
        return (INDEX_STREAM, INDEX_STREAM)


@irdl_op_definition
class ExtractOp(StreamOperation):
    """`%first = slc.extract %e : !slc.stream<vector<8xindex>>`: the index of the first lane."""

    name = "slc.extract"

    input = operand_def(StreamType)
    result = result_def(INDEX_STREAM)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        if lanes_of(types[0]) == 1 or types[0] != variable_type(lanes_of(types[0])):
            raise VerifyException(
                f"'{cls.name}' takes the variable of a loop of lanes, but got {types[0]}"
            )
        return (INDEX_STREAM,)


@irdl_op_definition
class BroadcastOp(StreamOperation):
    """
    A number in all lanes of a vector, so that what follows it in the queue is aligned to vectors.

    `%w8 = slc.broadcast %w lanes 8 : !slc.stream<f32>`
    """

    name = "slc.broadcast"

    input = operand_def(StreamType)
    lanes = prop_def(IntegerAttr)
    result = result_def(StreamType)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        lanes = cast("IntegerAttr[IndexType]", properties["lanes"]).value.data
        if not isinstance(types[0], StreamType) or lanes_of(types[0]) > 1:
            raise VerifyException(f"'{cls.name}' takes a stream of numbers, but got {types[0]}")
        if lanes < 2:
            raise VerifyException(f"'{cls.name}' needs 2 lanes or more, but got {lanes}")
        return (StreamType(VectorType(types[0].element_type, [lanes])),)


@irdl_op_definition
class FifoOp(IRDLOperation):
    """`%row = slc.fifo : !slc.fifo<vector<8xf32>>`: items on their way to one callback."""

    name = "slc.fifo"

    result = result_def(FifoType)

    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, element_type: Attribute):
        super().__init__(result_types=[FifoType(element_type)])

    def verify_(self) -> None:
        _expect_loop(self)


@irdl_op_definition
class PushOp(IRDLOperation):
    """`slc.push %v, %row : !slc.stream<f32>, !slc.fifo<f32>`: one item in each iteration."""

    name = "slc.push"

    value = operand_def(StreamType)
    fifo = operand_def(FifoType)

    traits = traits_def(MemoryWriteEffect())

    assembly_format = "$value `,` $fifo attr-dict `:` type($value) `,` type($fifo)"

    def __init__(self, value: SSAValue, fifo: SSAValue):
        super().__init__(operands=[value, fifo])

    def verify_(self) -> None:
        _expect_loop(self)
        pushed = cast(StreamType, self.value.type).element_type
        if cast(FifoType, self.fifo.type).element_type != pushed:
            raise VerifyException(f"'{self.name}' pushes {pushed} into {self.fifo.type}")


@irdl_op_definition
class StoreOp(StreamOperation):
    """
    The access unit writes a stream to memory, without the core.

    `slc.store %v, %out, %b, %e : !slc.stream<f32>, memref<4x8xf32>, !slc.stream<index>, ..`
    """

    name = "slc.store"

    value = operand_def(StreamType)
    memref = operand_def(MemRefType)
    indices = var_operand_def()

    traits = traits_def(MemoryWriteEffect())

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stored = StreamType(accessed(cls.name, types[1], types[2:]))
        if types[0] != stored:
            raise VerifyException(f"'{cls.name}' stores {stored} there, but got {types[0]}")
        return ()


@irdl_op_definition
class CallbackOp(IRDLOperation):
    """
    Code of the core, run where it stands in the traversal.

    The inputs are what it reads of the access unit, in the order in which they enter the queue;
    the block takes the current element of a stream, and a row itself, from which `slc.pop` reads.
    Everything else that the code uses is invariant, memory that the core writes, or a counter.

    `slc.callback(%b, %v : !slc.stream<index>, !slc.stream<f32>) { ^bb0(%bag: index, %x: f32): .. }`
    """

    name = "slc.callback"

    inputs = var_operand_def()
    body = region_def("single_block")

    traits = traits_def(NoTerminator())

    assembly_format = "`(` ($inputs^ `:` type($inputs))? `)` $body attr-dict"

    def __init__(self, inputs: Sequence[SSAValue], body: Region):
        super().__init__(operands=[inputs], regions=[body])

    def verify_(self) -> None:
        _expect_loop(self)
        expected = [argument_type(type) for type in self.inputs.types]
        given = [argument.type for argument in self.body.block.args]
        if given != expected:
            listed = ", ".join(map(str, expected))
            raise VerifyException(f"the body of '{self.name}' takes ({listed}) for these inputs")


@irdl_op_definition
class PopOp(IRDLOperation):
    """`%v = slc.pop %row : !slc.fifo<f32>`, in a callback: the next item."""

    name = "slc.pop"

    fifo = operand_def(FifoType)
    result = result_def()

    traits = traits_def(HasAncestor(CallbackOp), MemoryReadEffect(), MemoryWriteEffect())

    assembly_format = "$fifo attr-dict `:` type($fifo) `->` type($result)"

    def __init__(self, fifo: SSAValue):
        element_type = cast(FifoType, fifo.type).element_type
        super().__init__(operands=[fifo], result_types=[element_type])

    def verify_(self) -> None:
        element_type = cast(FifoType, self.fifo.type).element_type
        if self.result.type != element_type:
            raise VerifyException(f"'{self.name}' of {self.fifo.type} gives {element_type}")


def _expect_loop(op: Operation) -> None:
    """What runs at an event of a loop stands in one, or beside one."""
    siblings = () if op.parent is None else op.parent.ops
    if not isinstance(op.parent_op(), ForOp) and not any(isinstance(x, ForOp) for x in siblings):
        raise VerifyException(f"'{op.name}' stands in no 'slc.for', and beside none")


def argument_type(type: Attribute) -> Attribute:
    """What a callback gets of an input of this type. Raises `VerifyException` for other values."""
    if isinstance(type, StreamType):
        return type.element_type
    if isinstance(type, FifoType):
        return type
    raise VerifyException(f"a callback reads streams and rows, not {type}")


SLC = Dialect(
    "slc",
    [
        AccumulateOp,
        AddOp,
        BroadcastOp,
        CallbackOp,
        DivideOp,
        ExtractOp,
        FifoOp,
        ForOp,
        IndexCastOp,
        LanewiseOp,
        LoadOp,
        MinimumOp,
        MultiplyOp,
        PopOp,
        PushOp,
        StoreOp,
        SubtractOp,
        YieldOp,
    ],
    [FifoType, LevelAttr, StreamType],
)
