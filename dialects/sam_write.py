"""
The `sam` operations that make tensors of streams.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.6.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import DYNAMIC_INDEX, AnyTensorTypeConstr, IndexType
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.sam_access import (
    counts_blocks,
    expect_format,
    known_extent,
    same_but_units,
    value_type,
)
from headrace.dialects.sam_operation import (
    expect_depth,
    expect_index,
    expect_same_axes,
    expect_stream,
)
from headrace.dialects.sam_structure import Empty, EmptyAttr
from headrace.dialects.sam_types import Kind, LevelType, StreamType, ValuesType, tile_shape
from headrace.dialects.stream_operation import Properties, StreamOperation, Types, expect_tensor
from headrace.storage.levels import Level


@irdl_op_definition
class WriteCoordinatesOp(StreamOperation):
    """
    Segments and coordinates of a compressed level.

    With mode keep every fiber closes a segment, also an empty one: the level above holds a
    coordinate for each. With mode drop empty fibers close none: their coordinates were dropped.

    `%level = sam.write_coordinates %crd mode keep : !sam.stream<crd, index, [i, j]>`
    """

    name = "sam.write_coordinates"

    crd = operand_def(StreamType)
    mode = prop_def(EmptyAttr)
    level = result_def(LevelType)

    def __init__(self, crd: SSAValue, mode: Empty | str = Empty.KEEP):
        super().__init__(crd, mode=EmptyAttr(Empty(mode)))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        crd = expect_stream(cls.name, types[0], "crd", Kind.CRD)
        expect_depth(cls.name, crd, "coordinates")
        return (LevelType(),)


@irdl_op_definition
class WriteValuesOp(StreamOperation):
    """
    The values of a stream in their order, without its stops.

    `%values = sam.write_values %val : !sam.stream<val, f64, [i, j]>`
    """

    name = "sam.write_values"

    val = operand_def(StreamType)
    values = result_def(ValuesType)

    def __init__(self, val: SSAValue):
        super().__init__(val)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        val = expect_stream(cls.name, types[0], "val", Kind.VAL)
        return (ValuesType(val.element_type),)


@irdl_op_definition
class StoreOp(StreamOperation):
    """
    Values at the positions that references give, and zero at all others.

    The extents multiply to the number of positions.

    `%values = sam.store %ref, %val, %n, %m : !sam.stream<..>, !sam.stream<..>, index, index`
    """

    name = "sam.store"

    ref = operand_def(StreamType)
    val = operand_def(StreamType)
    extents = var_operand_def(IndexType)
    values = result_def(ValuesType)

    def __init__(self, ref: SSAValue, val: SSAValue, extents: Sequence[SSAValue]):
        super().__init__(ref, val, *extents)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        ref = expect_stream(cls.name, types[0], "ref", Kind.REF)
        val = expect_stream(cls.name, types[1], "val", Kind.VAL)
        expect_same_axes(cls.name, [ref, val])
        expect_index(cls.name, types[2:])
        return (ValuesType(val.element_type),)


@irdl_op_definition
class AssembleOp(IRDLOperation):
    """
    A tensor of its compressed levels (outermost first), its values, and the extents of its
    dimensions. Numbers are converted to its type.

    `%Y = sam.assemble levels(%0, %1) values %2 extents(%n, %m) : !sam.values<f64> -> tensor<..>`

    Extents are in elements also where the tensor is in blocks; those of operands in blocks come
    from `tensor.dim`. What tiles hold beyond the last element of a dimension becomes zero.
    """

    name = "sam.assemble"

    levels = var_operand_def(LevelType())
    values = operand_def(ValuesType)
    extents = var_operand_def(IndexType())
    result = result_def(AnyTensorTypeConstr)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    traits = traits_def(Pure())
    assembly_format = (
        "`levels` `(` $levels `)` `values` $values `extents` `(` $extents `)` attr-dict "
        "`:` type($values) `->` type($result)"
    )

    def __init__(
        self,
        levels: Sequence[SSAValue],
        values: SSAValue,
        extents: Sequence[SSAValue],
        result_type: Attribute,
    ):
        super().__init__(operands=[levels, values, extents], result_types=[result_type])

    def verify_(self) -> None:
        tensor = self.result.type
        format = expect_format(self.name, tensor)
        compressed = format.levels.count(Level.COMPRESSED)
        if len(self.levels) != compressed:
            raise VerifyException(
                f"'{self.name}' needs one level for each of the {compressed} compressed levels "
                f"of {tensor}, but got {len(self.levels)}"
            )
        if len(self.extents) != format.rank:
            raise VerifyException(
                f"'{self.name}' needs one extent for each of the {format.rank} dimensions "
                f"of {tensor}, but got {len(self.extents)}"
            )
        shape = expect_tensor(self.name, tensor).get_shape()
        for dimension, (extent, size) in enumerate(zip(self.extents, shape, strict=True)):
            if counts_blocks(extent):
                raise VerifyException(
                    f"'{self.name}' needs extents in elements, but that of dimension {dimension} "
                    "counts blocks; take it from 'tensor.dim'"
                )
            if size != DYNAMIC_INDEX and known_extent(extent) not in (None, size):
                raise VerifyException(
                    f"'{self.name}' has extent {known_extent(extent)} for dimension {dimension} "
                    f"of {tensor}, which has {size} elements there"
                )
        values = self.values.type
        if isinstance(values, ValuesType) and not same_but_units(
            tile_shape(values.element_type), format.block
        ):
            raise VerifyException(
                f"'{self.name}' needs values of type {value_type(tensor)}, "
                f"but got {self.values.type}"
            )
