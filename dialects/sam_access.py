"""
The `sam` operations that read tensors, and those that address and repeat what was read.

Source: "The Sparse Abstract Machine", ASPLOS 2023, sections 4.1 to 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import (
    AnyTensorTypeConstr,
    DenseArrayBase,
    IndexType,
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa

from headrace.dialects.sam_operation import (
    expect_depth,
    expect_index,
    expect_inside,
    expect_stream,
    push_axis,
)
from headrace.dialects.sam_types import Kind, StreamType
from headrace.dialects.sparse_tensor import format_of
from headrace.dialects.stream_operation import (
    Properties,
    StreamOperation,
    Types,
    expect_tensor,
    index_attribute,
)
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level


def expect_format(operation: str, type: Attribute) -> Format:
    """The storage format of a tensor type."""
    try:
        return format_of(expect_tensor(operation, type))
    except InputError as error:
        raise VerifyException(f"'{operation}' cannot read its tensor: {error}") from error


def value_type(tensor: TensorType[Attribute]) -> Attribute:
    """The type of one stored value: the element, or a tile of elements in a blocked format."""
    block = format_of(tensor).block
    return TensorType(tensor.element_type, block) if block else tensor.element_type


def same_but_units(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes hold the same entries in the same order: sizes of 1 do not matter."""
    return [size for size in one if size != 1] == [size for size in other if size != 1]


def expect_level(operation: str, tensor: Attribute, properties: Properties) -> Level:
    """How the level that the property `level` numbers is stored."""
    level = properties["level"]
    assert isinstance(level, IntegerAttr)
    format, number = expect_format(operation, tensor), level.value.data
    if not 0 <= number < format.rank:
        raise VerifyException(
            f"'{operation}' reads level {number} of {tensor}, which has {format.rank} levels"
        )
    return format.levels[number]


def axis_name(properties: Properties, name: str = "axis") -> str:
    """The axis that a property names."""
    axis = properties[name]
    assert isinstance(axis, StringAttr)
    return axis.data


@irdl_op_definition
class RootOp(StreamOperation):
    """
    The reference to the root of a tensor: the stream `0 D`.

    `%root = sam.root`
    """

    name = "sam.root"

    ref = result_def(StreamType)

    def __init__(self):
        super().__init__()

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        return (StreamType(Kind.REF, IndexType(), ()),)


@irdl_op_definition
class ScanOp(StreamOperation):
    """
    Reads one fiber of a level for each reference: its coordinates and their positions.

    Dense levels hold every coordinate of their dimension, at position `ref * size + crd`.
    An absent reference opens an empty fiber.

    `%crd, %ref = sam.scan %0, %A level 1 axis j : !sam.stream<ref, index, [i]>, tensor<..>`
    """

    name = "sam.scan"

    outer = operand_def(StreamType)
    tensor = operand_def(AnyTensorTypeConstr)
    level = prop_def(IntegerAttr[IndexType])
    axis = prop_def(StringAttr)
    crd = result_def(StreamType)
    ref = result_def(StreamType)

    def __init__(self, outer: SSAValue, tensor: SSAValue, level: int, axis: str):
        super().__init__(outer, tensor, level=index_attribute(level), axis=StringAttr(axis))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        outer = expect_stream(cls.name, types[0], "outer", Kind.REF)
        expect_level(cls.name, types[1], properties)
        ref = push_axis(cls.name, outer, axis_name(properties))
        return ref.of(Kind.CRD), ref

    @property
    def is_dense(self) -> bool:
        """Whether the level stores every coordinate."""
        return expect_level(self.name, self.tensor.type, self.properties) is Level.DENSE


@irdl_op_definition
class ScanBitvectorOp(StreamOperation):
    """
    Reads one fiber of a compressed level for each reference, as a bit vector of its coordinates.

    The fiber of the results holds one token: the word (bit c set where coordinate c is stored),
    and the position of the fiber's first coordinate.

    `%bv, %ref = sam.scan_bitvector %0, %A level 0 axis i : !sam.stream<..>, tensor<..>`
    """

    name = "sam.scan_bitvector"

    outer = operand_def(StreamType)
    tensor = operand_def(AnyTensorTypeConstr)
    level = prop_def(IntegerAttr[IndexType])
    axis = prop_def(StringAttr)
    bv = result_def(StreamType)
    ref = result_def(StreamType)

    def __init__(self, outer: SSAValue, tensor: SSAValue, level: int, axis: str):
        super().__init__(outer, tensor, level=index_attribute(level), axis=StringAttr(axis))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        outer = expect_stream(cls.name, types[0], "outer", Kind.REF)
        if expect_level(cls.name, types[1], properties) is Level.DENSE:
            raise VerifyException(f"'{cls.name}' reads compressed levels, but level is dense")
        ref = push_axis(cls.name, outer, axis_name(properties))
        return ref.of(Kind.BV), ref


@irdl_op_definition
class RangeOp(StreamOperation):
    """
    Every coordinate 0 .. extent - 1 for each token p, at position `p * extent + crd`.

    An absent reference opens an empty fiber.

    `%crd, %ref = sam.range %root, %n axis i : !sam.stream<ref, index, []>, index`
    """

    name = "sam.range"

    outer = operand_def(StreamType)
    extent = operand_def(IndexType)
    axis = prop_def(StringAttr)
    crd = result_def(StreamType)
    ref = result_def(StreamType)

    def __init__(self, outer: SSAValue, extent: SSAValue, axis: str):
        super().__init__(outer, extent, axis=StringAttr(axis))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        outer = expect_stream(cls.name, types[0], "outer", Kind.CRD, Kind.REF)
        expect_index(cls.name, types[1:])
        inner = push_axis(cls.name, outer, axis_name(properties))
        return inner.of(Kind.CRD), inner.of(Kind.REF)


@irdl_op_definition
class LocateOp(StreamOperation):
    """
    Addresses a dense level by coordinates: position `outer * extent + crd`.

    Each outer reference serves the coordinates of one fiber; without them the level is the
    outermost. An absent outer reference gives absent references.

    `%ref = sam.locate %crd, %outer, %n : !sam.stream<..>, !sam.stream<..>, index`
    """

    name = "sam.locate"

    crd = operand_def(StreamType)
    outer = opt_operand_def(StreamType)
    extent = operand_def(IndexType)
    ref = result_def(StreamType)

    def __init__(self, crd: SSAValue, extent: SSAValue, outer: SSAValue | None = None):
        super().__init__(*((crd, extent) if outer is None else (crd, outer, extent)))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        crd = expect_stream(cls.name, types[0], "crd", Kind.CRD)
        expect_depth(cls.name, crd, "coordinates")
        for type in types[1:-1]:
            outer = expect_stream(cls.name, type, "outer", Kind.REF)
            expect_inside(cls.name, outer, crd)
        expect_index(cls.name, types[-1:])
        return (crd.of(Kind.REF),)


@irdl_op_definition
class RepeatSignalOp(StreamOperation):
    """
    One signal R for each token, S for each stop: how often `sam.repeat` repeats.

    `%sig = sam.repeat_signal %crd : !sam.stream<crd, index, [i, j]>`
    """

    name = "sam.repeat_signal"

    stream = operand_def(StreamType)
    signal = result_def(StreamType)

    def __init__(self, stream: SSAValue):
        super().__init__(stream)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input", Kind.CRD, Kind.REF, Kind.VAL)
        expect_depth(cls.name, stream, "a stream")
        return (stream.of(Kind.SIG),)


@irdl_op_definition
class RepeatOp(StreamOperation):
    """
    Each token as often as its fiber of signals says: the same stream, nested one axis deeper.

    `%1 = sam.repeat %0, %sig : !sam.stream<ref, index, [i]>, !sam.stream<sig, index, [i, j]>`
    """

    name = "sam.repeat"

    stream = operand_def(StreamType)
    signal = operand_def(StreamType)
    result = result_def(StreamType)

    def __init__(self, stream: SSAValue, signal: SSAValue):
        super().__init__(stream, signal)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input", Kind.CRD, Kind.REF, Kind.VAL)
        signal = expect_stream(cls.name, types[1], "signal", Kind.SIG)
        return (stream.push(expect_inside(cls.name, stream, signal)),)


@irdl_op_definition
class ArrayOp(StreamOperation):
    """
    The value of the tensor at each reference; 0 where the reference is absent.

    `%val = sam.array %ref, %A : !sam.stream<ref, index, [i, j]>, tensor<..>`

    `tile` is the shape in which blocks are read: that of the format, with other sizes of 1. So a
    vector is read as a row or a column, and a block of a tensor of many dimensions as a matrix.

    `%row = sam.array %ref, %b tile array<i64: 1, 4> : !sam.stream<ref, index, [j]>, tensor<..>`
    """

    name = "sam.array"

    ref = operand_def(StreamType)
    tensor = operand_def(AnyTensorTypeConstr)
    tile = opt_prop_def(DenseArrayBase.constr(i64))
    val = result_def(StreamType)

    def __init__(self, ref: SSAValue, tensor: SSAValue, tile: Sequence[int] | None = None):
        shape = None if tile is None else DenseArrayBase.from_list(i64, tile)
        super().__init__(ref, tensor, tile=shape)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        ref = expect_stream(cls.name, types[0], "ref", Kind.REF)
        format, tensor = expect_format(cls.name, types[1]), expect_tensor(cls.name, types[1])
        tile = properties.get("tile")
        if not isa(tile, DenseArrayBase[IntegerType]):
            return (ref.of(Kind.VAL, value_type(tensor)),)
        shape = tile.get_values()
        if same_but_units(shape, format.block):
            return (ref.of(Kind.VAL, TensorType(tensor.element_type, shape)),)
        raise VerifyException(
            f"'{cls.name}' reads {tensor} in tiles of {'x'.join(map(str, shape))}, but its blocks "
            f"are {'x'.join(map(str, format.block)) or 'single elements'}"
        )


@irdl_op_definition
class NumberOp(StreamOperation):
    """
    References that count the coordinates 0, 1, 2, .. over the whole stream.

    `%ref = sam.number %crd : !sam.stream<crd, index, [i]>`
    """

    name = "sam.number"

    crd = operand_def(StreamType)
    ref = result_def(StreamType)

    def __init__(self, crd: SSAValue):
        super().__init__(crd)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        return (expect_stream(cls.name, types[0], "crd", Kind.CRD).of(Kind.REF),)


@irdl_op_definition
class CoordinatesOp(StreamOperation):
    """
    Values as coordinates of a level with `extent` coordinates: what a gather locates by.

    They need not increase, so only `sam.locate` can read them. A value that is no integer from 0
    to `extent - 1` is an error at run time; an absent one counts as 0.

    `%crd = sam.coordinates %val, %n : !sam.stream<val, i64, [i]>, index`
    """

    name = "sam.coordinates"

    val = operand_def(StreamType)
    extent = operand_def(IndexType)
    crd = result_def(StreamType)

    def __init__(self, val: SSAValue, extent: SSAValue):
        super().__init__(val, extent)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_index(cls.name, types[1:])
        val = expect_stream(cls.name, types[0], "val", Kind.VAL)
        expect_depth(cls.name, val, "values")
        if isinstance(val.element_type, TensorType):
            raise VerifyException(f"'{cls.name}' reads numbers, but 'val' has tiles")
        return (val.of(Kind.CRD),)

    def verify_(self) -> None:
        super().verify_()
        for use in self.crd.uses:
            if not isinstance(use.operation, LocateOp):
                raise VerifyException(
                    f"'{self.name}' makes coordinates in any order, which '{use.operation.name}' "
                    "cannot read; use them in 'sam.locate'"
                )


@irdl_op_definition
class SelectFibersOp(StreamOperation):
    """
    For each reference r the r-th fiber of a coordinate stream, read in order.

    The references increase; fibers that none names are dropped, and an absent reference gives
    an empty fiber. The resulting references number the coordinates of the input.

    `%crd, %ref = sam.select_fibers %r, %c : !sam.stream<..>, !sam.stream<..>`
    """

    name = "sam.select_fibers"

    refs = operand_def(StreamType)
    fibers = operand_def(StreamType)
    crd = result_def(StreamType)
    ref = result_def(StreamType)

    def __init__(self, refs: SSAValue, fibers: SSAValue):
        super().__init__(refs, fibers)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        refs = expect_stream(cls.name, types[0], "refs", Kind.REF)
        fibers = expect_stream(cls.name, types[1], "fibers", Kind.CRD)
        ref = push_axis(cls.name, refs, expect_depth(cls.name, fibers, "fibers"))
        return ref.of(Kind.CRD), ref


@irdl_op_definition
class SelectValuesOp(StreamOperation):
    """
    For each reference r the r-th value of a stream, read in order; 0 where it is absent.

    The references increase; values that none names are dropped.

    `%val = sam.select_values %r, %v : !sam.stream<..>, !sam.stream<..>`
    """

    name = "sam.select_values"

    refs = operand_def(StreamType)
    values = operand_def(StreamType)
    val = result_def(StreamType)

    def __init__(self, refs: SSAValue, values: SSAValue):
        super().__init__(refs, values)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        refs = expect_stream(cls.name, types[0], "refs", Kind.REF)
        values = expect_stream(cls.name, types[1], "values", Kind.VAL)
        return (refs.of(Kind.VAL, values.element_type),)


@irdl_op_definition
class ExtentOp(IRDLOperation):
    """
    The size of a tensor's dimension, in units of blocks for a blocked format.

    `%n = sam.extent %A dimension 0 : tensor<..>`
    """

    name = "sam.extent"

    tensor = operand_def(AnyTensorTypeConstr)
    dimension = prop_def(IntegerAttr[IndexType])
    extent = result_def(IndexType)

    traits = traits_def(Pure())
    assembly_format = "$tensor `dimension` $dimension attr-dict `:` type($tensor)"

    def __init__(self, tensor: SSAValue, dimension: int):
        super().__init__(
            operands=[tensor],
            properties={"dimension": index_attribute(dimension)},
            result_types=[IndexType()],
        )

    def verify_(self) -> None:
        tensor = expect_tensor(self.name, self.tensor.type)
        rank, dimension = tensor.get_num_dims(), self.dimension.value.data
        if not 0 <= dimension < rank:
            raise VerifyException(
                f"'{self.name}' needs dimension {dimension} of {tensor}, "
                f"which has {rank} dimensions"
            )


def known_extent(value: SSAValue) -> int | None:
    """The number that `value` is known to be; None if it is unknown."""
    match value.owner:
        case ConstantOp(value=IntegerAttr() as number):
            return number.value.data
        case ExtentOp(tensor=tensor, dimension=dimension) as op:
            return blocks(expect_tensor(op.name, tensor.type), dimension.value.data)
        case _:
            return None


def counts_blocks(value: SSAValue) -> bool:
    """Whether `value` is the extent of a dimension whose blocks have more than one element."""
    op = value.owner
    if not isinstance(op, ExtentOp):
        return False
    block = format_of(op.tensor.type).block
    return bool(block) and block[op.dimension.value.data] > 1


def blocks(tensor: TensorType[Attribute], dimension: int) -> int | None:
    """How many blocks lie along a dimension, elements if there are no blocks; None if unknown."""
    size, block = tensor.get_shape()[dimension], format_of(tensor).block
    return None if size < 0 else -(-size // (block[dimension] if block else 1))
