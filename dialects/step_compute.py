"""
The higher-order `step` operations: functions on the elements of streams.

`compute` is the bandwidth of the operation's unit in FLOPs a cycle; without it the function takes
no time. With `write_back` results leave from a memory.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 3.2 (higher-order operators).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    UnitAttr,
)
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
)
from xdsl.pattern_rewriter import RewritePattern
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_functions import (
    ACCUMULATORS,
    EXPANSIONS,
    MAPS,
    SCANS,
    Function,
    FunctionAttr,
    Rule,
    apply,
    refuse,
)
from headrace.dialects.step_operation import (
    StepOperation,
    expect_assumed,
    expect_level,
    expect_positive,
    expect_same_shape,
    expect_stream,
    flag_attribute,
    folded,
    integer_attribute,
    integer_in,
    name_attribute,
    name_in,
    named_size,
    optional_names,
    scalar_in,
)
from headrace.dialects.step_types import StreamType, TileType, elements_of
from headrace.dialects.stream_operation import Properties, Types, scalar_attribute


class ComputeOperation(StepOperation):
    """An operation with a function."""

    inputs = var_operand_def(StreamType)

    TABLE: ClassVar[dict[Function, Rule]]

    @property
    def function(self) -> Function:
        return _function(self.properties)

    @property
    def rule(self) -> Rule:
        """The line of the table of functions."""
        return self.TABLE[self.function]

    @property
    def elements(self) -> tuple[Attribute, ...]:
        """The types of what the function takes: the parts of tuples, too."""
        return _elements([expect_stream(self.name, type, "input") for type in self.operand_types])

    @property
    def flops(self) -> Dimension:
        """Floating-point operations for one element (of the inputs, where several are folded)."""
        return self.rule.flops(self.elements, self._applied(self.elements, self.properties))

    @classmethod
    def _applied(cls, elements: Sequence[Attribute], properties: Properties) -> Attribute:
        return apply(cls.name, cls.TABLE, _function(properties), elements, scalar_in(properties))

    @classmethod
    def _zipped(cls, types: Types) -> list[StreamType]:
        streams = [expect_stream(cls.name, type, "input") for type in types]
        if not streams:
            raise VerifyException(f"'{cls.name}' takes one input or more")
        expect_same_shape(cls.name, streams)
        return streams


def _function(properties: Properties) -> Function:
    fn = properties["fn"]
    assert isinstance(fn, FunctionAttr)
    return fn.data


def _elements(streams: Sequence[StreamType]) -> tuple[Attribute, ...]:
    return tuple(element for stream in streams for element in elements_of(stream.element_type))


@irdl_op_definition
class MapOp(ComputeOperation, HasCanonicalizationPatternsInterface):
    """
    A function of each element: of the inputs' elements at the same place, or of a tuple's parts.

    `%y = step.map %x, %w fn matmul compute 4096 : ..`
    """

    name = "step.map"

    fn = prop_def(FunctionAttr)
    scalar = opt_prop_def(FloatAttr)
    compute = opt_prop_def(IntegerAttr)
    write_back = opt_prop_def(UnitAttr)
    result = result_def(StreamType)

    TABLE: ClassVar[dict[Function, Rule]] = MAPS

    def __init__(
        self,
        *inputs: SSAValue,
        fn: Function | str,
        scalar: float | None = None,
        compute: int = 0,
        write_back: bool = False,
    ):
        super().__init__(
            *inputs,
            fn=FunctionAttr(Function(fn)),
            scalar=scalar_attribute(scalar),
            compute=integer_attribute(compute, 0),
            write_back=flag_attribute(write_back),
        )

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from headrace.passes.canonicalization.step import map_patterns

        return map_patterns()

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        streams = cls._zipped(types)
        expect_positive(cls.name, properties, "compute")
        return (streams[0].of(cls._applied(_elements(streams), properties)),)


@irdl_op_definition
class AccumulateOp(ComputeOperation):
    """
    Folds the lists of `rank` levels: [2, 3, 4] with rank 1 becomes [2, 3].

    Two inputs are multiplied on the way: fn matmul adds up their products. An empty list gives the
    neutral element of the function; retiling gives a tile without rows or columns. Tiles of ragged
    rows that are added up over a list give a sum, named by `dim`.

    `%y = step.accumulate %x fn retile_rows rank 1 : !step.stream<!step.tile<f32, [1, 64]>, [4, e]>`
    """

    name = "step.accumulate"

    fn = prop_def(FunctionAttr)
    rank = prop_def(IntegerAttr)
    dim = opt_prop_def(StringAttr)
    assumed_names = opt_prop_def(ArrayAttr, prop_name="assumed")
    compute = opt_prop_def(IntegerAttr)
    write_back = opt_prop_def(UnitAttr)
    result = result_def(StreamType)

    TABLE: ClassVar[dict[Function, Rule]] = ACCUMULATORS

    def __init__(
        self,
        *inputs: SSAValue,
        fn: Function | str,
        rank: int,
        dim: str | int | None = None,
        assumed: Sequence[str] = (),
        compute: int = 0,
        write_back: bool = False,
    ):
        super().__init__(
            *inputs,
            fn=FunctionAttr(Function(fn)),
            rank=integer_attribute(rank),
            dim=name_attribute(dim),
            assumed=optional_names(assumed),
            compute=integer_attribute(compute, 0),
            write_back=flag_attribute(write_back),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        streams = cls._zipped(types)
        expect_positive(cls.name, properties, "compute")
        rank = integer_in(properties, "rank")
        expect_level(cls.name, streams[0], rank, 1)
        result = cls._applied(_elements(streams), properties)
        folds = streams[0].dimensions[-rank:]
        element = _retiled(cls.name, result, folds, properties)
        return (StreamType(element, streams[0].dimensions[:-rank]),)


def _retiled(
    operation: str, element: Attribute, folds: Sequence[Dimension], properties: Properties
) -> Attribute:
    """The tile that the lists become: as many rows or columns as they have together."""
    function, name = _function(properties), name_in(properties, "dim")
    expect_assumed(operation, properties, [name] if name else [])
    if isinstance(element, TileType):
        if function is Function.RETILE_ROWS:
            rows = folded(operation, folds, element.rows, False, name)
            return element.of(rows, element.columns)
        if function is Function.RETILE_COLUMNS:
            columns = folded(operation, folds, element.columns, False, name)
            return element.of(element.rows, columns)
    if name is not None:
        raise VerifyException(f"'{operation}' names dim {name}, but makes no new size")
    return element


@irdl_op_definition
class ScanOp(ComputeOperation):
    """
    The running fold of the lists of `rank` levels, which starts again behind a stop of that level.

    With `exclusive` an element is not yet part of its own result.

    `%y = step.scan %x fn add rank 1 exclusive : !step.stream<index, [2, 4]>`
    """

    name = "step.scan"

    fn = prop_def(FunctionAttr)
    rank = prop_def(IntegerAttr)
    exclusive = opt_prop_def(UnitAttr)
    compute = opt_prop_def(IntegerAttr)
    write_back = opt_prop_def(UnitAttr)
    result = result_def(StreamType)

    TABLE: ClassVar[dict[Function, Rule]] = SCANS

    def __init__(
        self,
        *inputs: SSAValue,
        fn: Function | str,
        rank: int,
        exclusive: bool = False,
        compute: int = 0,
        write_back: bool = False,
    ):
        super().__init__(
            *inputs,
            fn=FunctionAttr(Function(fn)),
            rank=integer_attribute(rank),
            exclusive=flag_attribute(exclusive),
            compute=integer_attribute(compute, 0),
            write_back=flag_attribute(write_back),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        streams = cls._zipped(types)
        expect_positive(cls.name, properties, "compute")
        expect_level(cls.name, streams[0], integer_in(properties, "rank"), 1)
        return (streams[0].of(cls._applied(_elements(streams), properties)),)


@irdl_op_definition
class FlatMapOp(StepOperation):
    """
    Each element becomes several, in the list of the element: [2, 3] of 4 rows becomes [2, 12] rows.

    `size` rows or columns make a piece (1 unless given). With `masked` rows that are not valid are
    dropped. Where the run decides how many come out, `dim` names the new size; in `assumed` stands
    a name that another operation declares, as in `step.partition`. fn range makes of an integer a
    list of its own: [2, 3] becomes [2, 3, ~dim].

    `%y = step.flat_map %x fn split_rows masked dim e0 assumed [e0] : ..`
    """

    name = "step.flat_map"

    input = operand_def(StreamType)
    fn = prop_def(FunctionAttr)
    size = opt_prop_def(IntegerAttr)
    masked = opt_prop_def(UnitAttr)
    dim = opt_prop_def(StringAttr)
    assumed_names = opt_prop_def(ArrayAttr, prop_name="assumed")
    result = result_def(StreamType)

    def __init__(
        self,
        input: SSAValue,
        *,
        fn: Function | str,
        size: int = 1,
        masked: bool = False,
        dim: str | int | None = None,
        assumed: Sequence[str] = (),
    ):
        super().__init__(
            input,
            fn=FunctionAttr(Function(fn)),
            size=integer_attribute(size, 1),
            masked=flag_attribute(masked),
            dim=name_attribute(dim),
            assumed=optional_names(assumed),
        )

    @property
    def function(self) -> Function:
        return self.fn.data

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input")
        expect_positive(cls.name, properties, "size")
        function, name = _function(properties), name_in(properties, "dim")
        expect_assumed(cls.name, properties, [name] if name else [])
        element = apply(cls.name, EXPANSIONS, function, elements_of(stream.element_type))
        if isinstance(element, TileType):
            return (_split(cls.name, function, stream, element, properties),)
        if "size" in properties or "masked" in properties:
            raise VerifyException(f"'{cls.name}' with fn {function.value} has no rows to split")
        if function is Function.RANGE:
            size = _data_dependent(cls.name, name, ragged=True)
            return (stream.of(dimensions=(*stream.dimensions, size)),)
        size = _data_dependent(cls.name, name, ragged=stream.rank > 0)
        return (stream.of(dimensions=(*stream.dimensions[:-1], size)),)


def _data_dependent(operation: str, name: str | None, ragged: bool) -> Dimension:
    if name is None:
        raise VerifyException(f"'{operation}' makes as many elements as its data say: name `dim`")
    return named_size(operation, name, ragged)


def _split(
    operation: str, function: Function, stream: StreamType, tile: TileType, properties: Properties
) -> StreamType:
    """Tiles of `size` rows or columns, in place of the tile."""
    size, masked = integer_in(properties, "size", 1), "masked" in properties
    name = name_in(properties, "dim")
    by_rows = function is Function.SPLIT_ROWS
    whole = tile.rows if by_rows else tile.columns
    if size > 1 and (masked or not whole.is_static or whole.value % size):
        raise refuse(
            operation, function, f"tiles of a static size that {size} divides, unmasked", [tile]
        )
    if masked and not by_rows:
        raise VerifyException(f"'{operation}' masks rows: use fn split_rows")
    piece = tile.of(size, tile.columns) if by_rows else tile.of(tile.rows, size)
    outer, inner = stream.dimensions[:-1], stream.dimensions[-1]
    if masked:
        count = _data_dependent(operation, name, ragged=bool(outer))
    else:
        pieces = Dimension.of(whole.value // size) if size > 1 else whole
        count = folded(operation, [inner], pieces, not outer, name)
    return stream.of(piece, (*outer, count))
