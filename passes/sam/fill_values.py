"""
Fill values: what an expression is worth where none of its operands is stored.

Sparse compilation skips coordinates. That is right only while every skipped coordinate is
known to be worth one number, the fill value, and while the consumer of the skipped
coordinates agrees: a sum skips zeros, a maximum skips minus infinity, a stored result skips
zeros. Where they do not agree the operand is marked `Full`, to be visited at every
coordinate. So results equal dense arithmetic, and a masked softmax, written
`select(mask != 0, x, -inf)`, stays on the support of its mask without a special case.

Two conventions differ from IEEE arithmetic on the dense tensors: zero times a skipped value
is zero even if that value is infinite, and a skipped zero divided by a value that is stored
wherever the numerator is stays zero.

Source: the fill values of "Finch", CGO 2025, section 3; the defects that they cure are
those of "FuseFlow", ASPLOS 2026, for isolated nodes and elementwise functions with f(0) != 0.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.passes.sam import presence
from headrace.passes.sam.expression import (
    Axis,
    Compress,
    Expression,
    Expressions,
    Full,
    Input,
    Map,
    Reduce,
    evaluate_scalar,
    walk,
)


class InfiniteFillError(Exception):
    """Zeros are to be dropped from a value that is infinite where it is not stored."""

    def __init__(self, expression: Compress, fill: float) -> None:
        super().__init__(
            f"its zeros cannot be dropped: where nothing is stored it is {fill}, so that what is "
            "skipped does not count as 0; drop the zeros of what it is computed from"
        )
        self.expression = expression


@dataclass(frozen=True)
class Support:
    """A `Map` is present where all (intersect) or any (union) of the named operands are."""

    kind: Literal["intersect", "union"]
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Filled:
    """Expressions whose skipped coordinates are harmless, with the support of each `Map`."""

    results: tuple[Expression, ...]
    supports: dict[Expression, Support]


_INFINITE = (math.inf, -math.inf)

_ANNIHILATED: dict[str, Callable[[int, float], float | None]] = {
    "mul": lambda position, fill: 0.0 if fill == 0 else None,
    "matmul": lambda position, fill: 0.0 if fill == 0 else None,
    "add": lambda position, fill: fill if fill in _INFINITE else None,
    "sub": lambda position, fill: (
        None if fill not in _INFINITE else fill if position == 0 else -fill
    ),
    "max": lambda position, fill: math.inf if fill == math.inf else None,
    "min": lambda position, fill: -math.inf if fill == -math.inf else None,
}
"""The result of an operation whose operand at `position` has `fill`, whatever the others."""

_IDENTITY = {"add": 0.0, "max": -math.inf, "min": math.inf}


def fill_in(
    expressions: Expressions,
    results: Sequence[Expression],
    order: Sequence[Axis],
    is_dense: Callable[[int, int], bool],
) -> Filled:
    """
    Mark as `Full` what has to be visited at every coordinate under an order of axes.

    `is_dense(k, d)` says whether operand k of the region stores every coordinate of its
    dimension d. Raises `InfiniteFillError` where dropped zeros would count as an infinity.
    """
    return _Filler(expressions, order, is_dense).run(results)


class _Filler:
    def __init__(
        self,
        expressions: Expressions,
        order: Sequence[Axis],
        is_dense: Callable[[int, int], bool],
    ) -> None:
        self.expressions = expressions
        self.position = {axis: p for p, axis in enumerate(order)}
        self.is_dense = is_dense
        self.done: dict[Expression, tuple[Expression, float]] = {}
        self.supports: dict[Expression, Support] = {}
        self.where_stored: dict[tuple[Expression, Axis], presence.Formula[Expression]] = {}

    def run(self, results: Sequence[Expression]) -> Filled:
        for expression in walk(results):
            self.done[expression] = self.fill(expression)
        filled: list[Expression] = []
        for result in results:
            expression, fill = self.done[result]
            filled.append(expression if fill == 0 else self.full(expression))
        return Filled(tuple(filled), self.supports)

    def full(self, expression: Expression, over: frozenset[Axis] | None = None) -> Expression:
        return self.expressions.full(expression, over)

    def fill(self, expression: Expression) -> tuple[Expression, float]:
        match expression:
            case Input():
                return expression, 0.0
            case Full():
                operand, fill = self.done[expression.operand]
                return self.full(operand, expression.over), fill
            case Compress():
                operand, fill = self.done[expression.operand]
                if math.isinf(fill):
                    raise InfiniteFillError(expression, fill)
                # What is skipped counts as 0, like what is dropped.
                visited = operand if fill == 0 else self.full(operand)
                return self.expressions.compress(visited), 0.0
            case Reduce():
                operand, fill = self.done[expression.operand]
                skips = fill == _IDENTITY[expression.op]
                if not skips or (fill != 0 and self.accumulates(expression)):
                    # A maximum of equal fills is that fill, but a sum depends on their number. An
                    # accumulator gives nothing, which reads as 0, where it got nothing.
                    everywhere = expression.op == "add"
                    operand = self.full(operand, None if everywhere else self.inside(expression))
                    fill = 0.0 if everywhere else fill
                return self.expressions.reduce(expression.op, expression.over, operand), fill
            case Map():
                return self.map(expression)

    def accumulates(self, reduce: Reduce) -> bool:
        """Whether an axis of the result lies inside the reduced axes."""
        return self.inside(reduce) != reduce.over

    def inside(self, reduce: Reduce) -> frozenset[Axis]:
        """The reduced axes and those inside them, along which a fill could be the maximum."""
        first = min(self.position[axis] for axis in reduce.over)
        axes = (*reduce.axes, *reduce.over)
        return frozenset(axis for axis in axes if self.position[axis] >= first)

    def map(self, expression: Map) -> tuple[Expression, float]:
        operands = [self.done[operand][0] for operand in expression.operands]
        fills = [self.done[operand][1] for operand in expression.operands]
        new = self.expressions.map(expression.op, operands, expression.scalar)
        support, fill = self.rule(expression.op, operands, fills, expression.scalar)
        self.supports[new] = support
        return new, fill

    def rule(
        self,
        op: str,
        operands: Sequence[Expression],
        fills: Sequence[float],
        scalar: float | None,
    ) -> tuple[Support, float]:
        every = tuple(range(len(operands)))
        if op == "mask" and fills[1] == 0:
            assert scalar is not None
            return Support("union", (1,)), scalar
        if op == "where" and fills[0] == 0:
            return Support("union", (0, 2)), fills[2]
        if op == "div" and len(operands) == 2 and fills[0] == 0 and self.covers(*operands):
            return Support("union", (0,)), 0.0
        if op in _ANNIHILATED and len(operands) == 2:
            killed = {k: _ANNIHILATED[op](k, fill) for k, fill in enumerate(fills)}
            killers = tuple(k for k in every if killed[k] is not None)
            values = {killed[k] for k in killers}
            if len(values) == 1:
                (value,) = values
                assert value is not None
                return Support("intersect", killers), value
        return Support("union", every), evaluate_scalar(op, fills, scalar)

    def covers(self, left: Expression, right: Expression) -> bool:
        """Whether `right` is stored wherever `left` is, or everywhere."""
        return all(
            presence.implies(self.stored(left, axis), self.stored(right, axis))
            for axis in left.axes
        )

    def stored(self, expression: Expression, axis: Axis) -> presence.Formula[Expression]:
        """Where `expression` is stored on `axis`, in terms of sparse operands and droppers."""
        key = (expression, axis)
        if key not in self.where_stored:
            self.where_stored[key] = self._stored(expression, axis)
        return self.where_stored[key]

    def _stored(self, expression: Expression, axis: Axis) -> presence.Formula[Expression]:
        everywhere = frozenset({frozenset[Expression]()})
        if axis not in expression.axes:
            return everywhere
        match expression:
            case Input():
                dimension = expression.axes.index(axis)
                if expression.gathers(axis) or self.is_dense(expression.operand, dimension):
                    return everywhere
                return presence.atom(expression)
            case Full():
                if axis in expression.over:
                    return everywhere
                return self.stored(expression.operand, axis)
            case Compress():
                inside = self.stored(expression.operand, axis)
                return presence.intersect([inside, presence.atom(expression)])
            case Reduce():
                return self.stored(expression.operand, axis)
            case Map():
                support = self.supports[expression]
                parts = [self.stored(expression.operands[k], axis) for k in support.operands]
                combine = presence.intersect if support.kind == "intersect" else presence.union
                return combine(parts)
