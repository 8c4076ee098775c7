"""
Traces of indices with a given locality: skewed draws, given stack distances, recorded traces.

The skewed draws are Zipf's law over a random permutation of the rows. The stack-distance generator
is the one of DLRM's synthetic data ("Deep Learning Recommendation Model for Personalization and
Recommendation Systems", 2019): it draws how long ago a row was used, and repeats that row.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from headrace.simulators.dae.caches import NEVER, stack_distances
from headrace.simulators.dae.jit import compiled
from headrace.simulators.dae.trace import Float64s, Int64s
from headrace.storage.errors import InputError

ZIPF = {"L0": 0.0, "L1": 0.7, "L2": 0.9}
"""
Exponents of the localities of Ember (CGO 2026), for 1 M rows and 98 k lookups.

The paper names its inputs only low, medium and high; the exponents are those whose share of hits
gives its latencies without an access unit.
"""

ROWS, LOOKUPS = 1_000_000, 98_304
"""Of a trace of a locality: 24 batches of 4096 lookups."""


def locality_indices(
    locality: str, rows: int = ROWS, lookups: int = LOOKUPS, seed: int = 0
) -> Int64s:
    """[lookups] Rows of a table, for "L0", "L1" or "L2". Raises `InputError` for another."""
    if locality not in ZIPF:
        raise InputError(f"there is no locality '{locality}'; choose from {', '.join(ZIPF)}")
    return zipf_indices(rows, lookups, ZIPF[locality], seed)


def zipf_indices(rows: int, lookups: int, exponent: float, seed: int = 0) -> Int64s:
    """
    [lookups] Rows drawn with probability rank ** -exponent; which row has which rank is random.

    Raises `InputError` if there is no row, or the exponent is negative.
    """
    _expect_rows(rows)
    if not exponent >= 0:
        raise InputError(f"the exponent of a Zipf law is {exponent}; give 0 or more")
    random = np.random.default_rng(seed)
    permutation = random.permutation(rows)
    cumulative = np.cumsum(np.linspace(1.0, rows, rows) ** -exponent)
    draws = random.random(lookups) * cumulative[-1]
    # A draw may round up to the whole sum.
    rank = cast(Int64s, np.searchsorted(cumulative, draws, side="right"))
    return permutation[np.minimum(rank, rows - 1)]


@dataclass(frozen=True)
class DistanceLaw:
    """
    How often a lookup is of the row used `distances[i]` distinct rows ago.

    1 is the row used last, 0 a row not used before.
    """

    distances: Int64s
    """[entries] Distinct, ascending."""
    probabilities: Float64s
    """[entries] They add up to 1."""

    def __post_init__(self) -> None:
        if self.distances.shape != self.probabilities.shape or not len(self.distances):
            raise InputError("a law of stack distances needs as many probabilities as distances")
        if int(self.distances.min()) < 0:
            raise InputError("a stack distance is negative; 0 is a row not used before")
        total = float(self.probabilities.sum())
        if bool((self.probabilities < 0).any()) or abs(total - 1) > 1e-6:
            raise InputError(
                f"the probabilities of a law of stack distances add up to {total:g}; give numbers "
                "of 0 or more that add up to 1"
            )

    @staticmethod
    def of(indices: Int64s) -> "DistanceLaw":
        """What a trace of indices [lookups] shows."""
        if not len(indices):
            raise InputError("an empty trace of indices has no stack distances")
        count = len(indices)
        found = stack_distances(indices, np.ones(count, np.int32), np.ones(count, np.bool_))
        distances, counts = np.unique(np.where(found == NEVER, 0, found + 1), return_counts=True)
        return DistanceLaw(distances, counts / count)

    def indices(self, rows: int, lookups: int, seed: int = 0) -> Int64s:
        """
        [lookups] Rows of a table with this locality.

        A distance beyond the rows used so far is a new row; when no row is new, it is the row that
        was used longest ago.
        """
        _expect_rows(rows)
        random = np.random.default_rng(seed)
        drawn = random.choice(
            self.distances, lookups, p=self.probabilities / self.probabilities.sum()
        )
        return _repeat(drawn, random.permutation(rows))


def recorded_indices(path: str | Path, rows: int) -> Int64s:
    """
    [lookups] The vector of a `.npy` file, as rows of a table.

    Raises `InputError` for a file that cannot be read, is no vector of integers or has an index
    out of range.
    """
    try:
        loaded = cast(object, np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read the indices '{path}': {error}") from None
    vector = cast(Int64s, loaded)
    if not isinstance(loaded, np.ndarray) or vector.ndim != 1 or vector.dtype.kind not in "iu":
        raise InputError(f"'{path}' is not a vector of integers; save one with numpy.save")
    if len(vector) and not 0 <= int(vector.min()) <= int(vector.max()) < rows:
        raise InputError(
            f"'{path}' has indices from {vector.min()} to {vector.max()}, but the table has "
            f"{rows} rows"
        )
    return vector.astype(np.int64)


def _expect_rows(rows: int) -> None:
    if rows < 1:
        raise InputError(f"a table of {rows} rows cannot be looked up; give 1 or more")


@compiled
def _repeat(distances: Int64s, new: Int64s) -> Int64s:
    """[lookups] Rows at the given depths of the stack; `new` [rows] are used in this order."""
    count = len(distances)
    rows = np.empty(count, np.int64)
    # A Fenwick tree over times, counted from 1: where a row was last used there is a 1.
    tree = np.zeros(count + 1, np.int64)
    top = 1
    while top * 2 <= count:
        top *= 2
    used = 0
    for now in range(1, count + 1):
        depth = distances[now - 1]
        if depth > used or depth == 0:
            depth = 0 if used < len(new) else used
        if depth == 0:
            rows[now - 1] = new[used]
            used += 1
        else:
            # The time of the row that has used - depth rows below it.
            left = used - depth
            at = 0
            step = top
            while step > 0:
                if at + step <= count and tree[at + step] <= left:
                    at += step
                    left -= tree[at]
                step //= 2
            rows[now - 1] = rows[at]
            at += 1
            while at <= count:
                tree[at] -= 1
                at += at & -at
        at = now
        while at <= count:
            tree[at] += 1
            at += at & -at
    return rows
