"""
The meaning of entry IR on dense NumPy arrays.

Every tensor is an array without formats: `sparse_tensor.convert` changes nothing, and what is
not stored is zero. Floats of every width are computed as float64, integers as int64, booleans as
bool, so that the result is the oracle of every later level. A `linalg.generic` evaluates
its body once, on arrays broadcast over the iteration space: over chunks of it, so that memory stays
bounded, and products of matrices go to `numpy.einsum`.
"""

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from itertools import product
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import arith, bufferization, func, tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, AnyTensorType, ModuleOp
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.ops import BroadcastOp, IndexOp, ReduceOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap

from headrace.dialects import sparse_tensor
from headrace.dialects.functions import only_block
from headrace.interpreters.scalars import REDUCTIONS, constant, dtype, evaluate
from headrace.storage.errors import InputError
from headrace.storage.levels import Storage
from headrace.storage.windows import expect_shape, kept_dimensions, window

Array: TypeAlias = npt.NDArray[Any]
Values: TypeAlias = dict[SSAValue, Array]

CHUNK = 1 << 22
"""The largest number of points of an iteration space that are evaluated at once."""


Operations: TypeAlias = Mapping[
    type[Operation], Callable[[Operation, Sequence[Array]], list[Array]]
]
"""What operations of other dialects make of their operands."""

PartialOperations: TypeAlias = Mapping[
    type[Operation], Callable[[Operation, Sequence[Array | None]], Sequence[Array | None]]
]
"""The same, where operands and results may be unknown."""


def interpret(
    module: ModuleOp,
    args: Sequence[npt.ArrayLike | Storage],
    others: Operations | None = None,
) -> list[Array]:
    """
    Run the first function of `module`, entry IR and the operations of `others`.

    `args` are arrays of the shapes of its arguments (or stored tensors); so are the results, which
    may be views of arguments.
    Raises `InputError` for another number or other shapes of arguments, for branches, and for
    operations that are not part of either.
    """
    partial = cast("PartialOperations", others or {})
    return cast("list[Array]", interpret_known(module, args, partial))


def interpret_known(
    module: ModuleOp,
    args: Sequence[npt.ArrayLike | Storage | None],
    others: PartialOperations,
) -> list[Array | None]:
    """
    As `interpret`, with arguments that may be unknown: None.

    What entry IR makes of an unknown tensor is unknown; `others` get None for it, and may give it.
    """
    main = next((op for op in module.ops if isinstance(op, func.FuncOp)), None)
    if main is None:
        raise InputError("the module has no function to run")
    name, block = main.sym_name.data, only_block(main)
    if len(args) != len(block.args):
        raise InputError(f"@{name} takes {len(block.args)} arguments, not {len(args)}")
    values: Values = {}
    for position, (argument, arg) in enumerate(zip(block.args, args, strict=True)):
        if arg is None:
            continue
        array = np.asarray(arg.to_dense() if isinstance(arg, Storage) else arg)
        wanted = cast(AnyTensorType, argument.type).get_shape()
        if len(wanted) != array.ndim or any(
            size not in (DYNAMIC_INDEX, found)
            for size, found in zip(wanted, array.shape, strict=True)
        ):
            raise InputError(
                f"argument {position} of @{name} has shape {array.shape}, not {argument.type}"
            )
        if array.dtype.kind == "f" and _is_only_read_as_buffer(argument):
            values[argument] = array
            continue
        with np.errstate(invalid="ignore"):
            converted = array.astype(dtype(argument.type), copy=False)
        if converted.dtype.kind in "iub" and not np.array_equal(converted, array):
            raise InputError(
                f"argument {position} of @{name} holds numbers that {argument.type} has not; give "
                "whole numbers, in i1 only 0 and 1"
            )
        values[argument] = converted
    with np.errstate(all="ignore"):
        for op in block.ops:
            if isinstance(op, func.ReturnOp):
                return [values.get(result) for result in op.arguments]
            if meaning := others.get(type(op)):
                results = meaning(op, [values.get(operand) for operand in op.operands])
                known = zip(op.results, results, strict=True)
                values.update((value, array) for value, array in known if array is not None)
            elif all(operand in values for operand in op.operands):
                values[op.results[0]] = _run(op, values)
    raise InputError(f"@{name} does not end in func.return")


def _is_only_read_as_buffer(argument: SSAValue) -> bool:
    """Whether an argument, such as a table of floats, is given its type where it is used."""
    if np.dtype(dtype(argument.type)).kind != "f":
        return False
    uses = [use.operation for use in argument.uses]
    return bool(uses) and all(isinstance(op, bufferization.ToBufferOp) for op in uses)


def _run(op: Operation, values: Values) -> Array:
    """The result of one operation at the level of the function."""
    operands = [values[operand] for operand in op.operands]
    match op:
        case LinalgStructuredOperation():
            if len(op.outputs) != 1:
                raise InputError(f"{op.name} with {len(op.outputs)} results is not supported")
            maps = [attribute.data for attribute in op.get_indexing_maps()]
            return _structured(op.body.block, maps, operands, values)
        case BroadcastOp():
            added = op.dimensions.get_values()
            return np.broadcast_to(np.expand_dims(operands[0], added), operands[1].shape)
        case ReduceOp():
            reduced = op.dimensions.get_values()
            rank = operands[0].ndim
            kept = tuple(AffineDimExpr(d) for d in range(rank) if d not in reduced)
            maps = [AffineMap.identity(rank), AffineMap(rank, 0, kept)]
            return _structured(op.region.block, maps, operands, values)
        case sparse_tensor.ConvertOp() | tensor.CastOp():
            wanted = cast(AnyTensorType, op.results[0].type).get_shape()
            expect_shape(f"the operand of {op.name}", operands[0].shape, wanted)
            return operands[0]
        case tensor.EmptyOp():
            shape = _fill_in(op.tensor.type.get_shape(), operands)
            return np.zeros(shape, dtype(op.tensor.type))
        case tensor.DimOp():
            return np.asarray(operands[0].shape[int(operands[1])])
        case tensor.CollapseShapeOp():
            groups = [[d.value.data for d in group] for group in op.reassociation]
            sizes = [int(np.prod([operands[0].shape[d] for d in group])) for group in groups]
            return operands[0].reshape(sizes)
        case tensor.ExpandShapeOp():
            return operands[0].reshape(_fill_in(op.static_output_shape.get_values(), operands[1:]))
        case tensor.ReshapeOp():
            return operands[0].reshape(tuple(int(size) for size in operands[1]))
        case tensor.ExtractSliceOp():
            return _extract_slice(op, values)
        case tensor.ConcatOp():
            return np.concatenate(operands, axis=op.dim.value.data)
        case tensor.SplatOp():
            shape = _fill_in(op.result.type.get_shape(), operands[1:])
            return np.broadcast_to(operands[0], shape)
        case tensor.FromElementsOp():
            return np.array(operands).reshape(op.result.type.get_shape())
        case arith.ConstantOp():
            return constant(op)
        case _:
            return evaluate(op, operands)


def _fill_in(static: Sequence[int], dynamic: Sequence[Array]) -> tuple[int, ...]:
    """A list of sizes with the dynamic ones in their places."""
    rest = iter(dynamic)
    return tuple(int(next(rest)) if size == DYNAMIC_INDEX else size for size in static)


def _extract_slice(op: tensor.ExtractSliceOp, values: Values) -> Array:
    offsets, sizes, strides = (
        _fill_in(static.get_values(), [values[value] for value in dynamic])
        for static, dynamic in (
            (op.static_offsets, op.offsets),
            (op.static_sizes, op.sizes),
            (op.static_strides, op.strides),
        )
    )
    source = values[op.source]
    kept = kept_dimensions(sizes, op.result.type.get_shape())
    taken = source[window(offsets, sizes, strides, source.shape)]
    return taken.reshape([sizes[dimension] for dimension in kept])


def _structured(
    body: Block, maps: Sequence[AffineMap], operands: Sequence[Array], outer: Values
) -> Array:
    """One structured operation; the last of `operands` is what the result starts from."""
    *inputs, start = operands
    out = np.array(start)
    extents = _loop_extents(maps, operands)
    reduction = _reduction(body)
    if reduction is not None and (summed := _einsum(body, maps, inputs)) is not None:
        return out + summed
    used = {expr.position for expr in maps[-1].results if isinstance(expr, AffineDimExpr)}
    reduced = tuple(loop for loop in range(len(extents)) if loop not in used)
    limits = [1 if reduction is None and loop in reduced else n for loop, n in enumerate(extents)]
    yielded = cast(Operation, body.last_op).operands[0]
    for grid in _chunks(extents, limits):
        scalars = zip(body.args, maps, [*inputs, out], strict=True)
        read: Values = {arg: array[_index(map, grid)] for arg, map, array in scalars}
        values = ChainMap(read, outer)
        current = values[body.args[-1]]
        if reduction is None:
            new = _evaluate_body(body, yielded, values, grid)
        else:
            function, term = reduction
            terms = _evaluate_body(body, term, values, grid)
            whole = np.broadcast_to(terms, np.broadcast_shapes(*(axis.shape for axis in grid)))
            new = function(current, function.reduce(whole, axis=reduced, keepdims=True))
        shaped = np.broadcast_to(new, current.shape) if current.ndim else np.reshape(new, ())
        out[_index(maps[-1], grid)] = shaped
    return out


def _loop_extents(maps: Sequence[AffineMap], operands: Sequence[Array]) -> list[int]:
    extents: dict[int, int] = {}
    for map, array in zip(maps, operands, strict=True):
        for expression, size in zip(map.results, array.shape, strict=True):
            if isinstance(expression, AffineDimExpr):
                known = extents.setdefault(expression.position, size)
                if known != size:
                    raise InputError(
                        f"a loop runs over {known} and {size} coordinates; the sizes of the "
                        "arguments do not agree"
                    )
    return [extents[loop] for loop in range(maps[0].num_dims)]


def _chunks(extents: Sequence[int], limits: Sequence[int]) -> Iterator[list[Array]]:
    """Cut the iteration space into open grids of at most `CHUNK` points each."""
    steps: list[int] = []
    room = CHUNK
    for limit in reversed(limits):
        steps.insert(0, max(1, min(limit, room)))
        room //= steps[0]
    rank = len(extents)
    starts = product(*(range(0, n, step) for n, step in zip(extents, steps, strict=True)))
    for corner in starts:
        yield [
            np.arange(first, min(first + step, n)).reshape(
                [-1 if a == axis else 1 for a in range(rank)]
            )
            for axis, (first, step, n) in enumerate(zip(corner, steps, extents, strict=True))
        ]


def _index(map: AffineMap, grid: Sequence[Array]) -> tuple[Any, ...]:
    """Where the points of a grid read an operand, as an index for NumPy."""
    return tuple(expression.eval(cast(Any, grid), ()) for expression in map.results)


def _evaluate_body(
    body: Block, wanted: SSAValue, known: MutableMapping[SSAValue, Array], grid: Sequence[Array]
) -> Array:
    """The value `wanted` of the body, for all points of a grid at once."""
    for op in body.ops:
        if wanted in known:
            break
        operands = [known[operand] for operand in op.operands]
        match op:
            case IndexOp():
                known[op.result] = grid[op.dim.value.data]
            case tensor.ExtractOp():
                known[op.result] = _extract(operands[0], operands[1:])
            case _:
                known[op.results[0]] = evaluate(op, operands)
    return known[wanted]


def _extract(source: Array, indices: Sequence[Array]) -> Array:
    """The elements of `source` at arrays of indices."""
    for size, index in zip(source.shape, indices, strict=True):
        wrong = index[(index < 0) | (index >= size)]
        if wrong.size:
            raise InputError(f"index {wrong.flat[0]} lies outside of a dimension of size {size}")
    return source[tuple(indices)]


def _reduction(body: Block) -> tuple[np.ufunc, SSAValue] | None:
    """The function and the term of a body that yields `function(out, term)`."""
    out = body.args[-1]
    combine = cast(Operation, body.last_op).operands[0].owner
    if not isinstance(combine, Operation) or type(combine) not in REDUCTIONS:
        return None
    terms = [operand for operand in combine.operands if operand is not out]
    if len(terms) != 1 or len(list(out.uses)) != 1:
        return None
    return REDUCTIONS[type(combine)], terms[0]


def _einsum(body: Block, maps: Sequence[AffineMap], inputs: Sequence[Array]) -> Array | None:
    """The sum of products that `body` adds to its result, if it is nothing else."""
    yielded = cast(Operation, body.last_op).operands[0].owner
    found = _reduction(body)
    if not isinstance(yielded, arith.AddfOp) or found is None:
        return None
    term = found[1].owner
    if not isinstance(term, arith.MulfOp) or not set(term.operands) <= set(body.args[:-1]):
        return None
    if not all(isinstance(expr, AffineDimExpr) for map in maps for expr in map.results):
        return None
    letters = [[cast(AffineDimExpr, expr).position for expr in map.results] for map in maps]
    factors: list[Any] = []
    for operand in term.operands:
        position = body.args.index(cast(BlockArgument, operand))
        factors += [inputs[position], letters[position]]
    if not set(letters[-1]) <= {letter for read in factors[1::2] for letter in read}:
        return None
    return np.einsum(*factors, letters[-1], optimize=True)
