"""
The expression DAG of a region: what is computed, on which axes, without any schedule.

An expression is an input tensor under some axes, a scalar function applied element by
element (`Map`), or a reduction over axes (`Reduce`); `Full` and `Compress` are the same value, to
be iterated in another way. Expressions are interned by an
`Expressions` factory: equal expressions are one object, so that a value used twice with the
same axes is compiled once and a value used with different axes is compiled per use.

Source: "FuseFlow", ASPLOS 2026, section 4 (index unification).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headrace.storage.functions import evaluate

Axis = int
"""An index variable of the region; printed `i0`, `i1`, .. in the order of first use."""


@dataclass(frozen=True)
class Gather:
    """The coordinates of `dimension` are the values of `index`, a vector along the same axis."""

    dimension: int
    index: "Expression"


@dataclass(frozen=True, eq=False)
class Input:
    """Operand number `operand` of the region, dimension `d` indexed by `axes[d]`."""

    operand: int
    axes: tuple[Axis, ...]
    gather: Gather | None = None

    def gathers(self, axis: Axis) -> bool:
        """Whether the coordinates along `axis` are values."""
        return self.gather is not None and self.axes[self.gather.dimension] == axis


@dataclass(frozen=True, eq=False)
class Map:
    """
    `op` applied element by element; an operand is broadcast along axes that it lacks.

    `op` and `scalar` are those of `sam.alu`.
    """

    op: str
    operands: tuple["Expression", ...]
    scalar: float | None
    axes: tuple[Axis, ...]


@dataclass(frozen=True, eq=False)
class Reduce:
    """`op` (add, max or min) over the axes `over`, which `axes` no longer contains."""

    op: str
    over: frozenset[Axis]
    operand: "Expression"
    axes: tuple[Axis, ...]


@dataclass(frozen=True, eq=False)
class Full:
    """The same value, to be iterated over every coordinate of the axes `over`."""

    operand: "Expression"
    over: frozenset[Axis]
    axes: tuple[Axis, ...]


@dataclass(frozen=True, eq=False)
class Compress:
    """The same value, whose zeros are dropped along the innermost of its axes."""

    operand: "Expression"
    axes: tuple[Axis, ...]


Expression = Input | Map | Reduce | Full | Compress


@dataclass(frozen=True)
class Constant:
    """A number known at compile time; it enters expressions as the `scalar` of a `Map`."""

    value: float


Scalar = Expression | Constant
"""What a scalar value of a linalg body can be."""


class Expressions:
    """The factory of expressions; equal arguments give the same object."""

    def __init__(self) -> None:
        self._interned: dict[tuple[object, ...], Expression] = {}

    def input(self, operand: int, axes: Sequence[Axis], gather: Gather | None = None) -> Expression:
        return self._intern(Input(operand, tuple(axes), gather), operand, tuple(axes), gather)

    def map(
        self, op: str, operands: Sequence[Expression], scalar: float | None = None
    ) -> Expression:
        axes = tuple(dict.fromkeys(axis for operand in operands for axis in operand.axes))
        new = Map(op, tuple(operands), scalar, axes)
        return self._intern(new, op, *map(id, operands), repr(scalar))

    def reduce(self, op: str, over: Iterable[Axis], operand: Expression) -> Expression:
        over = frozenset(over)
        if not over:
            return operand
        axes = tuple(axis for axis in operand.axes if axis not in over)
        return self._intern(Reduce(op, over, operand, axes), op, over, id(operand))

    def full(self, operand: Expression, over: Iterable[Axis] | None = None) -> Expression:
        over = frozenset(operand.axes if over is None else over)
        if not over:
            return operand
        axes = tuple(dict.fromkeys((*operand.axes, *sorted(over))))
        return self._intern(Full(operand, over, axes), over, id(operand))

    def compress(self, operand: Expression) -> Expression:
        if not operand.axes or isinstance(operand, Compress):
            return operand
        return self._intern(Compress(operand, operand.axes), id(operand))

    def _intern(self, new: Expression, *key: object) -> Expression:
        return self._interned.setdefault((type(new), *key), new)


def renamed(
    expressions: Expressions,
    expression: Expression,
    old: Axis,
    new: Axis,
    done: dict[Expression, Expression],
) -> Expression:
    """
    `expression` with its free axis `old` called `new`.

    `done` receives what became of each expression below.
    """
    if expression not in done:
        done[expression] = _renamed(expressions, expression, old, new, done)
    return done[expression]


def _renamed(
    expressions: Expressions,
    expression: Expression,
    old: Axis,
    new: Axis,
    done: dict[Expression, Expression],
) -> Expression:
    def below(operand: Expression) -> Expression:
        return renamed(expressions, operand, old, new, done)

    match expression:
        case Input():
            axes = [new if axis == old else axis for axis in expression.axes]
            gather = expression.gather
            if gather is not None:
                gather = Gather(gather.dimension, below(gather.index))
            return expressions.input(expression.operand, axes, gather)
        case Map():
            operands = [below(operand) for operand in expression.operands]
            return expressions.map(expression.op, operands, expression.scalar)
        case Reduce():
            if old in expression.over:
                return expression
            return expressions.reduce(expression.op, expression.over, below(expression.operand))
        case Full():
            over = [new if axis == old else axis for axis in expression.over]
            return expressions.full(below(expression.operand), over)
        case Compress():
            return expressions.compress(below(expression.operand))


def operands_of(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case Input():
            return () if expression.gather is None else (expression.gather.index,)
        case Map():
            return expression.operands
        case Reduce() | Full() | Compress():
            return (expression.operand,)


def walk(roots: Iterable[Expression]) -> list[Expression]:
    """Every expression below `roots` once, operands before their users."""
    seen: set[int] = set()
    order: list[Expression] = []

    def visit(expression: Expression) -> None:
        if id(expression) in seen:
            return
        seen.add(id(expression))
        for operand in operands_of(expression):
            visit(operand)
        order.append(expression)

    for root in roots:
        visit(root)
    return order


def evaluate_scalar(op: str, fills: Sequence[float], scalar: float | None) -> float:
    """
    `op` of `sam.alu` on the fill values of its operands; NaN where no fill value is safe.

    Only a skipped minus infinity that was asked for, by a mask, may absorb what it meets. An
    infinity that arithmetic makes (log 0, 1 / 0) is no fill: another like it may come along, and
    their difference is NaN. What depends on an unknown fill is unknown, comparisons as well.
    """
    operands = (*fills, *(() if scalar is None else (scalar,)))
    if op == "matmul" or any(math.isnan(value) for value in operands):
        return math.nan
    result = float(evaluate(op, operands))
    made = math.isinf(result) and all(math.isfinite(value) for value in operands)
    return math.nan if made else result
