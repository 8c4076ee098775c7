"""
Which part of a graph handles independent requests, one after the other.

A source brings one unit for each request: an operation that reads a tensor without a reference, and
the flattening of its leading 1 into [requests, ..]. All else is the body, of which regions can be
made if no operation keeps something from one request to the next, and if results leave by address.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import UnitAttr
from xdsl.ir import Operation, SSAValue

from headrace.dialects import step
from headrace.dialects.stream_flow import producers_first
from headrace.passes.step.graphs import stream
from headrace.passes.step.refusal import fail


@dataclass(frozen=True)
class RequestStream:
    """A stream [requests, ..] that enters the body."""

    root: step.StepOperation
    """What reads the tensor: [1, requests, ..]."""
    flatten: step.FlattenOp

    @property
    def value(self) -> SSAValue:
        return self.flatten.results[0]

    @property
    def type(self) -> step.StreamType:
        return stream(self.value)

    @property
    def rank(self) -> int:
        """Of one unit."""
        return self.type.rank


@dataclass(frozen=True)
class Requests:
    """The graph as sources and body, both in the order of flow."""

    count: int
    sources: Sequence[RequestStream]
    body: Sequence[step.StepOperation]


def requests_of(name: str, graph: step.GraphOp) -> Requests:
    """
    Take a graph apart for the pass `name`.

    Raises `PassFailedException` for what ties requests together, at the operation.
    """
    order, cycle = producers_first(graph.body.block)
    if cycle:
        raise fail(name, cycle[0], "it is part of a feedback; the graph has its regions already")
    sources = [_source(name, op) for op in graph.body.block.ops if _is_root(op)]
    if not sources:
        raise fail(name, graph, "it reads no requests: no load without a ref, no integers")
    first = sources[0]
    for source in sources:
        if source.type.dimensions[0] != first.type.dimensions[0]:
            raise fail(
                name,
                source.root,
                f"it brings {source.type.dimensions[0]} units, but '{first.root.name}' brings "
                f"{first.type.dimensions[0]}; each brings one for each request",
            )
    apart = {op for source in sources for op in (source.root, source.flatten)}
    body = [op for op in order if isinstance(op, step.StepOperation) and op not in apart]
    for op in body:
        _check(name, op)
    return Requests(first.type.dimensions[0].value, sources, body)


def _is_root(op: Operation) -> bool:
    return isinstance(op, step.LoadOp | step.IntegersOp | step.SelectOp) and not any(
        isinstance(operand.type, step.StreamType) for operand in op.operands
    )


def _source(name: str, op: Operation) -> RequestStream:
    assert isinstance(op, step.StepOperation)
    result = op.results[0]
    type = stream(result)
    uses = list(result.uses)
    flatten = uses[0].operation if len(uses) == 1 else None
    if (
        not isinstance(flatten, step.FlattenOp)
        or flatten.integer("max") < type.rank
        or stream(flatten.result).dimensions[0] != type.dimensions[1]
    ):
        raise fail(
            name,
            op,
            "it reads no list of requests, one unit for each; step-parallelize is for decode "
            "attention and its like (in IR: follow it by step.flatten "
            f"min {type.rank - 1} max {type.rank})",
        )
    return RequestStream(op, flatten)


def _check(name: str, op: step.StepOperation) -> None:
    """Refuse operations that depend on more than one request."""
    match op:
        case step.StoreOp():
            reason = "it stores results in order; requests leave their regions by step.random_store"
        case step.DealOp():
            reason = "it deals units of all requests in turn"
        case step.PromoteOp(rank=None) | step.ReshapeOp(outer=UnitAttr()):
            reason = "it makes one list of all requests"
        case step.ReshapeOp() if (
            op.integer("chunk") > 1 and op.integer("rank") == stream(op.input).rank
        ):
            reason = "it packs units of several requests together"
        case _:
            return
    raise fail(name, op, reason)


def first_ragged_read(body: Sequence[step.StepOperation]) -> step.RandomLoadOp | None:
    """The first operation that reads the tiles of a request from off-chip memory, list by list."""
    reads = (op for op in body if isinstance(op, step.RandomLoadOp))
    return next((op for op in reads if stream(op.address).rank > 0), None)
