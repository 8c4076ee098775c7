"""
The tiles of a run: one array of equal slots, and the list of those that are free.

Slot 0 holds zeros, which N stands for. Input tiles follow and stay; the rest comes and goes.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

TILES_AT_FIRST = 256


class Arena:
    """Tiles of at most `unit` entries; `data` and `free` are what compiled code sees."""

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.inputs: list[Array] = []
        self.first = unit
        """Where the tiles begin that come and go."""
        self.data = np.zeros(unit, dtype=np.float64)
        self.free = np.zeros(1, dtype=np.int64)

    def add_input(self, values: Array) -> int:
        """Keep the tiles of an array of entries; returns their address."""
        address = self.first
        self.inputs.append(values)
        self.first += len(values)
        return address

    def freeze(self) -> None:
        """Lay the arena out; no inputs can be added any more."""
        self.data = np.concatenate(
            [np.zeros(self.unit), *self.inputs, np.zeros(TILES_AT_FIRST * self.unit)]
        )
        self.inputs = []
        self.collect(())

    def collect(self, words: Iterable[Array]) -> None:
        """
        Free the tiles whose address is not among `words`; add tiles if few are free.

        Any word that looks like an address keeps its tile alive.
        """
        count = (len(self.data) - self.first) // self.unit
        used = np.zeros(count, dtype=np.bool_)
        for array in words:
            slots, rest = np.divmod(array - self.first, self.unit)
            used[slots[(rest == 0) & (slots >= 0) & (slots < count)]] = True
        if 2 * used.sum() > count:
            self.data = np.concatenate([self.data, np.zeros(count * self.unit)])
            used = np.concatenate([used, np.zeros(count, dtype=np.bool_)])
        free = self.first + self.unit * np.flatnonzero(~used)
        self.free = np.concatenate([[len(free)], free]).astype(np.int64)
