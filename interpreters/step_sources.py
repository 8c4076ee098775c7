"""
Functions of `step`'s generators: selectors and addresses from selectors, indices and lengths.

Source: "Streaming Tensor Programs", ASPLOS 2026, section 5, and the authors' front end.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from headrace.interpreters.step_tokens import Nested
from headrace.interpreters.step_values import Array
from headrace.storage.errors import InputError


def selectors(where: str, tensor: Array, hot: int | None) -> Nested:
    """
    Selectors, shape [..], of a tensor of zeros and ones, shape [.., n].

    Raises `InputError` as `check_selectors`.
    """
    array = np.asarray(tensor)
    check_selectors(where, array, hot)
    return _selectors(array)


def check_selectors(where: str, array: Array, hot: int | None) -> None:
    """Raise `InputError` for numbers but 0 and 1, and unless `hot` (if given) of each n are 1."""
    if (wrong := array[~np.isin(array, (0, 1))]).size:
        raise InputError(
            f"{where}: the tensor of selectors has numbers that are not 0 or 1, but {wrong[0]}; "
            "where it counts indices, one is given twice"
        )
    selected = array.sum(axis=-1)
    if hot is not None and (wrong := np.argwhere(selected != hot)).size:
        first = tuple(wrong[0].tolist())
        place = ", ".join(map(str, first))
        raise InputError(
            f"{where}: selector {place} selects {selected[first]} of {array.shape[-1]}, but must "
            f"select {hot}: indices are 0 .. {array.shape[-1] - 1}, and no two of them are equal"
        )


def _selectors(array: Array) -> Nested:
    if array.ndim == 1:
        return frozenset(int(index) for index in np.flatnonzero(array))
    return [_selectors(part) for part in array]


def integers(tensor: Array) -> Nested:
    """The integers of a tensor."""
    return tensor.astype(np.int64).tolist()


def expert_addresses(selector: Iterable[int], tiles: int, base: int) -> list[list[int]]:
    """The addresses of the `tiles` tiles of each selected expert, each in a list of its own."""
    return [[base + expert * tiles + n] for expert in sorted(selector) for n in range(tiles)]


def cache_addresses(index: Any, length: Any, row_tiles: int) -> list[int]:
    """The addresses of the first `length` tiles of a request, which has room for `row_tiles`."""
    return [int(index) * row_tiles + n for n in range(int(length))]


def filter_last(length: Any) -> list[frozenset[int]]:
    """Selectors that send the last of `length` units to 0, and all others to 1."""
    return [frozenset({int(n < int(length) - 1)}) for n in range(int(length))]
