"""
Types of the `step` dialect: streams of rank N, and what their elements are.

| type | element |
|---|---|
| `!step.tile<f32, [4, 64]>` | a matrix of rows x columns; either size may be symbolic |
| `!step.selector<8>`, `!step.selector<8, hot 2>` | a set of outputs out of n; always k of them |
| `!step.buffer<!step.tile<f32, [4, 64]>, [~r, 2]>` | a handle to on-chip elements of that shape |
| `tuple<..>` | what Zip makes |
| `index`, `i1` | an integer or tile address; a truth value |

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from xdsl.dialects.builtin import (
    AnyFloat,
    ArrayAttr,
    IndexType,
    IntAttr,
    IntegerType,
    TupleType,
    i1,
)
from xdsl.ir import Attribute, Data, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.step_dimension import Dimension, DimensionLike

NO_COUNT = -1
"""The `hot` of a selector that selects as many as it likes."""

_dimension = lru_cache(maxsize=1 << 16)(Dimension.of)


@irdl_attr_definition
class DimensionAttr(Data[Dimension]):
    """A size inside of a type: `4`, `e0`, `~r`; by itself `#step.dimension<[ceil(e0, 4)]>`."""

    name = "step.dimension"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Dimension:
        with parser.in_angle_brackets():
            sizes = parse_sizes(parser)
        if len(sizes) != 1:
            parser.raise_error(f"Expected one size, but got {len(sizes)}.")
        return sizes[0]

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            print_sizes(printer, (self.data,))


Shape = ArrayAttr[DimensionAttr]


def shape_attribute(sizes: Iterable[DimensionLike]) -> Shape:
    """Sizes, outermost first, as a parameter of a type."""
    return ArrayAttr(DimensionAttr(Dimension.of(size)) for size in sizes)


def parse_sizes(parser: AttrParser) -> list[Dimension]:
    """
    `[4, e0, ceil(e0, 4), ~r]`.

    The text between the brackets is read as it is: the tokens of MLIR have no `~`.
    """
    start = parser.pos
    text = parser.lexer.input.content
    end = text.find("]", start)
    if text[start : start + 1] != "[" or end < 0:
        parser.raise_error("Expected sizes in square brackets.")
    try:
        sizes = [_dimension(size) for size in _split(text[start + 1 : end])]
    except ValueError as error:
        parser.raise_error(str(error), start, end + 1)
    parser._resume_from(end + 1)  # pyright: ignore[reportPrivateUsage]
    return sizes


def _split(text: str) -> list[str]:
    """The parts between the commas that stand in no parentheses; none of a blank text."""
    depth, parts = 0, [""]
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts if text.strip() else []


def print_sizes(printer: Printer, sizes: Sequence[Dimension]) -> None:
    """What `parse_sizes` reads."""
    printer.print_string(f"[{', '.join(map(str, sizes))}]")


def sizes_of(shape: Shape) -> tuple[Dimension, ...]:
    """The sizes of such a parameter, outermost first."""
    return tuple(size.data for size in shape)


@irdl_attr_definition
class TileType(ParametrizedAttribute, TypeAttribute):
    """`!step.tile<f32, [e0, 64]>`: rows x columns numbers, the unit of memory and compute."""

    name = "step.tile"

    element_type: Attribute
    shape: Shape

    def __init__(self, element_type: Attribute, rows: DimensionLike, columns: DimensionLike):
        super().__init__(element_type, shape_attribute((rows, columns)))

    @property
    def rows(self) -> Dimension:
        return self.shape.data[0].data

    @property
    def columns(self) -> Dimension:
        return self.shape.data[1].data

    @property
    def is_static(self) -> bool:
        return self.rows.is_static and self.columns.is_static

    def of(self, rows: DimensionLike, columns: DimensionLike) -> TileType:
        """A tile of the same numbers with other sizes."""
        return TileType(self.element_type, rows, columns)

    def verify(self) -> None:
        if len(self.shape) != 2:
            raise VerifyException(
                f"'{self.name}' has rows and columns, not {len(self.shape)} sizes"
            )
        if not isinstance(self.element_type, AnyFloat | IntegerType):
            raise VerifyException(f"'{self.name}' holds numbers, not {self.element_type}")
        expect_sizes(self.name, sizes_of(self.shape))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        return _parse_element_and_sizes(parser)

    def print_parameters(self, printer: Printer) -> None:
        _print_element_and_sizes(printer, self.element_type, self.shape)


@irdl_attr_definition
class SelectorType(ParametrizedAttribute, TypeAttribute):
    """
    `!step.selector<8>`: which of 8 outputs or inputs, any number of them (multi-hot).

    `!step.selector<8, hot 2>` always selects two.
    """

    name = "step.selector"

    width_parameter: IntAttr
    hot_parameter: IntAttr

    def __init__(self, width: int, hot: int | None = None):
        super().__init__(IntAttr(width), IntAttr(NO_COUNT if hot is None else hot))

    @property
    def width(self) -> int:
        """Out of how many it selects."""
        return self.width_parameter.data

    @property
    def hot(self) -> int | None:
        """How many it selects, if that is always the same number."""
        return None if self.hot_parameter.data == NO_COUNT else self.hot_parameter.data

    def verify(self) -> None:
        if self.width < 1:
            raise VerifyException(f"'{self.name}' selects out of one or more, not of {self.width}")
        if self.hot is not None and not 0 <= self.hot <= self.width:
            raise VerifyException(f"'{self.name}' cannot select {self.hot} out of {self.width}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            width, hot = parser.parse_integer(allow_boolean=False), NO_COUNT
            if parser.parse_optional_punctuation(",") is not None:
                parser.parse_keyword("hot")
                hot = parser.parse_integer(allow_boolean=False, allow_negative=False)
        return IntAttr(width), IntAttr(hot)

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(str(self.width))
            if self.hot is not None:
                printer.print_string(f", hot {self.hot}")


@irdl_attr_definition
class BufferType(ParametrizedAttribute, TypeAttribute):
    """
    `!step.buffer<!step.tile<f32, [4, 64]>, [~r, 2]>`: elements on chip, read only.

    Its outermost size may be ragged, the inner ones are the same in all parts.
    """

    name = "step.buffer"

    element_type: Attribute
    shape: Shape

    def __init__(self, element_type: Attribute, dimensions: Iterable[DimensionLike]):
        super().__init__(element_type, shape_attribute(dimensions))

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        return sizes_of(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether all sizes are integers: only then an affine read is possible."""
        return all(size.is_static for size in self.dimensions)

    def verify(self) -> None:
        if not self.dimensions:
            raise VerifyException(f"'{self.name}' has one size or more")
        expect_element(self.name, self.element_type)
        expect_sizes(self.name, self.dimensions)
        for size in self.dimensions[1:]:
            if size.is_ragged:
                raise VerifyException(
                    f"'{self.name}' has the ragged inner size {size}: only its outermost may be "
                    "ragged; buffer fewer dimensions, or flatten them before"
                )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        return _parse_element_and_sizes(parser)

    def print_parameters(self, printer: Printer) -> None:
        _print_element_and_sizes(printer, self.element_type, self.shape)


@irdl_attr_definition
class StreamType(ParametrizedAttribute, TypeAttribute):
    """
    `!step.stream<!step.tile<f32, [1, 64]>, [e0, 4]>`: a stream of rank 1, e0 lists of 4 tiles.

    The shape has rank + 1 sizes, outermost first. A stop token of level k closes the size k - 1,
    counted from the innermost; the end of the stream closes the outermost.
    """

    name = "step.stream"

    element_type: Attribute
    shape: Shape

    def __init__(self, element_type: Attribute, dimensions: Iterable[DimensionLike]):
        super().__init__(element_type, shape_attribute(dimensions))

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        return sizes_of(self.shape)

    @property
    def rank(self) -> int:
        return len(self.shape) - 1

    @property
    def count(self) -> Dimension:
        """
        How many elements it has in a whole run.

        A ragged size stands for all of its siblings: its total has counted the outer sizes.
        """
        inner = Dimension.of(1)
        for size in reversed(self.dimensions):
            inner = size * inner
            if size.is_ragged:
                return inner.total()
        return inner

    def of(
        self,
        element_type: Attribute | None = None,
        dimensions: Iterable[DimensionLike] | None = None,
    ) -> StreamType:
        """The stream with another element, or another shape."""
        return StreamType(
            element_type or self.element_type,
            self.dimensions if dimensions is None else dimensions,
        )

    def verify(self) -> None:
        if not self.dimensions:
            raise VerifyException(f"'{self.name}' has one size or more: of rank 0 it has one")
        expect_element(self.name, self.element_type)
        expect_sizes(self.name, self.dimensions)
        outermost = self.dimensions[0]
        if outermost.is_ragged:
            raise VerifyException(
                f"'{self.name}' has the ragged outermost size {outermost}, but it has no siblings "
                "to differ from; name it without '~', or take its total"
            )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        return _parse_element_and_sizes(parser)

    def print_parameters(self, printer: Printer) -> None:
        _print_element_and_sizes(printer, self.element_type, self.shape)


def elements_of(type: Attribute) -> tuple[Attribute, ...]:
    """What an element is made of: the parts of a tuple, tuples inside it too, else itself."""
    if isinstance(type, TupleType):
        return tuple(element for part in type.types for element in elements_of(part))
    return (type,)


def expect_element(name: str, type: Attribute) -> None:
    """Raises `VerifyException` unless a stream can carry the type."""
    for element in elements_of(type):
        known = isinstance(element, TileType | SelectorType | BufferType | IndexType)
        if not known and element != i1:
            raise VerifyException(
                f"'{name}' carries tiles, selectors, buffers, tuples, index or i1, not {element}; "
                "a number is a tile of 1 x 1"
            )


def expect_sizes(name: str, sizes: Iterable[Dimension]) -> None:
    """Raises `VerifyException` for a size below 0."""
    for size in sizes:
        if size.is_static and size.value < 0:
            raise VerifyException(f"'{name}' has the size {size}: sizes are 0 or more")


def _parse_element_and_sizes(parser: AttrParser) -> Sequence[Attribute]:
    with parser.in_angle_brackets():
        element_type = parser.parse_type()
        parser.parse_punctuation(",")
        sizes = parse_sizes(parser)
    return element_type, shape_attribute(sizes)


def _print_element_and_sizes(printer: Printer, element_type: Attribute, shape: Shape) -> None:
    with printer.in_angle_brackets():
        printer.print_attribute(element_type)
        printer.print_string(", ")
        print_sizes(printer, sizes_of(shape))
