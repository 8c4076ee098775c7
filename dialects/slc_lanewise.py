"""
An operation of `arith` or `math` on each lane of vectors.

xDSL knows comparisons, choices and conversions of integers for single numbers only, where MLIR
takes vectors as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import VectorType
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import IsTerminator, Pure
from xdsl.utils.exceptions import VerifyException


@irdl_op_definition
class YieldOp(IRDLOperation):
    """`slc.yield %y : i1`: the lane of the result."""

    name = "slc.yield"

    value = operand_def()

    traits = traits_def(IsTerminator())

    assembly_format = "$value attr-dict `:` type($value)"

    def __init__(self, value: SSAValue):
        super().__init__(operands=[value])


@irdl_op_definition
class LanewiseOp(IRDLOperation):
    """
    `%m = slc.lanewise(%x, %y : vector<8xf32>, vector<8xf32>) -> vector<8xi1> { ^bb0(%a: f32, ..`

    The body has one operation on one lane of each vector, whose result is that lane of the result.
    """

    name = "slc.lanewise"

    inputs = var_operand_def(VectorType)
    body = region_def("single_block")
    result = result_def(VectorType)

    traits = traits_def(Pure())

    assembly_format = "`(` $inputs `:` type($inputs) `)` `->` type($result) $body attr-dict"

    def __init__(self, op: Operation, vectors: Sequence[SSAValue]):
        """`op` for single numbers, on the lanes of `vectors` in place of its operands."""
        lanes = cast("VectorType[Attribute]", vectors[0].type).get_shape()
        block = Block(arg_types=[operand.type for operand in op.operands])
        copy = op.clone()
        copy.operands = block.args
        block.add_ops([copy, YieldOp(copy.results[0])])
        super().__init__(
            operands=[vectors],
            result_types=[VectorType(op.results[0].type, lanes)],
            regions=[Region(block)],
        )

    @property
    def operation(self) -> Operation:
        """What is done to each lane."""
        op = self.body.block.first_op
        assert op is not None
        return op

    def verify_(self) -> None:
        types = [cast("VectorType[Attribute]", type) for type in self.inputs.types]
        result = self.result.type
        if not types or any(type.shape != result.shape for type in types):
            raise VerifyException(f"'{self.name}' takes vectors of the shape of its result")
        block = self.body.block
        if [argument.type for argument in block.args] != [type.element_type for type in types]:
            raise VerifyException(f"the body of '{self.name}' takes one lane of each vector")
        ops = list(block.ops)
        if len(ops) != 2 or ops[0].dialect_name() not in ("arith", "math") or ops[0].regions:
            raise VerifyException(f"the body of '{self.name}' is one operation of arith or math")
        expected = [*block.args, *ops[0].results]
        given = [*ops[0].operands, *ops[1].operands]
        if expected != given or [value.type for value in ops[0].results] != [result.element_type]:
            raise VerifyException(f"the body of '{self.name}' gives {result.element_type} of them")
