"""
What all stream operations of `sam` share: inferred result types and one syntax.

The types of the results follow from the types of the operands and the properties. Each
operation says how in `infer`, the one place that checks kinds, element types and axis stacks;
constructor, parser and verifier all use it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self, cast

from xdsl.dialects.builtin import (
    FloatAttr,
    IndexType,
    IntegerAttr,
    StringAttr,
    TensorType,
    f64,
)
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    OptionalDef,
    OptOperandDef,
    VarOperandDef,
    traits_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from headrace.dialects.sam_types import Kind, StreamType

Types = Sequence[Attribute]
Properties = Mapping[str, Attribute]


class StreamOperation(IRDLOperation, ABC):
    """
    An operation on streams.

    Syntax: operands, then each property as `name value`, then the types of the operands:
    `%crd, %ref = sam.scan %0, %A level 0 axis i : !sam.stream<ref, index, []>, tensor<4xf64>`.
    """

    traits = traits_def(Pure())

    def __init__(self, *operands: SSAValue, **properties: Attribute | None):
        given = {name: value for name, value in properties.items() if value is not None}
        results = self._infer([operand.type for operand in operands], given)
        Operation.__init__(self, operands=operands, result_types=results, properties=given)

    @classmethod
    @abstractmethod
    def infer(cls, types: Types, properties: Properties) -> Types:
        """
        The result types for operands of the given types.

        Raises `VerifyException` if the operation cannot take them.
        """

    @classmethod
    def _infer(cls, types: Types, properties: Properties) -> Types:
        definitions = [definition for _, definition in cls.get_irdl_definition().operands]
        single = sum(not isinstance(definition, VarOperandDef) for definition in definitions)
        optional = sum(isinstance(definition, OptOperandDef) for definition in definitions)
        variadic = len(definitions) - single - optional
        if len(types) < single or (not variadic and len(types) > single + optional):
            more = " or more" if variadic else f" or {single + 1}" if optional else ""
            raise VerifyException(
                f"'{cls.name}' takes {single}{more} operands, but got {len(types)}"
            )
        return cls.infer(types, properties)

    def verify_(self) -> None:
        expected = tuple(self._infer(self.operand_types, self.properties))
        if expected != tuple(self.result_types):
            raise VerifyException(
                f"'{self.name}' gives ({_listed(expected)}) for these operands, "
                f"but its results are declared as ({_listed(self.result_types)})"
            )

    def print(self, printer: Printer) -> None:
        if self.operands:
            printer.print_string(" ")
            printer.print_list(self.operands, printer.print_ssa_value)
        for name in self.get_irdl_definition().properties:
            if name in self.properties:
                printer.print_string(f" {name} ")
                _print_property(printer, self.properties[name])
        printer.print_op_attributes(self.attributes)
        if self.operands:
            printer.print_string(" : ")
            printer.print_list(self.operand_types, printer.print_attribute)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        start, definitions = parser.pos, cls.get_irdl_definition()
        names = (
            parser.parse_comma_separated_list(
                parser.Delimiter.NONE, parser.parse_unresolved_operand
            )
            if definitions.operands
            else ()
        )
        properties: dict[str, Attribute] = {}
        for name, definition in definitions.properties.items():
            if isinstance(definition, OptionalDef):
                if parser.parse_optional_keyword(name) is None:
                    continue
            else:
                parser.parse_keyword(name)
            (kind,) = definition.constr.get_bases() or (Attribute,)
            properties[name] = _parse_property(parser, kind)
        attributes = parser.parse_optional_attr_dict()
        operands: Sequence[SSAValue] = ()
        if names:
            parser.parse_punctuation(":")
            types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
            operands = parser.resolve_operands(names, types, start)
        try:
            results = cls._infer([operand.type for operand in operands], properties)
        except VerifyException as error:
            parser.raise_error(str(error), start, parser.pos)
        return cls.create(
            operands=operands, result_types=results, properties=properties, attributes=attributes
        )


def _listed(types: Types) -> str:
    return ", ".join(str(type) for type in types)


def _print_property(printer: Printer, value: Attribute) -> None:
    match value:
        case StringAttr():
            printer.print_identifier_or_string_literal(value.data)
        case EnumAttribute():
            value.print_parameter(printer)
        case IntegerAttr():
            printer.print_string(str(value.value.data))
        case _:
            printer.print_attribute(value)


def _parse_property(parser: Parser, kind: type[Attribute]) -> Attribute:
    if issubclass(kind, StringAttr):
        return StringAttr(parser.parse_identifier_or_str_literal())
    if issubclass(kind, EnumAttribute):
        enumeration = cast(type[EnumAttribute[StrEnum]], kind)
        return enumeration(enumeration.parse_parameter(parser))
    if issubclass(kind, IntegerAttr):
        return index_attribute(parser.parse_integer(allow_boolean=False))
    return parser.parse_attribute()


def index_attribute(value: int) -> IntegerAttr[IndexType]:
    """`value` as an attribute of type `index`."""
    return IntegerAttr(value, IndexType())


def scalar_attribute(value: float | None) -> FloatAttr | None:
    """`value` as an attribute of type `f64`."""
    return None if value is None else FloatAttr(value, f64)


def expect_stream(operation: str, type: Attribute, role: str, *kinds: Kind) -> StreamType:
    """The type as a stream of one of the given kinds; `role` is the operand's name in errors."""
    if not isinstance(type, StreamType) or (kinds and type.kind.data not in kinds):
        wanted = " or ".join(kind.value for kind in kinds)
        raise VerifyException(f"'{operation}' needs a {wanted} stream as {role}, but got {type}")
    return type


def expect_tensor(operation: str, type: Attribute) -> TensorType[Attribute]:
    """The type as a ranked tensor."""
    if not isinstance(type, TensorType):
        raise VerifyException(f"'{operation}' needs a tensor, but got {type}")
    return cast(TensorType[Attribute], type)


def expect_index(operation: str, types: Types) -> None:
    """All types are `index` (extents)."""
    for type in types:
        if not isinstance(type, IndexType):
            raise VerifyException(f"'{operation}' needs extents of type index, but got {type}")


def expect_same_axes(operation: str, streams: Sequence[StreamType]) -> None:
    """All streams have one axis stack, as streams that are zipped must."""
    for stream in streams[1:]:
        if stream.axes != streams[0].axes:
            raise VerifyException(
                f"'{operation}' zips streams, so that their axes must be the same, but got "
                f"{stack(streams[0])} and {stack(stream)}"
            )


def expect_inside(operation: str, outer: StreamType, inner: StreamType) -> str:
    """The axis of `inner`, which must be nested one level deeper than `outer`."""
    if inner.axis_names[:-1] != outer.axis_names or not inner.depth:
        raise VerifyException(
            f"'{operation}' needs one more axis inside {stack(outer)}, but got {stack(inner)}"
        )
    return inner.axis_names[-1]


def expect_depth(operation: str, stream: StreamType, role: str) -> str:
    """The innermost axis of a stream, which must have one."""
    if not stream.depth:
        raise VerifyException(f"'{operation}' needs {role} with at least one axis, but got []")
    return stream.axis_names[-1]


def push_axis(operation: str, stream: StreamType, axis: str) -> StreamType:
    """The stream with `axis` inside, which must not be open already."""
    if axis in stream.axis_names:
        raise VerifyException(
            f"'{operation}' opens axis {axis}, which is already open in {stack(stream)}"
        )
    return stream.push(axis)


def stack(stream: StreamType) -> str:
    """The axis stack as printed in errors."""
    return f"[{', '.join(stream.axis_names)}]"
