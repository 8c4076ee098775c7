"""
What a `step` graph costs off chip and on chip: bytes as expressions in the symbols of its streams.

Traffic counts the elements that memory operations move. On-chip bytes are those of buffers inside
of operations (tiles between memory and network, accumulators, repeated elements); the channels
between operations are not counted. Both are exact for every routing: `evaluate` takes the values
of the symbols.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 4.2, and the equations with which its
figures were computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from sympy import Expr
from xdsl.ir import Attribute, Operation, SSAValue

from headrace.analyses.step_bytes import bytes_of
from headrace.analyses.step_expression import expression
from headrace.dialects import step
from headrace.dialects.step_dimension import (
    CeilDivision,
    Dimension,
    DimensionLike,
    Positive,
    Symbol,
    Total,
    summed,
)
from headrace.dialects.step_functions import Function
from headrace.dialects.step_operation import named
from headrace.dialects.step_types import StreamType, TileType

Symbols: TypeAlias = "Mapping[str, DimensionLike | Sequence[int]]"
"""Values of symbols by their names; a ragged one has the list of its values over the siblings."""

REFERENCE_LOAD_BYTES = 2
"""Bytes a number that loads count in the reference, whatever the type of the tile is."""

COMPUTE_TILE_ROWS = 16
"""Rows of the compute unit that the printed equation has a matmul stream its operand through."""


class Equation(StrEnum):
    """Which on-chip equation."""

    FIGURES = "figures"
    """With which the published figures were computed: one buffer at each memory operation."""
    PAPER = "paper"
    """As printed: memory operations are double buffered, a matmul keeps its weight tile."""


class Accounting(StrEnum):
    """How many bytes a number has."""

    CONSISTENT = "consistent"
    """Those of its type, everywhere."""
    REFERENCE = "reference"
    """Loads and stores by address move 2, everything else has those of its type."""


@dataclass(frozen=True)
class CostModel:
    """The options of the analysis."""

    equation: Equation = Equation.FIGURES
    accounting: Accounting = Accounting.CONSISTENT
    active_only: bool = False
    """Whether an operation that gets no element in a run holds nothing."""


@dataclass(frozen=True)
class OperationCost:
    """Bytes of one operation: moved off chip in a run, and held on chip."""

    operation: Operation
    traffic_size: Dimension
    on_chip_size: Dimension

    @property
    def traffic(self) -> Expr:
        return expression(self.traffic_size)

    @property
    def on_chip(self) -> Expr:
        return expression(self.on_chip_size)


@dataclass(frozen=True)
class Bytes:
    """The costs of one run."""

    traffic: int
    on_chip: int


@dataclass(frozen=True)
class GraphCost:
    """Bytes of a graph: the sums over its operations."""

    operations: Sequence[OperationCost]
    traffic_size: Dimension = field(init=False)
    on_chip_size: Dimension = field(init=False)

    def __post_init__(self) -> None:
        traffic = summed(cost.traffic_size for cost in self.operations)
        on_chip = summed(cost.on_chip_size for cost in self.operations)
        object.__setattr__(self, "traffic_size", traffic)
        object.__setattr__(self, "on_chip_size", on_chip)

    @property
    def traffic(self) -> Expr:
        return expression(self.traffic_size)

    @property
    def on_chip(self) -> Expr:
        return expression(self.on_chip_size)

    def evaluate(self, symbols: Symbols) -> Bytes:
        """
        The bytes of a run. Raises ValueError if a symbol has no value.

        On chip a ragged size is that of one buffer, which must hold the largest sibling.
        """
        return Bytes(
            self.traffic_size.substitute(symbols).value,
            largest_sibling(self.on_chip_size, symbols).value,
        )


def graph_cost(operations: Iterable[Operation], model: CostModel = CostModel()) -> GraphCost:
    """The costs of the operations of a graph (`step.graph`): those that cost something."""
    costs = (_operation_cost(operation, model) for operation in operations)
    return GraphCost([cost for cost in costs if cost is not None])


def expect_fits(cost: GraphCost, budget: int, symbols: Symbols, largest: int = 5) -> None:
    """
    Check that what a graph holds on chip fits.

    Raises `CapacityError`, which names the `largest` holders, if it needs more than `budget` bytes.
    """
    needed = largest_sibling(cost.on_chip_size, symbols).value
    if needed <= budget:
        return
    held = [
        (largest_sibling(one.on_chip_size, symbols).value, one.operation) for one in cost.operations
    ]
    held.sort(key=lambda entry: -entry[0])
    holders = ", ".join(
        f"{named(operation, _place(operation))} {size}" for size, operation in held[:largest]
    )
    raise CapacityError(
        f"the graph holds {needed} bytes on chip, {needed - budget} more than the {budget} there "
        f"are; the largest holders are {holders}: take smaller tiles, or share them"
    )


def _place(operation: Operation) -> int:
    """Where an operation stands in its graph."""
    block = operation.parent_block()
    assert block is not None
    return block.get_operation_index(operation)


class CapacityError(ValueError):
    """A graph needs more memory on chip than there is."""


def _operation_cost(operation: Operation, model: CostModel) -> OperationCost | None:
    """The costs of an operation, None for one that has none by its kind."""
    moved = _traffic(operation, model)
    held = _on_chip(operation, model)
    if moved is None and held is None:
        return None
    nothing = Dimension.of(0)
    held = held or nothing
    if model.active_only:
        held = held * _stream(operation).count.positive()
    return OperationCost(operation, moved or nothing, held)


def _stream(operation: Operation) -> StreamType:
    """The stream whose elements an operation holds: what it gives, of a store what it takes."""
    if isinstance(operation, step.StoreOp | step.RandomStoreOp):
        return _type(operation.operands[-1])
    return _type(operation.results[0])


def _type(value: SSAValue) -> StreamType:
    assert isinstance(value.type, StreamType)
    return value.type


def _addressed_bytes(type: Attribute, model: CostModel) -> Dimension:
    """Bytes of a tile that is loaded, or stored by address."""
    if model.accounting is Accounting.REFERENCE and isinstance(type, TileType):
        return type.rows * type.columns * REFERENCE_LOAD_BYTES
    return bytes_of(type)


def _traffic(operation: Operation, model: CostModel) -> Dimension | None:
    match operation:
        case step.LoadOp() | step.RandomLoadOp() | step.RandomStoreOp():
            stream = _stream(operation)
            return stream.count * _addressed_bytes(stream.element_type, model)
        case step.StoreOp():
            stream = _stream(operation)
            return stream.count * bytes_of(stream.element_type)
        case _:
            return None


def _on_chip(operation: Operation, model: CostModel) -> Dimension | None:
    printed = model.equation is Equation.PAPER
    buffers = 2 if printed else 1
    match operation:
        case step.LoadOp() | step.RandomLoadOp():
            return _addressed_bytes(_stream(operation).element_type, model) * buffers
        case step.StoreOp():
            return bytes_of(_stream(operation).element_type) * buffers
        case step.RandomStoreOp():
            waiting = operation.integer("buffers", 1)
            return _addressed_bytes(_stream(operation).element_type, model) * waiting * buffers
        case step.ExpandOp() | step.RepeatOp() | step.ScanOp():
            return bytes_of(_stream(operation).element_type)
        case step.AccumulateOp():
            held = bytes_of(_stream(operation).element_type)
            return held + _weight(operation) if printed else held
        case step.MapOp():
            return _weight(operation) if printed else None
        case step.BufferizeOp():
            buffer = _stream(operation).element_type
            return bytes_of(_type(operation.input).element_type) + bytes_of(buffer) * 2
        case step.StreamifyOp() if not printed:
            buffer = _type(operation.buffer).element_type
            return bytes_of(buffer) + bytes_of(_stream(operation).element_type)
        case step.ReassembleOp() if operation.flag("write_back"):
            return bytes_of(_stream(operation).element_type)
        case _:
            return None


def _weight(operation: step.MapOp | step.AccumulateOp) -> Dimension:
    """What a matmul keeps as printed: its weight, and rows of its operand without their bytes."""
    if operation.fn.data not in (Function.MATMUL, Function.MATMUL_TRANSPOSED):
        return Dimension.of(0)
    left, right = (_type(operand).element_type for operand in operation.operands)
    assert isinstance(left, TileType)
    return left.columns * COMPUTE_TILE_ROWS + bytes_of(right)


def largest_sibling(size: Dimension, symbols: Symbols) -> Dimension:
    """A size where ragged ones are those of the largest sibling: what one buffer must hold."""
    largest = {
        name: value if isinstance(value, int | str | Dimension) else max(value, default=0)
        for name, value in symbols.items()
    }
    totals = {str(total): total.substitute(symbols) for total in _totals(size)}
    return size.substitute({**largest, **totals})


def _totals(size: Dimension) -> Iterator[Dimension]:
    for atom in size.atoms:
        match atom:
            case Total():
                yield Dimension({(atom,): 1})
            case CeilDivision():
                yield from _totals(atom.dividend)
            case Positive():
                yield from _totals(atom.operand)
            case Symbol():
                pass
