"""
The neutral form of a stream graph as `sam` IR, and back.

`neutral_module` makes a module of a graph, `neutral_graph` a graph of a `sam.graph`;
`headrace-opt -t neutral-json` prints a module with one graph. The form has the operators of the
published simulators; an operation beyond them has no form and is refused.

The order of nodes, which numbers the ports of the memory, is kept in the discardable attribute
`headrace.rank`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f64,
    i64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.target import Target

from headrace.backends.neutral import (
    BINARY,
    REDUCTIONS,
    UNARY,
    NeutralGraph,
    NeutralNode,
    Port,
    graph_from_data,
)
from headrace.backends.neutral_program import writer_mode
from headrace.backends.sam import argument_names
from headrace.dialects import sam
from headrace.dialects.sparse_tensor import encoding_of, format_of
from headrace.storage.errors import InputError
from headrace.storage.levels import Format

RANK = "headrace.rank"

_NOT_NODES = (sam.RootOp, sam.ExtentOp, sam.AssembleOp, sam.YieldOp)

# From the neutral form to IR ---------------------------------------------------------------------


def neutral_module(
    graph: NeutralGraph, shapes: Mapping[str, Sequence[int]] | None = None
) -> ModuleOp:
    """
    A module whose `main` takes the input tensors in the order of `fmt` and runs one `sam.graph`.

    Tensors hold f64; dimensions are dynamic where `shapes` does not name the tensor.
    """
    given = shapes or {}
    names = [name for name in graph.formats if name != graph.output]
    types = [_tensor_type(graph.formats[name], given.get(name)) for name in names]
    result = _tensor_type(graph.formats[graph.output], None)
    body = Block(arg_types=types)
    _GraphBuilder(graph, dict(zip(names, body.args, strict=True)), body, result).build()
    main = Block(arg_types=types)
    stream_graph = sam.GraphOp(main.args, [result], Region(body))
    stream_graph.outputs[0].name_hint = graph.output
    main.add_ops([stream_graph, ReturnOp(*stream_graph.outputs)])
    function = FuncOp("main", FunctionType.from_lists(types, [result]), Region(main))
    function.arg_attrs = ArrayAttr(
        DictionaryAttr({"headrace.name": StringAttr(name)}) for name in names
    )
    for name in ("kernel", "expression"):
        function.attributes[f"headrace.{name}"] = StringAttr(getattr(graph, name))
    return ModuleOp([function])


def _tensor_type(format: Format, shape: Sequence[int] | None) -> TensorType[Any]:
    sizes = [DYNAMIC_INDEX] * format.rank if shape is None else shape
    return TensorType(f64, sizes, encoding_of(format))


class _GraphBuilder:
    """Fills the block of a `sam.graph`, node by node."""

    def __init__(
        self,
        graph: NeutralGraph,
        tensors: Mapping[str, SSAValue],
        block: Block,
        result: TensorType[Any],
    ) -> None:
        self.graph = graph
        self.tensors = tensors
        self.builder = Builder(InsertPoint.at_end(block))
        self.result = result
        self.streams: dict[Port, SSAValue] = {}
        self.levels: dict[int, SSAValue] = {}
        self.values: SSAValue | None = None
        self.scanned: dict[str, tuple[str, int]] = {}
        """Where the extent of an index is known from: a tensor and its dimension."""
        for name, value in tensors.items():
            value.name_hint = name

    def build(self) -> None:
        ranks = {node.id: rank for rank, node in enumerate(self.graph.nodes)}
        for node in self.graph.topological():
            op = self.builder.insert(self._operation(node, self._inputs(node)))
            op.attributes[RANK] = IntegerAttr(ranks[node.id], i64)
            if node.type == "fiberwrite":
                self._written(node, op)
            for port, value in zip(node.output_ports, op.results, strict=False):
                self.streams[node.id, port] = value
        self.builder.insert(sam.YieldOp(self._assemble()))

    def _inputs(self, node: NeutralNode) -> list[SSAValue]:
        return [
            self.streams[node.inputs[port]]
            if port in node.inputs
            else self.builder.insert(sam.RootOp()).ref
            for port in node.input_ports
        ]

    def _operation(self, node: NeutralNode, inputs: Sequence[SSAValue]) -> Operation:
        attributes = node.attributes
        match node.type:
            case "fiberlookup":
                tensor, mode, index = (attributes[name] for name in ("tensor", "mode", "index"))
                self.scanned.setdefault(index, (tensor, mode))
                level = self.graph.formats[tensor].order.index(mode)
                return sam.ScanOp(inputs[0], self.tensors[tensor], level, index)
            case "repsiggen":
                return sam.RepeatSignalOp(inputs[0])
            case "repeat":
                return sam.RepeatOp(*inputs)
            case "intersect":
                return sam.IntersectOp(inputs[: node.operands], inputs[node.operands :])
            case "union":
                return sam.UnionOp(inputs[: node.operands], inputs[node.operands :])
            case "arrayvals":
                return sam.ArrayOp(inputs[0], self.tensors[attributes["tensor"]])
            case "reduce" | "maxreduce":
                return sam.ReduceOp(inputs[0], REDUCTIONS[node.type])
            case "spaccumulator":
                return sam.AccumulateOp(inputs[:-1], inputs[-1])
            case "crddrop":
                return sam.CoordinateDropOp(*inputs)
            case "crdhold":
                return sam.CoordinateHoldOp(*inputs)
            case "fiberwrite" if attributes["mode"] == "vals":
                return sam.WriteValuesOp(inputs[0])
            case "fiberwrite":
                level = self.graph.formats[self.graph.output].order.index(attributes["mode"])
                return sam.WriteCoordinatesOp(inputs[0], writer_mode(self.graph, node, level))
            case kind:
                return sam.AluOp(kind, inputs, attributes.get("scalar"))

    def _written(self, node: NeutralNode, op: Operation) -> None:
        if node.attributes["mode"] == "vals":
            self.values = op.results[0]
        else:
            self.levels[node.attributes["mode"]] = op.results[0]

    def _assemble(self) -> SSAValue:
        format = self.graph.formats[self.graph.output]
        indices = {
            node.attributes["mode"]: str(node.attributes.get("index"))
            for node in self.graph.nodes
            if node.type == "fiberwrite"
        }
        if self.values is None or any(mode not in self.levels for mode in format.order):
            raise InputError(
                f"{self.graph.kernel}: the output {self.graph.output} needs a fiberwrite for "
                "every mode and one for 'vals'"
            )
        extents: list[SSAValue] = []
        for mode in range(format.rank):
            if indices[mode] not in self.scanned:
                raise InputError(
                    f"{self.graph.kernel}: no input tensor is scanned along the written index "
                    f"{indices[mode]}"
                )
            tensor, dimension = self.scanned[indices[mode]]
            extent = self.builder.insert(sam.ExtentOp(self.tensors[tensor], dimension))
            extents.append(extent.extent)
        levels = [self.levels[mode] for mode in format.order]
        return self.builder.insert(sam.AssembleOp(levels, self.values, extents, self.result)).result


# From IR to the neutral form ---------------------------------------------------------------------


def neutral_graph(graph: sam.GraphOp, output: str = "X") -> NeutralGraph:
    """
    The neutral form of a stream graph.

    A root that several operations read becomes one root each, as the form has it.

    Raises `InputError` for operations, and results, that the form cannot say.
    """
    block = graph.body.block
    last = block.last_op
    if not isinstance(last, sam.YieldOp) or len(last.arguments) != 1:
        raise InputError("the neutral form has one output; a graph with several has no form")
    tensors: dict[SSAValue, str] = dict(zip(block.args, _tensor_names(graph), strict=True))
    formats = {name: format_of(value.type) for value, name in tensors.items()}
    assemble = last.arguments[0].owner
    assert isinstance(assemble, sam.AssembleOp)
    order = format_of(assemble.result.type).order
    operations = [op for op in block.ops if not isinstance(op, _NOT_NODES)]
    operations.sort(key=_rank)
    modes = dict(zip(assemble.levels, order, strict=True))
    numbers = {op: number for number, op in enumerate(operations)}
    printer = _Printer(tensors, modes, output, numbers)
    ports = {value: port for op in operations for value, port in printer.outputs(op).items()}
    function = graph.parent_op()
    attributes = function.attributes if function is not None else {}
    texts: dict[str, str] = {}
    for name in ("kernel", "expression"):
        text = attributes.get(f"headrace.{name}")
        texts[name] = text.data if isinstance(text, StringAttr) else ""
    fmt = {output: format_of(assemble.result.type), **formats}
    data = {
        **texts,
        "output": output,
        "fmt": {name: str(format) for name, format in fmt.items()},
        "nodes": [printer.entry(op, ports) for op in operations],
    }
    return graph_from_data(data, "sam.graph")


def _rank(op: Operation) -> int:
    """The place among the nodes; operations without one come first, in their own order."""
    rank = op.attributes.get(RANK)
    return rank.value.data if isinstance(rank, IntegerAttr) else -1


@dataclass(frozen=True)
class _Printer:
    """Says what each operation of a graph is in the neutral form."""

    tensors: Mapping[SSAValue, str]
    modes: Mapping[SSAValue, int]
    """The written levels and the logical mode of each."""
    output: str
    numbers: Mapping[Operation, int]

    def entry(self, op: Operation, ports: Mapping[SSAValue, Port]) -> dict[str, Any]:
        """The node of an operation; `ports` says where streams come from."""
        streams = _streams(op.operands)
        inputs = {
            port: list(ports[value])
            for port, value in zip(self._node(op).input_ports, streams, strict=True)
            if not isinstance(value.owner, sam.RootOp)
        }
        return {"id": self.numbers[op], **self._attributes(op), "in": inputs}

    def outputs(self, op: Operation) -> dict[SSAValue, Port]:
        """The streams that an operation makes, with the names of their ports."""
        streams = _streams(op.results)
        names = zip(self._node(op).output_ports, streams, strict=True)
        return {value: (self.numbers[op], port) for port, value in names}

    def _node(self, op: Operation) -> NeutralNode:
        """The node without its connections, which knows the names of its ports."""
        number, attributes = self.numbers[op], self._attributes(op)
        inputs = {str(n): (number, "") for n in range(len(_streams(op.operands)))}
        return NeutralNode(number, attributes["type"], attributes, inputs)

    def _attributes(self, op: Operation) -> dict[str, Any]:
        match op:
            case sam.ScanOp():
                format, tensor = format_of(op.tensor.type), self.tensors[op.tensor]
                level = op.level.value.data
                return {
                    "type": "fiberlookup",
                    "tensor": tensor,
                    "index": op.axis.data,
                    "format": "dense" if op.is_dense else "compressed",
                    "mode": format.order[level],
                }
            case sam.JoinOperation():
                return {"type": op.name.removeprefix("sam."), "index": _axis(op.crd)}
            case sam.RepeatSignalOp():
                return {"type": "repsiggen", "index": _axis(op.stream)}
            case sam.RepeatOp():
                kind = op.result.type
                assert isinstance(kind, sam.StreamType)
                return {"type": "repeat", "index": _axis(op.result), "kind": str(kind.kind.data)}
            case sam.ArrayOp():
                return {"type": "arrayvals", "tensor": self.tensors[op.tensor]}
            case sam.ReduceOp() if str(op.op.data) in REDUCTIONS.values():
                names = {operation: name for name, operation in REDUCTIONS.items()}
                return {"type": names[str(op.op.data)]}
            case sam.AccumulateOp() if op.op.data is sam.ReductionKind.ADD:
                axes = [_axis(crd) for crd in reversed(op.crds)]
                indices = {f"in{n}": axis for n, axis in enumerate(axes)}
                return {"type": "spaccumulator", **indices, "order": op.order}
            case sam.CoordinateDropOp():
                return {"type": "crddrop", "outer": _axis(op.outer), "inner": _axis(op.inner)}
            case sam.CoordinateHoldOp():
                return {"type": "crdhold", "outer": _axis(op.outer), "inner": _axis(op.inner)}
            case sam.WriteCoordinatesOp():
                written = {"type": "fiberwrite", "tensor": self.output, "index": _axis(op.crd)}
                mode, empty = self.modes[op.level], str(op.mode.data)
                return {**written, "format": "compressed", "mode": mode, "empty": empty}
            case sam.WriteValuesOp():
                return {"type": "fiberwrite", "tensor": self.output, "mode": "vals"}
            case sam.AluOp() if str(op.op.data) in BINARY | UNARY:
                scalar = {} if op.scalar is None else {"scalar": op.scalar.value.data}
                return {"type": str(op.op.data), **scalar}
            case _:
                raise InputError(
                    f"'{op.name}' has no neutral form, which knows only the operators of the "
                    "published simulators"
                )


def _streams(values: Sequence[SSAValue]) -> list[SSAValue]:
    return [value for value in values if isinstance(value.type, sam.StreamType)]


def _tensor_names(graph: sam.GraphOp) -> list[str]:
    """The names of the inputs: those of the arguments of the function, else of the IR."""
    function = graph.parent_op()
    given: dict[SSAValue, str] = {}
    if isinstance(function, FuncOp):
        given = dict(zip(function.body.block.args, argument_names(function), strict=True))
    return [
        given.get(value, value.name_hint or f"T{number}")
        for number, value in enumerate(graph.inputs)
    ]


def _axis(value: SSAValue) -> str:
    assert isinstance(value.type, sam.StreamType)
    return value.type.axis_names[-1]


@dataclass(frozen=True)
class NeutralJsonTarget(Target):
    """`headrace-opt graph.mlir -t neutral-json` prints the one `sam.graph` of a module."""

    name = "neutral-json"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        graphs = [op for op in module.walk() if isinstance(op, sam.GraphOp)]
        if len(graphs) != 1:
            raise InputError(
                f"the neutral form holds one stream graph, but the module has {len(graphs)}; "
                "fuse all layers, or split the module"
            )
        output.write(neutral_graph(graphs[0]).to_json())
