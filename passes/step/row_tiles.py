"""
Whether rows may be packed into other tiles, and the operations that split those tiles again.

A tile of packed rows may have padding: rows beyond the valid ones. What splits it drops them
(`masked`); the size of the result is then named, as it does not follow from that of the tiles.
"""

from collections.abc import Iterable, Iterator

from xdsl.dialects.builtin import StringAttr, UnitAttr
from xdsl.ir import Operation
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import step
from headrace.dialects.step_operation import is_name
from headrace.dialects.stream_operation import names_attribute
from headrace.passes.step.axes import ROWS, Axes, Node, tile_nodes
from headrace.passes.step.graphs import stream
from headrace.passes.step.packing import Packing
from headrace.passes.step.refusal import fail
from headrace.passes.step.reinfer import inferred


def rows_of(packing: Packing) -> Node:
    """The axis of the rows of its tiles."""
    return Node(packing.accumulate.results[0], ROWS)


def check_rows(name: str, axes: Axes, packing: Packing) -> None:
    """
    Every operation on the tiles treats their rows one by one, until they are split.

    Raises `PassFailedException` at the first that does not.
    """
    obstacle = axes.obstacle(rows_of(packing))
    if obstacle is not None:
        raise fail(name, *obstacle)
    axis = axes.find(rows_of(packing))
    if any(axes.find(node) == axis for node in axes.contracted):
        raise fail(name, packing.accumulate, "a product sums over the rows that it packs")
    if any(axes.find(node) == axis for node in axes.outputs):
        raise fail(
            name, packing.accumulate, "a product multiplies the rows that it packs by others"
        )


def on_rows(axes: Axes, packed: Iterable[Packing], ops: Iterable[Operation]) -> Iterator[Operation]:
    """Those operations that take or give tiles of the packed rows."""
    rows = {axes.find(rows_of(packing)) for packing in packed}
    for op in ops:
        streams = [v for v in (*op.operands, *op.results) if isinstance(v.type, step.StreamType)]
        if any(axes.find(node) in rows for value in streams for node in tile_nodes(value)):
            yield op


def splits_of(
    axes: Axes, packed: Iterable[Packing], ops: Iterable[Operation]
) -> list[step.FlatMapOp]:
    """The operations that split the tiles of packed rows."""
    return [
        op
        for op in on_rows(axes, packed, ops)
        if isinstance(op, step.FlatMapOp) and op.function is step.Function.SPLIT_ROWS
    ]


def drop_padding(op: step.FlatMapOp) -> None:
    """Have a split drop padding: what it gives now are valid rows, so many as is claimed."""
    if op.flag("masked"):
        return
    rows = str(stream(op.results[0]).dimensions[-1])
    op.masked = UnitAttr()
    op.dim = StringAttr(rows)
    op.assumed_names = names_attribute([rows]) if is_name(rows) else None


def keep_all(name: str, op: step.FlatMapOp) -> None:
    """Have a split keep all rows, where none is padding and the sizes show it."""
    given = dict(op.properties)
    for property in ("masked", "dim", "assumed"):
        op.properties.pop(property, None)
    try:
        same = inferred(name, op) == tuple(op.result_types)
    except PassFailedException:
        same = False
    if not same:
        op.properties = given
