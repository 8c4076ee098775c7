"""
The `sam` operations that change the structure of streams: which fibers and tokens there are.

Source: "The Sparse Abstract Machine", ASPLOS 2023, sections 4.4 and 4.6 (droppers, bit vectors).
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IndexType, IntegerAttr, StringAttr
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import SpacedOpaqueSyntaxAttribute, SSAValue
from xdsl.irdl import (
    base,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from headrace.dialects.sam_access import axis_name
from headrace.dialects.sam_operation import (
    expect_depth,
    expect_index,
    expect_inside,
    expect_same_axes,
    expect_stream,
    push_axis,
    stack,
)
from headrace.dialects.sam_types import Kind, StreamType
from headrace.dialects.stream_operation import Properties, StreamOperation, Types, index_attribute


class Empty(StrEnum):
    """What becomes of an empty fiber."""

    KEEP = "keep"
    DROP = "drop"


@irdl_attr_definition
class EmptyAttr(EnumAttribute[Empty], SpacedOpaqueSyntaxAttribute):
    """What becomes of an empty fiber."""

    name = "sam.empty"


@irdl_op_definition
class CoordinateDropOp(StreamOperation):
    """
    Removes outer coordinates whose inner fiber is empty; the inner stream passes unchanged.

    The two results line up again in a writer or accumulator that ignores empty fibers.

    `%i, %j = sam.coordinate_drop %0, %1 : !sam.stream<crd, index, [i]>, !sam.stream<..>`
    """

    name = "sam.coordinate_drop"

    outer = operand_def(StreamType)
    inner = operand_def(StreamType)
    out_outer = result_def(StreamType)
    out_inner = result_def(StreamType)

    def __init__(self, outer: SSAValue, inner: SSAValue):
        super().__init__(outer, inner)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        outer = expect_stream(cls.name, types[0], "outer", Kind.CRD)
        inner = expect_stream(cls.name, types[1], "inner", Kind.CRD, Kind.VAL)
        expect_depth(cls.name, outer, "outer coordinates")
        expect_inside(cls.name, outer, inner)
        return outer, inner


@irdl_op_definition
class CoordinateHoldOp(StreamOperation):
    """
    Each outer coordinate once for every inner one, with the stops of the inner stream.

    `%i, %j = sam.coordinate_hold %0, %1 : !sam.stream<crd, index, [i]>, !sam.stream<..>`
    """

    name = "sam.coordinate_hold"

    outer = operand_def(StreamType)
    inner = operand_def(StreamType)
    out_outer = result_def(StreamType)
    out_inner = result_def(StreamType)

    def __init__(self, outer: SSAValue, inner: SSAValue):
        super().__init__(outer, inner)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        outer = expect_stream(cls.name, types[0], "outer", Kind.CRD)
        inner = expect_stream(cls.name, types[1], "inner", Kind.CRD)
        expect_depth(cls.name, outer, "outer coordinates")
        expect_inside(cls.name, outer, inner)
        return inner, inner


@irdl_op_definition
class ValueDropOp(StreamOperation):
    """
    Removes zero values and their coordinates; fibers that become empty are kept or dropped.

    `%v, %j = sam.value_drop %0, %1 empty keep : !sam.stream<val, f64, [j]>, !sam.stream<..>`
    """

    name = "sam.value_drop"

    val = operand_def(StreamType)
    crd = operand_def(StreamType)
    empty = prop_def(EmptyAttr)
    out_val = result_def(StreamType)
    out_crd = result_def(StreamType)

    def __init__(self, val: SSAValue, crd: SSAValue, empty: Empty | str = Empty.KEEP):
        super().__init__(val, crd, empty=EmptyAttr(Empty(empty)))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        val = expect_stream(cls.name, types[0], "val", Kind.VAL)
        crd = expect_stream(cls.name, types[1], "crd", Kind.CRD)
        expect_depth(cls.name, val, "values")
        expect_same_axes(cls.name, [val, crd])
        return val, crd


class Stops(StrEnum):
    """Which stops are dropped."""

    ALL = "all"
    EMPTY = "empty"


@irdl_attr_definition
class StopsAttr(EnumAttribute[Stops], SpacedOpaqueSyntaxAttribute):
    """Which stops are dropped."""

    name = "sam.stops"


@irdl_op_definition
class StopDropOp(StreamOperation):
    """
    Removes all stops, which leaves a list of points (no axes), or those of empty fibers.

    `%0 = sam.stop_drop %crd mode empty : !sam.stream<crd, index, [i, j]>`
    """

    name = "sam.stop_drop"

    stream = operand_def(StreamType)
    mode = prop_def(StopsAttr)
    result = result_def(StreamType)

    def __init__(self, stream: SSAValue, mode: Stops | str):
        super().__init__(stream, mode=StopsAttr(Stops(mode)))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input", Kind.CRD, Kind.REF, Kind.VAL)
        expect_depth(cls.name, stream, "a stream")
        mode = properties["mode"]
        assert isinstance(mode, StopsAttr)
        if mode.data is Stops.EMPTY:
            return (stream,)
        return (StreamType(stream.kind.data, stream.element_type, ()),)


class Predicate(StrEnum):
    """A comparison of an outer with an inner coordinate."""

    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    EQ = "eq"
    NE = "ne"


@irdl_attr_definition
class PredicateAttr(EnumAttribute[Predicate], SpacedOpaqueSyntaxAttribute):
    """A comparison of an outer with an inner coordinate."""

    name = "sam.predicate"


@irdl_op_definition
class MaskOp(StreamOperation):
    """
    Removes inner coordinates where `outer predicate inner` holds.

    A fiber that becomes empty disappears together with its outer coordinate.

    `%i, %j, %r = sam.mask %0, %1, %2 predicate gt : ..` keeps the upper triangle
    """

    name = "sam.mask"

    outer = operand_def(StreamType)
    inner = operand_def(StreamType)
    ref = operand_def(StreamType)
    predicate = prop_def(PredicateAttr)
    out_outer = result_def(StreamType)
    out_inner = result_def(StreamType)
    out_ref = result_def(StreamType)

    def __init__(self, outer: SSAValue, inner: SSAValue, ref: SSAValue, predicate: Predicate | str):
        super().__init__(outer, inner, ref, predicate=PredicateAttr(Predicate(predicate)))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        outer = expect_stream(cls.name, types[0], "outer", Kind.CRD)
        inner = expect_stream(cls.name, types[1], "inner", Kind.CRD)
        ref = expect_stream(cls.name, types[2], "ref", Kind.REF, Kind.VAL)
        expect_depth(cls.name, outer, "outer coordinates")
        expect_inside(cls.name, outer, inner)
        expect_same_axes(cls.name, [inner, ref])
        return outer, inner, ref


@irdl_op_definition
class PointsToFibersOp(StreamOperation):
    """
    A list of points (two streams without stops) to fibers of the second for each of the first.

    `%i, %j = sam.points_to_fibers %0, %1 outer_axis i inner_axis j : ..`
    """

    name = "sam.points_to_fibers"

    outer = operand_def(StreamType)
    inner = operand_def(StreamType)
    outer_axis = prop_def(StringAttr)
    inner_axis = prop_def(StringAttr)
    out_outer = result_def(StreamType)
    out_inner = result_def(StreamType)

    def __init__(self, outer: SSAValue, inner: SSAValue, outer_axis: str, inner_axis: str):
        super().__init__(
            outer, inner, outer_axis=StringAttr(outer_axis), inner_axis=StringAttr(inner_axis)
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        points = [expect_stream(cls.name, type, "points", Kind.CRD) for type in types]
        for stream in points:
            if stream.depth:
                raise VerifyException(
                    f"'{cls.name}' needs points without axes, but got {stack(stream)}; "
                    "put 'sam.stop_drop' with mode all in front"
                )
        outer = push_axis(cls.name, points[0], axis_name(properties, "outer_axis"))
        return outer, push_axis(cls.name, outer, axis_name(properties, "inner_axis"))


def expect_positive(operation: str, properties: Properties, name: str) -> int:
    """A property that counts something, at least 1."""
    count = properties[name]
    assert isinstance(count, IntegerAttr)
    if count.value.data < 1:
        raise VerifyException(
            f"'{operation}' needs {name} of at least 1, but got {count.value.data}"
        )
    return count.value.data


@irdl_op_definition
class SplitOp(StreamOperation):
    """
    Splits an axis into blocks: coordinates `crd / factor`, and inside them `crd mod factor`.

    `%o, %i = sam.split %0 factor 4 outer_axis io inner_axis ii : !sam.stream<crd, index, [i]>`
    """

    name = "sam.split"

    crd = operand_def(StreamType)
    factor = prop_def(IntegerAttr[IndexType])
    outer_axis = prop_def(StringAttr)
    inner_axis = prop_def(StringAttr)
    out_outer = result_def(StreamType)
    out_inner = result_def(StreamType)

    def __init__(self, crd: SSAValue, factor: int, outer_axis: str, inner_axis: str):
        super().__init__(
            crd,
            factor=index_attribute(factor),
            outer_axis=StringAttr(outer_axis),
            inner_axis=StringAttr(inner_axis),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        crd = expect_stream(cls.name, types[0], "crd", Kind.CRD)
        expect_depth(cls.name, crd, "coordinates")
        expect_positive(cls.name, properties, "factor")
        outer = push_axis(cls.name, crd.pop(), axis_name(properties, "outer_axis"))
        return outer, push_axis(cls.name, outer, axis_name(properties, "inner_axis"))


@irdl_op_definition
class FlattenOp(StreamOperation):
    """
    Joins two axes into one: coordinates `outer * factor + inner`.

    `%0 = sam.flatten %o, %i factor 4 axis i : !sam.stream<..>, !sam.stream<..>`
    """

    name = "sam.flatten"

    outer = operand_def(StreamType)
    inner = operand_def(StreamType)
    factor = prop_def(IntegerAttr[IndexType])
    axis = prop_def(StringAttr)
    crd = result_def(StreamType)

    def __init__(self, outer: SSAValue, inner: SSAValue, factor: int, axis: str):
        super().__init__(outer, inner, factor=index_attribute(factor), axis=StringAttr(axis))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        outer = expect_stream(cls.name, types[0], "outer", Kind.CRD)
        inner = expect_stream(cls.name, types[1], "inner", Kind.CRD)
        expect_depth(cls.name, outer, "outer coordinates")
        expect_inside(cls.name, outer, inner)
        expect_positive(cls.name, properties, "factor")
        return (push_axis(cls.name, outer.pop(), axis_name(properties)),)


@irdl_op_definition
class BitvectorBuildOp(StreamOperation):
    """
    One word for each fiber that is not empty, with bit c set for each coordinate c.

    `%bv = sam.bitvector_build %crd : !sam.stream<crd, index, [i]>`
    """

    name = "sam.bitvector_build"

    crd = operand_def(StreamType)
    bv = result_def(StreamType)

    def __init__(self, crd: SSAValue):
        super().__init__(crd)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        crd = expect_stream(cls.name, types[0], "crd", Kind.CRD)
        expect_depth(cls.name, crd, "coordinates")
        return (crd.of(Kind.BV),)


@irdl_op_definition
class BitvectorChunkOp(StreamOperation):
    """
    Splits each word of `size` bits into words of `width` bits, lowest bits first.

    The references count the bits of the word that are set before the chunk.

    `%b, %r = sam.bitvector_chunk %bv width 4 size 8 : !sam.stream<bv, index, [i]>`
    """

    name = "sam.bitvector_chunk"

    bv = operand_def(StreamType)
    width = prop_def(IntegerAttr[IndexType])
    size = prop_def(IntegerAttr[IndexType])
    out_bv = result_def(StreamType)
    out_ref = result_def(StreamType)

    def __init__(self, bv: SSAValue, width: int, size: int):
        super().__init__(bv, width=index_attribute(width), size=index_attribute(size))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        bv = expect_stream(cls.name, types[0], "bv", Kind.BV)
        expect_depth(cls.name, bv, "words")
        expect_positive(cls.name, properties, "width")
        expect_positive(cls.name, properties, "size")
        return bv, bv.of(Kind.REF)


@irdl_op_definition
class BitvectorIntersectOp(StreamOperation):
    """
    The common bits of two words, and for each common bit its reference in both operands.

    `%b, %r0, %r1 = sam.bitvector_intersect %bv0, %ref0, %bv1, %ref1 : ..`
    """

    name = "sam.bitvector_intersect"

    bv0 = operand_def(StreamType)
    ref0 = operand_def(StreamType)
    bv1 = operand_def(StreamType)
    ref1 = operand_def(StreamType)
    out_bv = result_def(StreamType)
    out_ref0 = result_def(StreamType)
    out_ref1 = result_def(StreamType)

    def __init__(self, bv0: SSAValue, ref0: SSAValue, bv1: SSAValue, ref1: SSAValue):
        super().__init__(bv0, ref0, bv1, ref1)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        words = [expect_stream(cls.name, type, "words", Kind.BV) for type in types[::2]]
        refs = [expect_stream(cls.name, type, "refs", Kind.REF) for type in types[1::2]]
        expect_depth(cls.name, words[0], "words")
        expect_same_axes(cls.name, [*words, *refs])
        return words[0], *refs


@irdl_op_definition
class BitvectorDropOp(StreamOperation):
    """
    Clears outer bits whose inner fiber has no bit set, and drops those fibers.

    `%o, %i = sam.bitvector_drop %0, %1 : !sam.stream<bv, index, [i]>, !sam.stream<..>`
    """

    name = "sam.bitvector_drop"

    outer = operand_def(StreamType)
    inner = operand_def(StreamType)
    out_outer = result_def(StreamType)
    out_inner = result_def(StreamType)

    def __init__(self, outer: SSAValue, inner: SSAValue):
        super().__init__(outer, inner)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        outer = expect_stream(cls.name, types[0], "outer", Kind.BV)
        inner = expect_stream(cls.name, types[1], "inner", Kind.BV)
        expect_depth(cls.name, outer, "outer words")
        expect_inside(cls.name, outer, inner)
        return outer, inner


@irdl_op_definition
class ConcatOp(StreamOperation):
    """
    Appends fiber to fiber.

    Coordinates are shifted by the extents of the streams before; other streams have no extents.

    `%0 = sam.concat %a, %b, %n, %m : !sam.stream<crd, index, [i]>, .., index, index`
    """

    name = "sam.concat"

    inputs = var_operand_def(base(StreamType) | base(IndexType))
    result = result_def(StreamType)

    def __init__(self, streams: Sequence[SSAValue], extents: Sequence[SSAValue] = ()):
        super().__init__(*streams, *extents)

    @property
    def streams(self) -> tuple[SSAValue, ...]:
        """What is appended, in order."""
        return tuple(value for value in self.inputs if isinstance(value.type, StreamType))

    @property
    def extents(self) -> tuple[SSAValue, ...]:
        """The extent of each coordinate stream; empty for references and values."""
        return tuple(value for value in self.inputs if isinstance(value.type, IndexType))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        count = sum(isinstance(type, StreamType) for type in types)
        streams = [
            expect_stream(cls.name, type, "input", Kind.CRD, Kind.REF, Kind.VAL)
            for type in types[: max(count, 1)]
        ]
        expect_depth(cls.name, streams[0], "streams")
        for stream in streams[1:]:
            if stream != streams[0]:
                raise VerifyException(
                    f"'{cls.name}' needs streams of one type, but got {streams[0]} and {stream}"
                )
        expect_index(cls.name, types[count:])
        wanted = count if streams[0].kind.data is Kind.CRD else 0
        if len(types) - count != wanted:
            raise VerifyException(
                f"'{cls.name}' of {count} {streams[0].kind.data} streams takes {wanted} extents, "
                f"but got {len(types) - count}"
            )
        return (streams[0],)
