"""
The entry function around embedding operations, on the host: memory, and what is computed there.

Entry IR has the meaning that `interpreters/linalg.py` gives it. Buffers are arrays of exactly the
element types of their memrefs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects import bufferization, cf, func, memref
from xdsl.dialects.builtin import DYNAMIC_INDEX, MemRefType, ModuleOp
from xdsl.dialects.linalg.ops import FillOp
from xdsl.ir import Attribute, Operation

from headrace.interpreters.linalg import interpret_known
from headrace.interpreters.nest_scalars import as_typed, exact_dtype
from headrace.storage.errors import InputError
from headrace.storage.levels import Array

Call = Callable[[str, Sequence[Array]], None]
"""Runs the operation of a name on buffers, in place."""


def run_entry(module: ModuleOp, arguments: Sequence[Array], call: Call) -> list[Array]:
    """
    The results of the entry function of `module`.

    Raises `InputError` for arguments that do not fit, and for a check of the function that fails.
    """

    def run(op: Operation, operands: Sequence[Array | None]) -> list[Array | None]:
        assert isinstance(op, func.CallOp)
        call(op.callee.string_value(), cast("Sequence[Array]", operands))
        return []

    others = {**_MEANINGS, func.CallOp: run}
    return cast("list[Array]", interpret_known(module, arguments, others))


def _to_buffer(op: Operation, operands: Sequence[Any]) -> list[Any]:
    return [np.array(as_typed(operands[0], op.results[0].type), order="C")]


def _to_tensor(op: Operation, operands: Sequence[Any]) -> list[Any]:
    array: Array = operands[0]
    return [array.astype(np.float64) if array.dtype.kind == "f" else _whole(array)]


def _whole(array: Array) -> Array:
    return array if array.dtype == np.bool_ else array.astype(np.int64)


def _allocate(op: Operation, operands: Sequence[Any]) -> list[Any]:
    type = cast("MemRefType[Attribute]", op.results[0].type)
    dynamic = iter(operands)
    shape = [int(next(dynamic)) if n == DYNAMIC_INDEX else n for n in type.get_shape()]
    return [np.zeros(shape, exact_dtype(type))]


def _fill(op: Operation, operands: Sequence[Any]) -> list[Any]:
    """Of a buffer in place, of a tensor anew."""
    value, target = operands
    if op.results:
        return [np.broadcast_to(np.asarray(value, target.dtype), target.shape)]
    target[...] = value
    return []


def _copy(op: Operation, operands: Sequence[Any]) -> list[Any]:
    source, target = operands
    target[...] = source
    return []


def _assert(op: Operation, operands: Sequence[Any]) -> list[Any]:
    assert isinstance(op, cf.AssertOp)
    if not operands[0]:
        raise InputError(op.msg.data)
    return []


_MEANINGS: Mapping[type[Operation], Callable[[Operation, Sequence[Any]], list[Any]]] = {
    bufferization.ToBufferOp: _to_buffer,
    bufferization.ToTensorOp: _to_tensor,
    memref.AllocOp: _allocate,
    memref.CopyOp: _copy,
    FillOp: _fill,
    cf.AssertOp: _assert,
}
