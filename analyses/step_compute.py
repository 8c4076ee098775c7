"""
What a `step` graph computes: floating-point operations of a run, and the compute it allocates.

| quantity | counts |
|---|---|
| `flops` | every map, accumulate and scan: whole tiles, padded rows included |
| `reference_flops` | what the published utilisation was computed from (Figures 12 and 13) |
| `allocated_compute` | FLOPs per cycle of all operations that compute |

The reference charges SiLU once for each inner index of the matmul before it, and leaves out what
follows the down projection: 2.3 times too much for a SwiGLU layer.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 5.3.
"""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.ir import Attribute, Operation, SSAValue

from headrace.dialects import step
from headrace.dialects.step_dimension import Dimension, summed
from headrace.dialects.step_functions import Function
from headrace.dialects.step_types import StreamType, TileType

MATMULS = (Function.MATMUL, Function.MATMUL_TRANSPOSED)


def flops(operations: Iterable[Operation]) -> Dimension:
    """FLOPs of a run, of all operations together."""
    return summed(map(operation_flops, operations))


def operation_flops(operation: Operation) -> Dimension:
    """FLOPs of one operation in a run: those of an element times the elements it takes."""
    if not isinstance(operation, step.ComputeOperation):
        return Dimension.of(0)
    return operation.flops * _type(operation.operands[0]).count


def allocated_compute(operations: Iterable[Operation]) -> int:
    """FLOPs per cycle of all operations that do any: retiling needs no arithmetic."""
    return sum(
        operation.integer("compute")
        for operation in operations
        if isinstance(operation, step.ComputeOperation) and operation.flops != 0
    )


def reference_flops(operations: Iterable[Operation]) -> Dimension:
    """FLOPs as the reference counts them for its utilisation."""
    return summed(map(_reference_flops, operations))


def _reference_flops(operation: Operation) -> Dimension:
    if not isinstance(operation, step.MapOp | step.AccumulateOp):
        return Dimension.of(0)
    function = operation.fn.data
    tiles = [_type(operand).element_type for operand in operation.operands]
    if function in MATMULS:
        return operation_flops(operation)
    if function is Function.SILU:
        return operation_flops(operation) * _inner_size(operation.operands[0])
    if isinstance(operation, step.MapOp) and len(tiles) == 2 and tiles[0] == tiles[1]:
        return operation_flops(operation)
    return Dimension.of(0)


def _inner_size(value: SSAValue) -> Dimension:
    """The size that the matmul summed over whose result arrives here through fan-out, else 1."""
    source = value.owner
    while isinstance(source, step.BroadcastOp):
        source = source.operands[0].owner
    if isinstance(source, step.MapOp | step.AccumulateOp) and source.fn.data in MATMULS:
        left = _type(source.operands[0]).element_type
        assert isinstance(left, TileType)
        return left.columns
    return Dimension.of(1)


def _type(value: SSAValue) -> StreamType:
    type: Attribute = value.type
    assert isinstance(type, StreamType)
    return type
