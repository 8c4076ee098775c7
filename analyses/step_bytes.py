"""
Bytes of what streams carry, as dimensions.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.2; a selector of n has n bytes,
integers and addresses have 8, as the reference counts them.
"""

from xdsl.dialects.builtin import FixedBitwidthType, IndexType, TupleType
from xdsl.ir import Attribute

from headrace.dialects.step_dimension import Dimension, product, summed
from headrace.dialects.step_types import BufferType, SelectorType, TileType

INDEX_BYTES = 8


def element_bytes(type: Attribute) -> int:
    """Bytes of one number in a tile, or of a truth value: at least one."""
    if not isinstance(type, FixedBitwidthType):
        raise ValueError(f"{type} has no size in bytes")
    return max(1, type.bitwidth // 8)


def bytes_of(type: Attribute) -> Dimension:
    """Bytes of one element of a stream."""
    match type:
        case TileType():
            return type.rows * type.columns * element_bytes(type.element_type)
        case SelectorType():
            return Dimension.of(type.width)
        case BufferType():
            return product(type.dimensions) * bytes_of(type.element_type)
        case TupleType():
            return summed(bytes_of(part) for part in type.types)
        case IndexType():
            return Dimension.of(INDEX_BYTES)
        case _:
            return Dimension.of(element_bytes(type))
