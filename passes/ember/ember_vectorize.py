"""
`ember-vectorize`: innermost loops take several iterations a trip, as lanes of vectors.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 5 (access and execute vectorisation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType, ModuleOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import slc
from headrace.dialects.access_rules import constant
from headrace.passes.ember.core_lanes import vectorize_core_loop
from headrace.passes.ember.lane_code import Invariants, LaneCode, is_full, mask_of
from headrace.passes.ember.lane_rules import Plan, expect_unit_stride, plan
from headrace.passes.ember.nests import access_nests
from headrace.passes.ember.refusal import NotPossible, refuse

LEAST, MOST = 2, 16
"""Lanes of a vector."""


@dataclass(frozen=True)
class EmberVectorizePass(ModulePass):
    """
    Gives `lanes` lanes, 2 to 16, to each innermost loop that can have them.

    Streams of such a loop become vectors, and callbacks compute with vectors; where the iterations
    are not known to be a multiple of the lanes the core masks the lanes that are left over. Loops
    of the core inside of callbacks become loops over vectors likewise.

    All sums keep their order, but one: a number that a loop of the core carries is summed lane by
    lane, and the lanes are added after the loop. A loop that cannot be changed stays as it is, with
    the reason as attribute `headrace.refused`.
    """

    name = "ember-vectorize"

    lanes: int = 8

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not LEAST <= self.lanes <= MOST:
            raise PassFailedException(
                f"{self.name}: lanes={self.lanes} is not possible; take {LEAST} to {MOST}"
            )
        for nest in access_nests(op, self.name):
            for outermost in [op for op in nest.body.block.ops if isinstance(op, slc.ForOp)]:
                self._nest(outermost)

    def _nest(self, outermost: slc.ForOp) -> None:
        invariants = Invariants(outermost, self.lanes)
        for loop in [op for op in outermost.walk() if isinstance(op, scf.ForOp)]:
            try:
                vectorize_core_loop(loop, invariants)
            except NotPossible as reason:
                refuse(self.name, loop, str(reason))
        for loop in [op for op in outermost.walk() if isinstance(op, slc.ForOp)]:
            if loop.is_innermost:
                try:
                    _vectorize(loop, invariants)
                except NotPossible as reason:
                    refuse(self.name, loop, str(reason))


def _vectorize(loop: slc.ForOp, invariants: Invariants) -> None:
    """Replace a loop by one of lanes; nothing is changed before it is known to be possible."""
    padded = not is_full(loop.lower, loop.upper, invariants.lanes)
    vectors = _vectors(loop)
    plans = {op: _plan(op, loop, vectors, padded) for op in _callbacks(loop)}
    lanes = invariants.lanes
    body = Block(arg_types=[slc.variable_type(lanes)])
    body.args[0].name_hint = loop.variable.name_hint
    builder = Builder(InsertPoint.at_end(body))
    streams: dict[SSAValue, SSAValue] = {loop.variable: body.args[0]}
    first: SSAValue | None = None
    for op in loop.body.block.ops:
        if not isinstance(op, slc.CallbackOp):
            operands = [streams.get(operand, operand) for operand in op.operands]
            made = type(cast(slc.LoadOp, op))(*operands, **op.properties)
            made.attributes |= op.attributes
            builder.insert(made)
            for old, new in zip(op.results, made.results, strict=True):
                new.name_hint = old.name_hint
                streams[old] = new
            continue
        if first is None and (padded or loop.variable in op.inputs):
            first = builder.insert(slc.ExtractOp(body.args[0])).result
            first.name_hint = loop.variable.name_hint
        builder.insert(_callback(op, loop, plans[op], streams, first, invariants, padded))
    made = slc.ForOp(loop.lower, loop.upper, loop.step, Region(body), lanes)
    made.attributes |= loop.attributes
    Rewriter.replace_op(loop, made)


def _callbacks(loop: slc.ForOp) -> list[slc.CallbackOp]:
    return [op for op in loop.body.block.ops if isinstance(op, slc.CallbackOp)]


def _vectors(loop: slc.ForOp) -> set[SSAValue]:
    """The streams of the loop with a value for each iteration. Raises `NotPossible`."""
    if loop.lane_count > 1:
        raise NotPossible(f"it has {loop.lane_count} lanes already")
    if constant(loop.step) != 1:
        raise NotPossible("its step is not 1")
    vectors: set[SSAValue] = set()
    for op in loop.body.block.ops:
        if isinstance(op, slc.CallbackOp):
            continue
        reads = loop.variable in op.operands
        computes = any(operand in vectors for operand in op.operands)
        if isinstance(op, slc.LoadOp | slc.StoreOp):
            expect_unit_stride(op.memref)
            *outer, last = op.indices or [None]
            if loop.variable in outer or any(index in vectors for index in op.indices):
                raise NotPossible(f"'{op.name}' has more than the loop's variable as last index")
            if isinstance(op, slc.StoreOp) and not (last is loop.variable and op.value in vectors):
                raise NotPossible(f"'{op.name}' does not store a vector along the loop's variable")
            if isinstance(op, slc.LoadOp) and last is loop.variable:
                vectors.add(op.result)
        elif reads or computes or not isinstance(op, slc.ArithmeticOperation | slc.IndexCastOp):
            raise NotPossible(f"'{op.name}' has no form on lanes")
    return vectors


def _plan(op: slc.CallbackOp, loop: slc.ForOp, vectors: set[SSAValue], padded: bool) -> Plan:
    """How a callback of the loop computes. Raises `NotPossible`."""
    arguments = list(zip(op.inputs, op.body.block.args, strict=True))
    variables = [argument for value, argument in arguments if value is loop.variable]
    if len(variables) > 1:
        raise NotPossible("its callback reads the loop's variable twice")
    lanes = [argument for value, argument in arguments if value in vectors]
    return plan(op.body.block, variables[0] if variables else None, lanes, padded=padded)


def _callback(
    op: slc.CallbackOp,
    loop: slc.ForOp,
    made: Plan,
    streams: dict[SSAValue, SSAValue],
    first: SSAValue | None,
    invariants: Invariants,
    padded: bool,
) -> slc.CallbackOp:
    """The callback on vectors; `first` is the stream of the index of the first lane."""
    arguments: dict[SSAValue, SSAValue | None] = {
        value: argument for value, argument in zip(op.inputs, op.body.block.args, strict=True)
    }
    if padded:
        arguments = _with_bounds(arguments, loop, made)
    inputs = [
        first if value is loop.variable and first is not None else streams.get(value, value)
        for value in arguments
    ]
    block = Block(arg_types=[slc.argument_type(value.type) for value in inputs])
    values: dict[SSAValue, SSAValue] = {}
    given: dict[SSAValue, SSAValue] = {}
    for (value, old), new in zip(arguments.items(), block.args, strict=True):
        new.name_hint = value.name_hint if old is None else old.name_hint
        given[value] = new
        if old is not None:
            values[old] = new
    builder, mask = Builder(InsertPoint.at_end(block)), None
    if padded:
        upper = given.get(loop.upper, loop.upper)
        mask = mask_of(builder, upper, given[loop.variable], invariants.lanes)
    LaneCode(made, invariants, values, builder, mask).emit(op.body.block)
    result = slc.CallbackOp(inputs, Region(block))
    result.attributes |= op.attributes
    return result


def _with_bounds(
    arguments: dict[SSAValue, SSAValue | None], loop: slc.ForOp, made: Plan
) -> dict[SSAValue, SSAValue | None]:
    """What a callback reads, with what the mask needs in front of the vectors."""
    needed = [loop.variable]
    if not isinstance(loop.upper.type, IndexType):
        needed.append(loop.upper)
    scalars = {
        value: argument for value, argument in arguments.items() if argument not in made.vectors
    }
    return {**scalars, **{value: scalars.get(value) for value in needed}, **arguments}
