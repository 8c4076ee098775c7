"""Loops of the core over temporary rows, as loops over vectors."""

from __future__ import annotations

from xdsl.builder import Builder
from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects.access_rules import constant
from headrace.passes.ember.lane_code import (
    Invariants,
    LaneCode,
    is_full,
    mask_of,
    reduction_of,
)
from headrace.passes.ember.lane_rules import neutral, plan
from headrace.passes.ember.refusal import NotPossible


def vectorize_core_loop(loop: scf.ForOp, invariants: Invariants) -> None:
    """
    Replace a loop of the core by one that steps over vectors.

    A number that it carries is summed (or multiplied, ..) lane by lane, and over the lanes behind
    the loop. Raises `NotPossible`, before anything is changed.
    """
    old, lanes = loop.body.block, invariants.lanes
    if any(isinstance(op, scf.ForOp) for op in old.walk()):
        raise NotPossible("it is not the innermost one")
    if constant(loop.step) != 1:
        raise NotPossible("its step is not 1")
    padded = not is_full(loop.lb, loop.ub, lanes)
    variable, *carried = old.args
    made = plan(old, variable, (), carried, padded)
    before = Builder(InsertPoint.before(loop))
    start = [
        invariants.constant(neutral(reduction.kind, reduction.by.type), reduction.by.type)
        for reduction in made.carried
    ]
    body = Block(arg_types=[IndexType(), *(value.type for value in start)])
    for argument, new in zip(old.args, body.args, strict=True):
        new.name_hint = argument.name_hint
    builder = Builder(InsertPoint.at_end(body))
    mask = mask_of(builder, loop.ub, body.args[0], lanes) if padded else None
    code = LaneCode(made, invariants, {variable: body.args[0]}, builder, mask)
    code.emit(old)
    results: list[SSAValue] = []
    for reduction, partial in zip(made.carried, body.args[1:], strict=True):
        by = code.active(reduction.by, reduction)
        combined = type(reduction.combine).create(
            operands=[partial, by],
            result_types=[partial.type],
            properties=dict(reduction.combine.properties),
        )
        results.append(builder.insert(combined).results[0])
    builder.insert(scf.YieldOp(*results))
    step = invariants.number(lanes)
    new_loop = before.insert(scf.ForOp(loop.lb, loop.ub, step, start, body))
    new_loop.attributes |= loop.attributes
    totals = [
        before.insert(reduction_of(reduction, partial, initial)).results[0]
        for reduction, partial, initial in zip(
            made.carried, new_loop.results, loop.iter_args, strict=True
        )
    ]
    Rewriter.replace_op(loop, [], totals)
