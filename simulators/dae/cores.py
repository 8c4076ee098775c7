"""
Many cores: rows are divided among them, and the slowest says when all are done.

Each core has its access unit, L2 and share of the last-level cache and of memory bandwidth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.timing import Fidelity, Timing, simulate
from headrace.simulators.dae.trace import Int64s, Trace


@dataclass(frozen=True)
class CoresTiming:
    """The times of all cores."""

    cores: tuple[Timing, ...]

    @property
    def cycles(self) -> float:
        """The makespan: those of the slowest core."""
        return max((core.cycles for core in self.cores), default=0.0)

    @property
    def imbalance(self) -> float:
        """The makespan over the mean of all cores; 1 if all take the same time."""
        mean = sum(core.cycles for core in self.cores) / max(1, len(self.cores))
        return self.cycles / mean if mean else 1.0


def equal_rows(rows: int, cores: int) -> Int64s:
    """[cores + 1] The first row of each core: as many rows for each, up to one."""
    return np.arange(cores + 1) * rows // cores


def equal_lookups(lookups: Int64s, cores: int) -> Int64s:
    """
    [cores + 1] The first row of each core: as many lookups for each, as whole rows allow.

    `lookups` [rows] of each row. A hub, a row with more than the share of a core, stays whole.
    """
    before = np.concatenate([[0], np.cumsum(lookups)])
    shares = np.arange(cores + 1) * (int(before[-1]) / cores)
    # The nearest boundary between rows to each share.
    after = np.minimum(np.searchsorted(before, shares), len(lookups))
    previous = np.maximum(after - 1, 0)
    nearest = np.where(shares - before[previous] < before[after] - shares, previous, after)
    nearest[0], nearest[-1] = 0, len(lookups)
    return np.maximum.accumulate(nearest)


def simulate_cores(
    trace: Trace,
    first_items: Sequence[int] | Int64s,
    machine: DaeMachine,
    fidelity: Fidelity = "recurrence",
) -> CoresTiming:
    """
    The times of the cores that run items `first_items[c]` to `first_items[c + 1]` of a trace.

    The bandwidth of memory is shared by as many cores as the machine has, to the end: what a core
    leaves when it is done early helps none.
    """
    return CoresTiming(
        tuple(
            simulate(trace.slice(int(start), int(stop)), machine, fidelity)
            for start, stop in pairwise(first_items)
        )
    )
