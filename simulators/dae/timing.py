"""
The time of a trace on a machine, at one of three fidelities.

    closed_form   a lower bound from totals, for tuners
    recurrence    the clocks of every line and item, in one pass
    reference     the same clocks by events, unit by unit, in plain Python; slow, for tests
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from headrace.simulators.dae.caches import answering_levels
from headrace.simulators.dae.closed_form import Demand, bounds
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.recurrence import recurrence_cycles
from headrace.simulators.dae.reference import reference_cycles
from headrace.simulators.dae.trace import MEMORY, Int8s, Trace
from headrace.storage.errors import InputError

Fidelity = Literal["closed_form", "recurrence", "reference"]


def check_fidelity(fidelity: str) -> None:
    """Raise `InputError` for what is no fidelity."""
    known: tuple[str, ...] = get_args(Fidelity)
    if fidelity not in known:
        raise InputError(f"there is no fidelity '{fidelity}'; choose from {', '.join(known)}")


@dataclass(frozen=True)
class Timing:
    """How long a trace takes, and why."""

    cycles: float
    """Core cycles, from the first request to the end of the last item."""
    bounds: dict[str, float]
    """Core cycles below which each resource alone allows no run, by `closed_form.bounds`."""
    lines: tuple[int, int, int]
    """Lines that L2, the LLC and memory answered, those of store streams included in the last."""
    words: int
    tokens: int
    """Control tokens, without `done`."""
    machine: DaeMachine

    @property
    def bound_by(self) -> str:
        """The resource with the largest bound."""
        return max(self.bounds, key=self.bounds.__getitem__)

    @property
    def core_busy(self) -> float:
        """Share of the time in which the core works."""
        return self._share(self.bounds["core"])

    @property
    def access_busy(self) -> float:
        """Share of the time in which the access unit asks for lines or writes words."""
        return self._share(max(self.bounds["requests"], self.bounds["marshalling"]))

    @property
    def memory_lines(self) -> int:
        return self.lines[MEMORY]

    @property
    def memory_bytes(self) -> int:
        return self.lines[MEMORY] * self.machine.line_bytes

    def percent_of_line(self, payload_bytes: float) -> float:
        """
        Throughput in percent of one line per cycle of the access unit.

        `payload_bytes` are those that the run was for, such as the elements of all rows looked up.
        """
        bytes_per_cycle = self._share(payload_bytes * self.machine.clock_ratio)
        return 100 * bytes_per_cycle / self.machine.line_bytes

    def _share(self, amount: float) -> float:
        return amount / self.cycles if self.cycles else 0.0


def simulate(
    trace: Trace,
    machine: DaeMachine,
    fidelity: Fidelity = "recurrence",
    levels: Int8s | None = None,
) -> Timing:
    """
    The time of a trace; `levels` [requests] says what answers, by default the caches.

    Raises `InputError` for an unknown fidelity. Whether the program fits in the machine at all is
    asked before, by `limits.py` and `dialects/dlc_resources.py`.
    """
    check_fidelity(fidelity)
    if levels is None:
        levels = answering_levels(trace, machine)
    bound = bounds(Demand.of(trace, levels, machine), machine)
    match fidelity:
        case "closed_form":
            cycles = max(bound.values())
        case "recurrence":
            cycles = recurrence_cycles(trace, levels, machine)
        case "reference":
            cycles = float(reference_cycles(trace, levels, machine))
    l2, llc, memory = np.bincount(levels, weights=trace.lines, minlength=3).astype(np.int64)
    lines = (int(l2), int(llc), int(memory))
    return Timing(cycles, bound, lines, trace.total_words, trace.total_tokens, machine)
