"""
Regions over blocked operands: axes count blocks, and values are dense tiles.

An operand stored in blocks fixes the block size of its axes for the whole region; the other
operands are stored in blocks of the same sizes (1 on the other axes). A contraction becomes a
sum of tile products; everything else must work tile by tile.

Source: "FuseFlow", ASPLOS 2026, section 6.3 (sparsity blocking).
"""

from collections.abc import Callable, Sequence

from headrace.dialects import sam
from headrace.passes.sam.expression import (
    Axis,
    Expression,
    Expressions,
    Full,
    Input,
    Map,
    Reduce,
    evaluate_scalar,
    walk,
)
from headrace.passes.sam.refusal import fail
from headrace.storage.levels import Format


def block_sizes(
    region: sam.RegionOp, results: Sequence[Expression], formats: Sequence[Format]
) -> dict[Axis, int]:
    """
    The block size of each axis that a blocked operand has; empty without such operands.

    Raises `PassFailedException` where two operands disagree.
    """
    sizes: dict[Axis, int] = {}
    for use in walk(results):
        if isinstance(use, Input):
            for axis, size in zip(use.axes, formats[use.operand].block, strict=False):
                if sizes.setdefault(axis, size) != size:
                    raise fail(
                        region,
                        f"one axis is stored in blocks of {sizes[axis]} and of {size}; "
                        "convert one of the operands",
                    )
    return sizes


def tiled(
    region: sam.RegionOp,
    expressions: Expressions,
    results: Sequence[Expression],
    result_axes: Sequence[tuple[Axis, ...]],
) -> list[Expression]:
    """
    The same results computed on tiles.

    Raises `PassFailedException` for what is not computed tile by tile.
    """
    done: dict[Expression, Expression] = {}

    def visit(expression: Expression) -> Expression:
        if expression not in done:
            done[expression] = _tiled(region, expressions, expression, visit)
        return done[expression]

    for result, axes in zip(results, result_axes, strict=True):
        if result.axes != axes:
            raise _refusal(region, "a result with permuted or added dimensions")
    return [visit(result) for result in results]


def _tiled(
    region: sam.RegionOp,
    expressions: Expressions,
    expression: Expression,
    visit: Callable[[Expression], Expression],
) -> Expression:
    match expression:
        case Input():
            return expression
        case Full():
            return expressions.full(visit(expression.operand), expression.over)
        case Reduce(op="add", operand=Map(op="mul", operands=(left, right)) as product):
            for first, second in ((left, right), (right, left)):
                match first.axes, second.axes:
                    case (_, inner), (outer, _) if inner == outer and expression.over == frozenset(
                        {inner}
                    ):
                        tiles = (visit(first), visit(second))
                        return expressions.reduce(
                            "add", expression.over, expressions.map("matmul", tiles)
                        )
                    case _:
                        pass
            raise _refusal(region, f"the product over {len(product.axes)} axes")
        case Reduce():
            raise _refusal(region, f"the reduction '{expression.op}'")
        case Map():
            if len({operand.axes for operand in expression.operands}) > 1:
                raise _refusal(region, f"'{expression.op}' of operands with different axes")
            if evaluate_scalar(expression.op, [0.0] * len(expression.operands), expression.scalar):
                raise _refusal(region, f"'{expression.op}', which is not 0 at 0,")
            operands = [visit(operand) for operand in expression.operands]
            return expressions.map(expression.op, operands, expression.scalar)


def _refusal(region: sam.RegionOp, what: str) -> Exception:
    return fail(
        region,
        f"{what} does not work tile by tile on blocked operands; only matrix products and "
        "element-wise operations do; convert the operand to a format without blocks, or cut "
        "the region",
    )
