"""Run cases in the neutral form on the stream engine and compare them with what is expected."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace.backends.neutral_case import Case, read_case
from headrace.simulators.stream.memory import MemoryModel
from headrace.simulators.stream.simulate import simulate


def replay(
    cases: Sequence[Path], depth: int | None = None, memory: MemoryModel | None = None
) -> list[dict[str, Any]]:
    """
    One entry per case directory, fit for JSON.

    `name`, `cycles`, `tokens` (sent over all channels), `simulate_seconds` (wall time of the run,
    loading apart), `deadlock` (null or the diagnosis) and `max_error` (largest distance from
    gold.npz; null without that file or after a deadlock).

    `depth` is the capacity of every channel; None is unbounded. `memory` is the model of the
    memory; None answers at once. All cases are read before the first one runs, so that a damaged
    one costs no time: `InputError`.
    """
    return [_replay(case, depth, memory) for case in [read_case(path) for path in cases]]


def _replay(case: Case, depth: int | None, memory: MemoryModel | None) -> dict[str, Any]:
    begin = time.perf_counter()
    result = simulate(case.program, case.arrays, depth=depth, memory=memory)
    seconds = time.perf_counter() - begin
    deadlock = result.deadlock
    return {
        "name": case.name,
        "cycles": result.cycles,
        "deadlock": None if deadlock is None else asdict(deadlock),
        "max_error": None if deadlock is not None else case.max_error(result.outputs),
        "tokens": result.tokens,
        "simulate_seconds": seconds,
    }
