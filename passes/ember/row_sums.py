"""
A sum over a row that is kept in memory is kept on lanes while the core walks the row.

    for e { s = load m[i]; t = reduction(x, s); store t, m[i] }

becomes

    v = for e carrying v = neutral { yield v + x }; s = load m[i]; store reduction(v, s), m[i]

Lanes are summed after the row, so the order of additions differs.
"""

from __future__ import annotations

from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import arith, memref, scf, vector
from xdsl.dialects.builtin import (
    AnyFloat,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    MemRefType,
    VectorType,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.passes.ember.lane_rules import COMBINING, may_be_same, neutral


def keep_sums_on_lanes(loop: scf.ForOp) -> None:
    """Change all such sums in the body of a loop that carries nothing yet."""
    found = [sum for op in loop.body.block.ops if (sum := _sum(op)) and _is_alone(sum, loop)]
    if not found:
        return
    before, after = Builder(InsertPoint.before(loop)), Builder(InsertPoint.after(loop))
    start = [before.insert(_nothing(op, before)).results[0] for _, op, _ in found]
    old = loop.body.block
    body = Block(arg_types=[old.args[0].type, *(value.type for value in start)])
    body.args[0].name_hint = old.args[0].name_hint
    values: dict[SSAValue, SSAValue] = {old.args[0]: body.args[0]}
    builder = Builder(InsertPoint.at_end(body))
    dropped = {op for ops in found for op in ops}
    for op in old.ops:
        if op not in dropped and not isinstance(op, scf.YieldOp):
            builder.insert(op.clone(values))
    totals: list[SSAValue] = []
    for (_, op, _), partial in zip(found, body.args[1:], strict=True):
        combine = next(
            kind
            for kind, flag in COMBINING.items()
            if flag == op.kind.data and kind.name.endswith("f") == _is_float(op.dest.type)
        )
        totals.append(builder.insert(_combined(combine, partial, values[op.vector])).results[0])
    builder.insert(scf.YieldOp(*totals))
    made = scf.ForOp(loop.lb, loop.ub, loop.step, start, body)
    made.attributes |= loop.attributes
    Rewriter.insert_op(made, InsertPoint.before(loop))
    for (load, op, store), partial in zip(found, made.results, strict=True):
        for one in (load, op, store):
            one.detach()
            after.insert(one)
        op.operands[0] = partial
    Rewriter.erase_op(loop)


def _combined(combine: type[Operation], x: SSAValue, y: SSAValue) -> Operation:
    return cast("type[arith.AddfOp]", combine)(x, y)


_Sum = tuple[memref.LoadOp, vector.ReductionOp, memref.StoreOp]


def _sum(op: Operation) -> _Sum | None:
    """The three operations of a sum that `op`, a store, ends."""
    if not isinstance(op, memref.StoreOp) or not isinstance(op.value.owner, vector.ReductionOp):
        return None
    total = op.value.owner
    load = None if total.acc is None else total.acc.owner
    same = (
        isinstance(load, memref.LoadOp)
        and load.memref is op.memref
        and list(load.indices) == list(op.indices)
        and not load.res.has_more_than_one_use()
        and not total.dest.has_more_than_one_use()
    )
    return (load, total, op) if same and isinstance(load, memref.LoadOp) else None


def _is_alone(sum: _Sum, loop: scf.ForOp) -> bool:
    """Whether nothing else in the loop may touch the element, whose place is the same always."""
    load, _, store = sum
    if any(loop.is_ancestor(index.owner) for index in store.indices):
        return False
    return not any(
        isinstance(value.type, MemRefType) and may_be_same(value, store.memref)
        for op in loop.walk()
        if op not in (load, store)
        for value in op.operands
    )


def _is_float(type: Attribute) -> bool:
    return isinstance(type, AnyFloat)


def _nothing(op: vector.ReductionOp, builder: Builder) -> Operation:
    """A vector of what changes nothing."""
    type = cast("VectorType[Attribute]", op.vector.type)
    value = neutral(op.kind.data, op.dest.type)
    attribute = (
        FloatAttr(value, op.dest.type)
        if isinstance(op.dest.type, AnyFloat)
        else IntegerAttr(int(value), cast(IntegerType, op.dest.type))
    )
    return vector.BroadcastOp(builder.insert(arith.ConstantOp(attribute)), type)
