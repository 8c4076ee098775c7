"""
Tiles of another size along one axis of a graph.

Loads read other tiles, and more or fewer of them; what repeats tiles to meet those of a load
repeats them as often. All other operations stay as they are, as their types follow.
"""

from headrace.dialects import step
from headrace.dialects.step_operation import expect_matrix
from headrace.dialects.stream_operation import index_attribute, integers_attribute
from headrace.passes.step.axes import COLUMNS, ROWS, Axes, Node, Side
from headrace.passes.step.axis_rules import stepped, tile_counts
from headrace.passes.step.refusal import fail

SIDES: tuple[Side, Side] = (ROWS, COLUMNS)


def retile(name: str, graph: step.GraphOp, axes: Axes, axis: Node, size: int) -> None:
    """
    Cut an axis into tiles of `size`; types are to be inferred anew after it.

    Raises `PassFailedException`, before anything is changed, where an operation needs the tiles
    as they are, where `size` does not divide the axis, and where a load reads the axis as a whole.
    """
    obstacle = axes.obstacle(axis)
    if obstacle is not None:
        raise fail(name, *obstacle)
    axis = axes.find(axis)
    loads = [op for op in graph.body.block.ops if isinstance(op, step.LoadOp)]
    count = 0
    for op in loads:
        for side in _sides(axes, axis, op):
            ours = _count(name, axes, axis, op, side, size)
            if count and ours != count:
                reason = f"it would have {ours} tiles where {count} others meet them"
                raise fail(name, op, reason)
            count = ours
    for op in loads:
        _retile_load(axes, axis, op, size, count)
    for op in graph.body.block.ops:
        if isinstance(op, step.RepeatOp) and axes.find(Node(op.results[0], 0)) == axis:
            op.factor = index_attribute(count)


def _sides(axes: Axes, axis: Node, op: step.LoadOp) -> list[Side]:
    return [side for side in SIDES if axes.find(Node(op.results[0], side)) == axis]


def _count(name: str, axes: Axes, axis: Node, op: step.LoadOp, side: Side, size: int) -> int:
    """How many tiles there will be along a side of the tensor."""
    extent = expect_matrix(op.name, op.tensor.type)[SIDES.index(side)]
    if size < 1 or extent % size:
        raise fail(
            name,
            op,
            f"tiles of {size} {side} do not divide the {extent} {side} of {op.tensor.type}; "
            "choose a divisor",
        )
    counts = tile_counts(op)
    pattern = zip(op.integers("shape"), op.integers("strides"), strict=True)
    if not any(n > 1 and stride and stepped(counts, n, stride) == side for n, stride in pattern):
        raise fail(
            name,
            op,
            f"it reads the {extent} {side} of {op.tensor.type} as one tile, and no dimension of "
            "its stream could step over several",
        )
    return extent // size


def _retile_load(axes: Axes, axis: Node, op: step.LoadOp, size: int, count: int) -> None:
    """Other tiles, and the dimensions that step over them or read them again."""
    shape, strides = list(op.integers("shape")), list(op.integers("strides"))
    before, tile = tile_counts(op), list(op.integers("tile"))
    for side in _sides(axes, axis, op):
        tile[SIDES.index(side)] = size
    steps = [
        stepped(before, n, stride) if n > 1 and stride else None
        for n, stride in zip(shape, strides, strict=True)
    ]
    op.tile = integers_attribute(tile)
    columns = tile_counts(op)[1]
    for index, side in enumerate(steps):
        if axes.find(Node(op.results[0], len(shape) - 1 - index)) == axis:
            shape[index] = count
        if side != COLUMNS and strides[index] == before[1]:
            strides[index] = columns
    op.shape = integers_attribute(shape)
    op.strides = integers_attribute(strides)
