"""
What the inference of `sam` operations checks: kinds, element types and axis stacks.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IndexType
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.sam_types import Kind, StreamType
from headrace.dialects.stream_operation import Types


def expect_stream(operation: str, type: Attribute, role: str, *kinds: Kind) -> StreamType:
    """The type as a stream of one of the given kinds; `role` is the operand's name in errors."""
    if not isinstance(type, StreamType) or (kinds and type.kind.data not in kinds):
        wanted = " or ".join(kind.value for kind in kinds)
        raise VerifyException(f"'{operation}' needs a {wanted} stream as {role}, but got {type}")
    return type


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
