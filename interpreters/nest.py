"""
The meaning of loop nests: `scf`, `memref`, `arith`, `math` and `vector` on NumPy values.

A scalar is a NumPy scalar of exactly its type, a vector and a memref are arrays (bf16: float32
arrays of rounded numbers, see `nest_scalars`). A memref that is passed is the array itself, which
stores change. Slow and plain: the oracle of loop nests, and of the callbacks of the levels below,
whose own operations come as `others`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import cf, func, memref, scf
from xdsl.dialects.builtin import DYNAMIC_INDEX, IndexType, MemRefType
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue
from xdsl.traits import IsTerminator

from headrace.dialects.functions import only_block
from headrace.interpreters import nest_vectors
from headrace.interpreters.nest_memory import name_of, place
from headrace.interpreters.nest_scalars import evaluate, exact_dtype
from headrace.storage.errors import InputError

Values: TypeAlias = dict[SSAValue, Any]
"""What every SSA value is: a NumPy scalar, or an array for a vector or memref."""

Meaning: TypeAlias = Callable[[Operation, Values], Sequence[Any]]
"""The results of an operation, of which `Values` has the operands."""


def run_function(
    function: func.FuncOp,
    buffers: Sequence[npt.NDArray[Any]],
    others: Mapping[type[Operation], Meaning] | None = None,
) -> tuple[Any, ...]:
    """
    Run a loop nest on `buffers`, one array an argument, in place; what it returns.

    `others` are those of `run_block`. Raises `InputError` for arrays of other types or sizes than
    the arguments, and as `run_block`.
    """
    block, name = only_block(function), function.sym_name.data
    if len(buffers) != len(block.args):
        raise InputError(f"@{name} takes {len(block.args)} arguments, not {len(buffers)}")
    for argument, buffer in zip(block.args, buffers, strict=True):
        _expect(argument, buffer, name)
    return run_block(block, dict(zip(block.args, buffers, strict=True)), others)


def run_block(
    block: Block, values: Values, others: Mapping[type[Operation], Meaning] | None = None
) -> tuple[Any, ...]:
    """
    Run the operations of `block` and return what its terminator has as operands.

    `values` has the arguments of the block and all values from outside that it uses; the results
    of its operations are added. `others` gives the meaning of operations of other dialects, here
    and in nested loops; it goes before the meaning that is known here.

    Raises `InputError` for an access outside of a memref, a failed `cf.assert`, a division of
    integers by zero, a loop whose step is not positive, and an operation without meaning.
    """
    meanings = others or {}
    with np.errstate(all="ignore"):
        return _run(block, values, meanings)


def _run(
    block: Block, values: Values, others: Mapping[type[Operation], Meaning]
) -> tuple[Any, ...]:
    for op in block.ops:
        if meaning := others.get(op.__class__):
            results = meaning(op, values)
        elif op.has_trait(IsTerminator):
            return tuple(values[operand] for operand in op.operands)
        elif isinstance(op, scf.ForOp):
            results = _for(op, values, others)
        elif isinstance(op, scf.IfOp):
            region = op.true_region if values[op.cond] else op.false_region
            results = _run(region.block, values, others) if region.blocks else ()
        elif meaning := _MEANINGS.get(op.__class__):
            results = meaning(op, values)
        else:
            results = (evaluate(op, [values[operand] for operand in op.operands]),)
        values.update(zip(op.results, results, strict=True))
    return ()


def _for(
    op: scf.ForOp, values: Values, others: Mapping[type[Operation], Meaning]
) -> tuple[Any, ...]:
    lower, upper, step = (values[bound] for bound in (op.lb, op.ub, op.step))
    if step <= 0:
        raise InputError(
            f"the loop {name_of(op.body.block.args[0])} has step {step}; it must be positive"
        )
    carried = tuple(values[initial] for initial in op.iter_args)
    variable, *arguments = op.body.block.args
    for at in range(int(lower), int(upper), int(step)):
        values[variable] = exact_dtype(variable.type).type(at)
        values.update(zip(arguments, carried, strict=True))
        carried = _run(op.body.block, values, others)
    return carried


def _load(op: Operation, values: Values) -> Sequence[Any]:
    assert isinstance(op, memref.LoadOp)
    return (place(op, op.memref, op.indices, values)[()],)


def _store(op: Operation, values: Values) -> Sequence[Any]:
    assert isinstance(op, memref.StoreOp)
    place(op, op.memref, op.indices, values)[...] = values[op.value]
    return ()


def _dim(op: Operation, values: Values) -> Sequence[Any]:
    assert isinstance(op, memref.DimOp)
    shape, dimension = values[op.source].shape, int(values[op.index])
    if not 0 <= dimension < len(shape):
        raise InputError(f"{name_of(op.source)} of rank {len(shape)} has no dimension {dimension}")
    return (np.int64(shape[dimension]),)


def _alloc(op: Operation, values: Values) -> Sequence[Any]:
    """A new buffer, filled with zeros where its content is not defined."""
    assert isinstance(op, memref.AllocOp | memref.AllocaOp)
    type = op.memref.type
    sizes = iter(values[size] for size in op.dynamic_sizes)
    shape = [int(next(sizes)) if n == DYNAMIC_INDEX else n for n in type.get_shape()]
    return (np.zeros(shape, exact_dtype(type)),)


def _cast(op: Operation, values: Values) -> Sequence[Any]:
    return (values[op.operands[0]],)


def _copy(op: Operation, values: Values) -> Sequence[Any]:
    assert isinstance(op, memref.CopyOp)
    values[op.destination][...] = values[op.source]
    return ()


def _nothing(op: Operation, values: Values) -> Sequence[Any]:
    return ()


def _assert(op: Operation, values: Values) -> Sequence[Any]:
    assert isinstance(op, cf.AssertOp)
    if not values[op.arg]:
        raise InputError(op.msg.data)
    return ()


_MEANINGS: Mapping[type[Operation], Meaning] = {
    memref.LoadOp: _load,
    memref.StoreOp: _store,
    memref.DimOp: _dim,
    memref.AllocOp: _alloc,
    memref.AllocaOp: _alloc,
    memref.DeallocOp: _nothing,
    memref.CastOp: _cast,
    memref.CopyOp: _copy,
    cf.AssertOp: _assert,
    **nest_vectors.MEANINGS,
}


def _expect(argument: BlockArgument, buffer: npt.NDArray[Any], name: str) -> None:
    if isinstance(argument.type, IndexType) or not isinstance(argument.type, MemRefType):
        return
    type = cast("MemRefType[Attribute]", argument.type)
    sizes = type.get_shape()
    fits = len(sizes) == buffer.ndim and all(
        size in (DYNAMIC_INDEX, found) for size, found in zip(sizes, buffer.shape, strict=True)
    )
    if not fits or buffer.dtype != exact_dtype(type):
        raise InputError(
            f"argument {name_of(argument)} of @{name} is an array of {buffer.dtype} of shape "
            f"{buffer.shape}, not {type}"
        )
