"""
Expressions of rows: what a nest computes from one element of each of several rows.

    head[h[p],e] + relation[r[p],e] - tail[t[p],e]

The loops that use an expression walk p, the number of a result, and e, the column. Each leaf is
read where its indices are known: the row of a table once for each p, a factor of the whole row
in front of the loop over e. What is read of another type takes that of the expression.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from xdsl.ir import Attribute, SSAValue

from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.scalars import Scalars


@dataclass(frozen=True)
class TableRow:
    """Element e of row `index[p]` of `table`; all numbers are names of arguments of the nest."""

    table: str
    index: str


@dataclass(frozen=True)
class Dense:
    """Element (p, e) of a matrix, or of what has `axes`: one of `pe`, `p`, `e` and none."""

    name: str
    axes: str


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Apply:
    """One of `Scalars.unary` or `Scalars.binary` of other expressions."""

    function: str
    operands: tuple["Expression", ...]


Expression: TypeAlias = TableRow | Dense | Number | Apply

Element: TypeAlias = Callable[[SSAValue], SSAValue]
"""The value of an expression at column e."""


def leaves(expression: Expression) -> list[Expression]:
    """The leaves from left to right."""
    if isinstance(expression, Apply):
        return [leaf for operand in expression.operands for leaf in leaves(operand)]
    return [expression]


def at_row(nest: NestBuilder, expression: Expression, p: SSAValue, element: Attribute) -> Element:
    """Emit what does not depend on the column; the rest is emitted by the function returned."""
    s = nest.scalars
    rows: Mapping[Expression, SSAValue] = {
        leaf: nest.load_index(leaf.index, p)
        for leaf in dict.fromkeys(leaves(expression))
        if isinstance(leaf, TableRow)
    }
    factors: Mapping[Expression, SSAValue] = {
        leaf: s.cast(nest.load(leaf.name, *([p] if leaf.axes else [])), element)
        for leaf in dict.fromkeys(leaves(expression))
        if isinstance(leaf, Dense) and "e" not in leaf.axes
    }

    def at(e: SSAValue) -> SSAValue:
        def value(part: Expression) -> SSAValue:
            match part:
                case TableRow():
                    return s.cast(nest.load(part.table, rows[part], e), element)
                case Dense():
                    if part in factors:
                        return factors[part]
                    places = [e] if part.axes == "e" else [p, e]
                    return s.cast(nest.load(part.name, *places), element)
                case Number():
                    return s.constant(part.value, element)
                case Apply():
                    return apply(s, part.function, [value(operand) for operand in part.operands])

        return value(expression)

    return at


def apply(s: Scalars, function: str, operands: list[SSAValue]) -> SSAValue:
    """A function of one or two scalars."""
    if len(operands) == 1:
        return s.unary(function, operands[0])
    return s.binary(function, operands[0], operands[1])
