"""
Which indices are equal, on the access unit and on the core, and how often loops run.

Sums, differences, multiples and roundings of indices are compared in a normal form; whatever else
makes an index is equal to itself only.
"""

from __future__ import annotations

from collections.abc import Hashable

from xdsl.dialects import arith, memref, vector
from xdsl.dialects.builtin import IntegerAttr, MemRefType
from xdsl.ir import Operation, SSAValue

from headrace.dialects import slc
from headrace.dialects.step_dimension import Dimension, symbol

_LIMIT = 32
"""Terms of a polynomial, and steps from an index to what it is made of: more is not looked at."""


class IndexValues:
    """
    Indices of one function as polynomials of symbols.

    A stream counts as what it has in the current iteration, so that it may be compared only with
    what the core gets of the same iteration.
    """

    def __init__(self) -> None:
        self._known: dict[SSAValue, Dimension] = {}
        self._symbols: dict[Hashable, Dimension] = {}
        self._lanes: dict[SSAValue, Dimension] = {}
        """What is in each lane of a vector."""

    def fork(self) -> IndexValues:
        """The same indices, to which others may be bound than to these."""
        fork = IndexValues()
        fork._known, fork._lanes = dict(self._known), dict(self._lanes)
        fork._symbols = self._symbols
        return fork

    def bind(self, value: SSAValue, same: SSAValue) -> None:
        """Take `value`, an argument or something popped, for equal to the stream `same`."""
        self._known[value] = self.of(same)
        if isinstance(same.owner, slc.BroadcastOp):
            self._lanes[value] = self.of(same.owner.input)

    def of(self, value: SSAValue) -> Dimension:
        """The polynomial of an index, or of an integer that becomes one."""
        return self._of(value, _LIMIT)

    def trips(self, lower: SSAValue, upper: SSAValue, step: SSAValue, lanes: int = 1) -> Dimension:
        """How often a loop runs that takes `lanes` iterations a trip: a number or one symbol."""
        length, width = self.of(upper) - self.of(lower), self.of(step) * lanes
        if not width.is_static or width.value < 1:
            return self._symbol((str(length), str(width)))
        trips = length.ceil_divide(width.value)
        if trips.is_static:
            return Dimension.of(max(trips.value, 0))
        return self._symbol(("trips", str(trips)))

    def _symbol(self, key: Hashable) -> Dimension:
        return self._symbols.setdefault(key, symbol(f"v{len(self._symbols)}"))

    def _of(self, value: SSAValue, steps: int) -> Dimension:
        if value not in self._known:
            made = self._made(value.owner, steps) if isinstance(value.owner, Operation) else None
            if made is None or len(made.terms) > _LIMIT:
                made = self._symbol(value)
            self._known[value] = made
        return self._known[value]

    def _made(self, op: Operation, steps: int) -> Dimension | None:
        """The polynomial of the result of an operation; None for one that is not followed."""
        if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr):
            return Dimension.of(op.value.value.data)
        if isinstance(op, memref.DimOp):
            return self._size(op)
        if isinstance(op, vector.ExtractOp):
            return self._lanes.get(op.vector)
        if not isinstance(op, _FOLLOWED) or not steps:
            return None
        first, *others = [self._of(operand, steps - 1) for operand in op.operands]
        if not others:
            return first
        (second,) = others
        match op:
            case arith.AddiOp() | slc.AddOp():
                return first + second
            case arith.SubiOp() | slc.SubtractOp():
                return first - second
            case arith.MuliOp() | slc.MultiplyOp():
                if first.is_static or second.is_static:
                    return first * second
                return self._symbol(("product", *sorted((str(first), str(second)))))
            case arith.MinSIOp() | slc.MinimumOp():
                if first.is_static and second.is_static:
                    return Dimension.of(min(first.value, second.value))
                return self._symbol(("minimum", *sorted((str(first), str(second)))))
            case arith.CeilDivSIOp() | arith.CeilDivUIOp():
                if second.is_static and second.value > 0:
                    return first.ceil_divide(second.value)
                return None
            case _:
                return self._symbol(("quotient", str(first), str(second)))

    def _size(self, op: memref.DimOp) -> Dimension | None:
        axis, source = self.of(op.index), op.source.type
        if not isinstance(source, MemRefType) or not axis.is_static:
            return None
        shape = source.get_shape()
        if not 0 <= axis.value < len(shape):
            return None
        size = shape[axis.value]
        return Dimension.of(size) if size >= 0 else self._symbol((op.source, axis.value))


_FOLLOWED = (
    arith.AddiOp,
    arith.CeilDivSIOp,
    arith.CeilDivUIOp,
    arith.DivUIOp,
    arith.FloorDivSIOp,
    arith.IndexCastOp,
    arith.MinSIOp,
    arith.MuliOp,
    arith.SubiOp,
    slc.AddOp,
    slc.DivideOp,
    slc.IndexCastOp,
    slc.MinimumOp,
    slc.MultiplyOp,
    slc.SubtractOp,
)
"""Operations on indices, which never overflow; divisions are of what is not negative."""
