"""
Tables whose rows a nest reads: stored as they are, or made of what is stored while they are read.

    table[r,e] = float(stored[r,e]) * scale[r] + bias[r]

With 8 bits an element, and a scale and a bias a row, a row takes a quarter of the memory of f32.
It is read so and dequantized by the core; the whole table is never made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from xdsl.ir import Attribute, SSAValue

from headrace.frontends.builder import Extent, View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.expressions import Element, Expression, at_row


class Table(Protocol):
    """A matrix of rows."""

    @property
    def inputs(self) -> Mapping[str, View]:
        """What the nest reads for it."""
        ...

    @property
    def element(self) -> Attribute: ...

    @property
    def shape(self) -> tuple[Extent, ...]: ...

    def row(self, nest: NestBuilder, row: SSAValue) -> Element:
        """Emit what a row has once; the elements are emitted by the function returned."""
        ...


@dataclass(frozen=True)
class Stored:
    """A table in memory, of which the nest calls the buffer `table`."""

    view: View

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"table": self.view}

    @property
    def element(self) -> Attribute:
        return self.view.element

    @property
    def shape(self) -> tuple[Extent, ...]:
        return self.view.shape

    def row(self, nest: NestBuilder, row: SSAValue) -> Element:
        return lambda e: nest.load("table", row, e)


@dataclass(frozen=True)
class Computed:
    """A table of which each element is an expression of stored ones in the same row."""

    inputs: Mapping[str, View]
    expression: Expression
    """Without rows of other tables."""
    shape: tuple[Extent, ...]
    element: Attribute

    def row(self, nest: NestBuilder, row: SSAValue) -> Element:
        return at_row(nest, self.expression, row, self.element)
