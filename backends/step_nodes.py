"""The operations of the `step` dialect as primitives of the stream engine, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xdsl.dialects.builtin import IndexType, TupleType
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from headrace.analyses.step_bytes import bytes_of
from headrace.analyses.step_bytes import element_bytes as number_bytes
from headrace.backends.step_integers import is_known
from headrace.dialects import step
from headrace.dialects.step_functions import Function
from headrace.dialects.step_operation import expect_tile
from headrace.dialects.step_types import BufferType, StreamType, TileType
from headrace.simulators.stream.program import Parameter, Slot
from headrace.storage.errors import InputError

STARTS, MEMBERS = Slot("selectors.starts"), Slot("selectors.members")
"""The table of selectors: a selector is its place in it."""

FUNCTIONS = {
    Function.MATMUL: "matmul",
    Function.MATMUL_TRANSPOSED: "matmul_transposed",
    Function.ROW_SUM: "row_reduce",
    Function.ROW_MAX: "row_reduce",
    Function.SET_OFFSET: "set_offset",
    Function.ROW_APPEND: "row_append",
    Function.MASK_COLUMNS: "touch",
    Function.TRANSPOSE: "transpose",
    Function.CACHE_WRITE_ADDRESS: "number",
    Function.RETILE_ROWS: "retile_rows",
    Function.RETILE_COLUMNS: "retile_columns",
    Function.SIGNAL: "signal",
}
"""What the engine calls functions that are not elementwise."""

Parameters: TypeAlias = dict[str, Parameter]


@dataclass(frozen=True)
class Node:
    """A primitive with the streams it reads."""

    kind: str
    inputs: Sequence[SSAValue]
    parameters: Parameters


def node_of(operation: Operation, element_bytes: int | None) -> Node:
    """
    The primitive of an operation; numbers of tiles have `element_bytes`, None: those of their type.

    Raises `InputError` for an operation whose time depends on the values in tiles, which a
    simulation does not have.
    """
    return _Lowering(element_bytes).node(operation)


def selector_slot(argument: int) -> str:
    """The name of the selectors of a graph's argument, as places in the table."""
    return f"selectors.{argument}"


def integer_slot(argument: int) -> str:
    """The name of the integers of a graph's argument."""
    return f"integers.{argument}"


@dataclass(frozen=True)
class _Lowering:
    element_bytes: int | None

    def width(self, type: Attribute) -> int:
        """Bytes of a number of a tile; less than 0: of an item; 0: of a handle, which is free."""
        match type:
            case TileType():
                return self.element_bytes or number_bytes(type.element_type)
            case BufferType() | TupleType():
                return 0
            case _:
                return -bytes_of(type).value

    def node(self, operation: Operation) -> Node:
        match operation:
            case step.LoadOp() | step.StoreOp() | step.RandomLoadOp() | step.RandomStoreOp():
                return self.memory(operation)
            case step.BufferizeOp() | step.StreamifyOp():
                return self.buffer(operation)
            case step.MapOp() | step.AccumulateOp() | step.ScanOp():
                return self.compute(operation)
            case step.PartitionOp() | step.ReassembleOp() | step.EagerMergeOp() | step.DealOp():
                return self.routing(operation)
            case (
                step.SelectOp()
                | step.IntegersOp()
                | step.ExpertAddressOp()
                | step.CacheReadAddressOp()
                | step.FilterLastOp()
                | step.SinkOp()
            ):
                return self.source(operation)
            case _:
                return self.shape(operation)

    def memory(
        self, operation: step.LoadOp | step.StoreOp | step.RandomLoadOp | step.RandomStoreOp
    ) -> Node:
        parameters: Parameters = {"dispatch": operation.integer("dispatch", 1)}
        match operation:
            case step.LoadOp() | step.RandomLoadOp():
                rows, columns = operation.integers("tile")
                parameters |= {"tile_rows": rows, "tile_columns": columns}
                parameters["width"] = self.width(_element(operation.result))
                if isinstance(operation, step.RandomLoadOp):
                    parameters |= _tiles(operation, (rows, columns))
                    return Node("step_random_load", [operation.address], parameters)
                shape = operation.integers("shape")
                if operation.ref is not None:
                    return Node("step_load_by", [operation.ref], {**parameters, "shape": shape})
                return Node("step_load", [], {**parameters, "shape": (1, *shape)})
            case step.StoreOp():
                parameters["width"] = self.width(_element(operation.input))
                return Node("step_store", [operation.input], parameters)
            case step.RandomStoreOp():
                parameters["width"] = self.width(_element(operation.data))
                stops = operation.acknowledge
                parameters["acknowledge"] = "address" if stops is None else stops.data.value
                stored = _element(operation.data)
                assert isinstance(stored, TileType)
                if (stored.rows * stored.columns).is_static:
                    parameters |= _tiles(operation, (stored.rows.value, stored.columns.value))
                inputs = [operation.address, operation.data]
                return Node("step_random_store", inputs, parameters)

    def buffer(self, operation: step.BufferizeOp | step.StreamifyOp) -> Node:
        if isinstance(operation, step.BufferizeOp):
            levels = operation.integer("rank")
            return Node("step_bufferize", [operation.input], {"levels": levels})
        buffer = _element(operation.buffer)
        assert isinstance(buffer, BufferType)
        parameters: Parameters = {"levels": len(buffer.dimensions)}
        if operation.shape is not None:
            parameters["shape"] = operation.integers("shape")
            parameters["strides"] = operation.integers("strides")
        if operation.ref is None:
            parameters["repeat"] = operation.integers("repeat")
            return Node("step_streamify", [operation.buffer], parameters)
        parameters["unit"] = operation.integer("rank")
        return Node("step_streamify_by", [operation.buffer, operation.ref], parameters)

    def compute(self, operation: step.MapOp | step.AccumulateOp | step.ScanOp) -> Node:
        if isinstance(operation, step.MapOp) and operation.function is Function.TO_SELECTOR:
            return self.selectors(operation)
        inputs = [part for operand in operation.operands for part in _parts(operand, operation)]
        result = _element(operation.result)
        parameters: Parameters = {
            "fn": _function(operation),
            "widths": tuple(self.width(_element(stream)) for stream in inputs),
            "result_width": self.width(result),
            "flops": _flops_of_number(operation),
            "compute": operation.integer("compute"),
            "write_back": int(operation.flag("write_back")),
        }
        if isinstance(operation, step.AccumulateOp):
            parameters["levels"] = operation.integer("rank")
            retiled = operation.function in (Function.RETILE_ROWS, Function.RETILE_COLUMNS)
            if isinstance(result, TileType) and result.is_static and not retiled:
                parameters["initial_rows"] = result.rows.value
                parameters["initial_columns"] = result.columns.value
            return Node("step_accumulate", inputs, parameters)
        return Node("step_map", inputs, parameters)

    def selectors(self, operation: step.MapOp) -> Node:
        """All but the selectors themselves, which a run has."""
        parameters: Parameters = {
            "width": self.width(_element(operation.inputs[0])),
            "result_width": self.width(_element(operation.result)),
            "compute": operation.integer("compute"),
            "write_back": int(operation.flag("write_back")),
        }
        return Node("step_to_selector", operation.inputs, parameters)

    def routing(
        self, operation: step.PartitionOp | step.ReassembleOp | step.EagerMergeOp | step.DealOp
    ) -> Node:
        parameters: Parameters = {"unit": operation.integer("rank")}
        if isinstance(operation, step.EagerMergeOp):
            return Node("step_merge", operation.inputs, parameters)
        parameters["switch"] = operation.integer("switch", 1)
        if isinstance(operation, step.DealOp):
            lanes = operation.integer("consumers")
            return Node("step_deal", [operation.input], {**parameters, "lanes": lanes})
        parameters |= {
            "write_back": int(operation.flag("write_back")),
            "control_width": self.width(_element(operation.selector)),
            "starts": STARTS,
            "members": MEMBERS,
        }
        if isinstance(operation, step.PartitionOp):
            parameters["width"] = self.width(_element(operation.input))
            parameters["lanes"] = len(operation.outputs)
            return Node("step_partition", [operation.input, operation.selector], parameters)
        parameters["width"] = self.width(_element(operation.inputs[0]))
        return Node("step_reassemble", [*operation.inputs, operation.selector], parameters)

    def source(
        self,
        operation: step.SelectOp
        | step.IntegersOp
        | step.ExpertAddressOp
        | step.CacheReadAddressOp
        | step.FilterLastOp
        | step.SinkOp,
    ) -> Node:
        match operation:
            case step.SelectOp() | step.IntegersOp():
                tensor = operation.tensor
                assert isinstance(tensor, BlockArgument)
                shape = tuple(size.value for size in _stream(operation.result).dimensions)
                if isinstance(operation, step.SelectOp):
                    places = Slot(selector_slot(tensor.index))
                    return Node("step_select", [], {"shape": shape, "selectors": places})
                values = Slot(integer_slot(tensor.index))
                return Node("step_integers", [], {"shape": shape, "values": values})
            case step.ExpertAddressOp():
                parameters: Parameters = {
                    "tiles": operation.integer("tiles"),
                    "base": operation.integer("base"),
                    "starts": STARTS,
                    "members": MEMBERS,
                }
                return Node("step_expert_address", [operation.selector], parameters)
            case step.CacheReadAddressOp():
                parameters = {"row_tiles": operation.integer("row_tiles")}
                inputs = [operation.index, operation.length]
                return Node("step_cache_address", inputs, parameters)
            case step.FilterLastOp():
                return Node("step_filter_last", [operation.length], {})
            case step.SinkOp():
                return Node("step_sink", [operation.input], {})

    def shape(self, operation: Operation) -> Node:
        match operation:
            case step.FlattenOp():
                bounds: Parameters = {
                    "minimum": operation.integer("min"),
                    "maximum": operation.integer("max"),
                }
                return Node("step_flatten", [operation.input], bounds)
            case step.PromoteOp():
                if operation.rank is None:
                    levels = _stream(operation.input).rank
                    return Node("step_promote", [operation.input], {"unit": -1, "levels": levels})
                return Node("step_promote", [operation.input], {"unit": operation.integer("rank")})
            case step.ReshapeOp():
                return Node("step_reshape", [operation.input], _chunks(operation))
            case step.RepeatOp():
                factor = operation.integer("factor")
                return Node("step_repeat", [operation.input], {"factor": factor})
            case step.ExpandOp():
                levels = operation.integer("rank")
                return Node("step_expand", [operation.input, operation.ref], {"levels": levels})
            case step.FlatMapOp():
                pieces: Parameters = {
                    "fn": operation.function.value,
                    "masked": int(operation.flag("masked")),
                    "size": operation.integer("size", 1),
                }
                return Node("step_flat_map", [operation.input], pieces)
            case step.ZipOp():
                return Node("step_zip", operation.inputs, {})
            case step.BroadcastOp():
                lanes = operation.integer("consumers")
                return Node("step_broadcast", [operation.input], {"lanes": lanes})
            case _:
                raise InputError(f"the stream engine has no primitive for '{operation.name}'")


def is_part_of_functions(operation: Operation) -> bool:
    """Whether it is a zip that only functions read: they take the parts as operands."""
    if not isinstance(operation, step.ZipOp):
        return False
    readers = [use.operation for use in operation.result.uses]
    return bool(readers) and all(
        isinstance(reader, step.ComputeOperation) or is_part_of_functions(reader)
        for reader in readers
    )


def _stream(value: SSAValue) -> StreamType:
    assert isinstance(value.type, StreamType)
    return value.type


def _tiles(
    operation: step.RandomLoadOp | step.RandomStoreOp, tile: Sequence[int]
) -> dict[str, Parameter]:
    """How many tiles the tensor has, if the simulation has the addresses."""
    if not is_known(operation.address):
        return {}
    below, beside = expect_tile(operation.name, operation.tensor.type, tile)
    return {"tiles": below * beside}


def _element(value: SSAValue) -> Attribute:
    return _stream(value).element_type


def _parts(operand: SSAValue, reader: Operation) -> Sequence[SSAValue]:
    """What a function reads: of a tuple its parts, before they were zipped."""
    if not isinstance(_element(operand), TupleType):
        return [operand]
    if isinstance(operand.owner, step.ZipOp):
        return [part for zipped in operand.owner.inputs for part in _parts(zipped, reader)]
    raise InputError(
        f"'{reader.name}' reads tuples that '{_owner(operand)}' hands on; the stream engine "
        "computes on tuples straight from 'step.zip' only: route the parts, and zip them behind"
    )


def _owner(value: SSAValue) -> str:
    return value.owner.name if isinstance(value.owner, Operation) else "step.graph"


def _function(operation: step.MapOp | step.AccumulateOp | step.ScanOp) -> str:
    function = operation.function
    if function in FUNCTIONS:
        return FUNCTIONS[function]
    if isinstance(_element(operation.result), IndexType):
        if isinstance(operation, step.AccumulateOp):
            raise InputError(
                f"'{operation.name}' adds up integers, which a simulation of time does not do: "
                "let the graph take the sums as an argument (step.integers)"
            )
        return "number"
    return "elementwise"


def _flops_of_number(operation: step.MapOp | step.AccumulateOp | step.ScanOp) -> int:
    """FLOPs of each number, of the result or for a reduction of the operand."""
    if FUNCTIONS.get(operation.function, "row_reduce") != "row_reduce":
        return 1
    ones = [
        element.of(1, 1) if isinstance(element, TileType) else element
        for element in operation.elements
    ]
    result = _element(operation.result)
    one = result.of(1, 1) if isinstance(result, TileType) else result
    return operation.rule.flops(ones, one).value


def _chunks(operation: step.ReshapeOp) -> Parameters:
    parameters: Parameters = {
        "unit": operation.integer("rank"),
        "chunk": operation.integer("chunk"),
        "outer": int(operation.flag("outer")),
        "levels": _stream(operation.input).rank,
        "write_back": int(operation.flag("write_back")),
    }
    tile = _element(operation.input)
    if isinstance(tile, TileType) and tile.is_static:
        parameters |= {"pad_rows": tile.rows.value, "pad_columns": tile.columns.value}
    return parameters
