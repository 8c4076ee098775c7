"""
The `sam` operations of parallel lanes: what deals a stream to lanes, and what collects it again.

Also the attribute with which a `sam.region` says which of its axes have lanes.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.8 (parallelisation). The order
stream, which makes gather the inverse of fork for every input, and balance are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import AnyTensorTypeConstr, IndexType, IntAttr, IntegerAttr
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, ParametrizedAttribute, SpacedOpaqueSyntaxAttribute, SSAValue
from xdsl.irdl import (
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from headrace.dialects.sam_access import expect_level
from headrace.dialects.sam_operation import expect_depth, expect_same_axes, expect_stream, stack
from headrace.dialects.sam_structure import expect_positive
from headrace.dialects.sam_types import Kind, StreamType
from headrace.dialects.stream_operation import Properties, StreamOperation, Types, index_attribute
from headrace.storage.levels import Level


class Balance(StrEnum):
    """Which lane a coordinate goes to."""

    TURNS = "turns"
    """Coordinates go to the lanes in turn."""
    NONZEROS = "nonzeros"
    """Each coordinate goes to the lane with the fewest stored entries so far."""


@irdl_attr_definition
class BalanceAttr(EnumAttribute[Balance], SpacedOpaqueSyntaxAttribute):
    """Which lane a coordinate goes to."""

    name = "sam.balance"


@irdl_attr_definition
class LanesAttr(ParametrizedAttribute):
    """
    `#sam.lanes<axis 0 factor 4 balance turns>`: axis i0 of a region is computed in four lanes.

    The factor is at least 1.
    """

    name = "sam.lanes"

    axis: IntAttr
    factor: IntAttr
    balance: BalanceAttr

    def __init__(self, axis: int, factor: int, balance: Balance | str = Balance.TURNS):
        super().__init__(IntAttr(axis), IntAttr(factor), BalanceAttr(Balance(balance)))

    def verify(self) -> None:
        if self.axis.data < 0 or self.factor.data < 1:
            raise VerifyException(
                f"'{self.name}' needs an axis of at least 0 and a factor of at least 1, but got "
                f"axis {self.axis.data} and factor {self.factor.data}"
            )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            parser.parse_keyword("axis")
            axis = parser.parse_integer(allow_boolean=False)
            parser.parse_keyword("factor")
            factor = parser.parse_integer(allow_boolean=False)
            parser.parse_keyword("balance")
            balance = parser.parse_str_enum(Balance)
        return (IntAttr(axis), IntAttr(factor), BalanceAttr(balance))

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(
                f"axis {self.axis.data} factor {self.factor.data} balance {self.balance.data}"
            )


@irdl_op_definition
class ForkOp(StreamOperation):
    """
    Deals the tokens of a stream to n lanes in turn; stops go to every lane.

    The turn goes on across fibers. `order` has the lane of each token, for `sam.gather`.

    `%0, %1, %order = sam.fork %ref lanes 2 : !sam.stream<ref, index, [i]>`
    """

    name = "sam.fork"

    stream = operand_def(StreamType)
    lanes = prop_def(IntegerAttr[IndexType])
    outputs = var_result_def(StreamType)
    order = result_def(StreamType)

    def __init__(self, stream: SSAValue, lanes: int):
        super().__init__(stream, lanes=index_attribute(lanes))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input", Kind.CRD, Kind.REF, Kind.VAL)
        expect_depth(cls.name, stream, "a stream")
        lanes = expect_positive(cls.name, properties, "lanes")
        return *((stream,) * lanes), stream.of(Kind.REF)


@irdl_op_definition
class BalanceOp(StreamOperation):
    """
    Which lane each fiber of a compressed level goes to: the one that has the least to do so far.

    A fiber counts with its entries and its stop, an absent reference as an empty fiber; of equal
    lanes the first is taken.

    `%order = sam.balance %ref, %A level 1 among 4 : !sam.stream<..>, tensor<..>`
    """

    name = "sam.balance"

    ref = operand_def(StreamType)
    tensor = operand_def(AnyTensorTypeConstr)
    level = prop_def(IntegerAttr[IndexType])
    among = prop_def(IntegerAttr[IndexType])
    order = result_def(StreamType)

    def __init__(self, ref: SSAValue, tensor: SSAValue, level: int, among: int):
        super().__init__(ref, tensor, level=index_attribute(level), among=index_attribute(among))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        ref = expect_stream(cls.name, types[0], "ref", Kind.REF)
        expect_depth(cls.name, ref, "references")
        if expect_level(cls.name, types[1], properties) is Level.DENSE:
            raise VerifyException(
                f"'{cls.name}' counts the entries of a compressed level, but level is dense"
            )
        expect_positive(cls.name, properties, "among")
        return (ref,)


@irdl_op_definition
class DealOp(StreamOperation):
    """
    Deals the tokens of a stream to n lanes, each to the lane that `order` has in its place.

    Stops go to every lane, and `sam.gather` with the same order undoes it.

    `%0, %1 = sam.deal %crd, %order lanes 2 : !sam.stream<..>, !sam.stream<ref, index, [i]>`
    """

    name = "sam.deal"

    stream = operand_def(StreamType)
    order = operand_def(StreamType)
    lanes = prop_def(IntegerAttr[IndexType])
    outputs = var_result_def(StreamType)

    def __init__(self, stream: SSAValue, order: SSAValue, lanes: int):
        super().__init__(stream, order, lanes=index_attribute(lanes))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input", Kind.CRD, Kind.REF, Kind.VAL)
        order = expect_stream(cls.name, types[1], "order", Kind.REF)
        expect_depth(cls.name, stream, "a stream")
        expect_same_axes(cls.name, [stream, order])
        return (stream,) * expect_positive(cls.name, properties, "lanes")


@irdl_op_definition
class GatherOp(StreamOperation):
    """
    Collects what became of the tokens that a fork dealt to lanes, in their old order.

    In each lane a token may have become a fiber, or fibers of fibers; then the whole of it is
    taken. Without any operation in between this undoes the fork.

    `%0 = sam.gather %lane0, %lane1, %order : ..`
    """

    name = "sam.gather"

    lanes = var_operand_def(StreamType)
    order = operand_def(StreamType)
    result = result_def(StreamType)

    def __init__(self, lanes: Sequence[SSAValue], order: SSAValue):
        super().__init__(*lanes, order)

    @property
    def levels(self) -> int:
        """How many fibers deep a token became between fork and gather."""
        result, order = self.result.type, self.order.type
        assert isinstance(result, StreamType)
        assert isinstance(order, StreamType)
        return result.depth - order.depth

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        if len(types) < 2:
            raise VerifyException(f"'{cls.name}' needs at least one lane and the order of its fork")
        lanes = [
            expect_stream(cls.name, type, "lane", Kind.CRD, Kind.REF, Kind.VAL)
            for type in types[:-1]
        ]
        order = expect_stream(cls.name, types[-1], "order", Kind.REF)
        for lane in lanes[1:]:
            if lane != lanes[0]:
                raise VerifyException(
                    f"'{cls.name}' needs lanes of one type, but got {lanes[0]} and {lane}"
                )
        if lanes[0].axis_names[: order.depth] != order.axis_names:
            raise VerifyException(
                f"'{cls.name}' needs lanes inside the axes of the fork, "
                f"but got {stack(lanes[0])} inside {stack(order)}"
            )
        return (lanes[0],)
