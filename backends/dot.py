"""
Draws stream graphs in Graphviz DOT: one box an operation, one arrow a stream.

Arrows are coloured by the kind of the stream and labelled with its axis stack, in graphs of `step`
with its sizes and elements (`dot_step.py`). Tensors stand at the operations that read them, so that
only streams cross the drawing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Literal

from xdsl.context import Context
from xdsl.dialects.builtin import FloatAttr, IntegerAttr, ModuleOp, StringAttr, TensorType
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, Operation, OpResult
from xdsl.utils.target import Target

from headrace.backends.dot_step import STEP
from headrace.backends.dot_style import Style, tensor_name
from headrace.backends.step import graphs_of
from headrace.backends.stream_graphs import expect_stream_graphs
from headrace.backends.svg import COLOURS
from headrace.dialects import sam, step

KIND_COLOURS = {
    sam.Kind.CRD: "#1f77b4",
    sam.Kind.REF: "#2ca02c",
    sam.Kind.VAL: "#d62728",
    sam.Kind.SIG: "#9467bd",
    sam.Kind.BV: "#8c564b",
}

CLASSES: dict[type[Operation], str] = {
    sam.RootOp: "generator",
    sam.ScanOp: "scan",
    sam.ScanBitvectorOp: "scan",
    sam.RangeOp: "scan",
    sam.LocateOp: "locate",
    sam.RepeatOp: "repeat",
    sam.RepeatSignalOp: "repeat",
    sam.IntersectOp: "joiner",
    sam.UnionOp: "joiner",
    sam.ArrayOp: "array_read",
    sam.AluOp: "alu",
    sam.ReduceOp: "reduce",
    sam.AccumulateOp: "accumulator",
    sam.WriteCoordinatesOp: "writer",
    sam.WriteValuesOp: "writer",
    sam.StoreOp: "writer",
    sam.AssembleOp: "writer",
}


HEADER = """\
digraph {name} {{
  rankdir={rankdir};
  node [shape=box, style="rounded,filled", fontname=sans, fontsize=10];
  edge [fontname=sans, fontsize=9];
"""

SHOWN = frozenset("axis outer_axis inner_axis op scalar mode empty predicate factor".split())
"""The properties that stand in the box, without their names."""


Direction = Literal["TB", "LR", "BT", "RL"]
"""The direction of the streams: top to bottom, left to right, or the reverse."""


@dataclass(frozen=True)
class DotTarget(Target):
    """`headrace-opt graph.mlir -t dot | dot -Tsvg` draws every stream graph of a module."""

    name = "dot"

    rankdir: Direction = "TB"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        output.write(dot(graphs_of(module) or expect_stream_graphs(module), self.rankdir))


def dot(graphs: Sequence[sam.GraphOp] | Sequence[step.GraphOp], rankdir: Direction = "TB") -> str:
    """The drawing of stream graphs, which may be none."""
    lines: list[str] = []
    for number, graph in enumerate(graphs):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(f'graph {number}')};"]
        lines += [f"    {line}" for line in _graph_lines(graph, f"g{number}_")]
        lines.append("  }")
    name = "step" if any(isinstance(graph, step.GraphOp) for graph in graphs) else "sam"
    return HEADER.format(name=name, rankdir=rankdir) + "".join(
        f"{line}\n" for line in [*lines, "}"]
    )


def _graph_lines(graph: sam.GraphOp | step.GraphOp, prefix: str) -> Iterator[str]:
    """Nodes in the order of the operations, then the edges."""
    style = STEP if isinstance(graph, step.GraphOp) else SAM
    nodes: dict[Operation, str] = {}
    for place, op in enumerate(graph.body.block.ops):
        if style.is_node(op):
            nodes[op] = f"{prefix}{len(nodes)}"
            label, colour = _quoted(style.label(op, place)), _quoted(style.colour(op))
            yield f"{nodes[op]} [label={label}, fillcolor={colour}];"
    for op, target in nodes.items():
        for operand in op.operands:
            if isinstance(operand, OpResult) and operand.op in nodes:
                yield f"{nodes[operand.op]} -> {target} [{_arrow(*style.edge(operand.type))}];"


def _arrow(label: str | None, colour: str) -> str:
    """The attributes of an arrow."""
    if label is None:
        return f"color={_quoted(colour)}"
    return f"label={_quoted(label)}, color={_quoted(colour)}, fontcolor={_quoted(colour)}"


def _label(op: Operation, place: int) -> str:
    """Name, properties, and the tensor that is read."""
    words = [op.name.removeprefix("sam.").replace("_", " ")]
    words += [_text(value) for name, value in op.properties.items() if name in SHOWN]
    tensors = [operand for operand in op.operands if isinstance(operand.type, TensorType)]
    for tensor in tensors:
        level = op.properties.get("level")
        words.append(
            f"\n{tensor_name(tensor)}" + (f" level {_text(level)}" if level is not None else "")
        )
    return " ".join(words).replace(" \n", "\n")


def _text(value: Attribute) -> str:
    match value:
        case StringAttr() | EnumAttribute():
            return str(value.data)
        case IntegerAttr() | FloatAttr():
            return f"{value.value.data:g}"
        case _:
            return str(value)


def _edge(type: Attribute) -> tuple[str | None, str]:
    """The axes and the colour of a stream; grey for what writers make."""
    match type:
        case sam.StreamType():
            return " ".join(type.axis_names), KIND_COLOURS[type.kind.data]
        case _:
            return None, "#7f7f7f"


SAM = Style(
    is_node=lambda op: isinstance(op, sam.StreamOperation | sam.AssembleOp),
    label=_label,
    colour=lambda op: COLOURS.get(CLASSES.get(type(op), ""), "#ffffff"),
    edge=_edge,
)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
