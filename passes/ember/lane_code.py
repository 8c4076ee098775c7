"""Vector operations for the code of a loop of the core that `lane_rules` has found possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import arith, memref, scf, vector
from xdsl.dialects.builtin import AnyFloat, FloatAttr, IntegerAttr, IntegerType, VectorType, i1
from xdsl.dialects.vector import CombiningKindAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from headrace.dialects import slc
from headrace.dialects.access_rules import constant
from headrace.passes.ember.lane_rules import Plan, Reduction, neutral, on_lanes

_ONE_NUMBER = (
    arith.CmpfOp,
    arith.CmpiOp,
    arith.ExtSIOp,
    arith.ExtUIOp,
    arith.FPToSIOp,
    arith.FPToUIOp,
    arith.SIToFPOp,
    arith.SelectOp,
    arith.TruncIOp,
    arith.UIToFPOp,
)
"""Operations that xDSL has for single numbers only."""


class Invariants:
    """Vectors of equal lanes that no loop changes, made once in front of the loop `outermost`."""

    def __init__(self, outermost: Operation, lanes: int):
        block = outermost.parent
        assert block is not None
        self.top = block
        self.lanes = lanes
        self._builder = Builder(InsertPoint.before(outermost))
        self._broadcasts: dict[SSAValue, SSAValue] = {}
        self._constants: dict[tuple[str, Attribute], SSAValue] = {}

    def has(self, value: SSAValue) -> bool:
        """Whether a value is known in front of all loops."""
        owner = value.owner
        return (owner if isinstance(owner, Block) else owner.parent) is self.top

    def number(self, value: int) -> SSAValue:
        """A number of type index."""
        return self._constant(IntegerAttr.from_index_int_value(value), str(value))

    def constant(self, value: float, type: Attribute) -> SSAValue:
        """A vector of one number."""
        # The text tells 0.0 and -0.0 apart.
        if isinstance(type, AnyFloat):
            return self.broadcast(self._constant(FloatAttr(value, type), str(float(value))))
        whole = IntegerAttr(int(value), cast(IntegerType, type))
        return self.broadcast(self._constant(whole, str(int(value))))

    def _constant(self, attribute: IntegerAttr | FloatAttr, text: str) -> SSAValue:
        key = (text, attribute.type)
        if key not in self._constants:
            self._constants[key] = self._builder.insert(arith.ConstantOp(attribute)).result
        return self._constants[key]

    def broadcast(self, value: SSAValue) -> SSAValue:
        """A vector of a value that is known in front of all loops."""
        if value not in self._broadcasts:
            op = vector.BroadcastOp(value, on_lanes(value.type, self.lanes))
            self._broadcasts[value] = self._builder.insert(op).vector
        return self._broadcasts[value]


@dataclass
class LaneCode:
    """Emits the operations of a block of the loop with `made` for lanes."""

    made: Plan
    invariants: Invariants
    values: dict[SSAValue, SSAValue]
    """What arguments and results have become."""
    builder: Builder
    mask: SSAValue | None
    """Which lanes have an iteration; None if all always have one."""

    def emit(self, block: Block) -> None:
        """All operations but the terminator."""
        for op in block.ops:
            if op in self.made.skipped or isinstance(op, scf.YieldOp):
                continue
            match op:
                case memref.LoadOp() if self.made.is_lane(op):
                    self._load(op)
                case memref.StoreOp() if self.made.is_lane(op):
                    self._store(op)
                case memref.StoreOp():
                    self._reduce(op, self.made.reductions[op])
                case scf.IfOp():
                    self._if(op)
                case _ if op.results and op.results[0] in self.made.vectors:
                    self._compute(op)
                case _:
                    self.builder.insert(op.clone(self.values))

    def vector(self, value: SSAValue) -> SSAValue:
        """A value for each lane."""
        known = self._value(value)
        if value in self.made.vectors:
            return known
        if self.invariants.has(known):
            return self.invariants.broadcast(known)
        return self.builder.insert(vector.BroadcastOp(known, self._type(value))).vector

    def active(self, value: SSAValue, reduction: Reduction) -> SSAValue:
        """The lanes of `value` with an iteration, and numbers that change nothing."""
        lanes = self.vector(value)
        if self.mask is None:
            return lanes
        nothing = self.invariants.constant(neutral(reduction.kind, value.type), value.type)
        one_lane = arith.SelectOp(*Block(arg_types=[i1, value.type, value.type]).args)
        return self.builder.insert(slc.LanewiseOp(one_lane, [self.mask, lanes, nothing])).result

    def _value(self, value: SSAValue) -> SSAValue:
        return self.values.get(value, value)

    def _type(self, value: SSAValue) -> VectorType[Attribute]:
        return on_lanes(value.type, self.invariants.lanes)

    def _load(self, op: memref.LoadOp) -> None:
        buffer, indices = self._value(op.memref), [self._value(index) for index in op.indices]
        type = on_lanes(op.res.type, self.invariants.lanes)
        if self.mask is None:
            loaded = self.builder.insert(vector.LoadOp(buffer, indices, type)).result
        else:
            nothing = self.invariants.constant(0, op.res.type)
            made = vector.MaskedLoadOp(buffer, indices, self.mask, nothing)
            loaded = self.builder.insert(made).result
        loaded.name_hint = op.res.name_hint
        self.values[op.res] = loaded

    def _store(self, op: memref.StoreOp) -> None:
        buffer, indices = self._value(op.memref), [self._value(index) for index in op.indices]
        value = self.vector(op.value)
        self.builder.insert(
            vector.StoreOp(value, buffer, indices)
            if self.mask is None
            else vector.MaskedStoreOp(buffer, indices, self.mask, value)
        )

    def _reduce(self, op: memref.StoreOp, reduction: Reduction) -> None:
        """All lanes, in their order, into one element of memory."""
        buffer, indices = self._value(op.memref), [self._value(index) for index in op.indices]
        before = self.builder.insert(memref.LoadOp.get(buffer, indices)).res
        lanes = self.active(reduction.by, reduction)
        total = self.builder.insert(reduction_of(reduction, lanes, before)).results[0]
        self.builder.insert(memref.StoreOp.get(total, buffer, indices))

    def _if(self, op: scf.IfOp) -> None:
        regions: list[Region] = []
        for region in op.regions:
            blocks = [Block() for _ in region.blocks]
            for old, new in zip(region.blocks, blocks, strict=True):
                inner = Builder(InsertPoint.at_end(new))
                LaneCode(self.made, self.invariants, dict(self.values), inner, self.mask).emit(old)
                inner.insert(scf.YieldOp())
            regions.append(Region(blocks))
        holds, fails = regions
        made = scf.IfOp(self._value(op.cond), [], holds, fails)
        made.attributes |= op.attributes
        self.builder.insert(made)

    def _compute(self, op: Operation) -> None:
        result = op.results[0]
        operands = [self.vector(operand) for operand in op.operands]
        made = (
            slc.LanewiseOp(op, operands)
            if isinstance(op, _ONE_NUMBER)
            else op.create(
                operands=operands,
                result_types=[self._type(result)],
                properties=dict(op.properties),
                attributes=dict(op.attributes),
            )
        )
        made.results[0].name_hint = result.name_hint
        self.values[result] = self.builder.insert(made).results[0]


def mask_of(builder: Builder, upper: SSAValue, variable: SSAValue, lanes: int) -> SSAValue:
    """Which lanes of a trip that begins at `variable` lie below `upper`."""
    left = builder.insert(arith.SubiOp(upper, variable)).result
    return builder.insert(vector.CreateMaskOp([left], on_lanes(i1, lanes))).mask_vector


def reduction_of(reduction: Reduction, lanes: SSAValue, before: SSAValue) -> Operation:
    """`before` and the lanes from the first to the last, combined in this order."""
    return vector.ReductionOp.create(
        operands=[lanes, before],
        result_types=[before.type],
        properties={"kind": CombiningKindAttr(reduction.kind)},
    )


def is_full(lower: SSAValue, upper: SSAValue, lanes: int) -> bool:
    """Whether the iterations are known to be a multiple of the lanes."""
    first, last = constant(lower), constant(upper)
    return first is not None and last is not None and (last - first) % lanes == 0
