"""The nodes of netlists as operations of the `step` dialect, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import TensorType, f32, i1, i64
from xdsl.ir import Attribute, Block, Operation, SSAValue

from headrace.backends.netlist_schema import counts
from headrace.backends.step_netlist_sizes import Sizes, hot_rows
from headrace.dialects import step
from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_functions import Function
from headrace.dialects.step_types import StreamType
from headrace.simulators.stream.netlist import NetlistNode

Array: TypeAlias = npt.NDArray[Any]
Inputs: TypeAlias = Mapping[str, Sequence[SSAValue]]

MAPS: Mapping[str, Function] = {
    "Silu": Function.SILU,
    "Exp": Function.EXP,
    "RowWiseSum": Function.ROW_SUM,
    "Add": Function.ADD,
    "Mul": Function.MUL,
    "Div": Function.DIV,
    "SetOffset": Function.SET_OFFSET,
    "RowWiseAppend": Function.ROW_APPEND,
    "CacheWriteAddrGen": Function.CACHE_WRITE_ADDRESS,
    "RetileRow": Function.RETILE_ROWS,
    "SignalReqAllRead": Function.SIGNAL,
}
"""Functions by their recorded names, matrix products aside."""


class NodeBuilder:
    """Makes the operations of a graph whose tensors are the arguments of a block."""

    def __init__(self, block: Block, sizes: Sizes) -> None:
        self.block = block
        self.sizes = sizes
        self.values: list[Array | None] = []
        """Of the arguments, where they are known."""
        self._tables: dict[object, SSAValue] = {}

    def build(self, node: NetlistNode, inputs: Inputs) -> Operation:
        """
        The operation of a node.

        Raises KeyError for an operator, parameter or function that does not exist, and
        `VerifyException` for operands that the operation cannot take.
        """
        return OPERATIONS[node.op](self, node, inputs)

    def _argument(self, type: TensorType[Attribute], values: Array | None = None) -> SSAValue:
        self.values.append(values)
        return self.block.insert_arg(type, len(self.block.args))

    def _tiles(self, node: NetlistNode) -> SSAValue:
        """An off-chip tensor of its own: netlists do not say which are one."""
        return self._argument(_tensor(node))

    def _table(self, key: object, make: Callable[[], Array], element: Attribute) -> SSAValue:
        """A tensor of integers; equal ones are one argument."""
        if key not in self._tables:
            values = make()
            self._tables[key] = self._argument(TensorType(element, values.shape), values)
        return self._tables[key]

    def load(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p = node.parameters
        return step.LoadOp(
            self._tiles(node),
            *inputs.get("ref", ()),
            tile=_tile(node),
            strides=p["stride"],
            shape=p["out_shape_tiled"],
            dispatch=p["par_dispatch"],
        )

    def store(self, node: NetlistNode, inputs: Inputs) -> Operation:
        (stream,) = inputs["input"]
        if "tensor_shape_tiled" in node.parameters:
            into = _tensor(node)
        else:
            rows, columns = _tile(node)
            tiles = _stream(stream).count.substitute(self.sizes.values).value
            into = TensorType(f32, (rows * tiles, columns))
        return step.StoreOp(stream, into=into, dispatch=node.parameters["par_dispatch"])

    def random_load(self, node: NetlistNode, inputs: Inputs) -> Operation:
        return step.RandomLoadOp(
            self._tiles(node),
            *inputs["raddr"],
            tile=_tile(node),
            dispatch=node.parameters["par_dispatch"],
        )

    def random_store(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p = node.parameters
        return step.RandomStoreOp(
            self._tiles(node),
            *inputs["waddr"],
            *inputs["wdata"],
            dispatch=p["par_dispatch"],
            acknowledge="address" if p["ack_based_on_waddr"] else "data",
            buffers=p["buffer_depth"],
        )

    def bufferize(self, node: NetlistNode, inputs: Inputs) -> Operation:
        return step.BufferizeOp(*inputs["input"], rank=node.parameters["rank"])

    def streamify(self, node: NetlistNode, inputs: Inputs) -> Operation:
        return step.StreamifyOp(*inputs["input"], repeat=node.parameters["repeat_factor"])

    def streamify_by(self, node: NetlistNode, inputs: Inputs) -> Operation:
        rank = node.parameters["ref_rank"]
        return step.StreamifyOp(*inputs["input"], *inputs["ref"], rank=rank)

    def partition(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p, (stream,), (selectors,) = node.parameters, inputs["input"], inputs["control"]
        named = self.sizes.partition(node, _stream(selectors).dimensions)
        return step.PartitionOp(
            stream,
            selectors,
            rank=p["partition_rank"],
            dims=named.names,
            assumed=named.assumed,
            switch=_switch(node),
            write_back=p["write_back_mu"],
        )

    def reassemble(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p, (selector,) = node.parameters, inputs["control"]
        return step.ReassembleOp(
            selector,
            inputs["inputs"],
            rank=p["reassemble_rank"],
            dim=self.sizes.selected(node, _hot(selector)),
            switch=_switch(node),
            write_back=p["write_back_mu"],
        )

    def merge(self, node: NetlistNode, inputs: Inputs) -> Operation:
        return step.EagerMergeOp(inputs["inputs"], rank=node.parameters["input_rank"])

    def deal(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p = node.parameters
        return step.DealOp(
            *inputs["input"],
            rank=p["parallelize_rank"],
            consumers=p["num_consumers"],
            switch=_switch(node),
        )

    def map(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p, function = node.parameters, _function(node)
        scalar = p["fn"]["row_offset"] if function is Function.CACHE_WRITE_ADDRESS else None
        return step.MapOp(
            *(value for values in inputs.values() for value in values),
            fn=function,
            scalar=scalar,
            compute=p["compute_bw"],
            write_back=p["write_back_mu"],
        )

    def accumulate(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p = node.parameters
        return step.AccumulateOp(
            *(value for values in inputs.values() for value in values),
            fn=_function(node),
            rank=p["rank"] if "rank" in p else p["accum_rank"],
            compute=p["compute_bw"],
            write_back=p["write_back_mu"],
        )

    def split(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p, (stream,) = node.parameters, inputs["input"]
        masked = bool(p["filter_mask"])
        named = self.sizes.rows_kept(node, _stream(stream).rank > 0) if masked else None
        return step.FlatMapOp(
            stream,
            fn=Function.SPLIT_ROWS if p["split_row"] else Function.SPLIT_COLUMNS,
            masked=masked,
            dim=named.names[0] if named else None,
            assumed=named.assumed if named else (),
        )

    def flatten(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p, (stream,) = node.parameters, inputs["input"]
        low, high = p["min_rank"], p["max_rank"]
        dim = self.sizes.sum_of_lists(node) if _sums_differ(_stream(stream), low, high) else None
        return step.FlattenOp(stream, min=low, max=high, dim=dim)

    def reshape(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p = node.parameters
        return step.ReshapeOp(
            *inputs["input"],
            rank=p["reshape_rank"],
            chunk=p["chunk_size"],
            outer=p["add_outer_dim"],
            write_back=p["write_back_mu"],
        )

    def promote(self, node: NetlistNode, inputs: Inputs) -> Operation:
        return step.PromoteOp(*inputs["input"], rank=node.parameters["rank"])

    def expand(self, node: NetlistNode, inputs: Inputs) -> Operation:
        rank = node.parameters["expand_rank"]
        return step.ExpandOp(*inputs["input"], *inputs["ref"], rank=rank)

    def repeat(self, node: NetlistNode, inputs: Inputs) -> Operation:
        return step.RepeatOp(*inputs["input"], factor=node.parameters["repeat_factor"])

    def broadcast(self, node: NetlistNode, inputs: Inputs) -> Operation:
        return step.BroadcastOp(*inputs["input"], consumers=node.parameters["num_consumers"])

    def select(self, node: NetlistNode, inputs: Inputs) -> Operation:
        underlying = node.parameters["underlying"]
        shape, rows = tuple(underlying["shape"]), hot_rows(underlying)
        counts = {len(row) for row in rows}

        def table() -> Array:
            hot = np.zeros((len(rows), shape[-1]), dtype=np.bool_)
            for index, row in enumerate(rows):
                hot[index, list(row)] = True
            return hot.reshape(shape)

        tensor = self._table((shape, rows), table, i1)
        return step.SelectOp(tensor, hot=counts.pop() if len(counts) == 1 else None)

    def integers(self, node: NetlistNode, inputs: Inputs) -> Operation:
        underlying = node.parameters["underlying"]
        shape, values = tuple(underlying["shape"]), tuple(underlying["values"])

        def table() -> Array:
            return np.array(values, dtype=np.int64).reshape(shape)

        return step.IntegersOp(self._table((shape, values), table, i64))

    def expert_address(self, node: NetlistNode, inputs: Inputs) -> Operation:
        p = node.parameters
        return step.ExpertAddressOp(
            *inputs["input"], tiles=p["num_tile_per_expert"], base=p["expert_addr_base"]
        )

    def cache_read_address(self, node: NetlistNode, inputs: Inputs) -> Operation:
        named = self.sizes.list_of_length(node, "seq_len")
        return step.CacheReadAddressOp(
            *inputs["idx"],
            *inputs["seq_len"],
            row_tiles=node.parameters["row_offset"],
            dim=named.names[0],
            assumed=named.assumed,
        )

    def filter_last(self, node: NetlistNode, inputs: Inputs) -> Operation:
        named = self.sizes.list_of_length(node, "input")
        return step.FilterLastOp(*inputs["input"], dim=named.names[0], assumed=named.assumed)

    def sink(self, node: NetlistNode, inputs: Inputs) -> Operation:
        return step.SinkOp(*inputs["input"])


OPERATIONS: Mapping[str, Callable[[NodeBuilder, NetlistNode, Inputs], Operation]] = {
    "OffChipLoad": NodeBuilder.load,
    "DynOffChipLoad": NodeBuilder.load,
    "OffChipStore": NodeBuilder.store,
    "RandomOffChipLoad": NodeBuilder.random_load,
    "RandomOffChipStore": NodeBuilder.random_store,
    "Bufferize": NodeBuilder.bufferize,
    "Streamify": NodeBuilder.streamify,
    "DynStreamify": NodeBuilder.streamify_by,
    "FlatPartition": NodeBuilder.partition,
    "FlatReassemble": NodeBuilder.reassemble,
    "EagerMerge": NodeBuilder.merge,
    "Parallelize": NodeBuilder.deal,
    "UnaryMap": NodeBuilder.map,
    "BinaryMap": NodeBuilder.map,
    "Accum": NodeBuilder.accumulate,
    "BinaryMapAccum": NodeBuilder.accumulate,
    "RetileStreamify": NodeBuilder.split,
    "Flatten": NodeBuilder.flatten,
    "Reshape": NodeBuilder.reshape,
    "Promote": NodeBuilder.promote,
    "ExpandRef": NodeBuilder.expand,
    "RepeatStatic": NodeBuilder.repeat,
    "Broadcast": NodeBuilder.broadcast,
    "SelectGen": NodeBuilder.select,
    "MetadataGen": NodeBuilder.integers,
    "ExpertAddrGen": NodeBuilder.expert_address,
    "CacheReadAddrGen": NodeBuilder.cache_read_address,
    "FilterLastTile": NodeBuilder.filter_last,
    "ConsumerContext": NodeBuilder.sink,
}


def _stream(value: SSAValue) -> StreamType:
    assert isinstance(value.type, StreamType)
    return value.type


def _sums_differ(stream: StreamType, low: int, high: int) -> bool:
    """Whether levels to be merged have a ragged size, whose sum is another in every outer list."""
    if high > stream.rank:
        return False
    *merged, inner = stream.dimensions[stream.rank - high : len(stream.dimensions) - low]
    for size in reversed(merged):
        if inner.is_ragged and size not in (Dimension.of(1), inner.positive()):
            return high < stream.rank
        inner = size * inner if not inner.is_ragged else inner
    return False


def _tile(node: NetlistNode) -> tuple[int, int]:
    return node.parameters["tile_row"], node.parameters["tile_col"]


def _tensor(node: NetlistNode) -> TensorType[Attribute]:
    """The off-chip tensor of a memory node: all but the last size of its tiles are rows."""
    shape = node.parameters["tensor_shape_tiled"]
    if problem := counts(shape) or (None if shape else "has no size"):
        raise ValueError(f"its 'tensor_shape_tiled' {problem}")
    *rows, columns = shape
    tile_rows, tile_columns = _tile(node)
    return TensorType(f32, (prod(rows) * tile_rows, columns * tile_columns))


def _switch(node: NetlistNode) -> int:
    """Cycles of a switch, the same for all parts."""
    cycles = set(node.parameters["switch_cycles"])
    if len(cycles) > 1:
        raise ValueError(f"its switch cycles differ: {sorted(cycles)}; they must be equal")
    return cycles.pop()


def _function(node: NetlistNode) -> Function:
    fn = node.parameters["fn"]
    if fn["fn"] in ("Matmul", "DynMatmul"):
        return Function.MATMUL_TRANSPOSED if fn["weight_transposed"] else Function.MATMUL
    return MAPS[fn["fn"]]


def _hot(selector: SSAValue) -> int | None:
    element = _stream(selector).element_type
    assert isinstance(element, step.SelectorType)
    return element.hot
