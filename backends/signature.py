"""What a compiled program takes and gives: its tensors, by name, and how they are given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from headrace.storage.bfloat16 import BFLOAT16
from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Format, Storage
from headrace.storage.values import in_format, storage_of


@dataclass(frozen=True)
class TensorSpec:
    """
    What a program takes or gives: a tensor of known element type and format.

    A size in `shape` is a number, or a name; equal names must have equal sizes.
    """

    name: str
    shape: tuple[int | str, ...]
    format: Format
    dtype: str
    """The NumPy name of the element type, or `bfloat16`."""

    def __str__(self) -> str:
        sizes = " x ".join(str(size) for size in self.shape) or "scalar"
        return f"{self.name}: {sizes} {self.dtype}, {self.format}"


def fixed_arguments(args: Sequence[object]) -> tuple[tuple[int, object], ...]:
    """The arguments of a model that torch.export makes constants, by their place."""
    leaves = [_scalars(leaf) for leaf in leaves_of(args)]
    kinds = (bool, int, float, str, tuple, type(None))
    return tuple((place, leaf) for place, leaf in enumerate(leaves) if type(leaf) in kinds)


def without_fixed(
    args: Sequence[object], taken: int, fixed: Sequence[tuple[int, object]]
) -> tuple[object, ...]:
    """
    The tensors among the arguments of a model, `taken` of them.

    Those that are part of the program may be given too, and must not have changed: `InputError`.
    """
    leaves = leaves_of(args)
    if len(leaves) != taken + len(fixed):
        return tuple(leaves)
    for place, value in fixed:
        given = _scalars(leaves[place])
        if type(given) is not type(value) or given != value:
            raise InputError(
                f"argument {place} was {value!r} when the program was compiled and is part of "
                f"it; it cannot be {given!r}, compile the model again"
            )
    places = {place for place, _ in fixed}
    return tuple(one for place, one in enumerate(leaves) if place not in places)


def bind(spec: TensorSpec, value: object, sizes: dict[str, tuple[int, str]]) -> Storage:
    """
    The tensor in the format that the program takes it in; `sizes` are those known by name so far.

    Raises `InputError` for a tensor that does not fit.
    """
    where = f"argument {spec.name}"
    stored = storage_of(value, name=where)
    expect_fit(spec, stored.shape, stored.values, sizes)
    return in_format(stored, spec.format)


def expect_fit(
    spec: TensorSpec,
    shape: Sequence[int],
    values: Array,
    sizes: dict[str, tuple[int, str]],
) -> None:
    """Raise `InputError` for a shape, or elements, that the program cannot take; see `bind`."""
    where, found = f"argument {spec.name}", tuple(shape)
    if len(found) != len(spec.shape):
        raise InputError(f"{where} has shape {found}, but must have {_shape(spec)}")
    for dimension, (given, wanted) in enumerate(zip(found, spec.shape, strict=True)):
        place = f"dimension {dimension} of {where}"
        if isinstance(wanted, int):
            if given != wanted:
                raise InputError(f"{where} has shape {found}, but must have {_shape(spec)}")
            continue
        size, owner = sizes.setdefault(wanted, (given, place))
        if given != size:
            raise InputError(f"{place} is {given}, but {owner} is {size}; they must be equal")
    _check_elements(values, spec.dtype, where)


def _check_elements(values: Array, dtype: str, where: str) -> None:
    if dtype == BFLOAT16:
        return
    if np.dtype(dtype).kind in "biu" and values.dtype.kind == "f" and (values % 1 != 0).any():
        raise InputError(f"{where} has elements that are not whole numbers, but must be {dtype}")
    if np.dtype(dtype).kind in "iu" and values.size:
        # Streams carry float64, which holds every integer up to 2^53.
        bounds = np.iinfo(dtype)
        low, high = max(int(bounds.min), -(2**53)), min(int(bounds.max), 2**53)
        if values.min() < low or values.max() > high:
            raise InputError(
                f"{where} has elements outside {low} .. {high}, the integers of type {dtype} that "
                "are computed exactly; use smaller numbers or a wider type"
            )


def _scalars(leaf: object) -> object:
    """A list of numbers as a tuple, which a saved program can hold and compare."""
    return tuple(cast("list[object]", leaf)) if isinstance(leaf, list) else leaf


def leaves_of(value: object) -> list[object]:
    """The tensors in nested tuples, lists and dictionaries; numbers in lists are a tensor."""
    if isinstance(value, dict):
        return [
            leaf for one in cast("dict[str, object]", value).values() for leaf in leaves_of(one)
        ]
    if isinstance(value, tuple | list):
        items = cast("Sequence[object]", value)
        if isinstance(value, tuple) or any(getattr(item, "shape", ()) for item in items):
            return [leaf for item in items for leaf in leaves_of(item)]
    return [value]


def _shape(spec: TensorSpec) -> str:
    return f"({', '.join(str(size) for size in spec.shape)})"
