"""
Neutral graphs as `sam` IR: `neutral_module` makes a module of a graph.

The order of nodes, which numbers the ports of the memory, is kept in the discardable attribute
`headrace.rank`. `backends/neutral_json.py` is the way back.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from xdsl.builder import Builder
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f64,
    i64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint
from xdsl.utils.str_enum import StrEnum

from headrace.backends.neutral import (
    Extent,
    NeutralGraph,
    NeutralNode,
    Port,
    extents_of,
)
from headrace.backends.neutral_operators import BINARY, REDUCTIONS, UNARY, has_root
from headrace.backends.neutral_program import writer_mode
from headrace.dialects import sam
from headrace.dialects.sparse_tensor import encoding_of
from headrace.dialects.stream_operation import index_attribute
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level

RANK = "headrace.rank"

RENAMED = {"axis": "index", "mode": "stops"}
"""Properties that have another name as an attribute of a node."""

OPERATIONS = {
    operation.name.removeprefix("sam."): operation
    for operation in sam.SAM.operations
    if issubclass(operation, sam.StreamOperation)
}


def neutral_module(
    graph: NeutralGraph, shapes: Mapping[str, Sequence[int]] | None = None
) -> ModuleOp:
    """
    A module whose `main` takes the input tensors in the order of `fmt` and runs one `sam.graph`.

    Tensors hold f64; dimensions are dynamic where `shapes` does not name the tensor. Raises
    `InputError` for a graph that IR cannot say: depths of channels belong to a run there.
    """
    if graph.depth or any("depth" in node.attributes for node in graph.nodes):
        raise InputError(
            f"{graph.kernel}: IR has no depths of channels; take them out of the graph and give "
            "the depth when it runs"
        )
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
            if node.type in ("fiberwrite", "store"):
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
            if port in node.inputs or has_root(node.type, port)
        ]

    def _extent(self, extent: Extent) -> SSAValue:
        if isinstance(extent, int):
            return self.builder.insert(ConstantOp(IntegerAttr(extent, IndexType()))).result
        tensor, dimension = extent
        return self.builder.insert(sam.ExtentOp(self.tensors[tensor], dimension)).extent

    def _operation(self, node: NeutralNode, inputs: Sequence[SSAValue]) -> Operation:
        attributes = node.attributes
        match node.type:
            case "root":
                return sam.RootOp()
            case "fiberlookup" | "scan_bitvector":
                tensor, mode, index = (attributes[name] for name in ("tensor", "mode", "index"))
                self.scanned.setdefault(index, (tensor, mode))
                level = self.graph.formats[tensor].order.index(mode)
                scan = sam.ScanOp if node.type == "fiberlookup" else sam.ScanBitvectorOp
                return scan(inputs[0], self.tensors[tensor], level, index)
            case "balance":
                tensor = attributes["tensor"]
                level = self.graph.formats[tensor].order.index(attributes["mode"])
                among = attributes["among"]
                return sam.BalanceOp(inputs[0], self.tensors[tensor], level, among)
            case "repsiggen":
                return sam.RepeatSignalOp(inputs[0])
            case "repeat":
                return sam.RepeatOp(*inputs)
            case "intersect":
                return sam.IntersectOp(inputs[: len(inputs) // 2], inputs[len(inputs) // 2 :])
            case "union":
                return sam.UnionOp(inputs[: len(inputs) // 2], inputs[len(inputs) // 2 :])
            case "arrayvals":
                return sam.ArrayOp(inputs[0], self.tensors[attributes["tensor"]])
            case "reduce" | "maxreduce":
                return sam.ReduceOp(inputs[0], attributes.get("op", REDUCTIONS[node.type]))
            case "spaccumulator":
                return sam.AccumulateOp(inputs[:-1], inputs[-1], attributes.get("op", "add"))
            case "crddrop":
                return sam.CoordinateDropOp(*inputs)
            case "crdhold":
                return sam.CoordinateHoldOp(*inputs)
            case "fiberwrite" if attributes["mode"] == "vals":
                return sam.WriteValuesOp(inputs[0])
            case "fiberwrite":
                level = self.graph.formats[self.graph.output].order.index(attributes["mode"])
                return sam.WriteCoordinatesOp(inputs[0], writer_mode(self.graph, node, level))
            case kind if kind in BINARY or kind in UNARY or kind == "alu":
                scalar = attributes.get("scalar")
                op = attributes.get("op", kind)
                return sam.AluOp(op, inputs, None if scalar is None else float(scalar))
            case _:
                return self._own(node, inputs)

    def _own(self, node: NeutralNode, inputs: Sequence[SSAValue]) -> Operation:
        """An operation under its own name, with its properties and extents."""
        operation = OPERATIONS[node.type]
        given = node.attributes
        formats = self.graph.formats
        extents = extents_of(
            given.get("extents", [given["extent"]] if "extent" in given else []), formats, str(node)
        )
        operands = [*inputs, *map(self._extent, extents)]
        properties = {
            name: _property(definition.constr.get_bases() or set(), given[RENAMED.get(name, name)])
            for name, definition in operation.get_irdl_definition().properties.items()
            if RENAMED.get(name, name) in given
        }
        results = operation.infer([operand.type for operand in operands], properties)
        return operation.create(operands=operands, result_types=results, properties=properties)

    def _written(self, node: NeutralNode, op: Operation) -> None:
        if node.attributes.get("mode", "vals") == "vals":
            self.values = op.results[0]
        else:
            self.levels[node.attributes["mode"]] = op.results[0]

    def _assemble(self) -> SSAValue:
        format = self.graph.formats[self.graph.output]
        modes = [
            mode
            for mode, level in zip(format.order, format.levels, strict=True)
            if level is Level.COMPRESSED
        ]
        if self.values is None or any(mode not in self.levels for mode in modes):
            raise InputError(
                f"{self.graph.kernel}: the output {self.graph.output} needs a fiberwrite for "
                "every compressed mode and one for 'vals'"
            )
        extents = [self._extent(extent) for extent in self.graph.shape or self._written_extents()]
        levels = [self.levels[mode] for mode in modes]
        return self.builder.insert(sam.AssembleOp(levels, self.values, extents, self.result)).result

    def _written_extents(self) -> list[Extent]:
        """The extents of the output, each known from a tensor scanned along the written index."""
        extents: dict[int, Extent] = {}
        for node in self.graph.nodes:
            mode, index = node.attributes.get("mode"), str(node.attributes.get("index"))
            if node.type == "fiberwrite" and isinstance(mode, int) and index in self.scanned:
                extents[mode] = self.scanned[index]
        rank = self.graph.formats[self.graph.output].rank
        if len(extents) != rank:
            raise InputError(
                f"{self.graph.kernel}: the shape of {self.graph.output} is not known from its "
                "written indices; give it as 'shape'"
            )
        return [extents[mode] for mode in range(rank)]


def _property(bases: set[type[Attribute]], value: Any) -> Attribute:
    """The attribute of a property, which is a number, a text or a word of an enumeration."""
    (kind,) = bases
    if issubclass(kind, StringAttr):
        return StringAttr(str(value))
    if issubclass(kind, EnumAttribute):
        enumeration = cast(type[EnumAttribute[StrEnum]], kind)
        return enumeration(enumeration.enum_type(value))
    return index_attribute(int(value))
