"""
What a graph of streams must obey beyond its single operations.

* A stream is read once; fan-out is a `step.broadcast`.
* Tensors that are read are arguments of the graph; random access may follow random stores. Results
  are what stores made. The tiles of all experts lie in the tensor that they are read from.
* A symbol is declared by one origin, and equal origins declare the same symbol: so equal sizes have
  equal symbols. An origin is a selector and an output of it, lengths, or what else decides a size.
* What a selector or a merge makes of a ragged size has a symbol that no other makes.
* What reassembles by a selector takes as many units of each input as the selector selects of it.
* On a feedback cycle something can begin: a reassembly, whose selector asks other inputs first, or
  a merge, which takes what is there.

Source: "Streaming Tensor Programs", arXiv 2511.07776, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Block, Operation, OpResult, SSAValue
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.step_compute import AccumulateOp, FlatMapOp
from headrace.dialects.step_dimension import Dimension, product
from headrace.dialects.step_equality import Equality
from headrace.dialects.step_memory import RandomLoadOp, RandomStoreOp, tiles_of
from headrace.dialects.step_operation import StepOperation, is_name
from headrace.dialects.step_routing import EagerMergeOp, PartitionOp, ReassembleOp, needed_to_begin
from headrace.dialects.step_shape import BroadcastOp, FlattenOp, PromoteOp
from headrace.dialects.step_sources import CacheReadAddressOp, ExpertAddressOp, FilterLastOp
from headrace.dialects.step_types import SelectorType, StreamType
from headrace.dialects.stream_flow import producers_first
from headrace.dialects.stream_operation import names_of


def verify_graph(block: Block) -> None:
    """Raises `VerifyException`, which names the operation, its fault and the remedy."""
    operations = [op for op in block.ops if isinstance(op, StepOperation)]
    for argument in block.args:
        _expect_changed_once("'step.graph' takes", argument)
    for op in operations:
        for result in op.results:
            _expect_read_once(op, result)
            _expect_changed_once(f"'{op.name}' makes", result)
    for op in operations:
        _expect_readable(op)
        _expect_tiles_of_experts(op)
    _expect_start(block)
    equality = Equality(block)
    _Symbols(equality).enter(operations)
    _expect_paired(equality, operations)


def _expect_read_once(op: Operation, result: SSAValue) -> None:
    readers = [use.operation for use in result.uses]
    if isinstance(result.type, StreamType) and len(readers) > 1:
        names = " and ".join(dict.fromkeys(f"'{reader.name}'" for reader in readers))
        raise VerifyException(
            f"'{op.name}' makes a stream that is read {len(readers)} times, by {names}; a stream "
            f"is read once: give each reader its own from 'step.broadcast' consumers {len(readers)}"
        )


def _expect_changed_once(subject: str, tensor: SSAValue) -> None:
    stores = sum(isinstance(use.operation, RandomStoreOp) for use in tensor.uses)
    if stores > 1:
        raise VerifyException(
            f"{subject} a tensor that {stores} 'step.random_store' change; let each change the "
            "tensor that the one before it made"
        )


def _expect_readable(op: StepOperation) -> None:
    for operand in op.operands:
        if isinstance(operand.type, TensorType) and isinstance(operand, OpResult):
            changed = isinstance(operand.op, RandomStoreOp)
            if not (changed and isinstance(op, RandomLoadOp | RandomStoreOp)):
                raise VerifyException(
                    f"'{op.name}' reads a tensor that '{operand.op.name}' makes in the same graph; "
                    "only arguments of 'step.graph' can be read, and tensors of a "
                    "'step.random_store' by random access"
                )


def _expect_tiles_of_experts(op: StepOperation) -> None:
    """All addresses of experts lie in the tensor that they are read from or written to."""
    if not isinstance(op, RandomLoadOp | RandomStoreOp):
        return
    maker = op.address.owner
    while isinstance(maker, BroadcastOp | FlattenOp | PromoteOp):
        maker = maker.input.owner
    if isinstance(maker, ExpertAddressOp):
        stored = op.result if isinstance(op, RandomLoadOp) else op.data
        assert isinstance(stored.type, StreamType)
        tiles = tiles_of(op.name, stored.type, op.tensor.type)
        if maker.last >= tiles:
            raise VerifyException(
                f"'{op.name}' gets addresses up to {maker.last} from '{maker.name}', but "
                f"{op.tensor.type} has {tiles} tiles"
            )


def _expect_start(block: Block) -> None:
    _, cycle = producers_first(block, needed_to_begin)
    if cycle:
        names = ", ".join(f"'{op.name}'" for op in reversed(cycle))
        raise VerifyException(
            f"{names} wait for each other: none can begin. A feedback must enter through the "
            "inputs of a 'step.reassemble' or a 'step.eager_merge'"
        )


class _Symbols:
    """Who declares which symbol."""

    def __init__(self, equality: Equality) -> None:
        self.equality = equality
        self.declared: dict[str, tuple[Hashable, StepOperation]] = {}
        self.names: dict[Hashable, str] = {}
        self.parts: dict[str, Hashable] = {}

    def enter(self, operations: Sequence[StepOperation]) -> None:
        for op in operations:
            for name in op.declared:
                self._declare(op, name, self._origin(op, name))
        for op in operations:
            self._make_parts(op)
            self._expect_known(op)

    def _declare(self, op: StepOperation, name: str, origin: Hashable) -> None:
        known, other = self.declared.setdefault(name, (origin, op))
        if known != origin:
            raise VerifyException(
                f"'{op.name}' declares the size {name}, which '{other.name}' declares of something "
                f"else; take another name, or assumed [{name}] if the program knows them equal"
            )
        first = self.names.setdefault(origin, name)
        if first != name:
            raise VerifyException(
                f"'{op.name}' declares the size {name}, which is known as {first}: equal sizes "
                "have one name"
            )

    def _make_parts(self, op: StepOperation) -> None:
        """What one selector or merge makes of a ragged size has a name that no other makes."""
        for index, result in enumerate(op.results):
            if isinstance(op, PartitionOp):
                origin: Hashable = self.equality.sequence(op.selector), index
            elif isinstance(op, EagerMergeOp) and result is op.result:
                origin = self.equality.of(result)
            else:
                continue
            assert isinstance(result.type, StreamType)
            for name in {name for size in result.type.dimensions[1:] for name in size.symbols}:
                if name.startswith("~") and self.parts.setdefault(name, origin) != origin:
                    raise VerifyException(
                        f"'{op.name}' makes lists of the ragged size {name}, but so does another "
                        "of other units; give its outputs other names"
                    )

    def _expect_known(self, op: StepOperation) -> None:
        claimed = {name for name in names_of(op.properties.get("assumed"))}
        for name in op.named:
            if not is_name(name):
                claimed |= {symbol.removeprefix("~") for symbol in Dimension.of(name).symbols}
        unknown = sorted(claimed - self.declared.keys())
        if unknown:
            raise VerifyException(
                f"'{op.name}' assumes the size {unknown[0]}, which no operation of the graph "
                "declares"
            )

    def _origin(self, op: StepOperation, name: str) -> Hashable:
        """What decides a size; equal for sizes that are equal in every run."""
        equality = self.equality
        match op:
            case PartitionOp():
                output = names_of(op.dims).index(name)
                return "selected", equality.sequence(op.selector), output
            case ReassembleOp() if op.rows is None or op.rows.data != name:
                return "selected", equality.sequence(op.selector)
            case CacheReadAddressOp() | FilterLastOp():
                return "length", equality.sequence(op.length)
            case FlatMapOp():
                fn, masked = op.function, op.flag("masked")
                return "pieces", equality.of(op.input), fn, op.integer("size", 1), masked
            case FlattenOp():
                assert isinstance(op.input.type, StreamType)
                return "sum", op.input.type.dimensions, op.min, op.max
            case AccumulateOp():
                return "sum", *op.operand_types, op.fn, op.rank
            case _:
                return "rows", op


def _expect_paired(equality: Equality, operations: Sequence[StepOperation]) -> None:
    """The inputs of a reassembly are as long as the outputs of partitions by its selector."""
    lengths: dict[int, list[Dimension]] = {}
    for op in operations:
        if isinstance(op, PartitionOp):
            sizes = [_length(output) for output in op.outputs]
            lengths.setdefault(equality.sequence(op.selector), sizes)
    for op in operations:
        if isinstance(op, ReassembleOp):
            sizes = [_length(value) for value in op.inputs]
            _expect_lengths(op, sizes, lengths.get(equality.sequence(op.selector)))


def _length(stream: SSAValue) -> Dimension:
    assert isinstance(stream.type, StreamType)
    return stream.type.dimensions[0]


def _expect_lengths(
    op: ReassembleOp, sizes: Sequence[Dimension], selected: Sequence[Dimension] | None
) -> None:
    """Refuse what is wrong in every run, or in all but a few: other lengths of the same symbols."""
    known = {symbol for size in selected or () for symbol in size.symbols}
    for index, (size, wanted) in enumerate(zip(sizes, selected or sizes, strict=True)):
        comparable = size.symbols <= known and (bool(size.symbols) or wanted.is_static)
        if size != wanted and comparable:
            raise VerifyException(
                f"'{op.name}' takes {size} units as input {index}, but a 'step.partition' by the "
                f"same selector says that {wanted} are selected; reassemble what was partitioned, "
                "in its order"
            )
    selectors = op.selector.type
    assert isinstance(selectors, StreamType)
    selector = selectors.element_type
    count = product(selectors.dimensions)
    static = count.is_static and all(size.is_static for size in sizes)
    if static and isinstance(selector, SelectorType) and selector.hot is not None:
        given, taken = sum(size.value for size in sizes), count.value * selector.hot
        if given != taken:
            raise VerifyException(
                f"'{op.name}' takes {given} units in all, but its selectors select {taken}"
            )
