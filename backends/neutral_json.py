"""
Prints stream graphs in the neutral form: `headrace-opt graph.mlir -t neutral-json`.

Operators that the published simulators have go by their names, the others by those of the
operations; the order of nodes comes from `headrace.rank` where a graph was read from this form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from math import isfinite
from typing import IO, Any

from xdsl.context import Context
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import (
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
)
from xdsl.dialects.func import FuncOp
from xdsl.dialects.tensor import DimOp
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.utils.target import Target

from headrace.backends.neutral import (
    NeutralGraph,
    NeutralNode,
    Port,
    graph_from_data,
)
from headrace.backends.neutral_module import RANK, RENAMED
from headrace.backends.neutral_operators import BINARY, OPERATORS, REDUCTIONS, UNARY
from headrace.backends.stream_graphs import expect_stream_graphs
from headrace.dialects import sam
from headrace.dialects.functions import argument_names
from headrace.dialects.sparse_tensor import format_of, operand_behind
from headrace.storage.errors import InputError
from headrace.storage.levels import Level

_NOT_NODES = (ConstantOp, DimOp, sam.ExtentOp, sam.AssembleOp, sam.YieldOp)


def neutral_graph(graph: sam.GraphOp) -> NeutralGraph:
    """
    The neutral form of a stream graph; its output is called as in the IR, else X, X1, ..

    Raises `InputError` for operations, and results, that the form cannot say.
    """
    block = graph.body.block
    last = block.last_op
    if not isinstance(last, sam.YieldOp) or len(last.arguments) != 1:
        raise InputError("the neutral form has one output; a graph with several has no form")
    names = _tensor_names(graph)
    candidates = chain([graph.outputs[0].name_hint or "X", "X"], (f"X{n}" for n in count(1)))
    output = next(name for name in candidates if name not in names)
    tensors: dict[SSAValue, str] = dict(zip(block.args, names, strict=True))
    formats = {name: format_of(value.type) for value, name in tensors.items()}
    assemble = last.arguments[0].owner
    assert isinstance(assemble, sam.AssembleOp)
    operations = [op for op in block.ops if not isinstance(op, _NOT_NODES) and not _is_own_root(op)]
    operations.sort(key=_rank)
    format = format_of(assemble.result.type)
    fmt = {output: format, **formats}
    for name, stored in fmt.items():
        if stored.block:
            raise InputError(f"tensor {name} has blocks, for which the neutral form has no format")
    compressed = [
        mode
        for mode, level in zip(format.order, format.levels, strict=True)
        if level is Level.COMPRESSED
    ]
    modes = dict(zip(assemble.levels, compressed, strict=True))
    numbers = {op: number for number, op in enumerate(operations)}
    printer = _Printer(tensors, modes, output, numbers)
    ports = {value: port for op in operations for value, port in printer.outputs(op).items()}
    function = graph.parent_op()
    attributes = function.attributes if function is not None else {}
    texts: dict[str, str] = {}
    for name in ("kernel", "expression"):
        text = attributes.get(f"headrace.{name}")
        texts[name] = text.data if isinstance(text, StringAttr) else ""
    shape = [printer.extent(value) for value in assemble.extents]
    known = printer.scanned(operations, assemble.levels)
    data = {
        **texts,
        "output": output,
        "fmt": {name: str(format) for name, format in fmt.items()},
        **({} if shape == known else {"shape": shape}),
        "nodes": [printer.entry(op, ports) for op in operations],
    }
    return graph_from_data(data, "sam.graph")


def _is_own_root(op: Operation) -> bool:
    """Whether the operation is a root with one reader, which needs no node."""
    return isinstance(op, sam.RootOp) and op.ref.uses.get_length() < 2


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
        # Only the last port of an operation may be unconnected: the parent of `locate`.
        inputs = {
            port: list(ports[value])
            for port, value in zip(self._node(op).input_ports, streams, strict=False)
            if value in ports
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
                kind = {"format": "dense" if op.is_dense else "compressed"}
                return {"type": "fiberlookup", **self._level(op), **kind}
            case sam.ScanBitvectorOp():
                return {"type": "scan_bitvector", **self._level(op)}
            case sam.BalanceOp():
                mode = format_of(op.tensor.type).order[op.level.value.data]
                level = {"tensor": self.tensors[op.tensor], "mode": mode}
                return {"type": "balance", **level, "among": op.among.value.data}
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
            case sam.ReduceOp():
                names = {operation: name for name, operation in REDUCTIONS.items()}
                kind = str(op.op.data)
                return {"type": names[kind]} if kind in names else {"type": "reduce", "op": kind}
            case sam.AccumulateOp():
                axes = [_axis(crd) for crd in reversed(op.crds)]
                indices = {f"in{n}": axis for n, axis in enumerate(axes)}
                kind = {} if op.op.data is sam.ReductionKind.ADD else {"op": str(op.op.data)}
                return {"type": "spaccumulator", **indices, "order": op.order, **kind}
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
            case sam.AluOp():
                scalar = {} if op.scalar is None else {"scalar": _number(op.scalar.value.data)}
                kind = str(op.op.data)
                if kind in BINARY or kind in UNARY:
                    return {"type": kind, **scalar}
                return {"type": "alu", "op": kind, **scalar}
            case sam.StreamOperation() if op.name.removeprefix("sam.") in OPERATORS:
                return self._own(op)
            case _:
                raise InputError(f"'{op.name}' has no neutral form; lower the module to sam first")

    def _level(self, op: sam.ScanOp | sam.ScanBitvectorOp) -> dict[str, Any]:
        mode = format_of(op.tensor.type).order[op.level.value.data]
        return {"tensor": self.tensors[op.tensor], "mode": mode, "index": op.axis.data}

    def _own(self, op: sam.StreamOperation) -> dict[str, Any]:
        """The attributes of an operation that keeps its name."""
        data: dict[str, Any] = {"type": op.name.removeprefix("sam.")}
        for name, value in op.properties.items():
            data[RENAMED.get(name, name)] = _plain(value)
        extents = [self.extent(value) for value in op.operands if isinstance(value.type, IndexType)]
        match op:
            case sam.StoreOp():
                return {**data, "tensor": self.output, "extents": extents}
            case sam.ConcatOp():
                return {**data, "extents": extents}
            case sam.GatherOp():
                levels = _depth(op.lanes[0]) - _depth(op.order)
                return {**data, "levels": levels} if levels else data
            case _:
                return {**data, "extent": extents[0]} if extents else data

    def extent(self, value: SSAValue) -> int | list[Any]:
        """A size, or [tensor, mode]."""
        match value.owner:
            case sam.ExtentOp(tensor=tensor, dimension=dimension):
                return [self.tensors[tensor], dimension.value.data]
            case DimOp(
                source=tensor, index=OpResult(owner=ConstantOp(value=IntegerAttr() as mode))
            ):
                return [self.tensors[tensor], mode.value.data]
            case ConstantOp(value=IntegerAttr() as number):
                return number.value.data
            case _:
                raise InputError(
                    "an extent that is neither a constant nor the size of a tensor has no form"
                )

    def scanned(
        self, operations: Sequence[Operation], levels: Sequence[SSAValue]
    ) -> list[list[Any]] | None:
        """The extents of the written levels, by mode, as far as scans along their axes tell."""
        extents: dict[str, list[Any]] = {}
        for op in operations:
            if isinstance(op, sam.ScanOp):
                mode = format_of(op.tensor.type).order[op.level.value.data]
                extents.setdefault(op.axis.data, [self.tensors[op.tensor], mode])
        by_mode: dict[int, list[Any]] = {}
        for level in levels:
            assert isinstance(level.owner, sam.WriteCoordinatesOp)
            axis = _axis(level.owner.crd)
            if axis not in extents:
                return None
            by_mode[self.modes[level]] = extents[axis]
        return [by_mode[mode] for mode in sorted(by_mode)]


def _streams(values: Sequence[SSAValue]) -> list[SSAValue]:
    return [value for value in values if isinstance(value.type, sam.StreamType)]


def _tensor_names(graph: sam.GraphOp) -> list[str]:
    """The names of the inputs: those of the arguments of the function, else of the IR."""
    function = graph.parent_op()
    given: dict[SSAValue, str] = {}
    if isinstance(function, FuncOp):
        given = dict(zip(function.body.block.args, argument_names(function), strict=True))
    operands = [operand_behind(value) for value in graph.inputs]
    return [
        given.get(value, value.name_hint or f"T{number}") for number, value in enumerate(operands)
    ]


def _plain(attribute: Attribute) -> int | str:
    """The value of a property in JSON."""
    match attribute:
        case IntegerAttr():
            return attribute.value.data
        case StringAttr():
            return attribute.data
        case EnumAttribute():
            return str(attribute.data)
        case _:
            raise InputError(f"attribute {attribute} has no neutral form")


def _number(value: float) -> float | str:
    """JSON has no infinities; they are written as text."""
    return value if isfinite(value) else str(value)


def _depth(value: SSAValue) -> int:
    assert isinstance(value.type, sam.StreamType)
    return value.type.depth


def _axis(value: SSAValue) -> str:
    assert isinstance(value.type, sam.StreamType)
    return value.type.axis_names[-1]


@dataclass(frozen=True)
class NeutralJsonTarget(Target):
    """`headrace-opt graph.mlir -t neutral-json` prints the one `sam.graph` of a module."""

    name = "neutral-json"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        graphs = expect_stream_graphs(module)
        if len(graphs) != 1:
            raise InputError(
                f"the neutral form holds one stream graph, but the module has {len(graphs)}; "
                "fuse all layers, or split the module"
            )
        output.write(neutral_graph(graphs[0]).to_json())
