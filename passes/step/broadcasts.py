"""Streams for several readers: a stream is read once, so that a broadcast makes more of it."""

from collections.abc import Sequence

from xdsl.builder import Builder
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint

from headrace.dialects import step


def share(build: Builder, value: SSAValue, readers: int) -> Sequence[SSAValue]:
    """The stream once for each reader."""
    if readers == 1:
        return [value]
    return build.insert(step.BroadcastOp(value, consumers=readers)).outputs


def trim(op: step.BroadcastOp) -> None:
    """Take out the results that nothing reads; one reader reads the stream itself."""
    read = [result for result in op.outputs if any(result.uses)]
    if len(read) == len(op.outputs) > 1:
        return
    if read:
        build = Builder(InsertPoint.before(op))
        for result, value in zip(read, share(build, op.input, len(read)), strict=True):
            result.replace_all_uses_with(value)
    op.detach()
    op.erase()
