"""
The operations of an entry function that calls loop nests, for the interpreter of entry IR.

Tensors there are float64 and int64, whatever their type; the buffers of nests have exactly their
type. So `bufferization.to_buffer` rounds, and `bufferization.to_tensor` widens.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import bufferization, cf, func, memref, tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, MemRefType, ModuleOp
from xdsl.dialects.linalg.ops import FillOp
from xdsl.ir import Operation

from headrace.interpreters.linalg import Operations, interpret
from headrace.interpreters.nest import run_function
from headrace.interpreters.nest_scalars import as_typed, exact_dtype
from headrace.interpreters.scalars import dtype
from headrace.storage.errors import InputError

Array: TypeAlias = npt.NDArray[Any]
RunNest: TypeAlias = Callable[[func.FuncOp, Sequence[Array]], object]
"""Runs a nest on its buffers in place."""


def entry_operations(module: ModuleOp, run: RunNest = run_function) -> Operations:
    """
    The meaning of the entry function's operations, for `headrace.interpreters.linalg.interpret`.

    `run` runs a nest that is called; others than the interpreter may simulate it.
    """
    functions = {op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)}

    def call(op: Operation, operands: Sequence[Array]) -> list[Array]:
        assert isinstance(op, func.CallOp)
        run(functions[op.callee.string_value()], operands)
        return []

    return {**_OPERATIONS, func.CallOp: call}


def interpret_nests(module: ModuleOp, args: Sequence[Any]) -> list[Array]:
    """Run an entry function and the nests that it calls; arguments and errors as `interpret`."""
    return interpret(module, args, entry_operations(module))


def _to_buffer(op: Operation, operands: Sequence[Array]) -> list[Array]:
    assert isinstance(op, bufferization.ToBufferOp)
    return [as_typed(operands[0], op.results[0].type, copy=op.read_only is None)]


def _to_tensor(op: Operation, operands: Sequence[Array]) -> list[Array]:
    return [operands[0].astype(dtype(op.results[0].type))]


def _alloc(op: Operation, operands: Sequence[Array]) -> list[Array]:
    type = cast("MemRefType[Any]", op.results[0].type)
    sizes = iter(operands)
    shape = [int(next(sizes)) if n == DYNAMIC_INDEX else n for n in type.get_shape()]
    return [np.zeros(shape, exact_dtype(type))]


def _fill(op: Operation, operands: Sequence[Array]) -> list[Array]:
    value, out = operands
    if op.results:
        return [np.broadcast_to(value, out.shape)]
    out[...] = value
    return []


def _copy(op: Operation, operands: Sequence[Array]) -> list[Array]:
    source, destination = operands
    destination[...] = source
    return []


def _extract(op: Operation, operands: Sequence[Array]) -> list[Array]:
    source, *indices = operands
    return [np.asarray(source[tuple(int(index) for index in indices)])]


def _assert(op: Operation, operands: Sequence[Array]) -> list[Array]:
    assert isinstance(op, cf.AssertOp)
    if not operands[0]:
        raise InputError(op.msg.data)
    return []


_OPERATIONS: Mapping[type[Operation], Callable[[Operation, Sequence[Array]], list[Array]]] = {
    bufferization.ToBufferOp: _to_buffer,
    bufferization.ToTensorOp: _to_tensor,
    memref.AllocOp: _alloc,
    memref.CopyOp: _copy,
    FillOp: _fill,
    tensor.ExtractOp: _extract,
    cf.AssertOp: _assert,
}
