"""
Regions over blocked operands: axes count blocks, and values are dense tiles.

An operand stored in blocks fixes the block size of its axes for the whole region; the other
operands are stored in blocks of the same sizes (1 on the other axes). A contraction becomes a
sum of tile products; everything else must work tile by tile.

Where blocks do not divide an axis, the last tiles have padding. It is zero in stored operands and
stays zero in functions with f(0, ..) = 0, but not in products: an infinity in one factor meets the
padding of the other, and 0 * inf is NaN. So an axis of a product is summed over only if it has no
padding.

Source: "FuseFlow", ASPLOS 2026, section 6.3 (sparsity blocking).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.passes.sam.expression import (
    Axis,
    Compress,
    Expression,
    Full,
    Input,
    Map,
    Reduce,
    evaluate_scalar,
    walk,
)
from headrace.passes.sam.region_expression import RegionExpression
from headrace.storage.levels import Format

MOST_AXES = 2
"""Tiles have rows and columns."""


class NotTiledError(Exception):
    """What in a region does not work tile by tile."""


@dataclass(frozen=True)
class Tiles:
    """A region on tiles: what it computes, and the block size of each axis of a blocked operand."""

    results: tuple[Expression, ...]
    sizes: dict[Axis, int]


def read_tiles(read: RegionExpression, formats: Sequence[Format]) -> Tiles:
    """
    The results of a region computed on tiles, given the formats of its operands.

    Without blocked operands these are the results themselves, and no axis has a block size.

    Raises `NotTiledError` for what is not computed tile by tile.
    """
    sizes = _block_sizes(read.results, formats)
    for axis, extent in read.extents.items():
        if extent.size is None and formats[extent.operand].block and axis not in sizes:
            raise NotTiledError("an operand of which only the size is read")
    if not sizes:
        return Tiles(read.results, sizes)
    if any(isinstance(use, Input) and use.gather is not None for use in walk(read.results)):
        raise NotTiledError("a gather")
    tiling = _Tiling(read, sizes)
    results = tuple(tiling.visit(result) for result in read.results)
    if read.result_axes != tuple(result.axes for result in results):
        raise NotTiledError("a result with permuted or added dimensions")
    return Tiles(results, sizes)


def _block_sizes(results: Sequence[Expression], formats: Sequence[Format]) -> dict[Axis, int]:
    sizes: dict[Axis, int] = {}
    for use in walk(results):
        if isinstance(use, Input):
            for axis, size in zip(use.axes, formats[use.operand].block, strict=False):
                if sizes.setdefault(axis, size) != size:
                    raise NotTiledError(f"one axis in blocks of {sizes[axis]} and of {size}")
    return sizes


class _Tiling:
    """Rewrites expressions to tiles, whose dimensions have the order of the axes."""

    def __init__(self, read: RegionExpression, sizes: dict[Axis, int]) -> None:
        self.read = read
        self.sizes = sizes
        self.done: dict[Expression, Expression] = {}

    def visit(self, expression: Expression) -> Expression:
        if expression not in self.done:
            self.done[expression] = self._tiled(expression)
        return self.done[expression]

    def _tiled(self, expression: Expression) -> Expression:
        expressions = self.read.expressions
        if len(expression.axes) > MOST_AXES:
            raise NotTiledError(f"a tensor of {len(expression.axes)} dimensions")
        match expression:
            case Input():
                return expression
            case Full():
                return expressions.full(self.visit(expression.operand), expression.over)
            case Compress():
                # A tile is a value without coordinates inside.
                return self.visit(expression.operand)
            case Reduce(op="add", operand=Map(op="mul", operands=(left, right))):
                factors = _matrix_product(self.visit(left), self.visit(right), expression.over)
                for factor in factors:
                    self._expect_no_padding(factor, expression.over)
                product = expressions.map("matmul", factors)
                return expressions.reduce("add", expression.over, product)
            case Reduce():
                raise NotTiledError(f"the reduction '{expression.op}'")
            case Map():
                operands = [self.visit(operand) for operand in expression.operands]
                if len({operand.axes for operand in operands}) > 1:
                    raise NotTiledError(f"'{expression.op}' of operands with different axes")
                if evaluate_scalar(expression.op, [0.0] * len(operands), expression.scalar):
                    raise NotTiledError(f"'{expression.op}', which is not 0 at 0,")
                return expressions.map(expression.op, operands, expression.scalar)

    def _expect_no_padding(self, factor: Expression, over: frozenset[Axis]) -> None:
        """Refuse to sum `factor` over padding that a product in it may have filled."""
        for axis in over:
            block, size = self.sizes.get(axis, 1), self.read.extents[axis].size
            if block == 1 or (size is not None and size % block == 0):
                continue
            if any(isinstance(below, Reduce) for below in walk([factor])):
                known = "unknown size" if size is None else f"size {size}"
                raise NotTiledError(
                    f"a sum over the padding of a product (blocks of {block} on an axis of {known})"
                )


def _matrix_product(
    left: Expression, right: Expression, over: frozenset[Axis]
) -> tuple[Expression, Expression]:
    """The two factors, that with the rows of the product first."""
    for first, second in ((left, right), (right, left)):
        match first.axes, second.axes:
            case (rows, inner), (outer, columns) if (
                inner == outer and over == frozenset({inner}) and rows != columns
            ):
                return first, second
            case _:
                pass
    raise NotTiledError("a sum of products that is no matrix product")
