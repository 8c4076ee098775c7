"""The meaning of `vector` operations on NumPy arrays; masked lanes touch no memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from xdsl.dialects import vector
from xdsl.dialects.builtin import DYNAMIC_INDEX, VectorType
from xdsl.ir import Attribute, Operation, SSAValue

from headrace.interpreters.nest_memory import check_inside
from headrace.interpreters.nest_scalars import as_typed
from headrace.storage.errors import InputError

Meaning: TypeAlias = Callable[[Operation, dict[SSAValue, Any]], Sequence[Any]]

_COMBINE: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "mul": np.multiply,
    "maximumf": np.maximum,
    "minimumf": np.minimum,
    "maxnumf": np.fmax,
    "minnumf": np.fmin,
    "maxsi": np.maximum,
    "minsi": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
"""How `vector.reduction` combines two elements."""


def _lanes(
    op: Operation,
    buffer: SSAValue,
    indices: Sequence[SSAValue],
    mask: Any,
    values: dict[SSAValue, Any],
) -> tuple[Any, ...]:
    """The index of the lanes that `mask` holds, which lie along the last dimension."""
    *outer, first = (int(values[index]) for index in indices)
    taken = first + np.flatnonzero(mask)
    for last in (taken[:1], taken[-1:]):
        for at in last:
            check_inside(op, buffer, (*outer, int(at)), values)
    return (*outer, taken)


def _width(type: Attribute) -> int:
    return int(np.prod(cast("VectorType[Attribute]", type).get_shape()))


def _load(op: Operation, values: dict[SSAValue, Any]) -> Sequence[Any]:
    assert isinstance(op, vector.LoadOp)
    mask = np.ones(_width(op.result.type), np.bool_)
    return (values[op.base][_lanes(op, op.base, op.indices, mask, values)],)


def _store(op: Operation, values: dict[SSAValue, Any]) -> Sequence[Any]:
    assert isinstance(op, vector.StoreOp)
    mask = np.ones(_width(op.vector.type), np.bool_)
    values[op.base][_lanes(op, op.base, op.indices, mask, values)] = values[op.vector]
    return ()


def _masked_load(op: Operation, values: dict[SSAValue, Any]) -> Sequence[Any]:
    assert isinstance(op, vector.MaskedLoadOp)
    mask = values[op.mask]
    loaded = np.array(values[op.pass_thru])
    if mask.any():
        loaded[mask] = values[op.base][_lanes(op, op.base, op.indices, mask, values)]
    return (loaded,)


def _masked_store(op: Operation, values: dict[SSAValue, Any]) -> Sequence[Any]:
    assert isinstance(op, vector.MaskedStoreOp)
    mask = values[op.mask]
    if mask.any():
        at = _lanes(op, op.base, op.indices, mask, values)
        values[op.base][at] = values[op.value_to_store][mask]
    return ()


def _broadcast(op: Operation, values: dict[SSAValue, Any]) -> Sequence[Any]:
    assert isinstance(op, vector.BroadcastOp)
    shape = op.vector.type.get_shape()
    return (np.array(np.broadcast_to(values[op.source], shape)),)


def _create_mask(op: Operation, values: dict[SSAValue, Any]) -> Sequence[Any]:
    assert isinstance(op, vector.CreateMaskOp)
    shape = cast("VectorType[Attribute]", op.mask_vector.type).get_shape()
    limits = (int(values[size]) for size in op.mask_dim_sizes)
    mask = np.ones(shape, np.bool_)
    for places, limit in zip(np.indices(shape), limits, strict=True):
        mask &= places < limit
    return (mask,)


def _reduction(op: Operation, values: dict[SSAValue, Any]) -> Sequence[Any]:
    """Lane 0 first, after the accumulator; every step rounds to the type."""
    assert isinstance(op, vector.ReductionOp)
    kind = str(op.kind.data)
    if kind not in _COMBINE:
        raise InputError(f"vector.reduction of kind {kind} cannot be interpreted")
    elements = list(values[op.vector])
    if op.acc is not None:
        elements.insert(0, values[op.acc])
    result = elements[0]
    for element in elements[1:]:
        result = as_typed(_COMBINE[kind](result, element), op.dest.type)[()]
    return (result,)


def _positions(op: vector.ExtractOp | vector.InsertOp, values: dict[SSAValue, Any]) -> Any:
    dynamic = iter(int(values[position]) for position in op.dynamic_position)
    static = op.static_position.get_values()
    return tuple(next(dynamic) if n == DYNAMIC_INDEX else n for n in static)


def _extract(op: Operation, values: dict[SSAValue, Any]) -> Sequence[Any]:
    assert isinstance(op, vector.ExtractOp)
    return (values[op.vector][_positions(op, values)],)


def _insert(op: Operation, values: dict[SSAValue, Any]) -> Sequence[Any]:
    assert isinstance(op, vector.InsertOp)
    changed = np.array(values[op.dest])
    changed[_positions(op, values)] = values[op.source]
    return (changed,)


MEANINGS: Mapping[type[Operation], Meaning] = {
    vector.LoadOp: _load,
    vector.StoreOp: _store,
    vector.MaskedLoadOp: _masked_load,
    vector.MaskedStoreOp: _masked_store,
    vector.BroadcastOp: _broadcast,
    vector.CreateMaskOp: _create_mask,
    vector.ReductionOp: _reduction,
    vector.ExtractOp: _extract,
    vector.InsertOp: _insert,
}
