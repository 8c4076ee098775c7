"""The process of every operation of `step`: its operands and properties for the operators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from xdsl.ir import Attribute, Operation, SSAValue

from headrace.dialects import step
from headrace.interpreters import step_memory as memory
from headrace.interpreters import step_routing as routing
from headrace.interpreters import step_shape as shape
from headrace.interpreters import step_sources as sources
from headrace.interpreters.step_compute import accumulate, flat_map, nest, scan
from headrace.interpreters.step_functions import (
    fold_function,
    initial_value,
    map_function,
    split_columns,
    split_rows,
)
from headrace.interpreters.step_network import Channel, Process, stream
from headrace.interpreters.step_tokens import Nested
from headrace.interpreters.step_values import Buffer, parts


@dataclass(frozen=True)
class Wires:
    """What an operation is connected to."""

    where: str
    """The operation as errors name it."""
    channels: Mapping[SSAValue, Channel]
    memories: Mapping[SSAValue, memory.Memory]
    arrivals: routing.Arrivals | None
    """The recorded order of arrival, if there is one."""

    def of(self, *values: SSAValue) -> list[Channel]:
        """The channels of streams."""
        return [self.channels[value] for value in values]


def process_of(op: Operation, wires: Wires) -> Process:
    """What an operation does with its operands and results."""
    return _PROCESSES[type(op)](op, wires)


# Memory


def _load(op: step.LoadOp, wires: Wires) -> Process:
    # Without a reference the tensor is read once, as for a single value.
    reference = stream([0], 0) if op.ref is None else wires.channels[op.ref]
    dims, strides = op.integers("shape"), op.integers("strides")
    tensor, result = wires.memories[op.tensor], wires.channels[op.result]
    return memory.load(wires.where, tensor, _tile(op), reference, result, dims, strides)


def _random_load(op: step.RandomLoadOp, wires: Wires) -> Process:
    channels = wires.of(op.address, op.result)
    return memory.random_load(wires.where, wires.memories[op.tensor], _tile(op), *channels)


def _tile(op: step.StepOperation) -> memory.Shape:
    rows, columns = op.integers("tile")
    return rows, columns


def _store(op: step.StoreOp, wires: Wires) -> Process:
    source, tensor = wires.channels[op.input], wires.memories[op.result]
    return memory.store(wires.where, source, tensor, op.result.type.get_shape())


def _random_store(op: step.RandomStoreOp, wires: Wires) -> Process:
    addresses, data, done = wires.of(op.address, op.data, op.done)
    region = op.integer("region") if op.region is not None else None
    tensor = wires.memories[op.result]
    return memory.random_store(wires.where, tensor, addresses, data, done, region)


def _bufferize(op: step.BufferizeOp, wires: Wires) -> Process:
    return memory.bufferize(*wires.of(op.input, op.result), rank=op.integer("rank"))


def _streamify(op: step.StreamifyOp, wires: Wires) -> Process:
    buffers, result = wires.of(op.buffer, op.result)
    dims, strides = op.integers("shape"), op.integers("strides")
    depth = len(dims) or len(cast(step.BufferType, _element(op.buffer)).dimensions)

    def read(buffer: Buffer) -> Nested:
        return memory.affine_buffer(buffer, dims, strides) if dims else buffer.nested

    if op.ref is not None:
        reference, rank = wires.channels[op.ref], op.integer("rank")
        return memory.streamify(wires.where, buffers, reference, result, rank, depth, read)
    repeat = op.integers("repeat")

    def replay(buffer: Buffer) -> Nested:
        nested = read(buffer)
        for factor in reversed(repeat):
            nested = [nested] * factor
        return nested

    return nest(wires.where, [buffers], result, len(repeat) + depth, replay)


# Routing


def _partition(op: step.PartitionOp, wires: Wires) -> Process:
    source, selector = wires.of(op.input, op.selector)
    results, rank = wires.of(*op.outputs), op.integer("rank")
    return routing.partition(wires.where, source, selector, results, rank)


def _reassemble(op: step.ReassembleOp, wires: Wires) -> Process:
    selector, result = wires.of(op.selector, op.result)
    inputs, rank = wires.of(*op.inputs), op.integer("rank")
    return routing.reassemble(wires.where, inputs, selector, result, rank, wires.arrivals)


def _eager_merge(op: step.EagerMergeOp, wires: Wires) -> Process:
    data, selector = wires.of(op.result, op.selector)
    inputs, rank = wires.of(*op.inputs), op.integer("rank")
    return routing.eager_merge(wires.where, inputs, data, selector, rank, wires.arrivals)


def _deal(op: step.DealOp, wires: Wires) -> Process:
    source, results = wires.channels[op.input], wires.of(*op.outputs)
    return routing.deal(wires.where, source, results, op.integer("rank"))


def _broadcast(op: step.BroadcastOp, wires: Wires) -> Process:
    return routing.broadcast(wires.channels[op.input], wires.of(*op.outputs))


def _sink(op: step.SinkOp, wires: Wires) -> Process:
    return routing.broadcast(wires.channels[op.input], [])


# Functions


def _map(op: step.MapOp, wires: Wires) -> Process:
    function = _of_parts(map_function(wires.where, op.function, op.scalar_value))
    return nest(wires.where, wires.of(*op.inputs), wires.channels[op.result], 0, function)


def _accumulate(op: step.AccumulateOp, wires: Wires) -> Process:
    inputs, result = wires.of(*op.inputs), wires.channels[op.result]
    combine = _of_parts(fold_function(op.function))
    initial = partial(initial_value, op.function, _element(op.result))
    return accumulate(wires.where, inputs, result, op.integer("rank"), combine, initial)


def _scan(op: step.ScanOp, wires: Wires) -> Process:
    inputs, result = wires.of(*op.inputs), wires.channels[op.result]
    combine = _of_parts(fold_function(op.function))
    initial = partial(initial_value, op.function, _element(op.result))
    rank, exclusive = op.integer("rank"), op.flag("exclusive")
    return scan(wires.where, inputs, result, rank, combine, initial, exclusive=exclusive)


def _of_parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of the parts of tuples."""

    def of_values(*values: Any) -> Any:
        return function(*(part for value in values for part in parts(value)))

    return of_values


def _flat_map(op: step.FlatMapOp, wires: Wires) -> Process:
    where, source, result = wires.where, wires.of(op.input), wires.channels[op.result]
    size = op.integer("size", 1)
    match op.function:
        case step.Function.SPLIT_ROWS:
            rows = partial(split_rows, size=size, masked=op.flag("masked"))
            return flat_map(where, source, result, 0, rows)
        case step.Function.SPLIT_COLUMNS:
            return flat_map(where, source, result, 0, partial(split_columns, size=size))
        case step.Function.RANGE:
            return nest(where, source, result, 1, _range)
        case _:
            return flat_map(where, source, result, 0, _copies)


def _range(count: int) -> list[int]:
    return list(range(count))


def _copies(count: int) -> list[int]:
    return [count] * count


# Shapes


def _flatten(op: step.FlattenOp, wires: Wires) -> Process:
    low, high = op.integer("min"), op.integer("max")
    return shape.flatten(*wires.of(op.input, op.result), low=low, high=high)


def _promote(op: step.PromoteOp, wires: Wires) -> Process:
    if op.rank is not None:
        return shape.promote(*wires.of(op.input, op.result), rank=op.integer("rank"))
    return shape.promote_outermost(*wires.of(op.input, op.result), rank=_rank(op.input))


def _reshape(op: step.ReshapeOp, wires: Wires) -> Process:
    channels = wires.of(op.input, op.result, op.padding)
    rank, chunk, outer = op.integer("rank"), op.integer("chunk"), op.flag("outer")
    return shape.reshape(wires.where, *channels, rank=rank, chunk=chunk, outer=outer)


def _expand(op: step.ExpandOp, wires: Wires) -> Process:
    channels = wires.of(op.input, op.ref, op.result)
    return shape.expand(wires.where, *channels, rank=op.integer("rank"))


def _repeat(op: step.RepeatOp, wires: Wires) -> Process:
    def repeated(value: Any) -> list[Any]:
        return [value] * op.integer("factor")

    return nest(wires.where, wires.of(op.input), wires.channels[op.result], 1, repeated)


def _zip(op: step.ZipOp, wires: Wires) -> Process:
    return nest(wires.where, wires.of(*op.inputs), wires.channels[op.result], 0, _tuple)


def _tuple(*values: Any) -> tuple[Any, ...]:
    return values


# Sources


def _select(op: step.SelectOp, wires: Wires) -> Process:
    hot = None if op.hot is None else op.integer("hot")
    read = partial(sources.selectors, wires.where, hot=hot)
    return _once(op.result, read(wires.memories[op.tensor].array), wires)


def _integers(op: step.IntegersOp, wires: Wires) -> Process:
    return _once(op.result, sources.integers(wires.memories[op.tensor].array), wires)


def _once(result: SSAValue, nested: Nested, wires: Wires) -> Process:
    """What a tensor says, as by a load without a reference: one list."""

    def read(_: int) -> Nested:
        return nested

    return nest(wires.where, [stream([0], 0)], wires.channels[result], _rank(result), read)


def _expert_address(op: step.ExpertAddressOp, wires: Wires) -> Process:
    tiles, base = op.integer("tiles"), op.integer("base")
    addresses = partial(sources.expert_addresses, tiles=tiles, base=base)
    return nest(wires.where, wires.of(op.selector), wires.channels[op.result], 2, addresses)


def _cache_read_address(op: step.CacheReadAddressOp, wires: Wires) -> Process:
    addresses = partial(sources.cache_addresses, row_tiles=op.integer("row_tiles"))
    lengths = wires.of(op.index, op.length)
    return nest(wires.where, lengths, wires.channels[op.result], 1, addresses)


def _filter_last(op: step.FilterLastOp, wires: Wires) -> Process:
    lengths, result = wires.of(op.length), wires.channels[op.result]
    return nest(wires.where, lengths, result, 1, sources.filter_last)


def _rank(value: SSAValue) -> int:
    return cast(step.StreamType, value.type).rank


def _element(value: SSAValue) -> Attribute:
    return cast(step.StreamType, value.type).element_type


_PROCESSES: Mapping[type[Operation], Callable[[Any, Wires], Process]] = {
    step.LoadOp: _load,
    step.RandomLoadOp: _random_load,
    step.StoreOp: _store,
    step.RandomStoreOp: _random_store,
    step.BufferizeOp: _bufferize,
    step.StreamifyOp: _streamify,
    step.PartitionOp: _partition,
    step.ReassembleOp: _reassemble,
    step.EagerMergeOp: _eager_merge,
    step.DealOp: _deal,
    step.BroadcastOp: _broadcast,
    step.SinkOp: _sink,
    step.MapOp: _map,
    step.AccumulateOp: _accumulate,
    step.ScanOp: _scan,
    step.FlatMapOp: _flat_map,
    step.FlattenOp: _flatten,
    step.PromoteOp: _promote,
    step.ReshapeOp: _reshape,
    step.ExpandOp: _expand,
    step.RepeatOp: _repeat,
    step.ZipOp: _zip,
    step.SelectOp: _select,
    step.IntegersOp: _integers,
    step.ExpertAddressOp: _expert_address,
    step.CacheReadAddressOp: _cache_read_address,
    step.FilterLastOp: _filter_last,
}
