"""
What all operations on streams share, of `sam` and of `step`: inferred results and one syntax.

The types of the results follow from the types of the operands and the properties. Each
operation says how in `infer`, the one place that checks its operands; constructor, parser and
verifier all use it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Self, cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    StringAttr,
    TensorType,
    UnitAttr,
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

Types = Sequence[Attribute]
Properties = Mapping[str, Attribute]


class StreamOperation(IRDLOperation, ABC):
    """
    An operation on streams.

    Syntax: operands, then each property as `name value` (a unit property: its name), then the types
    of the operands:
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
                _print_property(printer, name, self.properties[name])
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


def _print_property(printer: Printer, name: str, value: Attribute) -> None:
    printer.print_string(f" {name}")
    if isinstance(value, UnitAttr):
        return
    printer.print_string(" ")
    match value:
        case StringAttr():
            printer.print_identifier_or_string_literal(value.data)
        case EnumAttribute():
            value.print_parameter(printer)
        case IntegerAttr():
            printer.print_string(str(value.value.data))
        case ArrayAttr():
            with printer.in_square_brackets():
                printer.print_list(value, partial(_print_item, printer))
        case _:
            printer.print_attribute(value)


def _print_item(printer: Printer, item: Attribute) -> None:
    if isinstance(item, StringAttr):
        printer.print_identifier_or_string_literal(item.data)
    elif isinstance(item, IntegerAttr):
        printer.print_string(str(item.value.data))
    else:
        printer.print_attribute(item)


def _parse_item(parser: Parser) -> Attribute:
    integer = parser.parse_optional_integer(allow_boolean=False)
    if integer is not None:
        return index_attribute(integer)
    return StringAttr(parser.parse_identifier_or_str_literal())


def _parse_property(parser: Parser, kind: type[Attribute]) -> Attribute:
    if issubclass(kind, UnitAttr):
        return UnitAttr()
    if issubclass(kind, StringAttr):
        return StringAttr(parser.parse_identifier_or_str_literal())
    if issubclass(kind, EnumAttribute):
        enumeration = cast(type[EnumAttribute[StrEnum]], kind)
        return enumeration(enumeration.parse_parameter(parser))
    if issubclass(kind, IntegerAttr):
        return index_attribute(parser.parse_integer(allow_boolean=False))
    if issubclass(kind, ArrayAttr):
        return ArrayAttr(
            parser.parse_comma_separated_list(parser.Delimiter.SQUARE, partial(_parse_item, parser))
        )
    return parser.parse_attribute()


def index_attribute(value: int) -> IntegerAttr[IndexType]:
    """`value` as an attribute of type `index`."""
    return IntegerAttr(value, IndexType())


def scalar_attribute(value: float | None) -> FloatAttr | None:
    """`value` as an attribute of type `f64`."""
    return None if value is None else FloatAttr(value, f64)


def integers_attribute(values: Sequence[int]) -> ArrayAttr[IntegerAttr[IndexType]]:
    """A list of integers, printed as `[1, 4]`."""
    return ArrayAttr(map(index_attribute, values))


def integers_of(attribute: Attribute | None) -> tuple[int, ...]:
    """The integers of such a list; none if there is no list. Raises `VerifyException` for names."""
    if attribute is None:
        return ()
    values = cast(ArrayAttr[Attribute], attribute)
    for value in values:
        if not isinstance(value, IntegerAttr):
            raise VerifyException(f"{value} stands in a list of integers; give a number")
    return tuple(value.value.data for value in cast(ArrayAttr[IntegerAttr], attribute))


def names_attribute(names: Sequence[str | int]) -> ArrayAttr[Attribute]:
    """A list of names, printed as `[e0, e1]`; integers may stand among them."""
    return ArrayAttr(
        index_attribute(int(name)) if str(name).isdecimal() else StringAttr(str(name))
        for name in names
    )


def names_of(attribute: Attribute | None) -> tuple[str, ...]:
    """The names of such a list; none if there is no list."""
    if attribute is None:
        return ()
    items = cast(ArrayAttr[StringAttr | IntegerAttr], attribute)
    return tuple(
        item.data if isinstance(item, StringAttr) else str(item.value.data) for item in items
    )


def expect_tensor(operation: str, type: Attribute) -> TensorType[Attribute]:
    """The type as a ranked tensor."""
    if not isinstance(type, TensorType):
        raise VerifyException(f"'{operation}' needs a tensor, but got {type}")
    return cast(TensorType[Attribute], type)
