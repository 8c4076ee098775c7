"""Streams for several readers: a stream is read once, so that a broadcast makes more of it."""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from headrace.dialects import step


def share(build: Builder, value: SSAValue, readers: int) -> Sequence[SSAValue]:
    """The stream once for each reader."""
    if readers == 1:
        return [value]
    return build.insert(step.BroadcastOp(value, consumers=readers)).outputs
