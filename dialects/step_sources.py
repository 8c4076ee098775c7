"""
The `step` operations that make selectors, integers and addresses, and the one that takes anything.

Source: "Streaming Tensor Programs", arXiv 2511.07776; the reference front end calls them
SelectGen, MetadataGen, ExpertAddrGen, CacheReadAddrGen, FilterLastTile and Consumer.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    ArrayAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_operation import (
    StepOperation,
    expect_assumed,
    expect_positive,
    expect_same_shape,
    expect_stream,
    integer_attribute,
    integer_in,
    name_attribute,
    name_in,
    named_size,
    optional_names,
)
from headrace.dialects.step_types import SelectorType, StreamType
from headrace.dialects.stream_operation import Properties, Types, expect_tensor


def _expect_integers(operation: str, type: Attribute) -> tuple[int, ...]:
    """The sizes of a tensor of integers."""
    tensor = expect_tensor(operation, type)
    whole = isinstance(tensor.element_type, IntegerType | IndexType)
    if not whole or not tensor.has_static_shape():
        raise VerifyException(
            f"'{operation}' reads integers from a tensor of a known shape, but got {tensor}"
        )
    return tensor.get_shape()


@irdl_op_definition
class SelectOp(StepOperation):
    """
    Selectors from a tensor [.., n] of 0 and 1: as a load without a ref, [1, ..].

    `hot k` says that each row has k ones.

    `%s = step.select %t hot 2 : tensor<64x8xi1>`
    """

    name = "step.select"

    tensor = operand_def(TensorType)
    hot = opt_prop_def(IntegerAttr)
    result = result_def(StreamType)

    def __init__(self, tensor: SSAValue, *, hot: int | None = None):
        super().__init__(tensor, hot=integer_attribute(hot))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        sizes = _expect_integers(cls.name, types[0])
        if not sizes:
            raise VerifyException(f"'{cls.name}' needs a row of 0 and 1, but got {types[0]}")
        hot = integer_in(properties, "hot") if "hot" in properties else None
        return (StreamType(SelectorType(sizes[-1], hot), (1, *sizes[:-1])),)


@irdl_op_definition
class IntegersOp(StepOperation):
    """
    The integers of a tensor: as a load without a ref, [1, ..].

    `%lengths = step.integers %t : tensor<16xi64>`
    """

    name = "step.integers"

    tensor = operand_def(TensorType)
    result = result_def(StreamType)

    def __init__(self, tensor: SSAValue):
        super().__init__(tensor)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        return (StreamType(IndexType(), (1, *_expect_integers(cls.name, types[0]))),)


@irdl_op_definition
class ExpertAddressOp(StepOperation):
    """
    The addresses of the tiles of the selected expert, each in a list of its own.

    Expert e has the `tiles` addresses base + e * tiles + k: [4] becomes [4, tiles, 1].

    `%a = step.expert_address %s tiles 16 : !step.stream<!step.selector<8, hot 1>, [4]>`
    """

    name = "step.expert_address"

    selector = operand_def(StreamType)
    tiles = prop_def(IntegerAttr)
    base = opt_prop_def(IntegerAttr)
    result = result_def(StreamType)

    def __init__(self, selector: SSAValue, *, tiles: int, base: int = 0):
        super().__init__(selector, tiles=integer_attribute(tiles), base=integer_attribute(base, 0))

    @property
    def last(self) -> int:
        """The address of the last tile of the last expert."""
        stream = expect_stream(self.name, self.selector.type, "selector", SelectorType)
        assert isinstance(stream.element_type, SelectorType)
        return self.integer("base") + stream.element_type.width * self.integer("tiles") - 1

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_positive(cls.name, properties, "tiles")
        stream = expect_stream(cls.name, types[0], "selector", SelectorType)
        selector = stream.element_type
        if isinstance(selector, SelectorType) and selector.hot != 1:
            raise VerifyException(
                f"'{cls.name}' takes selectors of one expert (hot 1), but got {selector}"
            )
        if integer_in(properties, "base") < 0:
            raise VerifyException(f"'{cls.name}' has a base below 0")
        sizes = (*stream.dimensions, integer_in(properties, "tiles"), 1)
        return (StreamType(IndexType(), sizes),)


class LengthOperation(StepOperation):
    """Makes a list of a given length for each integer, a ragged size that `dim` names."""

    @classmethod
    def _list(cls, properties: Properties) -> Dimension:
        """The ragged size."""
        name = name_in(properties, "dim") or ""
        expect_assumed(cls.name, properties, [name])
        return named_size(cls.name, name, ragged=True)


@irdl_op_definition
class CacheReadAddressOp(LengthOperation):
    """
    The addresses of the tiles of a request: index * row_tiles + 0, 1, .. length - 1.

    `dim` names the ragged length: [e0] becomes [e0, ~dim]; operations on equal lengths name it
    alike.

    `%a = step.cache_read_address %index, %length row_tiles 146 dim tiles : ..`
    """

    name = "step.cache_read_address"

    index = operand_def(StreamType)
    length = operand_def(StreamType)
    row_tiles = prop_def(IntegerAttr)
    dim = prop_def(StringAttr)
    assumed_names = opt_prop_def(ArrayAttr, prop_name="assumed")
    result = result_def(StreamType)

    def __init__(
        self,
        index: SSAValue,
        length: SSAValue,
        *,
        row_tiles: int,
        dim: str | int,
        assumed: Sequence[str] = (),
    ):
        super().__init__(
            index,
            length,
            row_tiles=integer_attribute(row_tiles),
            dim=name_attribute(dim),
            assumed=optional_names(assumed),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_positive(cls.name, properties, "row_tiles")
        index = expect_stream(cls.name, types[0], "index", IndexType)
        length = expect_stream(cls.name, types[1], "length", IndexType)
        expect_same_shape(cls.name, [index, length])
        return (index.of(dimensions=(*index.dimensions, cls._list(properties))),)


@irdl_op_definition
class FilterLastOp(LengthOperation):
    """
    For each length a list of selectors that tells the last element: {1}, .. {1}, {0}.

    `dim` names the ragged length: [e0] becomes [e0, ~dim].

    `%s = step.filter_last %length dim tiles : !step.stream<index, [e0]>`
    """

    name = "step.filter_last"

    length = operand_def(StreamType)
    dim = prop_def(StringAttr)
    assumed_names = opt_prop_def(ArrayAttr, prop_name="assumed")
    result = result_def(StreamType)

    def __init__(self, length: SSAValue, *, dim: str | int, assumed: Sequence[str] = ()):
        super().__init__(length, dim=name_attribute(dim), assumed=optional_names(assumed))

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        length = expect_stream(cls.name, types[0], "length", IndexType)
        sizes = (*length.dimensions, cls._list(properties))
        return (StreamType(SelectorType(2, hot=1), sizes),)


@irdl_op_definition
class SinkOp(StepOperation):
    """
    Takes a stream that nothing else reads; it stays, and with it what makes the stream.

    `step.sink %x : !step.stream<index, [e0]>`
    """

    name = "step.sink"

    input = operand_def(StreamType)

    traits = traits_def(MemoryWriteEffect())

    def __init__(self, input: SSAValue):
        super().__init__(input)

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        expect_stream(cls.name, types[0], "input")
        return ()
