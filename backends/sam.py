"""
From `sam` IR to a program: one node of the stream engine for each operation.

The function `main` holds host operations (layout changes, constants) and `sam.graph`s. An
operation of a graph becomes the primitive of the same name; its tensors become slots. Each repeat
gets a signal process of its own, driven by the references beside the coordinates, where there are
any: the process granularity of the published simulators, on which cycle counts depend.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.
"""

from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, Operation, SSAValue

from headrace.backends.compiled import Program
from headrace.backends.graph import Assembly, GraphStep, slot_name
from headrace.backends.host import Names, constant_tensor, lower_host_op, shape_of, specification
from headrace.backends.steps import Extent, HostStep, Size
from headrace.backends.tiles import tile_parameters
from headrace.dialects import sam
from headrace.dialects.functions import argument_names, main_function, returned
from headrace.dialects.sparse_tensor import format_of
from headrace.dialects.stream_flow import producers_first
from headrace.simulators.stream.program import Parameter, ProgramBuilder, Slot, Stream
from headrace.storage.errors import InputError
from headrace.storage.levels import Level, Storage

HISTOGRAM = {
    "root": "generator",
    "scan": "scan",
    "scan_bitvector": "scan",
    "range": "scan",
    "intersect": "joiner",
    "union": "joiner",
    "array": "array_read",
    "accumulate": "accumulator",
    "write_coordinates": "writer",
    "write_values": "writer",
    "store": "writer",
}
"""Classes of nodes; what is not named counts as itself."""

_NOT_NODES = (
    arith.ConstantOp,
    sam.AssembleOp,
    sam.ExtentOp,
    sam.RepeatSignalOp,
    sam.YieldOp,
    tensor.DimOp,
)


def histogram(graph: sam.GraphOp) -> dict[str, int]:
    """How many nodes of each class a graph has; a repeat and its signal are one node."""
    counts: dict[str, int] = {}
    for op in graph.body.block.ops:
        if not isinstance(op, _NOT_NODES):
            name = op.name.removeprefix("sam.")
            kind = HISTOGRAM.get(name, name)
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def build(module: ModuleOp) -> Program:
    """
    Build the program of the function `main`.

    Raises `InputError` for an operation that is neither a graph nor a layout change.
    """
    function = main_function(module)
    names = Names()
    parameters = function.body.block.args
    for value, name in zip(parameters, argument_names(function), strict=True):
        names.prefer(value, name)
    for number, value in enumerate(returned(function)):
        names.prefer(value, value.name_hint or f"result{number}")
    arguments = tuple(specification(value, names.add(value)) for value in parameters)
    constants: dict[str, Storage] = {}
    steps: list[GraphStep | HostStep] = []
    for op in function.body.block.ops:
        match op:
            case sam.GraphOp():
                number = sum(isinstance(step, GraphStep) for step in steps)
                steps.append(_GraphBuilder(op, names).build(f"graph {number}"))
            case arith.ConstantOp() if isinstance(op.result.type, TensorType):
                constants[names.add(op.result)] = constant_tensor(op)
            case _ if any(isinstance(result.type, TensorType) for result in op.results):
                steps.append(lower_host_op(op, names))
            case _:
                pass  # Sizes and scalars are read where they are used.
    results = tuple(specification(value, names[value]) for value in returned(function))
    return Program(arguments, results, constants, tuple(steps))


class _GraphBuilder:
    """Builds the program of one graph; tensors of its body have the names of the function."""

    def __init__(self, graph: sam.GraphOp, names: Names) -> None:
        self.graph = graph
        self.names = names
        self.builder = ProgramBuilder()
        self.streams: dict[SSAValue, Stream] = {}
        self.outputs: dict[SSAValue, str] = {}

    def build(self, name: str) -> GraphStep:
        block = self.graph.body.block
        for argument, operand in zip(block.args, self.graph.inputs, strict=True):
            self.names.alias(argument, self.names[operand])
        for result in self.graph.outputs:
            self.names.add(result)
        self._name_outputs()
        ordered, cycle = producers_first(block)
        if cycle:
            raise InputError(
                f"'{label(cycle[0])}' lies on a cycle that has no initial token, so that its "
                "operations wait for each other; cut the cycle"
            )
        for op in ordered:
            if not isinstance(op, _NOT_NODES):
                self._node(op)
        last = block.last_op
        assert isinstance(last, sam.YieldOp)
        results = tuple(
            self._assembly(value, self.names[result])
            for value, result in zip(last.arguments, self.graph.outputs, strict=True)
        )
        operands = tuple(dict.fromkeys(self.names[value] for value in self.graph.inputs))
        return GraphStep(name, self.builder.build(), operands, results)

    def _name_outputs(self) -> None:
        """Writers are named after the tensor and the level that they write."""
        for op in self.graph.body.block.ops:
            if not isinstance(op, sam.AssembleOp):
                continue
            uses = [use for use in op.result.uses if isinstance(use.operation, sam.YieldOp)]
            for use in uses[:1]:
                name = self._slot(self.graph.outputs[use.index])
                self.outputs.setdefault(op.values, name)
                for level, written in zip(_compressed_levels(op), op.levels, strict=True):
                    self.outputs.setdefault(written, f"{name}.{level}")

    def _node(self, op: Operation) -> None:
        inputs = [
            self._signal(operand.owner)
            if isinstance(operand.owner, sam.RepeatSignalOp)
            else self.streams[operand]
            for operand in op.operands
            if isinstance(operand.type, sam.StreamType)
        ]
        streams = self.builder.node(_primitive(op), *inputs, name=label(op), **self._parameters(op))
        produced = [value for value in op.results if isinstance(value.type, sam.StreamType)]
        self.streams |= dict(zip(produced, streams, strict=True))

    def _signal(self, op: sam.RepeatSignalOp) -> Stream:
        """A signal process for one repeat."""
        driver = self.streams[references_beside(op.stream)]
        (signal,) = self.builder.node("repeat_signal", driver, name=label(op))
        return signal

    def _parameters(self, op: Operation) -> dict[str, Parameter]:
        """The attributes of an operation, its tensors as slots, and its outputs."""
        parameters: dict[str, Parameter] = {
            name: _number_or_text(value)
            for name, value in op.properties.items()
            if name not in ("level", "axis", "outer_axis", "inner_axis", "tile")
        }
        match op:
            case sam.ScanOp() | sam.ScanBitvectorOp():
                parameters |= self._level(op)
            case sam.BalanceOp():
                level = op.level.value.data
                parameters["segments"] = Slot(f"{self._slot(op.tensor)}.{level}.segments")
            case sam.ArrayOp():
                parameters["values"] = Slot(f"{self._slot(op.tensor)}.values")
            case sam.RangeOp() | sam.LocateOp() | sam.CoordinatesOp():
                parameters["extent"] = self._extent(op.extent)
            case sam.StoreOp():
                parameters["extents"] = tuple(self._extent(value) for value in op.extents)
                parameters["output"] = self.outputs.get(op.values, "unused")
            case sam.GatherOp():
                parameters["levels"] = op.levels
            case sam.ConcatOp():
                parameters["extents"] = tuple(self._extent(value) for value in op.extents)
            case sam.WriteCoordinatesOp() | sam.WriteValuesOp():
                parameters["output"] = self.outputs.get(op.results[0], "unused")
            case _:
                pass
        return parameters | tile_parameters(op)

    def _level(self, op: sam.ScanOp | sam.ScanBitvectorOp) -> dict[str, Parameter]:
        tensor, level = self._slot(op.tensor), op.level.value.data
        if isinstance(op, sam.ScanBitvectorOp):
            return {"words": Slot(f"{tensor}.{level}.words")}
        if op.is_dense:
            dimension = format_of(op.tensor.type).order[level]
            return {"extent": Slot(f"{tensor}.{dimension}.extent")}
        return {
            "segments": Slot(f"{tensor}.{level}.segments"),
            "coordinates": Slot(f"{tensor}.{level}.coordinates"),
        }

    def _slot(self, tensor: SSAValue) -> str:
        return slot_name(self.names[tensor])

    def _extent(self, value: SSAValue) -> int | Slot:
        """An extent as a parameter of a node: a number, or the slot of a dimension."""
        if isinstance(value.owner, sam.ExtentOp):
            op = value.owner
            return Slot(f"{self._slot(op.tensor)}.{op.dimension.value.data}.extent")
        size = self.names.size(value)
        if not isinstance(size, int):
            raise InputError(
                f"a node takes its extent from dimension {size.dimension} of '{size.tensor}' by "
                "tensor.dim; take it from sam.extent, which counts blocks"
            )
        return size

    def _assembly(self, value: SSAValue, name: str) -> Assembly:
        op = value.owner
        if not isinstance(op, sam.AssembleOp):
            raise InputError(f"a graph yields {value.type} that no sam.assemble made")
        format = format_of(op.result.type)
        levels: list[str | None] = [None] * format.rank
        for level, written in zip(_compressed_levels(op), op.levels, strict=True):
            levels[level] = self.outputs[written]
        shape = tuple(
            size if size >= 0 else self._size(extent)
            for size, extent in zip(shape_of(op.result), op.extents, strict=True)
        )
        return Assembly(name, format, shape, tuple(levels), self.outputs[op.values])

    def _size(self, extent: SSAValue) -> Size:
        """The size of a dimension of a result."""
        if isinstance(extent.owner, sam.ExtentOp):
            op = extent.owner
            return Extent(self.names[op.tensor], op.dimension.value.data)
        return self.names.size(extent)


def references_beside(value: SSAValue) -> SSAValue:
    """The reference stream that belongs to a coordinate stream, if there is one."""
    match value.owner:
        case sam.ScanOp(crd=crd, ref=ref) if value is crd:
            return ref
        case sam.RangeOp(crd=crd, ref=ref) if value is crd:
            return ref
        case sam.SelectFibersOp(crd=crd, ref=ref) if value is crd:
            return ref
        case sam.JoinOperation(crd=crd, outputs=outputs) if value is crd:
            return outputs[0]
        case _:
            return value


def label(op: Operation) -> str:
    """What a node is called in statistics, traces and diagnoses: operation and axis or operator."""
    words = [op.name.removeprefix("sam.")]
    for name in ("axis", "op", "mode"):
        if name in op.properties:
            words.append(str(_number_or_text(op.properties[name])))
    hint = next((value.name_hint for value in op.results if value.name_hint), None)
    return " ".join([*words, f"%{hint}"] if hint else words)


def _primitive(op: Operation) -> str:
    match op:
        case sam.ScanOp():
            return "scan_dense" if op.is_dense else "scan_compressed"
        case sam.RangeOp():
            return "scan_dense"
        case _:
            return op.name.removeprefix("sam.")


def _compressed_levels(op: sam.AssembleOp) -> list[int]:
    levels = format_of(op.result.type).levels
    return [number for number, level in enumerate(levels) if level is Level.COMPRESSED]


def _number_or_text(attribute: Attribute) -> int | float | str:
    match attribute:
        case IntegerAttr() | FloatAttr():
            return attribute.value.data
        case StringAttr():
            return attribute.data
        case EnumAttribute():
            return str(attribute.data)
        case _:
            raise InputError(f"attribute {attribute} has no value for a machine")
