"""
`ember-store-stream`: the access unit writes what a callback only moves.

    slc.callback(%i, %e, %v : ..) {
    ^bb0(%row: index, %column: index, %x: f32):          becomes   slc.store %v, %out, %i, %e : ..
      memref.store %x, %out[%row, %column] : ..
    }

Neither token nor word goes through the queues for it. Vectors come after: `ember-vectorize` gives
lanes to a store stream as to a load.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 5.5.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import IndexType, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.dialects import slc
from headrace.dialects.access_rules import other_access
from headrace.dialects.memory_writes import name_of
from headrace.passes.ember.nests import access_nests
from headrace.passes.ember.refusal import refuse

_INDEX_ARITHMETIC: dict[type[Operation], type[slc.ArithmeticOperation]] = {
    arith.AddiOp: slc.AddOp,
    arith.MinSIOp: slc.MinimumOp,
    arith.MuliOp: slc.MultiplyOp,
    arith.SubiOp: slc.SubtractOp,
}


@dataclass(frozen=True)
class EmberStoreStreamPass(ModulePass):
    """
    Makes store streams of callbacks that move loaded data to memory that nothing else accesses.

    A callback that does more stays as it is, with the reason as attribute `headrace.refused`.
    """

    name = "ember-store-stream"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for nest in access_nests(op, self.name):
            for callback in [op for op in nest.walk() if isinstance(op, slc.CallbackOp)]:
                reason = _reason(callback, nest)
                if reason is None:
                    _replace(callback, nest)
                else:
                    refuse(self.name, callback, reason)


def _reason(callback: slc.CallbackOp, nest: FuncOp) -> str | None:
    """Why the access unit cannot do what a callback does: a clause, or None if it can."""
    loop = callback.parent_op()
    if not isinstance(loop, slc.ForOp) or not loop.is_innermost:
        return "it does not run in each iteration of a loop"
    own = _of_loop(loop)
    given = list(zip(callback.body.block.args, callback.inputs, strict=True))
    loaded: set[SSAValue] = {argument for argument, _ in given}
    varying: set[SSAValue] = {argument for argument, stream in given if stream in own}
    if not any(isinstance(op, memref.StoreOp) for op in callback.body.block.ops):
        return "it stores nothing"
    for op in callback.body.block.ops:
        if isinstance(op, memref.StoreOp):
            if op.value not in loaded:
                return f"it stores {name_of(op.value)}, which the access unit does not load"
            if not varying.intersection(op.operands):
                return "it stores the same in all iterations"
            other = other_access(nest, op, op.memref)
            if other is not None:
                return f"{name_of(op.memref)} may be accessed by '{other.name}' as well"
        elif isinstance(op, arith.ConstantOp):
            continue
        elif type(op) not in _INDEX_ARITHMETIC or op.results[0].type != IndexType():
            return f"it computes '{op.name}'"
        elif varying.intersection(op.operands):
            varying.update(op.results)
    return None


def _of_loop(loop: slc.ForOp) -> set[SSAValue]:
    """The streams that have another value in each iteration of a loop."""
    own: set[SSAValue] = {loop.variable}
    for op in loop.body.block.ops:
        if own.intersection(op.operands):
            own.update(op.results)
    return own


def _replace(callback: slc.CallbackOp, nest: FuncOp) -> None:
    """Do what a callback does on the access unit; constants are made before all loops."""
    outermost = next(op for op in nest.body.block.ops if op.is_ancestor(callback))
    values: dict[SSAValue, SSAValue] = dict(
        zip(callback.body.block.args, callback.inputs, strict=True)
    )
    for op in callback.body.block.ops:
        operands = [values.get(operand, operand) for operand in op.operands]
        streams = any(isinstance(operand.type, slc.StreamType) for operand in operands)
        if isinstance(op, memref.StoreOp):
            made: Operation = slc.StoreOp(*operands)
        elif streams:
            made = _INDEX_ARITHMETIC[type(op)](*operands)
        else:
            made = op.clone(values)
        made.attributes |= op.attributes
        for old, new in zip(op.results, made.results, strict=True):
            new.name_hint = old.name_hint
            values[old] = new
        place = outermost if isinstance(op, arith.ConstantOp) else callback
        Rewriter.insert_op(made, InsertPoint.before(place))
    Rewriter.erase_op(callback)
