"""
`step-tile`: chooses the sizes of static tiles.

Source: "Streaming Tensor Programs", arXiv 2511.07776, sections 4.1 and 5 (tile sizes of rows and of
the hidden axis).
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from headrace.dialects import step
from headrace.passes.step.axes import Axes, Node
from headrace.passes.step.axis_rules import axes_of
from headrace.passes.step.graphs import graphs
from headrace.passes.step.packing import packings, rebuild
from headrace.passes.step.refusal import fail
from headrace.passes.step.reinfer import reinfer
from headrace.passes.step.retile import Axis, retile, whole_axis
from headrace.passes.step.row_tiles import check_rows, drop_padding, splits_of


@dataclass(frozen=True)
class StepTilePass(ModulePass):
    """
    Cuts rows into tiles of `rows`, and what weights make of them into tiles of `columns`.

    Rows that are packed into tiles in the run, as those of an expert, are packed in `rows` at a
    time, the last tile padded; the rows of a graph that packs none are cut by its loads. Columns
    are those of the weights of products, where loads step over them. 0 leaves sizes as they are.
    """

    name = "step-tile"

    rows: int = 0
    columns: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for graph in graphs(op, self.name, rows=self.rows, columns=self.columns):
            if self.rows:
                self._tile_rows(graph)
            if self.columns:
                axes = axes_of(graph)
                found = _column_axes(axes) or _whole_column_axes(graph, axes)
                self._retile_all(graph, axes, found, "columns", self.columns)

    def _tile_rows(self, graph: step.GraphOp) -> None:
        axes = axes_of(graph)
        found = list(packings(graph))
        if not found:
            self._retile_all(graph, axes, _row_axes(axes), "rows", self.rows)
            return
        for packing in found:
            check_rows(self.name, axes, packing)
        for op in splits_of(axes, found, graph.body.block.ops):
            drop_padding(op)
        for packing in found:
            rebuild(self.name, packing, "static", self.rows)
        reinfer(self.name, graph)

    def _retile_all(
        self, graph: step.GraphOp, axes: Axes, found: list[Axis], what: str, size: int
    ) -> None:
        if not found:
            reason = f"no load steps over {what} of tiles, nor has a dimension that could"
            raise fail(self.name, graph, f"{reason}; give step-lower a smaller size")
        for axis in found:
            retile(self.name, graph, axes, axis, size)
        reinfer(self.name, graph)


def _row_axes(axes: Axes) -> list[Axis]:
    """What loads step over, and no weight brings into a product."""
    weights = {axes.find(node) for node in (*axes.outputs, *axes.contracted)}
    return [(node,) for node in _classes(axes, axes.steps) if node not in weights]


def _column_axes(axes: Axes) -> list[Axis]:
    """What the loads of weights step over, and products have as columns."""
    steps = set(axes.steps)
    found = [node for node in axes.outputs if Node(_loaded(node.value), node.size) in steps]
    return [(node,) for node in _classes(axes, found)]


def _whole_column_axes(graph: step.GraphOp, axes: Axes) -> list[Axis]:
    """The columns that products have of weights which are read as one tile."""
    found = _classes(axes, axes.outputs)
    return [axis for node in found if (axis := whole_axis(graph, axes, node)) is not None]


def _classes(axes: Axes, nodes: list[Node]) -> list[Node]:
    return list(dict.fromkeys(map(axes.find, nodes)))


def _loaded(value: SSAValue) -> SSAValue:
    """The stream of a load that others only reshape or copy, or the stream itself."""
    while isinstance(op := value.owner, step.FlattenOp | step.ReshapeOp | step.BroadcastOp):
        value = op.input
    return value
