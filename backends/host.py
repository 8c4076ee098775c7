"""
The operations of a function outside its stream graphs, as steps of a program.

They move data and compute nothing. Sizes that are unknown at compile time become extents of
tensors that are known when the program runs.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyTensorType,
    BFloat16Type,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
)
from xdsl.dialects.linalg.ops import FillOp
from xdsl.ir import Attribute, Operation, SSAValue

from headrace.backends.signature import TensorSpec
from headrace.backends.steps import (
    CollapseStep,
    ConcatenateStep,
    ConvertStep,
    Extent,
    FillStep,
    HostStep,
    InsertStep,
    ReshapeStep,
    Size,
    SliceStep,
)
from headrace.dialects.sparse_tensor import ConvertOp, format_of
from headrace.storage.bfloat16 import BFLOAT16
from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Format, Storage
from headrace.storage.windows import kept_dimensions


class Names:
    """A name for every tensor of a function, and the sizes behind its `index` values."""

    def __init__(self) -> None:
        self._names: dict[SSAValue, str] = {}
        self._preferred: dict[SSAValue, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, value: SSAValue) -> str:
        return self._names[value]

    def prefer(self, value: SSAValue, name: str) -> None:
        """Name the value so when it is added."""
        self._preferred.setdefault(value, name)

    def add(self, value: SSAValue) -> str:
        """Name a value as preferred, after its hint in the IR, or after its number."""
        base = self._preferred.get(value) or value.name_hint or f"t{len(self._taken)}"
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        self._names[value] = name
        return name

    def alias(self, value: SSAValue, name: str) -> None:
        """Let a value stand for a tensor that has its name already."""
        self._names[value] = name

    def size(self, value: SSAValue) -> Size:
        """The number or the extent that an `index` value stands for."""
        match value.owner:
            case arith.ConstantOp(value=IntegerAttr() as number):
                return number.value.data
            case tensor.DimOp() as op:
                dimension = self.size(op.index)
                if not isinstance(dimension, int):
                    raise unsupported(op, "with a dimension that is not a constant")
                if not 0 <= dimension < len(shape_of(op.source)):
                    raise unsupported(op, f"with dimension {dimension} of {op.source.type}")
                known = shape_of(op.source)[dimension]
                return known if known >= 0 else Extent(self[op.source], dimension)
            case Operation() as op:
                raise unsupported(op, "as a size")
            case _:
                raise InputError("a size is an argument of main; take it from a tensor.dim")

    def scalar(self, value: SSAValue) -> float | Extent:
        """The number or the extent that a scalar stands for."""
        match value.owner:
            case arith.ConstantOp(value=FloatAttr() | IntegerAttr() as number):
                return float(number.value.data)
            case arith.SIToFPOp() | arith.UIToFPOp() | arith.IndexCastOp() as op:
                return self.scalar(op.operands[0])
            case tensor.DimOp():
                size = self.size(value)
                return size if isinstance(size, Extent) else float(size)
            case Operation() as op:
                raise unsupported(op, "as a fill value")
            case _:
                raise InputError("a fill value is an argument of main; give a constant")

    def shape(self, type: Attribute, dynamic: Sequence[SSAValue]) -> tuple[Size, ...]:
        """The shape of a tensor type whose unknown sizes are given by values."""
        unknown = iter(dynamic)
        sizes = cast(AnyTensorType, type).get_shape()
        return tuple(size if size >= 0 else self.size(next(unknown)) for size in sizes)

    def mixed(self, static: DenseArrayBase[Any], dynamic: Sequence[SSAValue]) -> tuple[Size, ...]:
        """Numbers of which the unknown ones are given by values."""
        unknown = iter(dynamic)
        return tuple(
            number if number != DYNAMIC_INDEX else self.size(next(unknown))
            for number in static.get_values()
        )


def lower_host_op(op: Operation, names: Names) -> HostStep:
    """
    The step that does what `op` says; its result gets a name.

    Raises `InputError`, with the line of the source where it is known, for an operation that
    is not a layout change.
    """
    lower = _STEPS.get(type(op))
    if lower is None:
        raise unsupported(op, "outside a stream graph")
    return lower(op, names)


def constant_tensor(op: arith.ConstantOp) -> Storage:
    """The tensor of a constant, in the format of its type."""
    value = op.value
    if not isinstance(value, DenseIntOrFPElementsAttr):
        raise unsupported(op, "as a tensor")
    shape = shape_of(op.result)
    numbers: Array = np.array(value.get_values(), dtype=np.float64)
    dense = np.full(shape, numbers[0]) if numbers.size == 1 else numbers.reshape(shape)
    return Storage.from_dense(dense, format_of(op.result.type))


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The shape of a tensor; -1 where a size is unknown."""
    return cast(AnyTensorType, value.type).get_shape()


def dtype_of(element: Attribute) -> str:
    """The NumPy name of an element type; that of bfloat16, which NumPy has not, is torch's."""
    match element:
        case IntegerType(width=width):
            return "bool" if width.data == 1 else f"int{width.data}"
        case IndexType():
            return "int64"
        case BFloat16Type():
            return BFLOAT16
        case _:
            return f"float{str(element)[1:]}"


def unsupported(op: Operation, where: str) -> InputError:
    """An error for an operation that a program cannot hold, with the line of its source."""
    source = op.attributes.get("headrace.source")
    place = f" ({source.data})" if isinstance(source, StringAttr) else ""
    return InputError(
        f"'{op.name}'{place} cannot be compiled {where}; run sam-fuse and sam-lower first; "
        f"what they leave may be {', '.join(sorted(t.name for t in _STEPS))}"
    )


def _convert(op: Any, names: Names) -> HostStep:
    source, result = op.operands[0], op.results[0]
    given = op.attributes.get("headrace.reason")
    reason = given.data if isinstance(given, StringAttr) else ""
    return ConvertStep(names[source], names.add(result), _format(op), shape_of(result), reason)


def _collapse(op: tensor.CollapseShapeOp, names: Names) -> HostStep:
    groups = tuple(
        tuple(number.value.data for number in group) for group in cast(Any, op.reassociation)
    )
    rank = len(shape_of(op.src))
    if groups and [dimension for group in groups for dimension in group] != list(range(rank)):
        raise InputError(
            f"'{op.name}' groups the dimensions {groups} of a tensor of rank {rank}; put each "
            "dimension into one group, in order"
        )
    shape = shape_of(op.result)
    return CollapseStep(names[op.src], names.add(op.result), _format(op), groups, shape)


def _expand(op: tensor.ExpandShapeOp, names: Names) -> HostStep:
    shape = names.mixed(op.static_output_shape, op.dynamic_output_shape)
    return ReshapeStep(names[op.src], names.add(op.result), _format(op), shape)


def _extract_slice(op: tensor.ExtractSliceOp, names: Names) -> HostStep:
    sizes = names.mixed(op.static_sizes, op.sizes)
    known = shape_of(op.result)
    kept = kept_dimensions(op.static_sizes.get_values(), known)
    return SliceStep(
        names[op.source],
        names.add(op.result),
        _format(op),
        names.mixed(op.static_offsets, op.offsets),
        sizes,
        names.mixed(op.static_strides, op.strides),
        tuple(n if n >= 0 else sizes[d] for n, d in zip(known, kept, strict=True)),
    )


def _insert_slice(op: tensor.InsertSliceOp, names: Names) -> HostStep:
    return InsertStep(
        names[op.source],
        names[op.dest],
        names.add(op.result),
        _format(op),
        names.mixed(op.static_offsets, op.offsets),
        names.mixed(op.static_sizes, op.sizes),
        names.mixed(op.static_strides, op.strides),
    )


def _concat(op: tensor.ConcatOp, names: Names) -> HostStep:
    sources = tuple(names[value] for value in op.inputs)
    return ConcatenateStep(sources, names.add(op.result), _format(op), op.dim.value.data)


def _empty(op: tensor.EmptyOp, names: Names) -> HostStep:
    shape = names.shape(op.tensor.type, op.dynamic_sizes)
    return FillStep(names.add(op.tensor), _format(op), shape, 0.0)


def _splat(op: tensor.SplatOp, names: Names) -> HostStep:
    shape = names.shape(op.result.type, op.dynamicSizes)
    return FillStep(names.add(op.result), _format(op), shape, names.scalar(op.input))


def _fill(op: FillOp, names: Names) -> HostStep:
    init = op.outputs[0]
    shape = tuple(
        size if size >= 0 else Extent(names[init], dimension)
        for dimension, size in enumerate(shape_of(init))
    )
    return FillStep(names.add(op.results[0]), _format(op), shape, names.scalar(op.inputs[0]))


_STEPS: dict[type[Operation], Callable[[Any, Names], HostStep]] = {
    ConvertOp: _convert,
    FillOp: _fill,
    tensor.CastOp: _convert,
    tensor.CollapseShapeOp: _collapse,
    tensor.ConcatOp: _concat,
    tensor.EmptyOp: _empty,
    tensor.ExpandShapeOp: _expand,
    tensor.ExtractSliceOp: _extract_slice,
    tensor.InsertSliceOp: _insert_slice,
    tensor.SplatOp: _splat,
}


def _format(op: Operation) -> Format:
    return format_of(op.results[0].type)


def specification(value: SSAValue, name: str) -> TensorSpec:
    """A tensor of a function; raises `InputError` for what is none."""
    if not isinstance(value.type, TensorType):
        raise InputError(f"'{name}' has type {value.type}; main takes and returns tensors only")
    type = cast(AnyTensorType, value.type)
    shape = tuple(
        size if size >= 0 else f"{name}.{dimension}"
        for dimension, size in enumerate(type.get_shape())
    )
    return TensorSpec(name, shape, format_of(type), dtype_of(type.element_type))
