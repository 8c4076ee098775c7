"""
Lowers one `sam.region` to one `sam.graph`.

Fixes the order of the axes of the region's expressions, stores operands permuted where the order
asks for it, evaluates the fusion table for each result, and writes the results.

Source: "FuseFlow", ASPLOS 2026, sections 4 and 5.
"""

from collections.abc import Sequence

from xdsl.dialects.builtin import AnyTensorType
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.utils.hints import isa

from headrace.dialects import sam, sparse_tensor
from headrace.passes.sam.emitter import Emitter
from headrace.passes.sam.expression import Axis, Compress, Expression, Input, walk
from headrace.passes.sam.fill_values import Filled, InfiniteFillError, fill_in
from headrace.passes.sam.fusion_table import FusionTable
from headrace.passes.sam.lanes import expand, parallel_axes
from headrace.passes.sam.nest import Iteration, Nest, Source
from headrace.passes.sam.order import Order
from headrace.passes.sam.refusal import fail
from headrace.passes.sam.region_expression import Extent, RegionExpression
from headrace.passes.sam.region_order import is_symmetric, order_of
from headrace.passes.sam.tile_region import Tiles
from headrace.storage.levels import Format, Level


class RegionLowering:
    """
    The state of lowering one region; `run` gives the operations that replace it.

    The region computes `tiles`, which were made of what was `read` of it.
    """

    def __init__(
        self, region: sam.RegionOp, read: RegionExpression, tiles: Tiles, *, reference: bool
    ) -> None:
        self.region = region
        self.is_reference = reference
        self.read = read
        self.formats = [sparse_tensor.format_of(value.type) for value in region.inputs]
        self.blocks = tiles.sizes
        self.shapes = tiles.shapes
        self.order: Order = order_of(region, self.read, tiles.results, self.formats)
        self.permuted = {stored.use for stored in self.order.permuted}
        self.filled: Filled = self.fill_in(tiles.results)
        self.before: list[Operation] = []
        self.after: list[Operation] = []

    def fill_in(self, results: Sequence[Expression]) -> Filled:
        try:
            return fill_in(self.read.expressions, results, self.order.axes, self.is_dense)
        except InfiniteFillError as error:
            raise fail(self.read.dropped[error.expression], str(error)) from None

    def is_dense(self, operand: int, dimension: int) -> bool:
        format = self.formats[operand]
        return format.levels[format.order.index(dimension)] is Level.DENSE

    def block(self, axes: Sequence[Axis]) -> tuple[int, ...]:
        """The shape of a tile over `axes`; `()` where the region computes on numbers."""
        return tuple(self.blocks.get(axis, 1) for axis in axes) if self.blocks else ()

    def run(self) -> tuple[list[Operation], list[SSAValue]]:
        """The operations that replace the region, and the values that replace its results."""
        operands = list(self.region.inputs)
        slots = self.copies(operands)
        block = Block(arg_types=[value.type for value in operands])
        emitter = Emitter(block)
        table = FusionTable(
            emitter,
            self.read.expressions,
            self.order.axes,
            self.sources(block, slots),
            self.filled.supports,
            self.extents(slots),
            {axis: self.read.name(axis) for axis in self.read.order},
            reference=self.is_reference,
        )
        written = [
            self.write(table, expression, axes, result.type)
            for expression, axes, result in zip(
                self.filled.results, self.read.result_axes, self.region.results, strict=True
            )
        ]
        block.add_op(sam.YieldOp(*written))
        emitter.erase_unused()
        for argument in reversed(block.args):
            if not argument.uses:
                del operands[argument.index]
                block.erase_arg(argument)
        graph = sam.GraphOp(operands, [value.type for value in written], Region(block))
        for axis in parallel_axes(self.region, self.read, self.order):
            expand(self.region, graph, axis)
        results = [
            self.converted(new, old.type)
            for new, old in zip(graph.results, self.region.results, strict=True)
        ]
        return [*self.before, graph, *self.after], results

    # Operands

    def copies(self, operands: list[SSAValue]) -> dict[Input, int]:
        """
        The number of the graph operand behind each input.

        Inputs whose storage contradicts the order, or lacks the blocks of their axes, get a
        converted copy, appended to `operands`.
        """
        position = {axis: p for p, axis in enumerate(self.order.axes)}
        slots: dict[Input, int] = {}
        copies: dict[tuple[int, Format], int] = {}
        for use in inputs_of(self.filled.results):
            stored = self.formats[use.operand]
            order = stored.order
            if use in self.permuted and not self.is_own_copy(use):
                order = tuple(sorted(range(len(use.axes)), key=lambda d: position[use.axes[d]]))
            levels = tuple(
                Level.DENSE if use.gathers(use.axes[dimension]) else level
                for level, dimension in zip(stored.levels, order, strict=True)
            )
            block = self.block(use.axes)
            if not stored.block and max(block, default=1) == 1:
                block = ()  # An element is read as a tile of one element.
            format = Format(levels, order, block)
            slots[use] = use.operand
            if format != stored:
                key = (use.operand, format)
                if key not in copies:
                    copies[key] = len(operands)
                    operands.append(self.convert(self.region.inputs[use.operand], format))
                slots[use] = copies[key]
        return slots

    def is_own_copy(self, use: Input) -> bool:
        """
        Whether an operand, a matrix that equals its transpose, serves as its own permuted copy.

        Not in blocks: a tile that is found at the transposed place is not transposed itself.
        Nor where a gather reads it, which needs one certain level to be dense.
        """
        is_read_as_stored = not self.blocks and use.gather is None
        return is_read_as_stored and is_symmetric(self.region.inputs[use.operand])

    def convert(self, value: SSAValue, format: Format) -> SSAValue:
        copy = sparse_tensor.ConvertOp(value, sparse_tensor.with_format(value.type, format))
        self.before.append(copy)
        return copy.results[0]

    def sources(self, block: Block, slots: dict[Input, int]) -> dict[Input, Source]:
        sources: dict[Input, Source] = {}
        for use, slot in slots.items():
            tensor = block.args[slot]
            format = sparse_tensor.format_of(tensor.type)
            axes = tuple(use.axes[dimension] for dimension in format.order)
            if use in self.permuted and self.is_own_copy(use):
                axes = axes[::-1]
            shape = self.shapes.get(use)
            tile = None if shape == format.block else shape
            sources[use] = Source(tensor, format.levels, axes, tile)
        return sources

    def extents(self, slots: dict[Input, int]) -> dict[Axis, Extent]:
        """The number of coordinates of each axis: of its blocks where it is stored in blocks."""
        extents: dict[Axis, Extent] = {}
        for axis, extent in self.read.extents.items():
            if axis not in self.blocks:
                extents[axis] = extent
            elif extent.size is not None:
                extents[axis] = Extent(-(-extent.size // self.blocks[axis]))
            else:
                # The operand that the extent was learned from may have no blocks; its copy does.
                use = next(use for use in slots if axis in use.axes)
                extents[axis] = Extent(None, slots[use], use.axes.index(axis))
        return extents

    # Results

    def write(
        self, table: FusionTable, expression: Expression, axes: Sequence[Axis], type: object
    ) -> SSAValue:
        """
        Write one result; its levels follow the order of axes.

        A dense result is stored at computed positions, or simply in order where every
        coordinate is visited. A compressed level closes one segment for each coordinate of its
        parent, empty or not; a dense level above or below one is visited in full.
        """
        assert isa(type, AnyTensorType)
        wanted = sparse_tensor.format_of(type)
        position = {axis: p for p, axis in enumerate(self.order.axes)}
        order = tuple(sorted(range(len(axes)), key=lambda d: position[axes[d]]))
        levels = wanted.levels
        permuted = order != wanted.order and not wanted.is_dense
        if self.is_reference or self.blocks or permuted:
            levels = (Level.COMPRESSED,) * len(order)
        format = Format(levels, order, self.block(axes))
        if levels[-1:] == (Level.DENSE,) and isinstance(expression, Compress):
            expression = expression.operand
        visited = [axes[d] for d, level in zip(order, levels, strict=True) if level is Level.DENSE]
        if not format.is_dense:
            expression = self.read.expressions.full(expression, visited)
        nest = table.result_nest(expression, axes)
        rows = [table.iteration(nest, axis) for axis in nest.scope]
        value = table.present_value(expression, nest)
        shape = [self.size(table, axis) for axis in axes]
        return self.assemble(
            table, nest, rows, value, shape, sparse_tensor.with_format(type, format)
        )

    def size(self, table: FusionTable, axis: Axis) -> SSAValue:
        """The number of elements along an axis."""
        if axis not in self.blocks:
            return table.emit.extent(table.extents[axis])
        known = self.read.extents[axis]
        return table.emit.size(table.extents[axis] if known.size is None else known)

    def assemble(
        self,
        table: FusionTable,
        nest: Nest,
        rows: Sequence[Iteration],
        value: SSAValue,
        shape: Sequence[SSAValue],
        type: AnyTensorType,
    ) -> SSAValue:
        emit = table.emit
        format = sparse_tensor.format_of(type)
        extents = [emit.extent(table.extents[axis]) for axis in nest.scope]
        if format.is_dense and not all(row.is_full for row in rows):
            reference: SSAValue | None = None
            for row, extent in zip(rows, extents, strict=True):
                reference = emit.value(sam.LocateOp, row.coordinates, extent, reference)
            assert reference is not None
            values = emit.value(sam.StoreOp, reference, value, tuple(extents))
        else:
            values = emit.value(sam.WriteValuesOp, value)
        written = [
            emit.value(sam.WriteCoordinatesOp, row.coordinates, "keep")
            for row, level in zip(rows, format.levels, strict=True)
            if level is Level.COMPRESSED
        ]
        return emit.value(sam.AssembleOp, tuple(written), values, tuple(shape), type)

    def converted(self, value: SSAValue, type: object) -> SSAValue:
        """`value` in the format that the region's result had."""
        assert isa(type, AnyTensorType)
        if sparse_tensor.format_of(value.type) == sparse_tensor.format_of(type):
            return value
        copy = sparse_tensor.ConvertOp(value, type)
        self.after.append(copy)
        return copy.results[0]


def inputs_of(results: Sequence[Expression]) -> list[Input]:
    return [expression for expression in walk(results) if isinstance(expression, Input)]
