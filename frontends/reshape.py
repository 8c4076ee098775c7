"""
Reshapes as `tensor.collapse_shape` followed by `tensor.expand_shape`.

Both shapes are cut, from the left, into the smallest groups of dimensions with equal products.
A group of several dimensions is collapsed, then expanded; dimensions of size 1 join a
neighbour's group. Only the reshape itself is emitted: a view in storage order needs no copy.
"""

import re
from collections.abc import Sequence
from typing import cast

from xdsl.dialects import tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, AnyTensorType, ArrayAttr, IntegerAttr, i64
from xdsl.ir import SSAValue

from headrace.frontends.builder import EntryBuilder, Extent, View, tensor_type
from headrace.storage.errors import InputError

Group = tuple[list[int], list[int]]
"""Neighbouring dimensions of the source and those of the result with the same product."""


def reshape(emit: EntryBuilder, view: View, shape: Sequence[Extent]) -> View:
    """
    The elements of `view` in row-major order, as a tensor of `shape`.

    Raises `InputError` where the number of elements differs or sizes known only at run time
    do not allow to compare the shapes.
    """
    shape = tuple(shape)
    view, shape_without_units = _without_units(view), tuple(e for e in shape if e != 1)
    if view.shape != shape_without_units:
        if 0 in shape:
            return emit.view(emit.filled(shape, 0, view.element), shape)
        value = _regroup(emit, as_tensor(emit, view), view.shape, shape_without_units)
        view = emit.view(value, shape_without_units)
    for position, extent in enumerate(shape):
        if extent == 1:
            view = view.insert(position)
    return view


def as_tensor(emit: EntryBuilder, view: View) -> SSAValue:
    """
    A tensor of exactly the shape of `view`.

    Dimensions of size 1 cost a reshape; a permuted or repeated view costs a copy.
    """
    if 0 in view.shape:
        return emit.filled(view.shape, 0, view.element)
    walked = [axis for axis in view.axes if axis is not None]
    repeated = any(
        axis is None and extent != 1 for axis, extent in zip(view.axes, view.shape, strict=True)
    )
    # xDSL's verifier refuses to expand a tensor of rank 0, so that is a copy as well.
    if view.is_whole or repeated or not walked or walked != sorted(walked):
        return emit.materialize(view)
    extents: dict[int, Extent] = {
        axis: extent for axis, extent in zip(view.axes, view.shape, strict=True) if axis is not None
    }
    source = [extents.get(axis, 1) for axis in range(len(view.type.get_shape()))]
    return _regroup(emit, view.base, source, view.shape)


def _regroup(
    emit: EntryBuilder, value: SSAValue, source: Sequence[Extent], target: Sequence[Extent]
) -> SSAValue:
    groups = _groups(source, target)
    middle = [element_count([source[d] for d in dimensions]) for dimensions, _ in groups]
    if len(source) != len(groups):
        value = _collapse(emit, value, middle, [dimensions for dimensions, _ in groups])
        emit.view(value, middle)
    if len(target) != len(groups):
        value = _expand(emit, value, target, [dimensions for _, dimensions in groups])
    return value


def _without_units(view: View) -> View:
    for dimension in reversed(range(view.rank)):
        if view.shape[dimension] == 1:
            view = view.drop(dimension)
    return view


def _groups(source: Sequence[Extent], target: Sequence[Extent]) -> list[Group]:
    groups: list[Group] = []
    i, j = 0, 0
    while i < len(source) and j < len(target):
        group: Group = ([i], [j])
        i, j = i + 1, j + 1
        while _factors(source, group[0]) != _factors(target, group[1]):
            if _size(source, group[0]) < _size(target, group[1]) and i < len(source):
                group[0].append(i)
                i += 1
            elif j < len(target):
                group[1].append(j)
                j += 1
            else:
                raise InputError(
                    f"a tensor of shape {tuple(source)} cannot be reshaped to {tuple(target)}"
                )
        groups.append(group)
    rest = list(range(i, len(source))), list(range(j, len(target)))
    if _factors(source, rest[0]) != (1, ()) or _factors(target, rest[1]) != (1, ()):
        raise InputError(f"a tensor of shape {tuple(source)} cannot be reshaped to {tuple(target)}")
    if groups:
        groups[-1][0].extend(rest[0])
        groups[-1][1].extend(rest[1])
    return groups


def _factors(shape: Sequence[Extent], dimensions: Sequence[int]) -> tuple[int, tuple[str, ...]]:
    """The product of extents as a number and the sorted names of the sizes known at run time."""
    number, names = 1, list[str]()
    for dimension in dimensions:
        text = str(shape[dimension])
        product = re.fullmatch(r"\w+(\*\w+)*", text)
        for factor in text.split("*") if product else (text,):
            if re.fullmatch(r"\d+", factor):
                number *= int(factor)
            else:
                names.append(factor)
    return number, tuple(sorted(names))


def _size(shape: Sequence[Extent], dimensions: Sequence[int]) -> tuple[int, int]:
    number, names = _factors(shape, dimensions)
    return len(names), number


def element_count(extents: Sequence[Extent]) -> Extent:
    """The number of elements of a tensor with these sizes."""
    number, names = _factors(extents, range(len(extents)))
    return number if not names else "*".join([*([str(number)] if number != 1 else []), *names])


def _collapse(
    emit: EntryBuilder, value: SSAValue, shape: Sequence[Extent], groups: Sequence[Sequence[int]]
) -> SSAValue:
    element = cast(AnyTensorType, value.type).element_type
    op = tensor.CollapseShapeOp(
        operands=[value],
        result_types=[tensor_type(shape, element)],
        properties={"reassociation": _reassociation(groups)},
    )
    return emit.insert(op).results[0]


def _expand(
    emit: EntryBuilder, value: SSAValue, shape: Sequence[Extent], groups: Sequence[Sequence[int]]
) -> SSAValue:
    element = cast(AnyTensorType, value.type).element_type
    sizes = [emit.size(extent) for extent in shape if isinstance(extent, str)]
    static = [DYNAMIC_INDEX if isinstance(extent, str) else extent for extent in shape]
    op = tensor.ExpandShapeOp(
        value, sizes, _reassociation(groups), static, tensor_type(shape, element)
    )
    return emit.insert(op).results[0]


def _reassociation(groups: Sequence[Sequence[int]]) -> ArrayAttr[ArrayAttr[IntegerAttr]]:
    return ArrayAttr(ArrayAttr(IntegerAttr(d, i64) for d in group) for group in groups)
