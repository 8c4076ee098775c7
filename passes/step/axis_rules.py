"""
How each operation relates the sizes of its operands and results: the rules that find `Axes`.

An operation that no rule knows pins all its nodes, so that what is not understood is not changed.
"""

from collections.abc import Sequence

from xdsl.ir import Operation, SSAValue

from headrace.dialects import step
from headrace.dialects.step_functions import Function
from headrace.dialects.step_operation import expect_matrix
from headrace.dialects.stream_flow import producers_first
from headrace.passes.step.axes import (
    COLUMNS,
    ROWS,
    Axes,
    Condition,
    Node,
    Side,
    dimension_nodes,
    is_one,
    nodes,
    tile_nodes,
)
from headrace.passes.step.graphs import stream
from headrace.passes.step.packing import Packing, packing_of

PRODUCTS = {Function.MATMUL: False, Function.MATMUL_TRANSPOSED: True}
BY_ELEMENT = frozenset(
    Function(name)
    for name in (
        "add sub mul div maximum minimum greater greater_equal silu sigmoid gelu gelu_tanh tanh "
        "relu exp log sin cos sqrt reciprocal square negate scale shift"
    ).split()
)
"""Functions of each element alone."""
BY_ROW = frozenset((Function.ROW_SUM, Function.ROW_MAX, Function.ROTATE_HALF, Function.TOP_COLUMNS))
"""Functions of each row alone, that need it whole."""


def axes_of(graph: step.GraphOp) -> Axes:
    """The axes of all streams of a graph."""
    axes = Axes()
    packings = {id(op): found for op in graph.body.block.ops if (found := packing_of(op))}
    inside = {id(op) for packing in packings.values() for op in packing.chain}
    for op in graph.body.block.ops:
        if id(op) in packings:
            _packing(axes, packings[id(op)])
        elif id(op) not in inside:
            _operation(axes, op)
    # Which tiles of size 1 are repeated is known when all lasting ones are.
    for op in producers_first(graph.body.block)[0]:
        if isinstance(op, step.MapOp | step.AccumulateOp) and op.function in BY_ELEMENT:
            _repeated_ones(axes, op)
    return axes


def _packing(axes: Axes, packing: Packing) -> None:
    """Rows of a list become tiles of several rows: a new axis, of tiles and their rows."""
    result, source = packing.accumulate.results[0], packing.source
    axes.join(Node(result, 0), Node(result, ROWS))
    axes.join(Node(result, COLUMNS), Node(source, COLUMNS))
    outer = dimension_nodes(source)[1:]
    for ours, theirs in zip(dimension_nodes(result)[1:], outer, strict=True):
        axes.join(ours, theirs)
    axes.pin(packing.accumulate, "it packs one row after the other", [Node(source, ROWS)])


def _operation(axes: Axes, op: Operation) -> None:
    match op:
        case step.LoadOp():
            _load(axes, op)
        case step.StoreOp():
            _store(axes, op)
        case step.BroadcastOp():
            for result in op.results:
                _equal(axes, op.operands[0], result)
        case step.RepeatOp():
            _equal(axes, op.operands[0], op.results[0], result_offset=1)
        case step.FlattenOp():
            _flatten(axes, op)
        case step.ReshapeOp() if op.integer("chunk") == 1:
            _insert(axes, op)
        case step.PromoteOp() if op.rank is not None:
            _insert(axes, op)
        case step.ExpandOp():
            _expand(axes, op)
        case step.MapOp():
            _map(axes, op)
        case step.AccumulateOp():
            _accumulate(axes, op)
        case step.FlatMapOp() if op.function in (Function.SPLIT_ROWS, Function.SPLIT_COLUMNS):
            _split(axes, op)
        case step.EagerMergeOp():
            _eager_merge(axes, op)
        case step.PartitionOp():
            _partition(axes, op)
        case step.ReassembleOp():
            _reassemble(axes, op)
        case step.ExpertAddressOp():
            for ours, theirs in zip(
                dimension_nodes(op.results[0])[2:], dimension_nodes(op.operands[0]), strict=True
            ):
                axes.join(ours, theirs)
        case step.RandomLoadOp():
            for ours, theirs in zip(
                dimension_nodes(op.results[0]), dimension_nodes(op.operands[1]), strict=True
            ):
                axes.join(ours, theirs)
            axes.pin(
                op, "the addresses of its tiles are those of a stream", tile_nodes(op.results[0])
            )
        case step.SelectOp() | step.IntegersOp():
            axes.pin(op, "its tensor has one element for each unit", nodes(op.results[0]))
        case step.SinkOp() | step.YieldOp():
            pass
        case _:
            reason = "it may not treat the rows or columns of tiles one by one"
            for value in (*op.operands, *op.results):
                if isinstance(value.type, step.StreamType):
                    axes.pin(op, reason, nodes(value))


def _equal(axes: Axes, one: SSAValue, other: SSAValue, result_offset: int = 0) -> None:
    """The streams have the same sizes; the other has so many more dimensions inside."""
    inner = dimension_nodes(other)[result_offset:]
    for ours, theirs in zip(dimension_nodes(one), inner, strict=True):
        axes.join(ours, theirs)
    _same_tiles(axes, one, other)


def _same_tiles(axes: Axes, one: SSAValue, other: SSAValue) -> None:
    for ours, theirs in zip(tile_nodes(one), tile_nodes(other), strict=True):
        axes.join(ours, theirs)


def _load(axes: Axes, op: step.LoadOp) -> None:
    """Dimensions that step over rows or columns of the tensor are joined with those of tiles."""
    result = op.results[0]
    shape, strides = op.integers("shape"), op.integers("strides")
    outer = dimension_nodes(result)[len(shape) :]
    if op.ref is not None:
        for ours, theirs in zip(outer, dimension_nodes(op.ref), strict=True):
            axes.join(ours, theirs)
    else:
        axes.pin(op, "it reads its tensor once", outer)
    counts, extents = tile_counts(op), expect_matrix(op.name, op.tensor.type)
    sides = dict(zip((ROWS, COLUMNS), counts, strict=True))
    for index, (size, stride) in enumerate(zip(reversed(shape), reversed(strides), strict=True)):
        if size == 1 or stride == 0:
            continue
        side = stepped(counts, size, stride)
        if side is None or sides.pop(side, 1) == 1:
            axes.pin(op, "it reads the tiles of its tensor in an order of its own", nodes(result))
            return
        axes.join(Node(result, index), Node(result, side))
        axes.steps.append(Node(result, side))
    for side, extent in zip((ROWS, COLUMNS), extents, strict=True):
        if extent == 1:
            axes.ones.add(axes.find(Node(result, side)))
    left = [Node(result, side) for side, count in sides.items() if count > 1]
    axes.pin(op, "it reads a part of its tensor", left)


def tile_counts(op: step.LoadOp) -> tuple[int, int]:
    """How many tiles the tensor of a load has along rows and columns."""
    tile = op.integers("tile")
    extents = expect_matrix(op.name, op.tensor.type)
    return extents[0] // tile[0], extents[1] // tile[1]


def stepped(counts: Sequence[int], size: int, stride: int) -> Side | None:
    """Whether a dimension of a load steps over all rows or all columns of tiles."""
    rows, columns = counts
    if stride == columns and size == rows:
        return ROWS
    return COLUMNS if stride == 1 and size == columns else None


def _store(axes: Axes, op: step.StoreOp) -> None:
    """Tiles arrive row by row, all of the tensor: rows outside of columns."""
    source = op.operands[0]
    split = [node for node in reversed(dimension_nodes(source)) if not is_one(node)]
    tiles = tile_nodes(source)
    reason = "it stores tiles in the order in which they come, which would be another one"
    if len(split) == 2:
        pairs = list(zip(split, tiles, strict=True))
        axes.conditions += [Condition(pair, op, reason) for pair in pairs]
    elif len(split) == 1:
        extents = expect_matrix(op.name, op.results[0].type)
        type = stream(source).element_type
        assert isinstance(type, step.TileType)
        whole = type.columns == extents[1]
        axes.conditions.append(Condition((split[0], tiles[0 if whole else 1]), op, reason))
    else:
        axes.pin(op, reason, nodes(source))


def _flatten(axes: Axes, op: step.FlattenOp) -> None:
    """Of the merged dimensions at most one may be an axis; what is 1 makes no difference."""
    low, high = op.integer("min"), op.integer("max")
    source, result = dimension_nodes(op.operands[0]), dimension_nodes(op.results[0])
    for index, node in enumerate(source):
        if not low <= index <= high:
            axes.join(node, result[index if index < low else index - (high - low)])
    reason = "it merges the dimension with others"
    ones = [node for node in source[low : high + 1] if is_one(node)]
    merged = [node for node in source[low : high + 1] if not is_one(node)]
    if not merged:
        axes.join(*ones, result[low])
    elif len(merged) == 1:
        axes.join(merged[0], result[low])
        axes.pin(op, reason, ones)
    else:
        axes.pin(op, reason, [*ones, *merged, result[low]])
    _same_tiles(axes, op.operands[0], op.results[0])


def _insert(axes: Axes, op: step.ReshapeOp | step.PromoteOp) -> None:
    """A dimension of size 1 at the rank, and perhaps an outermost one."""
    rank = op.integer("rank")
    axes.pin(op, "it adds a dimension of size 1", [Node(op.results[0], rank)])
    source, result = dimension_nodes(op.operands[0]), dimension_nodes(op.results[0])
    for index, node in enumerate(source):
        axes.join(node, result[index if index < rank else index + 1])
    _same_tiles(axes, op.operands[0], op.results[0])


def _expand(axes: Axes, op: step.ExpandOp) -> None:
    """Tiles of the input in the shape of the reference."""
    source, ref = op.operands
    for ours, theirs in zip(dimension_nodes(op.results[0]), dimension_nodes(ref), strict=True):
        axes.join(ours, theirs)
    rank = op.integer("rank")
    for ours, theirs in zip(
        dimension_nodes(source)[rank:], dimension_nodes(ref)[rank:], strict=True
    ):
        axes.join(ours, theirs)
    _same_tiles(axes, source, op.results[0])


def _map(axes: Axes, op: step.MapOp) -> None:
    result = op.results[0]
    for operand in op.operands:
        for ours, theirs in zip(dimension_nodes(operand), dimension_nodes(result), strict=True):
            axes.join(ours, theirs)
    _function(axes, op, op.function)
    if op.function in PRODUCTS:
        reason = "it multiplies whole rows by whole columns, and sums over no dimension"
        axes.pin(op, reason, [Node(op.operands[0], COLUMNS)])


def _accumulate(axes: Axes, op: step.AccumulateOp) -> None:
    rank, function = op.integer("rank"), op.function
    result = op.results[0]
    for operand in op.operands:
        outer = dimension_nodes(operand)[rank:]
        for ours, theirs in zip(outer, dimension_nodes(result), strict=True):
            axes.join(ours, theirs)
    for operand in op.operands[1:]:
        for ours, theirs in zip(
            dimension_nodes(operand), dimension_nodes(op.operands[0]), strict=True
        ):
            axes.join(ours, theirs)
    inner = dimension_nodes(op.operands[0])[:rank]
    folded = [node for node in inner if not is_one(node)]
    left = op.operands[0]
    if function in PRODUCTS:
        _function(axes, op, function)
        reason = "it sums over a dimension, and not over all tiles of one axis"
        summed = folded or inner[:1]
        axes.conditions += [Condition((node, Node(left, COLUMNS)), op, reason) for node in summed]
    elif function is Function.RETILE_COLUMNS and not folded:
        _same_tiles(axes, left, result)
        axes.pin(op, "it puts tiles of the dimension side by side", inner)
    elif function is Function.RETILE_COLUMNS and len(folded) == 1:
        axes.join(Node(left, ROWS), Node(result, ROWS))
        reason = "it puts tiles side by side that are not columns of one matrix"
        axes.conditions.append(Condition((folded[0], Node(left, COLUMNS)), op, reason))
        axes.pin(op, "its result has them all", [Node(result, COLUMNS)])
    elif function in BY_ELEMENT:
        _function(axes, op, function)
        axes.pin(op, "it folds over the dimension", inner)
    else:
        axes.pin(op, f"{function.value} depends on it", [*nodes(left), *nodes(result)])


def _function(axes: Axes, op: step.MapOp | step.AccumulateOp, function: Function) -> None:
    """The sizes of tiles that a function makes equal."""
    result = op.results[0]
    if function in PRODUCTS:
        left, right = op.operands
        inner, outer = (COLUMNS, ROWS) if PRODUCTS[function] else (ROWS, COLUMNS)
        axes.join(Node(left, ROWS), Node(result, ROWS))
        axes.join(Node(left, COLUMNS), Node(right, inner))
        axes.join(Node(right, outer), Node(result, COLUMNS))
        axes.contracted.append(Node(left, COLUMNS))
        axes.outputs.append(Node(right, outer))
    elif function in BY_ELEMENT:
        tiled = [value for value in (*op.operands, result) if tile_nodes(value)]
        for side in (ROWS, COLUMNS):
            sizes = [Node(value, side) for value in tiled]
            if not all(map(is_one, sizes)):
                axes.join(*(node for node in sizes if not is_one(node)))
    elif function in BY_ROW:
        axes.join(Node(op.operands[0], ROWS), Node(result, ROWS))
        columns = Node(op.operands[0], COLUMNS), Node(result, COLUMNS)
        axes.pin(op, f"{function.value} needs whole rows", columns)
        if is_one(columns[1]):
            axes.ones.add(axes.find(columns[1]))
    else:
        for value in (*op.operands, result):
            axes.pin(op, f"{function.value} depends on it", tile_nodes(value))


def _repeated_ones(axes: Axes, op: step.MapOp | step.AccumulateOp) -> None:
    """Of tiles that all have size 1 those that always do are repeated, if others may have more."""
    tiled = [value for value in op.operands if tile_nodes(value)]
    for side in (ROWS, COLUMNS) if tiled else ():
        sizes = [Node(value, side) for value in tiled]
        if all(map(is_one, sizes)):
            changing = [node for node in sizes if axes.find(node) not in axes.ones]
            axes.join(*(changing or sizes), Node(op.results[0], side))


def _split(axes: Axes, op: step.FlatMapOp) -> None:
    """Tiles become their parts, in a list that has those of all tiles: an axis ends."""
    source, result = op.operands[0], op.results[0]
    split, kept = (ROWS, COLUMNS) if op.function is Function.SPLIT_ROWS else (COLUMNS, ROWS)
    axes.join(Node(source, kept), Node(result, kept))
    for ours, theirs in zip(dimension_nodes(source)[1:], dimension_nodes(result)[1:], strict=True):
        axes.join(ours, theirs)
    pair = (Node(source, 0), Node(source, split))
    reason = f"it splits {split} inside of another dimension: they would come in another order"
    axes.conditions.append(Condition(pair, op, reason))
    axes.pin(op, "its result has all parts", [Node(result, 0), Node(result, split)])


def _eager_merge(axes: Axes, op: step.EagerMergeOp) -> None:
    """One tile after the other: what is behind it counts on how many there are of each input."""
    data, selector = op.results
    for source in op.operands:
        _equal(axes, source, data)
    outer = dimension_nodes(data)[op.integer("rank") :]
    for ours, theirs in zip(outer, dimension_nodes(selector), strict=True):
        axes.join(ours, theirs)
    reason = "it merges tiles of several streams; tile before step-time-multiplex"
    axes.pin(op, reason, [*outer, *tile_nodes(data)[:1]])


def _partition(axes: Axes, op: step.PartitionOp) -> None:
    """A unit for each selector; other tiles are other units, so that selectors change too."""
    source, selector = op.operands
    rank = op.integer("rank")
    outer = dimension_nodes(source)[rank:]
    for ours, theirs in zip(outer, dimension_nodes(selector), strict=True):
        axes.join(ours, theirs)
    for result in op.results:
        for ours, theirs in zip(
            dimension_nodes(source)[: rank + 1], dimension_nodes(result), strict=True
        ):
            axes.join(ours, theirs)
        _same_tiles(axes, source, result)


def _reassemble(axes: Axes, op: step.ReassembleOp) -> None:
    """Units of the inputs, by selectors of their own."""
    selector, *sources = op.operands
    rank = op.integer("rank")
    result = op.results[0]
    for source in sources:
        *inner, units = dimension_nodes(source)
        for ours, theirs in zip(inner, dimension_nodes(result), strict=False):
            axes.join(ours, theirs)
        _same_tiles(axes, source, result)
        axes.pin(op, "it has a selector for each of its units", [units])
    outer = dimension_nodes(result)[rank + 1 :]
    for ours, theirs in zip(outer, dimension_nodes(selector), strict=True):
        axes.join(ours, theirs)
    axes.pin(op, "it collects units", [Node(result, rank)])
