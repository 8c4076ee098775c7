"""
What goes through the queues of a `dlc` function, without running it: tokens and words.

A unit whose bounds are sizes has as many trips as they say. How often one runs whose bounds are
read from memory, such as the segments of a bag, is a symbol: all trips of all its fibers together.
For the sum of an EmbeddingBag of rows of 32 numbers on 8 lanes, with N lookups in B bags:

    level 0    32 N + 1 tokens      96 N words
    level 1     4 N + 1             40 N
    level 2       N + 1             33 N
    level 3   N + B + 1             32 N

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026, of which these are the numbers behind the throughput of its queue.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import sympy
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import DYNAMIC_INDEX, IntegerAttr, MemRefType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from headrace.dialects import dlc, slc
from headrace.dialects.dlc import Event
from headrace.dialects.dlc_traversal import Traversal, Unit
from headrace.dialects.functions import only_block
from headrace.dialects.slc_types import lanes_of

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class QueueCounts:
    """Tokens and words, in the sizes of arguments and the trips of units."""

    tokens: sympy.Expr
    """Control tokens, with `done`."""
    words: sympy.Expr
    """Elements that go through the data queue; a padded vector has as many as lanes."""
    sizes: Mapping[sympy.Symbol, tuple[int, int]]
    """For symbols of sizes, the argument and its dimension."""
    trips: Mapping[sympy.Symbol, Unit]
    """For the others, the unit."""

    def evaluate(self, buffers: Sequence[Array]) -> tuple[int, int]:
        """Tokens and words of a run on `buffers`, one array an argument."""
        known: dict[sympy.Symbol, int] = {
            symbol: buffers[argument].shape[dimension]
            for symbol, (argument, dimension) in self.sizes.items()
        }
        walk = _Walk(buffers)
        known |= {symbol: walk.trips(unit) for symbol, unit in self.trips.items()}
        return int(self.tokens.subs(known)), int(self.words.subs(known))


def queue_counts(function: FuncOp) -> QueueCounts:
    """What goes through the queues of all access programs of a function."""
    count = _Count()
    accesses = [op for op in only_block(function).ops if isinstance(op, dlc.AccessOp)]
    for access in accesses:
        for unit in Traversal.of(access).outermost:
            count.unit(unit, sympy.Integer(1))
    return QueueCounts(
        sympy.expand(count.tokens + len(accesses)),
        sympy.expand(count.words),
        count.sizes,
        count.trips,
    )


class _Count:
    """The sums, while units are visited."""

    def __init__(self) -> None:
        self.tokens: sympy.Expr = sympy.Integer(0)
        self.words: sympy.Expr = sympy.Integer(0)
        self.sizes: dict[sympy.Symbol, tuple[int, int]] = {}
        self.trips: dict[sympy.Symbol, Unit] = {}

    def unit(self, unit: Unit, fibers: sympy.Expr) -> None:
        """A unit that runs so often, and those inside."""
        trips = self._trips(unit, fibers)
        for event, times in (
            (Event.BEGIN, fibers),
            (Event.ITERATION, trips),
            (Event.END, fibers),
        ):
            self.tokens += times * len(unit.tokens(event))
            self.words += times * sum(lanes_of(stream.type) for stream in unit.operands(event))
        for inner in unit.inner:
            self.unit(inner, trips)

    def _trips(self, unit: Unit, fibers: sympy.Expr) -> sympy.Expr:
        """Of all fibers together."""
        lower, upper, step = (self._size(bound) for bound in unit.bounds)
        if lower is None or upper is None or step is None:
            hint = f"{unit.depth}" if unit.variable is None else unit.variable.name_hint
            name = f"trips_{hint}"
            while any(symbol.name == name for symbol in self.trips):
                name += "'"
            symbol = sympy.Symbol(name, integer=True, nonnegative=True)
            self.trips[symbol] = unit
            return symbol
        distance = upper - lower
        positive = distance if distance.is_nonnegative else sympy.Max(0, distance)
        return fibers * sympy.ceiling(positive / (step * unit.lanes))

    def _size(self, value: SSAValue) -> sympy.Expr | None:
        """What a bound is in sizes of arguments; None for one that is read from memory."""
        op = value.owner
        match op:
            case arith.ConstantOp(value=IntegerAttr() as number):
                return sympy.Integer(number.value.data)
            case memref.DimOp():
                return self._dimension(op)
            case Operation() if combine := _ON_SIZES.get(type(op)):
                operands = [self._size(operand) for operand in op.operands]
                known = [operand for operand in operands if operand is not None]
                return combine(*known) if len(known) == len(operands) else None
            case _:
                return None

    def _dimension(self, op: memref.DimOp) -> sympy.Expr | None:
        dimension = self._size(op.index)
        if not isinstance(dimension, sympy.Integer):
            return None
        place = int(dimension)
        static = cast("MemRefType[Attribute]", op.source.type).get_shape()[place]
        if static != DYNAMIC_INDEX:
            return sympy.Integer(static)
        if not isinstance(op.source, BlockArgument):
            return None
        name = op.source.name_hint or f"argument{op.source.index}"
        symbol = sympy.Symbol(f"{name}_{place}", integer=True, nonnegative=True)
        self.sizes[symbol] = (op.source.index, place)
        return symbol


_ON_SIZES: Mapping[type[Operation], Callable[..., sympy.Expr]] = {
    arith.AddiOp: operator.add,
    arith.SubiOp: operator.sub,
    arith.MuliOp: operator.mul,
    arith.MinSIOp: sympy.Min,
    arith.MaxSIOp: sympy.Max,
}


class _Walk:
    """
    The iterations of units on given buffers, all at once.

    A stream is an array with a number for each iteration of the unit that is asked about.
    """

    def __init__(self, buffers: Sequence[Array]) -> None:
        self.buffers = buffers

    def trips(self, unit: Unit) -> int:
        """Of all fibers of a unit together."""
        return int(self._counts(unit, self._iterations(unit.outer)).sum())

    def _counts(self, unit: Unit, outer: "dict[Unit, Numbers]") -> Numbers:
        """[iterations of the unit around] The trips of each fiber."""
        lower, upper, step = (self._value(bound, outer, unit.outer) for bound in unit.bounds)
        return np.maximum(0, -((lower - upper) // (step * unit.lanes)))

    def _iterations(self, unit: Unit | None) -> "dict[Unit, Numbers]":
        """The variables of a unit and of those around it, in each of its iterations."""
        if unit is None:
            return {}
        outer = self._iterations(unit.outer)
        counts = self._counts(unit, outer)
        lower, _, step = (self._value(bound, outer, unit.outer) for bound in unit.bounds)
        found = {one: np.repeat(numbers, counts) for one, numbers in outer.items()}
        before = np.repeat(np.cumsum(counts) - counts, counts)
        place = np.arange(int(counts.sum())) - before
        found[unit] = np.repeat(lower, counts) + place * unit.lanes * np.repeat(step, counts)
        return found

    def _value(self, value: SSAValue, at: "dict[Unit, Numbers]", unit: Unit | None) -> Numbers:
        """A bound or a stream, in each iteration of `unit`."""
        count = 1 if unit is None else len(at[unit])
        op = value.owner
        assert isinstance(op, Operation), "bounds of a legal program are streams or sizes"
        operands = op.operands
        match op:
            case dlc.VariableOp():
                return next(numbers for one, numbers in at.items() if one.variable is value)
            case arith.ConstantOp(value=IntegerAttr() as number):
                return np.full(count, number.value.data)
            case memref.DimOp():
                place = int(self._value(op.index, at, unit)[0]) if count else 0
                argument = cast(BlockArgument, op.source).index
                return np.full(count, self.buffers[argument].shape[place])
            case slc.LoadOp():
                argument = cast(BlockArgument, op.memref).index
                indices = tuple(self._value(index, at, unit) for index in op.indices)
                return self.buffers[argument][indices].astype(np.int64)
            case slc.AccumulateOp():
                return self._running_sum(op, value, at, unit)
            case slc.IndexCastOp() | slc.ExtractOp():
                return self._value(operands[0], at, unit)
            case _:
                lhs, rhs = (self._value(operand, at, unit) for operand in operands)
                return _ON_STREAMS[type(op)](lhs, rhs)

    def _running_sum(
        self, op: slc.AccumulateOp, value: SSAValue, at: "dict[Unit, Numbers]", unit: Unit | None
    ) -> Numbers:
        """Sums of an outermost unit, which has one fiber."""
        assert unit is not None
        owner = unit
        while owner.outer is not None:
            owner = owner.outer
        own = self._iterations(owner)
        lengths = self._value(op.length, own, owner)
        ends = self._value(op.initial, own, owner) + np.cumsum(lengths)
        sums = ends if value is op.end else ends - lengths
        first, _, step = (self._value(bound, {}, None) for bound in owner.bounds)
        return sums[(at[owner] - first[0]) // (step[0] * owner.lanes)]


_ON_STREAMS: Mapping[type[Operation], Callable[[Numbers, Numbers], Numbers]] = {
    slc.AddOp: np.add,
    slc.SubtractOp: np.subtract,
    slc.MultiplyOp: np.multiply,
    slc.DivideOp: np.floor_divide,
    slc.MinimumOp: np.minimum,
    arith.AddiOp: np.add,
    arith.SubiOp: np.subtract,
    arith.MuliOp: np.multiply,
    arith.MinSIOp: np.minimum,
    arith.MaxSIOp: np.maximum,
}
