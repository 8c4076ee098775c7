"""
Whether iterations of a loop of the core may run as lanes of a vector, decided before any change.

Lane k of a trip computes iteration k of its V. That is what the loop did if no iteration reads what
another one writes: memory that is written has an element for each iteration, named by the loop's
variable as its last index. One exception is a sum (or product, maximum, ..) in one element that all
iterations update and nothing else reads.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, section 5. There a vectoriser that meets an operation without a rule stops half way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from xdsl.dialects import arith, memref, scf
from xdsl.dialects.builtin import (
    AnyFloat,
    IndexType,
    IntegerType,
    MemRefType,
    NoneAttr,
    VectorType,
)
from xdsl.dialects.vector import CombiningKindFlag as Kind
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.traits import is_side_effect_free

from headrace.dialects import dlc, slc
from headrace.dialects.memory_writes import ANY, name_of, roots
from headrace.passes.ember.refusal import NotPossible

COMBINING: Mapping[type[Operation], Kind] = {
    arith.AddfOp: Kind.ADD,
    arith.MulfOp: Kind.MUL,
    arith.MaximumfOp: Kind.MAXIMUMF,
    arith.MinimumfOp: Kind.MINIMUMF,
    arith.AddiOp: Kind.ADD,
    arith.MuliOp: Kind.MUL,
    arith.MaxSIOp: Kind.MAXSI,
    arith.MinSIOp: Kind.MINSI,
}
"""How iterations may update one value."""

_DIVISIONS = (
    arith.DivSIOp,
    arith.DivUIOp,
    arith.RemSIOp,
    arith.RemUIOp,
    arith.FloorDivSIOp,
    arith.CeilDivSIOp,
    arith.CeilDivUIOp,
)

Access: TypeAlias = memref.LoadOp | memref.StoreOp


@dataclass(frozen=True)
class Reduction:
    """An update of one value in each iteration: `combine(before, by)`."""

    combine: Operation
    by: SSAValue

    @property
    def kind(self) -> Kind:
        return COMBINING[type(self.combine)]


@dataclass
class Plan:
    """What the values of a loop become: `vectors` have a value for each lane, others have one."""

    variable: SSAValue | None
    vectors: set[SSAValue] = field(default_factory=set[SSAValue])
    reductions: dict[Operation, Reduction] = field(default_factory=dict[Operation, Reduction])
    """By the store to memory that does the update."""
    carried: list[Reduction] = field(default_factory=list[Reduction])
    """Of the values that the loop itself carries, in order."""

    def is_lane(self, op: Access) -> bool:
        """Whether each iteration accesses an element of its own."""
        return bool(op.indices) and op.indices[-1] is self.variable

    @property
    def skipped(self) -> set[Operation]:
        """What reductions replace: a load and the operation on it."""
        found: set[Operation] = set()
        for reduction in self.reductions.values():
            found.add(reduction.combine)
            found |= {
                operand.owner
                for operand in reduction.combine.operands
                if operand is not reduction.by and isinstance(operand.owner, Operation)
            }
        return found | {reduction.combine for reduction in self.carried}


def plan(
    block: Block,
    variable: SSAValue | None,
    vectors: Iterable[SSAValue],
    carried: Sequence[SSAValue] = (),
    padded: bool = True,
) -> Plan:
    """
    How the operations of a block become vector operations.

    `variable` is what a loop counts with, `vectors` are arguments with a value for each iteration,
    `carried` arguments that hold what the last one yielded; with `padded` a trip may have lanes
    without an iteration. Raises `NotPossible`.
    """
    made = Plan(variable, set(vectors))
    if carried:
        made.carried = _carried(block, carried)
    _Rules(made, padded, set(carried)).check(block)
    _expect_own_elements(block, made)
    return made


class _Rules:
    """What each operation may be."""

    def __init__(self, made: Plan, padded: bool, carried: set[SSAValue]):
        self.plan = made
        self.padded = padded
        self.combining = {id(reduction.combine) for reduction in made.carried}
        self.carried = carried

    def check(self, block: Block) -> None:
        for op in block.ops:
            if id(op) in self.combining:
                continue
            if any(operand in self.carried for operand in op.operands):
                raise NotPossible(f"'{op.name}' reads what the iteration before left")
            match op:
                case memref.LoadOp():
                    self._access(op)
                    if self.plan.is_lane(op):
                        self.plan.vectors.add(op.res)
                case memref.StoreOp():
                    self._access(op)
                    if not self.plan.is_lane(op):
                        self.plan.reductions[op] = self._reduction(op)
                case scf.IfOp():
                    self._if(op)
                case scf.YieldOp():
                    pass
                case _:
                    self._compute(op)

    def _varies(self, value: SSAValue) -> bool:
        return value is self.plan.variable or value in self.plan.vectors

    def _access(self, op: Access) -> None:
        expect_unit_stride(op.memref)
        *outer, last = op.indices or [None]
        if any(self._varies(index) for index in outer if index is not None):
            raise NotPossible(
                f"'{op.name}' of {name_of(op.memref)} has the loop's variable in an index that is "
                "not the last"
            )
        if last is not None and last in self.plan.vectors:
            raise NotPossible(f"'{op.name}' of {name_of(op.memref)} is at places from memory")
        if isinstance(op, memref.StoreOp) and op.value is self.plan.variable:
            raise NotPossible(f"'{op.name}' stores the loop's variable")

    def _reduction(self, op: memref.StoreOp) -> Reduction:
        combine = op.value.owner
        refused = NotPossible(
            f"all iterations store to one element of {name_of(op.memref)}, which no sum, product, "
            "maximum or minimum of what was there explains"
        )
        if not isinstance(combine, Operation) or type(combine) not in COMBINING:
            raise refused
        if op.value.has_more_than_one_use() or combine.parent is not op.parent:
            raise refused
        for before, by in (combine.operands, reversed(combine.operands)):
            load = before.owner
            if (
                isinstance(load, memref.LoadOp)
                and load.memref is op.memref
                and list(load.indices) == list(op.indices)
                and not before.has_more_than_one_use()
                and by in self.plan.vectors
            ):
                self.plan.vectors.discard(op.value)
                return Reduction(combine, by)
        raise refused

    def _if(self, op: scf.IfOp) -> None:
        if self._varies(op.cond):
            raise NotPossible("whether 'scf.if' holds differs between iterations")
        if op.results:
            raise NotPossible("'scf.if' has results, which have no form on lanes")
        for region in op.regions:
            for block in region.blocks:
                self.check(block)

    def _compute(self, op: Operation) -> None:
        if any(operand is self.plan.variable for operand in op.operands):
            raise NotPossible(f"'{op.name}' computes with the loop's variable")
        vectors = [operand for operand in op.operands if operand in self.plan.vectors]
        if not vectors:
            reads = isinstance(op, slc.PopOp) or op.regions or not is_side_effect_free(op)
            if reads and not isinstance(op, dlc.ReadOp):
                raise NotPossible(f"'{op.name}' runs once in each iteration")
            return
        if op.dialect_name() not in ("arith", "math") or len(op.results) != 1 or op.regions:
            raise NotPossible(f"'{op.name}' has no form on lanes")
        if op.name == "math.fpowi" or isinstance(op.results[0].type, IndexType):
            raise NotPossible(f"'{op.name}' has no form on lanes")
        if isinstance(op, _DIVISIONS) and self.padded and op.operands[1] in self.plan.vectors:
            raise NotPossible(f"'{op.name}' would divide by zero in lanes without an iteration")
        self.plan.vectors.add(op.results[0])


def _carried(block: Block, carried: Sequence[SSAValue]) -> list[Reduction]:
    """How the values that a loop carries are updated."""
    end = block.last_op
    assert isinstance(end, scf.YieldOp)
    found: list[Reduction] = []
    for argument, value in zip(carried, end.operands, strict=True):
        combine = value.owner
        if (
            not isinstance(combine, Operation)
            or combine.parent is not block
            or type(combine) not in COMBINING
            or argument not in combine.operands
            or argument.has_more_than_one_use()
            or value.has_more_than_one_use()
        ):
            raise NotPossible(
                f"{name_of(argument)} goes from iteration to iteration, and is no sum, product, "
                "maximum or minimum"
            )
        first, second = combine.operands
        found.append(Reduction(combine, second if first is argument else first))
    return found


def _expect_own_elements(block: Block, made: Plan) -> None:
    """No iteration may read or write what another one writes."""
    accesses = [op for op in block.walk() if isinstance(op, Access)]
    for store in (op for op in accesses if isinstance(op, memref.StoreOp)):
        for other in accesses:
            if other is store or not may_be_same(store.memref, other.memref):
                continue
            reduction = made.reductions.get(store)
            if reduction is not None:
                if any(value.owner is other for value in reduction.combine.operands):
                    continue
            elif other.memref is store.memref and list(other.indices) == list(store.indices):
                continue
            raise NotPossible(
                f"'{other.name}' of {name_of(other.memref)} may be where another iteration stores "
                f"to {name_of(store.memref)}"
            )
    for reduction in made.carried:
        if reduction.by not in made.vectors:
            raise NotPossible(f"'{reduction.combine.name}' adds the same in each iteration")


def may_be_same(one: SSAValue, other: SSAValue) -> bool:
    """Whether two memrefs may share an element."""
    if one is other:
        return True
    first, second = roots(one), roots(other)
    return ANY in first | second or bool(first & second)


def expect_unit_stride(value: SSAValue) -> None:
    """Raise `NotPossible` unless consecutive last indices of a memref are neighbours in memory."""
    type = cast("MemRefType[Attribute]", value.type)
    if not isinstance(type.layout, NoneAttr):
        raise NotPossible(f"{name_of(value)} has a layout, by which rows may not be contiguous")


def on_lanes(type: Attribute, lanes: int) -> VectorType[Attribute]:
    """The vector type of so many values."""
    return VectorType(type, [lanes])


NEUTRAL: Mapping[Kind, float] = {
    Kind.ADD: -0.0,
    Kind.MUL: 1.0,
    Kind.MAXIMUMF: float("-inf"),
    Kind.MINIMUMF: float("inf"),
}
"""What changes nothing in a combination of floats; to add 0.0 would change the sign of -0.0."""


def neutral(kind: Kind, type: Attribute) -> float:
    """What changes nothing when it is combined with any number of the type."""
    if isinstance(type, AnyFloat):
        return NEUTRAL[kind]
    width = cast(IntegerType, type).width.data
    bounds = {Kind.MAXSI: -(2 ** (width - 1)), Kind.MINSI: 2 ** (width - 1) - 1}
    return {Kind.ADD: 0, Kind.MUL: 1, **bounds}[kind]
