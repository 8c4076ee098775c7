"""
Packing: the operations that make tiles of several rows out of a stream of rows.

| form | operations from rows [e0] to tiles |
|---|---|
| static | `reshape` chunk T `outer`; `flatten` 1, 2; `accumulate` retile_rows: tiles of T rows |
| dynamic | `reshape` chunk R `outer`; `flatten` 0, 1; `accumulate`: one tile, rounded up to R |
| capped | static, but `split_rows masked` drops the padding of each list: tiles of at most T rows |

A static packing may leave out `outer` and the `flatten`.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.1; the capped form is ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from xdsl.builder import Builder
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint

from headrace.dialects import step
from headrace.dialects.step_functions import Function
from headrace.passes.step.graphs import erase
from headrace.passes.step.refusal import fail

Form = Literal["static", "dynamic", "capped"]


@dataclass(frozen=True)
class Packing:
    """
    `accumulate` packs rows of the stream `source`; `chain` is what lies between, sources first.

    `chunk` rows make a tile of the static and capped forms; tiles of the dynamic form have a
    multiple of it.
    """

    source: SSAValue
    chain: tuple[Operation, ...]
    accumulate: step.AccumulateOp
    form: Form
    chunk: int


def packings(graph: step.GraphOp) -> Iterator[Packing]:
    """The packings of a graph in its order."""
    for op in graph.body.block.ops:
        if (found := packing_of(op)) is not None:
            yield found


def packing_of(op: Operation) -> Packing | None:
    """The packing that ends with the operation, if one does."""
    if not isinstance(op, step.AccumulateOp) or op.function is not Function.RETILE_ROWS:
        return None
    chain: list[Operation] = []
    form: Form = "static"
    before = op.operands[0].owner
    if isinstance(before, step.FlatMapOp) and before.flag("masked"):
        chain.append(before)
        form = "capped"
        before = before.operands[0].owner
    merged = None
    if isinstance(before, step.FlattenOp):
        chain.append(before)
        merged = before.integer("min"), before.integer("max")
        before = before.operands[0].owner
    if not isinstance(before, step.ReshapeOp) or op.integer("rank") != 1:
        return None
    chain.append(before)
    if before.flag("outer") and merged == (0, 1) and form == "static":
        form = "dynamic"
    elif merged != ((1, 2) if before.flag("outer") else None):
        return None
    if before.integer("rank") or before.padding.uses:
        return None
    return Packing(before.operands[0], tuple(reversed(chain)), op, form, before.integer("chunk"))


def rebuild(name: str, packing: Packing, form: Form, chunk: int, ragged: str = "") -> None:
    """
    Replace the operations of a packing by those of another form.

    `ragged` names the rows of the tiles of the capped form. The types of what uses the tiles are
    those of before: infer them anew.
    """
    old = packing.accumulate
    source = packing.source.type
    if not isinstance(source, step.StreamType) or source.rank:
        reason = "it packs the rows of each list; only those of a stream of rank 0 are packed anew"
        raise fail(name, packing.chain[0], reason)
    builder = Builder(InsertPoint.before(old))
    parts = builder.insert(step.ReshapeOp(packing.source, rank=0, chunk=chunk, outer=True))
    low, high = (0, 1) if form == "dynamic" else (1, 2)
    rows = builder.insert(step.FlattenOp(parts.result, min=low, max=high)).result
    if form == "capped":
        rows = builder.insert(
            step.FlatMapOp(rows, fn=Function.SPLIT_ROWS, masked=True, dim=ragged)
        ).result
    tiles = builder.insert(step.AccumulateOp(rows, fn=Function.RETILE_ROWS, rank=1))
    tiles.properties = {**old.properties}
    for made, before in ((parts.result, packing.chain[0].results[0]), (rows, old.operands[0])):
        made.name_hint = before.name_hint
    old.results[0].replace_all_uses_with(tiles.results[0])
    erase([*packing.chain, old])
