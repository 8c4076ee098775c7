"""
Windows of an array: what `tensor.extract_slice` reads and `tensor.insert_slice` writes.

A window takes `sizes[d]` elements of dimension d, every `strides[d]`-th from `offsets[d]` on. A
slice may leave out dimensions of size 1.
"""

from collections.abc import Sequence
from itertools import combinations

from headrace.storage.errors import InputError


def window(
    offsets: Sequence[int], sizes: Sequence[int], strides: Sequence[int], shape: Sequence[int]
) -> tuple[slice, ...]:
    """
    Return the index of a window of an array of this shape.

    Raises `InputError` for a window that does not lie inside the array.
    """
    if not len(offsets) == len(sizes) == len(strides) == len(shape):
        raise InputError(
            f"a slice of an array with {len(shape)} dimensions has {len(offsets)} offsets, "
            f"{len(sizes)} sizes and {len(strides)} strides; give one of each a dimension"
        )
    index: list[slice] = []
    for offset, size, stride, extent in zip(offsets, sizes, strides, shape, strict=True):
        last = offset + (size - 1) * stride
        if size < 0 or stride < 1 or (size and not 0 <= offset <= last < extent):
            raise InputError(
                f"a slice reads {size} elements from {offset} on by steps of {stride} in a "
                f"dimension of size {extent}; keep it inside the tensor"
            )
        index.append(slice(offset, last + 1, stride) if size else slice(0, 0))
    return tuple(index)


def kept_dimensions(sizes: Sequence[int], result: Sequence[int]) -> tuple[int, ...]:
    """
    Which dimensions of a window its result keeps; it leaves out some of size 1.

    Sizes below 0 are unknown. Of several choices it is the one that keeps the foremost
    dimensions. Raises `InputError` if no choice gives the result.
    """
    for kept in combinations(range(len(sizes)), len(result)):
        dropped = (size for dimension, size in enumerate(sizes) if dimension not in kept)
        pairs = [(sizes[dimension], size) for dimension, size in zip(kept, result, strict=True)]
        if all(one == other or min(one, other) < 0 for one, other in pairs) and all(
            size == 1 for size in dropped
        ):
            return kept
    raise InputError(
        f"a slice of shape {_shape(sizes)} cannot have a result of shape {_shape(result)}; "
        "only dimensions of size 1 may be left out"
    )


def expect_shape(what: str, found: Sequence[int], wanted: Sequence[int]) -> None:
    """Raise `InputError` where a size is not the wanted one; those below 0 are not known."""
    if len(found) != len(wanted) or any(
        size != expected and expected >= 0 for size, expected in zip(found, wanted, strict=False)
    ):
        raise InputError(
            f"{what} has shape {_shape(found)}, but the program says {_shape(wanted)}; give "
            "arguments of matching sizes"
        )


def _shape(sizes: Sequence[int]) -> str:
    return "x".join("?" if size < 0 else str(size) for size in sizes) or "()"
