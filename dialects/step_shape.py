"""
The `step` operations that change the shape of a stream, not its elements.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 3.2 (shape operators).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, StringAttr, TupleType, UnitAttr, i1
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Attribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
    var_result_def,
)
from xdsl.pattern_rewriter import RewritePattern
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_operation import (
    StepOperation,
    expect_assumed,
    expect_copies,
    expect_level,
    expect_positive,
    expect_same_shape,
    expect_stream,
    flag_attribute,
    folded,
    integer_attribute,
    integer_in,
    listed,
    name_attribute,
    name_in,
    optional_names,
)
from headrace.dialects.step_types import BufferType, SelectorType, StreamType, elements_of
from headrace.dialects.stream_operation import Properties, Types


@irdl_op_definition
class FlattenOp(StepOperation, HasCanonicalizationPatternsInterface):
    """
    The levels `min` to `max` become one: [2, 3, 4] with min 0, max 1 becomes [2, 12].

    The sum of a ragged size is a total where it becomes the outermost, else it is named by `dim`.

    `%y = step.flatten %x min 0 max 1 : !step.stream<.., [2, 3, 4]>`
    """

    name = "step.flatten"

    input = operand_def(StreamType)
    min = prop_def(IntegerAttr)
    max = prop_def(IntegerAttr)
    dim = opt_prop_def(StringAttr)
    assumed_names = opt_prop_def(ArrayAttr, prop_name="assumed")
    result = result_def(StreamType)

    def __init__(
        self,
        input: SSAValue,
        *,
        min: int,
        max: int,
        dim: str | int | None = None,
        assumed: Sequence[str] = (),
    ):
        super().__init__(
            input,
            min=integer_attribute(min),
            max=integer_attribute(max),
            dim=name_attribute(dim),
            assumed=optional_names(assumed),
        )

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from headrace.passes.canonicalization.step import flatten_patterns

        return flatten_patterns()

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input")
        low, high = integer_in(properties, "min"), integer_in(properties, "max")
        if not 0 <= low <= high <= stream.rank:
            raise VerifyException(
                f"'{cls.name}' has min {low} and max {high}, but a stream of shape "
                f"{listed(stream.dimensions)} has the levels 0 to {stream.rank}"
            )
        end = len(stream.dimensions) - low
        *merged, inner = stream.dimensions[stream.rank - high : end]
        name = name_in(properties, "dim")
        expect_assumed(cls.name, properties, [name] if name else [])
        size = folded(cls.name, merged, inner, high == stream.rank, name)
        outer = stream.dimensions[: stream.rank - high]
        return (stream.of(dimensions=(*outer, size, *stream.dimensions[end:])),)


@irdl_op_definition
class ReshapeOp(StepOperation):
    """
    Cuts lists of level `rank` into chunks; second, 1 where an element is padding.

    [~r, e0] with rank 0 and chunk 4 becomes [~r, ceil(e0, 4), 4]: every innermost list is padded at
    its end, with zeros that are no valid rows. Of a rank above 0 the size must be static and
    divisible. `outer` adds an outermost size, 1 unless the stream is empty (rank 0 only).

    `%y, %padding = step.reshape %x rank 0 chunk 4 : !step.stream<.., [e0]>`
    """

    name = "step.reshape"

    input = operand_def(StreamType)
    rank = prop_def(IntegerAttr)
    chunk = prop_def(IntegerAttr)
    outer = opt_prop_def(UnitAttr)
    write_back = opt_prop_def(UnitAttr)
    result = result_def(StreamType)
    padding = result_def(StreamType)

    def __init__(
        self,
        input: SSAValue,
        *,
        rank: int = 0,
        chunk: int,
        outer: bool = False,
        write_back: bool = False,
    ):
        super().__init__(
            input,
            rank=integer_attribute(rank),
            chunk=integer_attribute(chunk),
            outer=flag_attribute(outer),
            write_back=flag_attribute(write_back),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_positive(cls.name, properties, "chunk")
        stream = expect_stream(cls.name, types[0], "input")
        rank, chunk = integer_in(properties, "rank"), integer_in(properties, "chunk")
        expect_level(cls.name, stream, rank, 0)
        at = stream.rank - rank
        size = stream.dimensions[at]
        if rank and (not size.is_static or size.value % chunk):
            raise VerifyException(
                f"'{cls.name}' cuts the size {size} of level {rank} into chunks of {chunk}, but "
                "above level 0 nothing is padded: the size must be static and divisible"
            )
        padded = not size.is_static or size.value % chunk > 0
        unpaddable = [e for e in elements_of(stream.element_type) if not _has_zero(e)]
        if padded and unpaddable:
            raise VerifyException(
                f"'{cls.name}' may have to pad with {unpaddable[0]}, of which none is empty; cut "
                "into chunks that divide a static size"
            )
        outer: tuple[Dimension, ...] = ()
        if "outer" in properties:
            if stream.rank:
                raise VerifyException(
                    f"'{cls.name}' adds an outer size to streams of rank 0 only, but got "
                    f"{listed(stream.dimensions)}; use step.promote"
                )
            outer = (size.positive(),)
        chunks = (size.ceil_divide(chunk), Dimension.of(chunk))
        shape = (*outer, *stream.dimensions[:at], *chunks, *stream.dimensions[at + 1 :])
        return stream.of(dimensions=shape), stream.of(i1, shape)


def _has_zero(element: Attribute) -> bool:
    """Whether there is an element that padding can be."""
    if isinstance(element, SelectorType):
        return not element.hot
    return not isinstance(element, BufferType)


@irdl_op_definition
class PromoteOp(StepOperation):
    """
    One more level: outermost, which is 1 unless the stream is empty; or a 1 at level `rank`.

    [e0] becomes [positive(e0), e0]; with rank 0 it becomes [e0, 1].

    `%y = step.promote %x rank 0 : !step.stream<.., [e0]>`
    """

    name = "step.promote"

    input = operand_def(StreamType)
    rank = opt_prop_def(IntegerAttr)
    result = result_def(StreamType)

    def __init__(self, input: SSAValue, *, rank: int | None = None):
        super().__init__(input, rank=integer_attribute(rank))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input")
        sizes = stream.dimensions
        if "rank" not in properties:
            return (stream.of(dimensions=(sizes[0].positive(), *sizes)),)
        rank = integer_in(properties, "rank")
        expect_level(cls.name, stream, rank, 0)
        at = len(sizes) - rank
        return (stream.of(dimensions=(*sizes[:at], 1, *sizes[at:])),)


@irdl_op_definition
class ExpandOp(StepOperation):
    """
    Repeats each element of the input for one unit of `ref`: [e0, 1] by [e0, ~r] becomes [e0, ~r].

    `rank` is the level of the units; the input has the sizes of `ref` above it, and 1 below.

    `%y = step.expand %x, %ref rank 1 : !step.stream<.., [e0, 1]>, !step.stream<.., [e0, ~r]>`
    """

    name = "step.expand"

    input = operand_def(StreamType)
    ref = operand_def(StreamType)
    rank = prop_def(IntegerAttr)
    result = result_def(StreamType)

    def __init__(self, input: SSAValue, ref: SSAValue, *, rank: int):
        super().__init__(input, ref, rank=integer_attribute(rank))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input")
        ref = expect_stream(cls.name, types[1], "ref")
        rank = integer_in(properties, "rank")
        expect_level(cls.name, ref, rank, 1)
        outer = ref.dimensions[:-rank]
        if stream.dimensions != (*outer, *[Dimension.of(1)] * rank):
            wanted = listed((*outer, *[1] * rank))
            raise VerifyException(
                f"'{cls.name}' of rank {rank} by a ref {listed(ref.dimensions)} takes an input "
                f"{wanted}, whose {rank} inner sizes are 1, but got {listed(stream.dimensions)}; "
                "step.promote rank 0 adds a size of 1"
            )
        return (ref.of(stream.element_type),)


@irdl_op_definition
class RepeatOp(StepOperation):
    """
    Each element in a list of `factor` copies: [e0] becomes [e0, factor].

    `%y = step.repeat %x factor 4 : !step.stream<.., [e0]>`
    """

    name = "step.repeat"

    input = operand_def(StreamType)
    factor = prop_def(IntegerAttr)
    result = result_def(StreamType)

    def __init__(self, input: SSAValue, *, factor: int):
        super().__init__(input, factor=integer_attribute(factor))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_positive(cls.name, properties, "factor")
        stream = expect_stream(cls.name, types[0], "input")
        return (stream.of(dimensions=(*stream.dimensions, integer_in(properties, "factor"))),)


@irdl_op_definition
class ZipOp(StepOperation):
    """
    Tuples of the elements of streams of one shape.

    `%y = step.zip %0, %1 : !step.stream<index, [e0]>, !step.stream<index, [e0]>`
    """

    name = "step.zip"

    inputs = var_operand_def(StreamType)
    result = result_def(StreamType)

    def __init__(self, *inputs: SSAValue):
        super().__init__(*inputs)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        streams = [expect_stream(cls.name, type, "input") for type in types]
        if len(streams) < 2:
            raise VerifyException(f"'{cls.name}' takes two inputs or more, but got {len(streams)}")
        expect_same_shape(cls.name, streams)
        elements = tuple(cast(TypeAttribute, stream.element_type) for stream in streams)
        return (streams[0].of(TupleType(elements)),)


@irdl_op_definition
class BroadcastOp(StepOperation, HasCanonicalizationPatternsInterface):
    """
    The same stream for each of `consumers` readers: a stream is read once.

    `%0, %1 = step.broadcast %x consumers 2 : !step.stream<.., [e0]>`
    """

    name = "step.broadcast"

    input = operand_def(StreamType)
    consumers = prop_def(IntegerAttr)
    outputs = var_result_def(StreamType)

    def __init__(self, input: SSAValue, *, consumers: int):
        super().__init__(input, consumers=integer_attribute(consumers))

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from headrace.passes.canonicalization.step import broadcast_patterns

        return broadcast_patterns()

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        consumers = expect_copies(cls.name, properties, "consumers")
        stream = expect_stream(cls.name, types[0], "input")
        return (stream,) * consumers
