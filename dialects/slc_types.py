"""
Types of the `slc` dialect: streams of an access unit, rows of them, counters of the core.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, sections 4 and 5.
"""

from __future__ import annotations

from typing import cast

from xdsl.dialects.builtin import IndexType, VectorType
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, ParametrizedAttribute, SpacedOpaqueSyntaxAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.utils.str_enum import StrEnum


@irdl_attr_definition
class StreamType(ParametrizedAttribute, TypeAttribute):
    """
    `!slc.stream<f32>`: the value that a loop of the access unit has in its current iteration.

    Loops inside that one see the value repeated. `!slc.stream<vector<8xf32>>` has one vector for
    each trip of a loop of 8 lanes; `!slc.stream<vector<8xindex>>` is only the induction variable of
    such a loop: 8 consecutive indices.
    """

    name = "slc.stream"

    element_type: Attribute


@irdl_attr_definition
class FifoType(ParametrizedAttribute, TypeAttribute):
    """`!slc.fifo<vector<8xf32>>`: items that the access unit pushes and one callback pops."""

    name = "slc.fifo"

    element_type: Attribute


class Level(StrEnum):
    """The cache from which a stream reads."""

    L2 = "L2"
    LLC = "LLC"


@irdl_attr_definition
class LevelAttr(EnumAttribute[Level], SpacedOpaqueSyntaxAttribute):
    """The cache from which a stream reads."""

    name = "slc.level"


INDEX_STREAM = StreamType(IndexType())
"""The type of streams of single indices."""


def lanes_of(type: Attribute) -> int:
    """How many values an element of a stream or an item of a row has: 1, or those of a vector."""
    vector = _vector_of(type)
    return 1 if vector is None else vector.get_shape()[0]


def scalar_of(type: Attribute) -> Attribute:
    """The type of one of these values."""
    vector = _vector_of(type)
    return _element_of(type) if vector is None else vector.element_type


def _element_of(type: Attribute) -> Attribute:
    return type.element_type if isinstance(type, StreamType | FifoType) else type


def _vector_of(type: Attribute) -> VectorType[Attribute] | None:
    element = _element_of(type)
    return cast(VectorType[Attribute], element) if isinstance(element, VectorType) else None
