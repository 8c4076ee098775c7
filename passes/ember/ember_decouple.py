"""
`ember-decouple`: moves the loops and loads of nests to the access unit, as the dialect `slc`.

Loops that the access unit can run (see `candidates`) become `slc.for`, what they read and the
indices that they compute become streams, and all else stays with the core, in callbacks where it
stood. A loop that stays has the reason as attribute `headrace.refused`.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, sections 5.1 and 6.1. The paper knows one inner loop a body and sums of rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from headrace.dialects import slc
from headrace.dialects.memory_writes import name_of, writes_of
from headrace.passes.ember.callbacks import Section, Values, callback
from headrace.passes.ember.candidates import Choice, choose
from headrace.passes.ember.invariants import hoist_invariants
from headrace.passes.ember.nests import nests
from headrace.passes.ember.refusal import fail, refuse

_ARITHMETIC: Mapping[type[Operation], type[slc.ArithmeticOperation]] = {
    arith.AddiOp: slc.AddOp,
    arith.SubiOp: slc.SubtractOp,
    arith.MuliOp: slc.MultiplyOp,
    arith.MinSIOp: slc.MinimumOp,
    arith.DivUIOp: slc.DivideOp,
    arith.DivSIOp: slc.DivideOp,
    arith.FloorDivSIOp: slc.DivideOp,
}


@dataclass(frozen=True)
class EmberDecouplePass(ModulePass):
    """Decides for each loop of each nest whether the access unit runs it, and says why not."""

    name = "ember-decouple"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for nest in nests(op, self.name):
            self._decouple(nest)

    def _decouple(self, nest: func.FuncOp) -> None:
        hoist_invariants(nest)
        choice = choose(nest, writes_of(nest))
        if not choice.loops:
            loop, reason = next(iter(choice.refused.items()))
            variable = name_of(loop.body.block.args[0])
            raise fail(self.name, loop, f"the loop over {variable} stays on the core: {reason}")
        for loop, reason in choice.refused.items():
            refuse(self.name, loop, reason)
        for loop in list(nest.body.block.ops):
            if isinstance(loop, scf.ForOp) and loop in choice.loops:
                _Outermost(loop, choice).convert()


class _Outermost:
    """A loop in no other one, and what becomes of it."""

    def __init__(self, loop: scf.ForOp, choice: Choice):
        top = loop.parent_block()
        assert top is not None
        self.outermost = loop
        self.values = Values(choice, top)

    def convert(self) -> None:
        """Put the loop of the access unit in place of the one of the core."""
        before, top = Builder(InsertPoint.before(self.outermost)), self.values.top
        for slot, initial in self._carried(self.outermost):
            before.insert(memref.StoreOp.get(initial, slot, []))
        loop = before.insert(self._loop(self.outermost))
        after = Builder(InsertPoint.after(loop))
        for result in self.outermost.results:
            if result.uses:
                read = after.insert(memref.LoadOp.get(self.values.slots[result], []))
                read.res.name_hint = result.name_hint
                result.replace_all_uses_with(read.res)
        top.erase_op(self.outermost)
        _drop_unused(loop)

    def _carried(self, loop: scf.ForOp) -> list[tuple[SSAValue, SSAValue]]:
        """A slot for each value that the core carries through a loop, and its first value."""
        carried: list[tuple[SSAValue, SSAValue]] = []
        arguments = loop.body.block.args[1:]
        for initial, argument, result in zip(loop.iter_args, arguments, loop.results, strict=True):
            if argument not in self.values.choice.sums:
                slot = self.values.slot(argument, self.outermost)
                self.values.slots[result] = slot
                carried.append((slot, initial))
        return carried

    def _loop(self, loop: scf.ForOp) -> slc.ForOp:
        """The loop of the access unit for a chosen one."""
        streams, old = self.values.streams, loop.body.block
        body = Block(arg_types=[slc.INDEX_STREAM])
        body.args[0].name_hint = old.args[0].name_hint
        streams[old.args[0]] = body.args[0]
        lower, upper = (streams.get(bound, bound) for bound in (loop.lb, loop.ub))
        builder, section = Builder(InsertPoint.at_end(body)), Section()
        for op in old.ops:
            if isinstance(op, scf.YieldOp):
                section.carried += self._yielded(loop, op)
                self._flush(builder, section, op)
            elif isinstance(op, scf.ForOp) and op in self.values.choice.loops:
                section.carried += self._carried(op)
                self._flush(builder, section, op)
                section = Section()
                builder.insert(self._loop(op))
            elif op.results and op.results[0] in self.values.choice.streams:
                self._stream(builder, op)
            elif not self.values.keep_simple(op):
                section.ops.append(op)
        return slc.ForOp(lower, upper, loop.step, Region(body))

    def _yielded(self, loop: scf.ForOp, op: scf.YieldOp) -> list[tuple[SSAValue, SSAValue]]:
        arguments = loop.body.block.args[1:]
        return [
            (self.values.slots[argument], value)
            for argument, value in zip(arguments, op.operands, strict=True)
            if argument not in self.values.choice.sums and argument is not value
        ]

    def _flush(self, builder: Builder, section: Section, consumer: Operation) -> None:
        op = callback(section, self.values, self.outermost, {consumer})
        if op is not None:
            builder.insert(op)

    def _stream(self, builder: Builder, op: Operation) -> None:
        """What the access unit does for an operation."""
        streams, sums = self.values.streams, self.values.choice.sums
        result = op.results[0]
        if result not in sums:
            operands = [streams.get(operand, operand) for operand in op.operands]
            if isinstance(op, memref.LoadOp):
                made = slc.LoadOp(*operands)
            elif isinstance(op, arith.IndexCastOp):
                made = slc.IndexCastOp(*operands)
            else:
                made = _ARITHMETIC[op.__class__](*operands)
            self._set(result, builder.insert(made).results[0])
        for total in {id(total): total for total in sums.values()}.values():
            if total.length is result:
                both = builder.insert(slc.AccumulateOp(streams[result], total.initial))
                self._set(total.begin, both.begin)
                self._set(total.end, both.end)

    def _set(self, value: SSAValue, stream: SSAValue) -> None:
        stream.name_hint = value.name_hint
        self.values.streams[value] = stream


def _drop_unused(loop: slc.ForOp) -> None:
    """Remove streams that nothing needs."""
    for op in reversed(list(loop.walk())):
        if isinstance(op, slc.ArithmeticOperation | slc.LoadOp | slc.IndexCastOp) and not any(
            result.uses for result in op.results
        ):
            op.detach()
            op.erase()
