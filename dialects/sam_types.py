"""
Types of the `sam` dialect: streams of tokens, and what the writers make of them.

Source: "The Sparse Abstract Machine", ASPLOS 2023, sections 3 and 4 (streams and their kinds).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    AnyFloat,
    AnyTensorType,
    ArrayAttr,
    IndexType,
    IntegerType,
    StringAttr,
    TensorType,
)
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, ParametrizedAttribute, SpacedOpaqueSyntaxAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum


class Kind(StrEnum):
    """What the tokens of a stream are."""

    CRD = "crd"
    """Coordinates of one level, increasing inside a fiber."""
    REF = "ref"
    """Positions in the arrays of the next level or in the values."""
    VAL = "val"
    """Data: scalars or tiles."""
    SIG = "sig"
    """Repeat signals."""
    BV = "bv"
    """Bit vectors: one word for all coordinates of a fiber."""


@irdl_attr_definition
class KindAttr(EnumAttribute[Kind], SpacedOpaqueSyntaxAttribute):
    """The kind of a stream."""

    name = "sam.kind"


@irdl_attr_definition
class StreamType(ParametrizedAttribute, TypeAttribute):
    """
    `!sam.stream<crd, index, [i, j]>`: coordinates of axis j, one fiber for each coordinate of i.

    The axis stack, outermost first, says which axis opened each level of nesting; its length is
    the depth of the stream. Two streams can be zipped only if their stacks are equal. Only `val`
    streams carry something else than `index`: numbers or tiles (`tensor<4x4xf64>`).
    """

    name = "sam.stream"

    kind: KindAttr
    element_type: Attribute
    axes: ArrayAttr[StringAttr]

    def __init__(self, kind: Kind | str, element_type: Attribute, axes: Sequence[str]):
        super().__init__(
            KindAttr(Kind(kind)), element_type, ArrayAttr(StringAttr(axis) for axis in axes)
        )

    @property
    def depth(self) -> int:
        """How many levels of fibers enclose a token; 0 for a single token."""
        return len(self.axes)

    @property
    def axis_names(self) -> tuple[str, ...]:
        """The axis stack, outermost first."""
        return tuple(axis.data for axis in self.axes)

    def push(self, axis: str) -> StreamType:
        """The same tokens, each a fiber along `axis`."""
        return StreamType(self.kind.data, self.element_type, (*self.axis_names, axis))

    def pop(self) -> StreamType:
        """One token in place of each innermost fiber."""
        return StreamType(self.kind.data, self.element_type, self.axis_names[:-1])

    def of(self, kind: Kind, element_type: Attribute | None = None) -> StreamType:
        """Tokens of another kind with the same nesting; `index` unless told."""
        return StreamType(kind, element_type or IndexType(), self.axis_names)

    def verify(self) -> None:
        axes = self.axis_names
        if len(set(axes)) != len(axes):
            raise VerifyException(f"'{self.name}' opens an axis twice in [{', '.join(axes)}]")
        if self.kind.data is not Kind.VAL:
            if not isinstance(self.element_type, IndexType):
                raise VerifyException(
                    f"'{self.name}' of kind {self.kind.data} carries index, not {self.element_type}"
                )
        elif not is_value_type(self.element_type):
            raise VerifyException(
                f"'{self.name}' of kind val carries numbers or tiles of a known shape, "
                f"not {self.element_type}"
            )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            kind = parser.parse_str_enum(Kind)
            parser.parse_punctuation(",")
            element_type = parser.parse_type()
            parser.parse_punctuation(",")
            axes = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE, parser.parse_identifier_or_str_literal
            )
        return (KindAttr(kind), element_type, ArrayAttr(StringAttr(axis) for axis in axes))

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"{self.kind.data}, ")
            printer.print_attribute(self.element_type)
            printer.print_string(", ")
            with printer.in_square_brackets():
                printer.print_list(self.axis_names, printer.print_identifier_or_string_literal)


def is_value_type(type: Attribute) -> bool:
    """Whether a `val` stream can carry this type: a number, or a tile of known shape."""
    if isinstance(type, TensorType):
        tile = cast(AnyTensorType, type)
        return tile.has_static_shape() and is_value_type(tile.element_type)
    return isinstance(type, AnyFloat | IntegerType)


def tile_shape(type: Attribute) -> tuple[int, ...]:
    """The shape of one value of a `val` stream: `()` for a number."""
    return cast(AnyTensorType, type).get_shape() if isinstance(type, TensorType) else ()


@irdl_attr_definition
class LevelType(ParametrizedAttribute, TypeAttribute):
    """`!sam.level`: segments and coordinates of one compressed level, as written."""

    name = "sam.level"


@irdl_attr_definition
class ValuesType(ParametrizedAttribute, TypeAttribute):
    """`!sam.values<f64>`: the values of a tensor in the order of its positions, as written."""

    name = "sam.values"

    element_type: Attribute

    def verify(self) -> None:
        if not is_value_type(self.element_type):
            raise VerifyException(f"'{self.name}' holds numbers or tiles, not {self.element_type}")
