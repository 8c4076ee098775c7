"""
Long permutations under rules of precedence: counted and drawn without listing them.

The orders of n elements in which some come before others are the linear extensions of a partial
order. How many there are is a sum over the sets of elements that can have come first; a uniform
draw walks from the empty set, weighted by how many orders each next element leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.autotune.permutations import all_orders
from headrace.storage.errors import InputError

MOST_ELEMENTS = 20
"""Elements of a permutation with rules: there are two to this power of sets."""


@dataclass(frozen=True)
class LinearExtensions:
    """The orders of `length` elements in which each pair (a, b) of `before` has a before b."""

    length: int
    before: frozenset[tuple[int, int]]
    _ways: npt.NDArray[np.int64]
    """[2 ** length] Orders of what is not yet placed, by the set of what is; none without rules."""

    @staticmethod
    def of(length: int, before: Iterable[tuple[int, int]]) -> LinearExtensions:
        """Raises `InputError` for rules that exclude each other, and for too many elements."""
        pairs = frozenset(before)
        if not pairs:
            return LinearExtensions(length, pairs, np.empty(0, np.int64))
        if length > MOST_ELEMENTS:
            raise InputError(
                f"a permutation of {length} elements is too long for constraints; "
                f"give it at most {MOST_ELEMENTS}"
            )
        needs = _needs(length, pairs)
        sets = np.arange(2**length, dtype=np.int64)
        ways = np.zeros(2**length, np.int64)
        ways[-1] = 1
        # A set has one element less than those that it leads to.
        sizes = np.array([member.bit_count() for member in range(2**length)])
        for size in range(length - 1, -1, -1):
            these = sets[sizes == size]
            for element in range(length):
                bit = 1 << element
                can = these[(these & bit == 0) & (these & needs[element] == needs[element])]
                ways[can] += ways[can | bit]
        if not ways[0]:
            raise InputError(
                f"the constraints on a permutation of {length} elements order some of them in a "
                "circle; leave one out"
            )
        return LinearExtensions(length, pairs, ways)

    @property
    def count(self) -> int:
        """How many orders there are."""
        return int(self._ways[0]) if self.before else math.factorial(self.length)

    def every(self) -> npt.NDArray[np.int64]:
        """[orders, length] All orders, in lexicographic order."""
        if not self.before:
            return all_orders(self.length)
        needs, bits = _needs(self.length, self.before), 1 << np.arange(self.length)
        orders, placed = np.empty((1, 0), np.int64), np.zeros(1, np.int64)
        for _ in range(self.length):
            free = (placed[:, None] & bits == 0) & (placed[:, None] & needs == needs)
            row, element = np.nonzero(free & (self._ways[placed[:, None] | bits] > 0))
            orders = np.column_stack((orders[row], element))
            placed = placed[row] | bits[element]
        return orders

    def sample(self, count: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
        """[count, length] Orders, each as likely as any other: the element of each slot."""
        if not self.before:
            return random.permuted(np.tile(np.arange(self.length), (count, 1)), axis=1)
        needs = _needs(self.length, self.before)
        orders = np.empty((count, self.length), np.int64)
        placed = np.zeros(count, np.int64)
        bits = 1 << np.arange(self.length)
        for slot in range(self.length):
            free = (placed[:, None] & bits == 0) & (placed[:, None] & needs == needs)
            weights = np.where(free, self._ways[placed[:, None] | bits], 0)
            total = np.cumsum(weights, axis=1)
            drawn = random.integers(0, total[:, -1])
            orders[:, slot] = (total <= drawn[:, None]).sum(axis=1)
            placed |= bits[orders[:, slot]]
        return orders


def _needs(length: int, before: Iterable[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """[length] The set of elements that must come before each."""
    needs = np.zeros(length, np.int64)
    for first, second in before:
        needs[second] |= 1 << first
    return needs
