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

    Raises `InputError` for other numbers, and unless `hot` of each n are 1 (if given).
    """
    array = np.asarray(tensor)
    if not np.isin(array, (0, 1)).all():
        raise InputError(f"{where}: the tensor of selectors has numbers that are not 0 or 1")
    if hot is not None and not (array.sum(axis=-1) == hot).all():
        raise InputError(f"{where}: a selector does not select {hot} of {array.shape[-1]}")
    return _selectors(array)


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
