"""
Runs single operations of `sam` on streams written as text.

`run(sam.ScanOp, ref("0 D"), tensor, level=0, axis="i")` gives the texts of the results.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.dialects.builtin import IndexType, ModuleOp, TensorType, f64
from xdsl.interpreter import Interpreter
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.test_value import create_ssa_value

from headrace.dialects import sam
from headrace.dialects.sparse_tensor import encoding_of
from headrace.interpreters.sam import register_sam
from headrace.interpreters.sam_tokens import Stop, format_tokens, parse_tokens
from headrace.storage.levels import Format, Level, Storage

AXES = "ijklmn"


@dataclass(frozen=True)
class Operand:
    """A value of the interpreter and its type."""

    type: Attribute
    value: Any


def stream(kind: str, text: str, axes: str | None = None, element: Attribute = f64) -> Operand:
    """A stream, by default of the axes i, j, .. as deep as its last stop says."""
    tokens = parse_tokens(text)
    if axes is None:
        stops = [token for token in tokens if isinstance(token, Stop)]
        axes = AXES[: stops[-1].level + 1 if stops else 0]
    element = element if kind == "val" else IndexType()
    return Operand(sam.StreamType(kind, element, list(axes)), tokens)


def crd(text: str, axes: str | None = None) -> Operand:
    return stream("crd", text, axes)


def ref(text: str, axes: str | None = None) -> Operand:
    return stream("ref", text, axes)


def val(text: str, axes: str | None = None) -> Operand:
    return stream("val", text, axes)


def sig(text: str, axes: str) -> Operand:
    return stream("sig", text, axes)


def bv(text: str, axes: str | None = None) -> Operand:
    return stream("bv", text, axes)


def extent(size: int) -> Operand:
    return Operand(IndexType(), size)


def tensor(storage: Storage) -> Operand:
    return Operand(TensorType(f64, storage.shape, encoding_of(storage.format)), storage)


def compressed(segments: Sequence[int], coordinates: Sequence[int]) -> Operand:
    """
    A matrix whose level 1 has these arrays; its rows are the fibers, all of them stored.

    The segments need not start at 0, and may leave out positions at the end.
    """
    size = max(coordinates, default=0) + 1
    format = Format((Level.DENSE, Level.COMPRESSED), (0, 1))
    return tensor(
        Storage(
            (len(segments) - 1, size),
            format,
            (None, np.array(segments)),
            (None, np.array(coordinates, dtype=np.int64)),
            np.zeros(len(coordinates)),
        )
    )


def values(numbers: Sequence[float]) -> Operand:
    return tensor(Storage.from_dense(np.array(numbers, dtype=np.float64), Format.dense(1)))


def interpret(op: Operation, arguments: Sequence[Any]) -> tuple[Any, ...]:
    """The results of one verified operation."""
    op.verify()
    interpreter = Interpreter(ModuleOp([]))
    register_sam(interpreter)
    return interpreter.run_op(op, tuple(arguments))


def evaluate(
    build: Callable[..., Operation], *operands: Operand, **options: Any
) -> tuple[Operation, tuple[Any, ...]]:
    """The operation that `build` makes of the operands, and its results."""
    ssa: list[SSAValue] = [create_ssa_value(operand.type) for operand in operands]
    op = build(*ssa, **options)
    return op, interpret(op, [operand.value for operand in operands])


def run(build: Callable[..., Operation], *operands: Operand, **options: Any) -> list[Any]:
    """Results of the operation that `build` makes of the operands, streams as text."""
    op, results = evaluate(build, *operands, **options)
    return [
        format_tokens(result) if isinstance(type, sam.StreamType) else result
        for result, type in zip(results, op.result_types, strict=True)
    ]


# Operations whose operands come in groups, on operands in a row


def locate(crd: SSAValue, outer: SSAValue, extent: SSAValue) -> Operation:
    return sam.LocateOp(crd, extent, outer)


def intersect(*operands: SSAValue) -> Operation:
    half = len(operands) // 2
    return sam.IntersectOp(operands[:half], operands[half:])


def union(*operands: SSAValue) -> Operation:
    half = len(operands) // 2
    return sam.UnionOp(operands[:half], operands[half:])


def accumulate(*operands: SSAValue, op: str = "add") -> Operation:
    return sam.AccumulateOp(operands[:-1], operands[-1], op)


def alu(*operands: SSAValue, op: str, scalar: float | None = None) -> Operation:
    return sam.AluOp(op, operands, scalar)


def gather(*operands: SSAValue) -> Operation:
    return sam.GatherOp(operands[:-1], operands[-1])


def concat(*operands: SSAValue) -> Operation:
    streams = [value for value in operands if isinstance(value.type, sam.StreamType)]
    return sam.ConcatOp(streams, operands[len(streams) :])


def store(ref: SSAValue, val: SSAValue, *extents: SSAValue) -> Operation:
    return sam.StoreOp(ref, val, extents)
