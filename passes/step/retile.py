"""
Tiles of another size along one axis of a graph.

Loads read other tiles, and more or fewer of them; what repeats tiles to meet those of a load
repeats them as often. All other operations stay as they are, as their types follow.

An axis that is one tile has no dimension that steps over it. It is cut where all its loads have a
dimension of size 1 in common that could.
"""

from typing import TypeAlias

from headrace.dialects import step
from headrace.dialects.step_operation import expect_matrix
from headrace.dialects.stream_operation import index_attribute, integers_attribute
from headrace.passes.step.axes import COLUMNS, ROWS, Axes, Node, Side
from headrace.passes.step.axis_rules import stepped, tile_counts
from headrace.passes.step.refusal import fail

SIDES: tuple[Side, Side] = (ROWS, COLUMNS)

Axis: TypeAlias = tuple[Node, ...]
"""One class of nodes; or two: that of the tiles, and that of the dimension that is to step."""


def retile(name: str, graph: step.GraphOp, axes: Axes, axis: Axis, size: int) -> None:
    """
    Cut an axis into tiles of `size`; types are to be inferred anew after it.

    Raises `PassFailedException`, before anything is changed, where an operation needs the tiles
    as they are, where `size` does not divide the axis, and where a load reads the axis as a whole.
    """
    obstacle = axes.obstacle(*axis)
    if obstacle is not None:
        raise fail(name, *obstacle)
    loads = _loads(graph)
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
        if isinstance(op, step.RepeatOp) and _has(axes, axis, Node(op.results[0], 0)):
            op.factor = index_attribute(count)


def whole_axis(graph: step.GraphOp, axes: Axes, tiles: Node) -> Axis | None:
    """The axis of some tiles, all of which are whole, with a dimension that could step over it."""
    found = [op for op in _loads(graph) if _sides(axes, (tiles,), op)]
    if not found:
        return None
    common = _free(axes, found[0]).intersection(*(_free(axes, op) for op in found[1:]))
    axis = (tiles, *common)
    return axis if len(common) == 1 and axes.obstacle(*axis) is None else None


def _free(axes: Axes, op: step.LoadOp) -> set[Node]:
    """The classes of dimensions of a load in which it reads one tile."""
    sizes = reversed(op.integers("shape"))
    return {axes.find(Node(op.results[0], index)) for index, n in enumerate(sizes) if n == 1}


def _loads(graph: step.GraphOp) -> list[step.LoadOp]:
    return [op for op in graph.body.block.ops if isinstance(op, step.LoadOp)]


def _has(axes: Axes, axis: Axis, node: Node) -> bool:
    return axes.find(node) in map(axes.find, axis)


def _sides(axes: Axes, axis: Axis, op: step.LoadOp) -> list[Side]:
    return [side for side in SIDES if _has(axes, axis, Node(op.results[0], side))]


def _count(name: str, axes: Axes, axis: Axis, op: step.LoadOp, side: Side, size: int) -> int:
    """How many tiles there will be along a side of the tensor."""
    extent = expect_matrix(op.name, op.tensor.type)[SIDES.index(side)]
    if size < 1 or extent % size:
        raise fail(
            name,
            op,
            f"tiles of {size} {side} do not divide the {extent} {side} of {op.tensor.type}; "
            "choose a divisor",
        )
    if not _places(axes, axis, op):
        raise fail(
            name,
            op,
            f"it reads the {extent} {side} of {op.tensor.type} as one tile, and no dimension of "
            "its stream could step over several",
        )
    return extent // size


def _places(axes: Axes, axis: Axis, op: step.LoadOp) -> list[int]:
    """
    Where in the shape of a load the dimensions of the axis are.

    Of those that have size 1 it is the first.
    """
    shape = op.integers("shape")
    last = len(shape) - 1
    places = [at for at in range(len(shape)) if _has(axes, axis, Node(op.results[0], last - at))]
    return [at for at in places if shape[at] > 1] or places[:1]


def _retile_load(axes: Axes, axis: Axis, op: step.LoadOp, size: int, count: int) -> None:
    """Other tiles, and the dimensions that step over them or read them again."""
    shape, strides = list(op.integers("shape")), list(op.integers("strides"))
    before, tile = tile_counts(op), list(op.integers("tile"))
    sides, places = _sides(axes, axis, op), _places(axes, axis, op)
    for side in sides:
        tile[SIDES.index(side)] = size
    steps = [
        stepped(before, n, stride) if n > 1 and stride else None
        for n, stride in zip(shape, strides, strict=True)
    ]
    op.tile = integers_attribute(tile)
    columns = tile_counts(op)[1]
    for at, side in enumerate(steps):
        if side is None and at in places and shape[at] == 1:
            strides[at] = {ROWS: columns, COLUMNS: 1}[sides[0]] if sides else 0
        elif side != COLUMNS and strides[at] == before[1]:
            strides[at] = columns
        if at in places:
            shape[at] = count
    op.shape = integers_attribute(shape)
    op.strides = integers_attribute(strides)
