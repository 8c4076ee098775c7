"""
Regions over blocked operands: axes count blocks, and values are dense tiles.

The blocks of the operands, or those that were asked for, fix the block size of each axis for the
whole region; all operands are stored in blocks of these sizes (1 on the other axes). A value is
then a tile whose rows and columns are at most two axes in blocks; one that lacks an axis of its
user is repeated along it. A contraction becomes a sum of tile products; any other reduction folds
the rows or columns of each tile and then combines tiles.

Where blocks do not divide an axis, the last tiles have padding. What is folded over padding must
not change the result: if it is not known to be neutral there, it is masked by value, with a
vector of ones over the axis, whose own padding is zero.

Source: "FuseFlow", ASPLOS 2026, section 6.3 (sparsity blocking).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headrace.passes.sam.expression import (
    Axis,
    Compress,
    Expression,
    Full,
    Input,
    Map,
    Reduce,
    walk,
)
from headrace.passes.sam.region_expression import RegionExpression
from headrace.passes.sam.tile_padding import Padding, of_map
from headrace.storage.levels import Format

IDENTITY = {"add": 0.0, "max": float("-inf"), "min": float("inf")}

Layout = tuple[Axis | None, Axis | None]
"""The axes of the rows and of the columns of a tile; None where it has one row or column."""


class NotTiledError(Exception):
    """What in a region does not work tile by tile."""


@dataclass(frozen=True)
class Tiles:
    """
    A region on tiles: what it computes, and the block size of each axis that has one.

    `shapes` has the rows and columns in which each input is read. `ones` has the axes of which the
    region needs a vector of ones, by the numbers of the operands that these shall be.
    """

    results: tuple[Expression, ...]
    sizes: Mapping[Axis, int] = field(default_factory=dict[Axis, int])
    shapes: Mapping[Input, tuple[int, int]] = field(default_factory=dict[Input, tuple[int, int]])
    ones: Mapping[int, Axis] = field(default_factory=dict[int, Axis])


def read_tiles(
    read: RegionExpression, formats: Sequence[Format], wanted: Mapping[Axis, int]
) -> Tiles:
    """
    The results of a region computed on tiles, given the formats of its operands.

    `wanted` has block sizes that were asked for, whatever the operands have. Without any blocks
    these are the results themselves, and no axis has a block size.

    Raises `NotTiledError` for what is not computed tile by tile.
    """
    sizes = _block_sizes(read.results, formats, wanted)
    for axis, extent in read.extents.items():
        if extent.size is None and formats[extent.operand].block and axis not in sizes:
            raise NotTiledError("an operand of which only the size is read")
    if not sizes:
        return Tiles(read.results)
    if any(isinstance(use, Input) and use.gather is not None for use in walk(read.results)):
        raise NotTiledError("a gather")
    tiling = _Tiling(read, sizes, len(formats))
    results = tuple(
        tiling.result(result, axes)
        for result, axes in zip(read.results, read.result_axes, strict=True)
    )
    return Tiles(results, sizes, tiling.shapes, tiling.ones)


def _block_sizes(
    results: Sequence[Expression], formats: Sequence[Format], wanted: Mapping[Axis, int]
) -> dict[Axis, int]:
    sizes = dict(wanted)
    for use in walk(results):
        if isinstance(use, Input):
            for axis, size in zip(use.axes, formats[use.operand].block, strict=False):
                if axis not in wanted and sizes.setdefault(axis, size) != size:
                    raise NotTiledError(f"one axis in blocks of {sizes[axis]} and of {size}")
    return sizes


@dataclass(frozen=True)
class _Tile:
    """An expression on tiles of one layout, and what is known of their padding."""

    expression: Expression
    layout: Layout
    padding: Padding


class _Tiling:
    """Rewrites expressions to tiles."""

    def __init__(self, read: RegionExpression, sizes: Mapping[Axis, int], operands: int) -> None:
        self.expressions = read.expressions
        self.extents = read.extents
        self.sizes = sizes
        self.operands = operands
        self.done: dict[Expression, _Tile] = {}
        self.shapes: dict[Input, tuple[int, int]] = {}
        self.ones: dict[int, Axis] = {}

    def result(self, expression: Expression, axes: Sequence[Axis]) -> Expression:
        if missing := set(self.blocked(axes)) - set(expression.axes):
            raise NotTiledError(f"a result repeated in blocks of {self.sizes[missing.pop()]}")
        return self.visit(expression, self.layout(axes)).expression

    # Layouts

    def blocked(self, axes: Sequence[Axis]) -> list[Axis]:
        """The axes in blocks of more than one element."""
        return [axis for axis in axes if self.sizes.get(axis, 1) > 1]

    def layout(self, axes: Sequence[Axis]) -> Layout:
        """Rows along the first axis in blocks, columns along the second."""
        match self.blocked(axes):
            case []:
                return None, None
            case [row]:
                return row, None
            case [row, column]:
                return row, column
            case more:
                raise NotTiledError(f"a tensor with blocks on {len(more)} axes")

    def natural(self, expression: Expression) -> Layout:
        """The layout that needs fewest transposes of what is stored."""
        if isinstance(expression, Map):
            for operand in expression.operands:
                if len(self.blocked(operand.axes)) == 2:
                    return self.natural(operand)
        return self.layout(expression.axes)

    def visit(self, expression: Expression, layout: Layout) -> _Tile:
        """The tiles of `expression` in a layout, made once and transposed for other layouts."""
        assert {*layout} - {None} == {*self.blocked(expression.axes)}
        tile = self.done.get(expression)
        if tile is None:
            self.done[expression] = tile = self._tiled(expression, layout)
        if tile.layout == layout:
            return tile
        return _Tile(self.expressions.map("transpose", (tile.expression,)), layout, tile.padding)

    def part(self, expression: Expression, layout: Layout) -> _Tile:
        """The tiles of an operand where its user has `layout`."""
        row, column = (axis if axis in expression.axes else None for axis in layout)
        return self.visit(expression, (row, column))

    # Expressions

    def _tiled(self, expression: Expression, layout: Layout) -> _Tile:
        match expression:
            case Input():
                return self._input(expression, layout)
            case Compress():
                # A tile is a value without coordinates inside.
                return self.visit(expression.operand, layout)
            case Map():
                tiles = [self.part(operand, layout) for operand in expression.operands]
                operands = [tile.expression for tile in tiles]
                new = self.expressions.map(expression.op, operands, expression.scalar)
                padded = [axis for axis in self.blocked(expression.axes) if self.is_padded(axis)]
                padding = of_map(expression, padded, [tile.padding for tile in tiles])
                return _Tile(new, layout, padding)
            case Reduce():
                return self._reduce(expression, layout)
            case Full():
                raise AssertionError("nothing is marked full before it is on tiles")

    def _input(self, use: Input, layout: Layout) -> _Tile:
        """A matrix is read as it is stored, a vector as the row or column that it is used as."""
        axes = self.blocked(use.axes)
        layout = self.layout(use.axes) if len(axes) > 1 else layout
        self.shapes[use] = self.shape(layout)
        return _Tile(use, layout, {axis: 0.0 for axis in axes if self.is_padded(axis)})

    def shape(self, layout: Layout) -> tuple[int, int]:
        rows, columns = (1 if axis is None else self.sizes[axis] for axis in layout)
        return rows, columns

    def _reduce(self, reduce: Reduce, layout: Layout) -> _Tile:
        tile = self._contracted(reduce, layout) or self._folded(reduce, layout)
        # A sum of zeros is zero; a maximum of nothing is not what it is of.
        kept = {
            axis: 0.0
            for axis, value in tile.padding.items()
            if axis in reduce.axes and reduce.op == "add" and value == 0
        }
        new = self.expressions.reduce(reduce.op, reduce.over, tile.expression)
        return _Tile(new, layout, kept)

    def _contracted(self, reduce: Reduce, layout: Layout) -> _Tile | None:
        """The products of tiles whose sum a contraction is; None for other reductions."""
        product = reduce.operand
        if reduce.op != "add" or not isinstance(product, Map) or product.op != "mul":
            return None
        if len(product.operands) != 2:
            return None
        left, right = product.operands
        inside = self.blocked(sorted(reduce.over))
        if len(inside) != 1 or inside[0] not in left.axes or inside[0] not in right.axes:
            return None
        (middle,) = inside
        for first, second in ((left, right), (right, left)):
            rows, columns = ({*self.blocked(one.axes)} - {middle} for one in (first, second))
            if rows <= {layout[0]} and columns <= {layout[1]}:
                factors = [
                    self.visit(first, (layout[0] if rows else None, middle)),
                    self.visit(second, (middle, layout[1] if columns else None)),
                ]
                masked = [self.neutral(factor, middle, 0.0).expression for factor in factors]
                return _Tile(self.expressions.map("matmul", masked), layout, {})
        return None

    def _folded(self, reduce: Reduce, layout: Layout) -> _Tile:
        """The tiles under a reduction, with one row or column in place of each reduced axis."""
        inside = self.blocked(sorted(reduce.over))
        tile = self.visit(reduce.operand, self._unfolded(reduce, layout, inside))
        for axis in inside:
            tile = self.neutral(tile, axis, IDENTITY[reduce.op])
            row, column = tile.layout
            kind, rest = ("row", (row, None)) if column == axis else ("column", (None, column))
            folded = self.expressions.map(f"{kind}_{reduce.op}", (tile.expression,))
            tile = _Tile(folded, rest, tile.padding)
        return tile

    def _unfolded(self, reduce: Reduce, layout: Layout, inside: Sequence[Axis]) -> Layout:
        """The layout of the operand of a reduction."""
        match layout, inside:
            case _, []:
                return layout
            case (None, None), [axis]:
                return None, axis
            case (row, None), [axis]:
                return row, axis
            case (None, column), [axis]:
                return axis, column
            case (None, None), _:
                return self.natural(reduce.operand)
            case _:
                return self.layout(reduce.operand.axes)

    # Padding

    def is_padded(self, axis: Axis) -> bool:
        """Whether the last block of an axis may reach beyond it."""
        size = self.extents[axis].size
        return self.sizes.get(axis, 1) > 1 and (size is None or size % self.sizes[axis] != 0)

    def neutral(self, tile: _Tile, axis: Axis, value: float) -> _Tile:
        """The tiles with `value` in the padding along `axis`."""
        if not self.is_padded(axis) or tile.padding.get(axis) == value:
            return tile
        operand = next((k for k, known in self.ones.items() if known == axis), None)
        if operand is None:
            operand = self.operands + len(self.ones)
            self.ones[operand] = axis
        ones = self.part(self.expressions.input(operand, (axis,)), tile.layout)
        masked = self.expressions.map("mask", (tile.expression, ones.expression), value)
        same = {other: known for other, known in tile.padding.items() if known == value}
        return _Tile(masked, tile.layout, {**same, axis: value})
