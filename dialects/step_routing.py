"""
The `step` operations that route: which stream a unit goes to, and which it comes from.

A unit of rank r is a part of a stream up to and including its first stop of level r: one element
for r = 0.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 3.2 (dynamic routing and merging).
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, IntegerAttr, StringAttr, UnitAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
    var_result_def,
)
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_operation import (
    StepOperation,
    expect_assumed,
    expect_copies,
    expect_no_name,
    expect_stream,
    flag_attribute,
    integer_attribute,
    integer_in,
    is_name,
    listed,
    name_attribute,
    name_in,
    named_size,
    optional_names,
)
from headrace.dialects.step_parts import part, whole
from headrace.dialects.step_types import SelectorType, StreamType, TileType
from headrace.dialects.stream_operation import Properties, Types, names_attribute, names_of


@irdl_op_definition
class PartitionOp(StepOperation):
    """
    Copies each unit of `rank` levels to the outputs that its selector selects.

    The selector has the outer sizes of the input: [4, 8, ~r] with rank 1 takes a selector [4, 8].
    Output i has the units it got, `dims` names how many: [e0, ~r.e0], [e1, ~r.e1]. All partitions
    by equal selectors use the same names. A size in place of a name, and a name in `assumed`, which
    another operation declares, is a claim of the program: the interpreter checks it, a ragged one
    where streams meet. `switch` cycles (1 unless given) pass where the output changes; with
    `write_back` units leave from a memory.

    `%0, %1 = step.partition %x, %s rank 0 dims [e0, e1] : ..`
    """

    name = "step.partition"

    input = operand_def(StreamType)
    selector = operand_def(StreamType)
    rank = prop_def(IntegerAttr)
    dims = prop_def(ArrayAttr)
    assumed_names = opt_prop_def(ArrayAttr, prop_name="assumed")
    switch = opt_prop_def(IntegerAttr)
    write_back = opt_prop_def(UnitAttr)
    outputs = var_result_def(StreamType)

    def __init__(
        self,
        input: SSAValue,
        selector: SSAValue,
        *,
        rank: int,
        dims: Sequence[str | int],
        assumed: Sequence[str] = (),
        switch: int = 1,
        write_back: bool = False,
    ):
        super().__init__(
            input,
            selector,
            rank=integer_attribute(rank),
            dims=names_attribute(dims),
            assumed=optional_names(assumed),
            switch=integer_attribute(switch, 1),
            write_back=flag_attribute(write_back),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        stream = expect_stream(cls.name, types[0], "input")
        selectors = expect_stream(cls.name, types[1], "selector", SelectorType)
        rank, names = integer_in(properties, "rank"), names_of(properties["dims"])
        outer = stream.dimensions[: max(0, len(stream.dimensions) - max(rank, 0))]
        if rank < 0 or selectors.dimensions != outer:
            raise VerifyException(
                f"'{cls.name}' of rank {rank} takes one selector for each unit: of an input "
                f"{listed(stream.dimensions)} a selector {listed(outer)}, but got "
                f"{listed(selectors.dimensions)}"
            )
        expect_width(cls.name, selectors, len(names), "dims")
        symbols = [name for name in names if is_name(name)]
        if len(set(symbols)) < len(symbols):
            raise VerifyException(
                f"'{cls.name}' names two outputs alike in {listed(names)}; each has a size of its "
                "own"
            )
        expect_assumed(cls.name, properties, names)
        inner = stream.dimensions[len(outer) :]
        return tuple(
            stream.of(
                dimensions=(
                    named_size(cls.name, name, ragged=False),
                    *part(inner, name if is_name(name) else f"{index}of{len(names)}"),
                )
            )
            for index, name in enumerate(names)
        )


@irdl_op_definition
class ReassembleOp(StepOperation):
    """
    For each selector, one unit from each input that it selects, in the order of their arrival.

    The inverse of a partition: inputs [e0, 4], [e1, 4] of rank 1 and a selector [8] give [8, ~k, 4]
    with `dim k`; a selector that is always 2-hot gives [8, 2, 4] without a name. Tiles that differ
    in rows become tiles of ragged rows, named by `rows`.

    `%y = step.reassemble %s, %0, %1 rank 1 dim k : ..`
    """

    name = "step.reassemble"

    selector = operand_def(StreamType)
    inputs = var_operand_def(StreamType)
    rank = prop_def(IntegerAttr)
    dim = opt_prop_def(StringAttr)
    rows = opt_prop_def(StringAttr)
    assumed_names = opt_prop_def(ArrayAttr, prop_name="assumed")
    switch = opt_prop_def(IntegerAttr)
    write_back = opt_prop_def(UnitAttr)
    result = result_def(StreamType)

    def __init__(
        self,
        selector: SSAValue,
        inputs: Sequence[SSAValue],
        *,
        rank: int,
        dim: str | int | None = None,
        rows: str | None = None,
        assumed: Sequence[str] = (),
        switch: int = 1,
        write_back: bool = False,
    ):
        super().__init__(
            selector,
            *inputs,
            rank=integer_attribute(rank),
            dim=name_attribute(dim),
            rows=name_attribute(rows),
            assumed=optional_names(assumed),
            switch=integer_attribute(switch, 1),
            write_back=flag_attribute(write_back),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        selectors = expect_stream(cls.name, types[0], "selector", SelectorType)
        units = _expect_units(cls.name, types[1:], properties)
        width = expect_width(cls.name, selectors, len(types) - 1, "inputs")
        dim = name_in(properties, "dim")
        expect_assumed(cls.name, properties, [dim] if dim else [])
        size = _selected(cls.name, width, dim)
        return (units.of(dimensions=(*selectors.dimensions, size, *units.dimensions[1:])),)


def _selected(operation: str, selector: SelectorType, name: str | None) -> Dimension:
    """How many units a selector selects."""
    if selector.hot is not None:
        return expect_no_name(operation, name, Dimension.of(selector.hot))
    if name is None:
        raise VerifyException(
            f"'{operation}' by {selector} selects as many units as the run decides: name that "
            "number by `dim`, or declare the selector hot"
        )
    return named_size(operation, name, ragged=True)


@irdl_op_definition
class EagerMergeOp(StepOperation):
    """
    Units of `rank` levels from all inputs in the order of their arrival, and where each came from.

    Inputs [a, 4], [b, 4] of rank 1 give [a + b, 4] and a one-hot selector [a + b]; `dim "16"`
    claims that these are 16. Ragged lists are in another order: [a + b, ~r.merged]. Tiles that
    differ in rows become tiles of ragged rows, named by `rows`.

    `%y, %s = step.eager_merge %0, %1 rank 1 : ..`
    """

    name = "step.eager_merge"

    inputs = var_operand_def(StreamType)
    rank = prop_def(IntegerAttr)
    dim = opt_prop_def(StringAttr)
    rows = opt_prop_def(StringAttr)
    assumed_names = opt_prop_def(ArrayAttr, prop_name="assumed")
    result = result_def(StreamType)
    selector = result_def(StreamType)

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        *,
        rank: int,
        dim: str | int | None = None,
        rows: str | None = None,
        assumed: Sequence[str] = (),
    ):
        super().__init__(
            *inputs,
            rank=integer_attribute(rank),
            dim=name_attribute(dim),
            rows=name_attribute(rows),
            assumed=optional_names(assumed),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        units = _expect_units(cls.name, types, properties)
        streams = [expect_stream(cls.name, type, "input") for type in types]
        count = sum((stream.dimensions[0] for stream in streams), start=Dimension.of(0))
        claim = name_in(properties, "dim")
        expect_assumed(cls.name, properties, [claim] if claim else [])
        if claim is not None:
            if is_name(claim) and claim not in names_of(properties.get("assumed")):
                raise VerifyException(
                    f"'{cls.name}' names {claim} what is {count}: leave the name out, or assume it"
                )
            count = named_size(cls.name, claim, ragged=False)
        return (
            units.of(dimensions=(count, *part(units.dimensions[1:], "merged"))),
            StreamType(SelectorType(len(types), hot=1), (count,)),
        )


@irdl_op_definition
class DealOp(StepOperation):
    """
    Units of `rank` levels to the outputs in turn; the paper's front end calls it Parallelize.

    [10, 4] of rank 1 to 4 consumers: [3, 4], [3, 4], [2, 4], [2, 4].

    `%0, %1 = step.deal %x rank 1 consumers 2 : !step.stream<.., [10, 4]>`
    """

    name = "step.deal"

    input = operand_def(StreamType)
    rank = prop_def(IntegerAttr)
    consumers = prop_def(IntegerAttr)
    switch = opt_prop_def(IntegerAttr)
    outputs = var_result_def(StreamType)

    def __init__(self, input: SSAValue, *, rank: int, consumers: int, switch: int = 1):
        super().__init__(
            input,
            rank=integer_attribute(rank),
            consumers=integer_attribute(consumers),
            switch=integer_attribute(switch, 1),
        )

    @classmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        consumers = expect_copies(cls.name, properties, "consumers")
        stream = _expect_units(cls.name, types, properties)
        units, *inner = stream.dimensions
        return tuple(
            stream.of(
                dimensions=(
                    (units - turn).ceil_divide(consumers),
                    *part(inner, f"{turn}of{consumers}"),
                )
            )
            for turn in range(consumers)
        )


def needed_to_begin(op: Operation) -> Sequence[SSAValue]:
    """
    The operands without which an operation cannot begin: all, but for those that feedback may use.

    A reassembly waits for its selector, which may ask other inputs first; a merge takes what is
    there.
    """
    if isinstance(op, ReassembleOp):
        return (op.selector,)
    return () if isinstance(op, EagerMergeOp) else op.operands


def expect_width(operation: str, selectors: StreamType, parts: int, what: str) -> SelectorType:
    """The selector selects out of as many as there are."""
    selector = selectors.element_type
    assert isinstance(selector, SelectorType)
    if selector.width != parts:
        raise VerifyException(
            f"'{operation}' has {parts} {what}, but its selector selects out of {selector.width}"
        )
    return selector


def _expect_units(operation: str, types: Sequence[Attribute], properties: Properties) -> StreamType:
    """Sequences of equal units: the first one, its ragged sizes and tile as general as all are."""
    streams = [expect_stream(operation, type, "input") for type in types]
    rank, name = integer_in(properties, "rank"), name_in(properties, "rows")
    if name is not None and name == name_in(properties, "dim"):
        raise VerifyException(
            f"'{operation}' names both its units and their rows {name}; these are two sizes"
        )
    if not streams:
        raise VerifyException(f"'{operation}' takes one input or more")
    first = streams[0]
    for stream in streams:
        if stream.rank != rank:
            raise VerifyException(
                f"'{operation}' of rank {rank} takes inputs of that rank, but got "
                f"{listed(stream.dimensions)} of rank {stream.rank}; flatten or promote it"
            )
        if whole(stream.dimensions[1:]) != whole(first.dimensions[1:]):
            raise VerifyException(
                f"'{operation}' takes units of one shape, but got {listed(first.dimensions[1:])} "
                f"and {listed(stream.dimensions[1:])}"
            )
    if any(stream.dimensions[1:] != first.dimensions[1:] for stream in streams):
        first = first.of(dimensions=(first.dimensions[0], *whole(first.dimensions[1:])))
    elements = list(dict.fromkeys(stream.element_type for stream in streams))
    if len(elements) == 1:
        if name is not None:
            raise VerifyException(f"'{operation}' names rows {name}, but all elements are equal")
        return first
    tiles = [element for element in elements if isinstance(element, TileType)]
    alike = {(tile.element_type, tile.columns) for tile in tiles}
    if len(tiles) < len(elements) or len(alike) > 1:
        raise VerifyException(
            f"'{operation}' takes elements of one type, or tiles that differ in rows only, but got "
            f"{', '.join(map(str, elements))}"
        )
    if name is None:
        raise VerifyException(
            f"'{operation}' takes tiles that differ in rows: {', '.join(map(str, elements))}; "
            "name the rows of the result by `rows`"
        )
    return first.of(tiles[0].of(named_size(operation, name, ragged=True), tiles[0].columns))
