"""
The `step` operations on memory: tiles from and to off-chip tensors, buffers on chip.

An off-chip tensor is a matrix (all but its last size are rows) and is read and written in tiles; a
tile has an address, its place in the order of rows of tiles.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 3.2 (tables of off-chip and on-chip
operators).
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, TensorType, i1
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, SpacedOpaqueSyntaxAttribute, SSAValue
from xdsl.irdl import (
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from headrace.dialects.step_dimension import Dimension, product
from headrace.dialects.step_operation import (
    StepOperation,
    expect_addresses,
    expect_affine,
    expect_level,
    expect_positive,
    expect_same_shape,
    expect_stream,
    expect_tile,
    integer_attribute,
    integer_in,
    listed,
    tensor_like,
)
from headrace.dialects.step_types import BufferType, StreamType, TileType
from headrace.dialects.stream_operation import (
    Properties,
    Types,
    integers_attribute,
    integers_of,
)


@irdl_op_definition
class LoadOp(StepOperation):
    """
    Reads tiles by an affine pattern, once for each element of `ref`; without one, once.

    Of a tensor of 1 x 4 tiles, `shape [1, 4]` in tiles with `strides [4, 1]` reads a row for each
    of e0 references: shape [e0, 1, 4]. A stride of 0 reads again, as traffic. `dispatch` requests
    are sent in one cycle (1 unless given).

    `%w = step.load %W, %r tile [64, 64] strides [4, 1] shape [1, 4] : tensor<64x256xf32>, ..`
    """

    name = "step.load"

    tensor = operand_def(TensorType)
    ref = opt_operand_def(StreamType)
    tile = prop_def(ArrayAttr)
    strides = prop_def(ArrayAttr)
    shape = prop_def(ArrayAttr)
    dispatch = opt_prop_def(IntegerAttr)
    result = result_def(StreamType)

    def __init__(
        self,
        tensor: SSAValue,
        ref: SSAValue | None = None,
        *,
        tile: Sequence[int],
        strides: Sequence[int] | None = None,
        shape: Sequence[int] | None = None,
        dispatch: int = 1,
    ):
        """Without strides and shape: all tiles in the order of their addresses."""
        if strides is None or shape is None:
            tiles = expect_tile(self.name, tensor.type, tile)
            strides, shape = (tiles[1], 1), tiles
        super().__init__(
            *((tensor,) if ref is None else (tensor, ref)),
            tile=integers_attribute(tile),
            strides=integers_attribute(strides),
            shape=integers_attribute(shape),
            dispatch=integer_attribute(dispatch, 1),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_positive(cls.name, properties, "dispatch")
        tile = integers_of(properties["tile"])
        below, beside = expect_tile(cls.name, types[0], tile)
        shape = integers_of(properties["shape"])
        strides = integers_of(properties["strides"])
        expect_affine(cls.name, strides, shape, below * beside, str(types[0]))
        element = TileType(tensor_like(types[0]).element_type, tile[0], tile[1])
        ref = expect_stream(cls.name, types[1], "ref").dimensions if len(types) > 1 else (1,)
        return (StreamType(element, (*ref, *shape)),)


@irdl_op_definition
class StoreOp(StepOperation):
    """
    Writes tiles in the order of their addresses: the tensor of type `into`.

    `%t = step.store %y into tensor<64x256xf32> : !step.stream<!step.tile<f32, [64, 64]>, [1, 4]>`
    """

    name = "step.store"

    input = operand_def(StreamType)
    into = prop_def(TensorType)
    dispatch = opt_prop_def(IntegerAttr)
    result = result_def(TensorType)

    def __init__(self, input: SSAValue, *, into: TensorType[Attribute], dispatch: int = 1):
        super().__init__(input, into=into, dispatch=integer_attribute(dispatch, 1))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_positive(cls.name, properties, "dispatch")
        stream = expect_stream(cls.name, types[0], "input", TileType)
        tiles = _expect_stored(cls.name, stream, properties["into"])
        written = product(stream.dimensions)
        if written.is_static and written.value != tiles:
            raise VerifyException(
                f"'{cls.name}' writes {written} tiles, but {properties['into']} has {tiles}"
            )
        return (properties["into"],)


@irdl_op_definition
class RandomLoadOp(StepOperation):
    """
    Reads the tile at each address.

    `%t = step.random_load %W, %a tile [64, 64] : tensor<64x256xf32>, !step.stream<index, [4]>`
    """

    name = "step.random_load"

    tensor = operand_def(TensorType)
    address = operand_def(StreamType)
    tile = prop_def(ArrayAttr)
    dispatch = opt_prop_def(IntegerAttr)
    result = result_def(StreamType)

    def __init__(
        self, tensor: SSAValue, address: SSAValue, *, tile: Sequence[int], dispatch: int = 1
    ):
        super().__init__(
            tensor,
            address,
            tile=integers_attribute(tile),
            dispatch=integer_attribute(dispatch, 1),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_positive(cls.name, properties, "dispatch")
        tile = integers_of(properties["tile"])
        expect_tile(cls.name, types[0], tile)
        address = expect_addresses(cls.name, types[1])
        return (address.of(TileType(tensor_like(types[0]).element_type, tile[0], tile[1])),)


class Acknowledge(StrEnum):
    """Whose stops an acknowledgement carries."""

    ADDRESS = "address"
    DATA = "data"


@irdl_attr_definition
class AcknowledgeAttr(EnumAttribute[Acknowledge], SpacedOpaqueSyntaxAttribute):
    """Whose stops an acknowledgement carries."""

    name = "step.acknowledge"


@irdl_op_definition
class RandomStoreOp(StepOperation):
    """
    Writes each tile at its address: acknowledgements, and the tensor with the tiles replaced.

    An acknowledgement leaves when its tile is written: what waits for it reads the new tile.
    `buffers` tiles wait on chip (1 unless given). Stores of different `region` into one tensor
    claim that they write different tiles, so that their order does not matter; the interpreter
    checks it.

    `%done, %new = step.random_store %T, %a, %t : tensor<64x256xf32>, !step.stream<..>, ..`
    """

    name = "step.random_store"

    tensor = operand_def(TensorType)
    address = operand_def(StreamType)
    data = operand_def(StreamType)
    dispatch = opt_prop_def(IntegerAttr)
    acknowledge = opt_prop_def(AcknowledgeAttr)
    buffers = opt_prop_def(IntegerAttr)
    region = opt_prop_def(IntegerAttr)
    done = result_def(StreamType)
    result = result_def(TensorType)

    def __init__(
        self,
        tensor: SSAValue,
        address: SSAValue,
        data: SSAValue,
        *,
        dispatch: int = 1,
        acknowledge: Acknowledge | str = Acknowledge.ADDRESS,
        buffers: int = 1,
        region: int | None = None,
    ):
        stops = Acknowledge(acknowledge)
        super().__init__(
            tensor,
            address,
            data,
            dispatch=integer_attribute(dispatch, 1),
            acknowledge=AcknowledgeAttr(stops) if stops is Acknowledge.DATA else None,
            buffers=integer_attribute(buffers, 1),
            region=integer_attribute(region),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_positive(cls.name, properties, "dispatch", "buffers")
        address = expect_addresses(cls.name, types[1])
        data = expect_stream(cls.name, types[2], "data", TileType)
        _expect_stored(cls.name, data, types[0])
        expect_same_shape(cls.name, [address, data])
        return address.of(i1), types[0]


def _expect_stored(operation: str, stream: StreamType, tensor: Attribute) -> int:
    """How many tiles of the stream a tensor takes, which must be static and of its elements."""
    tile = stream.element_type
    assert isinstance(tile, TileType)
    if not tile.is_static:
        raise VerifyException(
            f"'{operation}' writes tiles of a static shape, but got {tile}; split it before: "
            "step.flat_map fn split_rows"
        )
    if tensor_like(tensor).element_type != tile.element_type:
        raise VerifyException(f"'{operation}' cannot write {tile} into {tensor}: other numbers")
    return tiles_of(operation, stream, tensor)


def tiles_of(operation: str, stream: StreamType, tensor: Attribute) -> int:
    """How many static tiles like those of a stream a tensor has."""
    tile = stream.element_type
    assert isinstance(tile, TileType)
    below, beside = expect_tile(operation, tensor, (tile.rows.value, tile.columns.value))
    return below * beside


@irdl_op_definition
class BufferizeOp(StepOperation):
    """
    Collects lists of `rank` levels on chip: one handle for each.

    [2, ~r, 4] with rank 2 becomes [2] of buffers [~r, 4].

    `%b = step.bufferize %t rank 1 : !step.stream<!step.tile<f32, [4, 4]>, [2, ~r]>`
    """

    name = "step.bufferize"

    input = operand_def(StreamType)
    rank = prop_def(IntegerAttr)
    result = result_def(StreamType)

    def __init__(self, input: SSAValue, *, rank: int):
        super().__init__(input, rank=integer_attribute(rank))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input")
        rank = integer_in(properties, "rank")
        expect_level(cls.name, stream, rank, 1)
        outer, inner = stream.dimensions[:-rank], stream.dimensions[-rank:]
        for size in inner[1:]:
            if size.is_ragged:
                raise VerifyException(
                    f"'{cls.name}' of rank {rank} would buffer {listed(inner)}, whose inner size "
                    f"{size} is ragged; only the outermost may be: buffer fewer levels, or "
                    "flatten them before"
                )
        return (StreamType(BufferType(stream.element_type, inner), outer),)


@irdl_op_definition
class StreamifyOp(StepOperation):
    """
    Replays buffers: once for each element of `ref`, whose stops of level `rank` change the buffer.

    With ref [2, ~r] and rank 1 buffers [4, 8] of a stream [2] become [2, ~r, 4, 8]. Without a ref,
    `repeat [3, 5]` replays each buffer in three lists of five: [2, 3, 5, 4, 8]. `strides` and
    `shape` read a fully static buffer by an affine pattern, as `step.load` does.

    `%t = step.streamify %b, %ref rank 1 : !step.stream<!step.buffer<..>, [2]>, ..`
    """

    name = "step.streamify"

    buffer = operand_def(StreamType)
    ref = opt_operand_def(StreamType)
    rank = opt_prop_def(IntegerAttr)
    repeat = opt_prop_def(ArrayAttr)
    strides = opt_prop_def(ArrayAttr)
    shape = opt_prop_def(ArrayAttr)
    result = result_def(StreamType)

    def __init__(
        self,
        buffer: SSAValue,
        ref: SSAValue | None = None,
        *,
        rank: int | None = None,
        repeat: Sequence[int] = (),
        strides: Sequence[int] = (),
        shape: Sequence[int] = (),
    ):
        super().__init__(
            *((buffer,) if ref is None else (buffer, ref)),
            rank=integer_attribute(rank),
            repeat=integers_attribute(repeat) if repeat else None,
            strides=integers_attribute(strides) if strides else None,
            shape=integers_attribute(shape) if shape else None,
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "buffer", BufferType)
        buffer = stream.element_type
        assert isinstance(buffer, BufferType)
        repeat = integers_of(properties.get("repeat"))
        if len(types) > 1:
            ref = expect_stream(cls.name, types[1], "ref")
            outer = _expect_replays(cls.name, stream, ref, properties)
        else:
            if "rank" in properties:
                raise VerifyException(f"'{cls.name}' has a rank, but no ref whose levels it counts")
            if min(repeat, default=1) < 1:
                raise VerifyException(f"'{cls.name}' repeats {list(repeat)} times; 1 or more")
            outer = (*stream.dimensions, *map(Dimension.of, repeat))
        return (
            StreamType(buffer.element_type, (*outer, *_expect_read(cls.name, buffer, properties))),
        )


def _expect_replays(
    operation: str, stream: StreamType, ref: StreamType, properties: Properties
) -> tuple[Dimension, ...]:
    """The sizes of the reference, whose outer ones are those of the buffers."""
    if "rank" not in properties or "repeat" in properties:
        raise VerifyException(
            f"'{operation}' with a ref needs the rank of what replays one buffer, and no repeat"
        )
    rank = integer_in(properties, "rank")
    outer = ref.dimensions[: len(ref.dimensions) - rank]
    if rank < 0 or ref.rank != stream.rank + rank or outer != stream.dimensions:
        raise VerifyException(
            f"'{operation}' of rank {rank} takes a ref {listed(stream.dimensions)} with {rank} "
            f"more sizes inside, but got {listed(ref.dimensions)}"
        )
    return ref.dimensions


def _expect_read(
    operation: str, buffer: BufferType, properties: Properties
) -> tuple[Dimension, ...]:
    """The sizes of one replay."""
    strides = integers_of(properties.get("strides"))
    shape = integers_of(properties.get("shape"))
    if not strides and not shape:
        return buffer.dimensions
    if not buffer.is_static:
        raise VerifyException(
            f"'{operation}' reads {buffer} with strides, but only a buffer of static sizes can be "
            "read so; leave strides and shape out to read it in order"
        )
    elements = product(buffer.dimensions).value
    expect_affine(operation, strides, shape, elements, str(buffer))
    return tuple(map(Dimension.of, shape))
