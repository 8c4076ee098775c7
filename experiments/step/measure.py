"""Replay a recorded graph, and what is kept of a run: all rows of these experiments have it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import headrace
from headrace.experiments.experiment import Cell, WrongValueError
from headrace.experiments.step.netlists import Netlist, path_of, written

MEASURED = (
    "cycles",
    "requests",
    "traffic",
    "onchip_bytes",
    "onchip_bytes_active",
    "allocated_compute",
    "flops",
    "reference_flops",
)


def replayed(name: str) -> dict[str, Cell]:
    """
    Cycles, requests, bytes and operations of a recorded netlist, and the wall time.

    Raises `InputError` if its file is absent and `WrongValueError` if it deadlocks.
    """
    return _replayed(path_of(name))


def rewritten(netlist: Netlist) -> dict[str, Cell]:
    """The same of a netlist that is no file."""
    with written(netlist) as path:
        return _replayed(path)


def _replayed(path: Path) -> dict[str, Cell]:
    start = time.perf_counter()
    return cells(path.name, headrace.replay(path), start)


def timed(
    function: headrace.StepFunction,
    arguments: Sequence[object],
    depth: int,
    *,
    accounting: str = "reference",
    machine: Path | None = None,
) -> dict[str, Any]:
    """
    What a function of one graph takes and uses.

    Bytes are counted as in the published figures unless another accounting is given; `machine` is
    the file of another machine than the usual one.
    """
    run = function.run(
        *arguments, depth=depth, accounting=accounting, machine=machine, timing_only=True
    )
    (use,) = run.uses
    deadlock = None if run.deadlock is None else str(run.deadlock)
    return {**use.summary(), "cycles": run.cycles, "deadlock": deadlock}


def cells(name: str, found: Mapping[str, Any], start: float) -> dict[str, Cell]:
    """What is kept of a run that began at `start`; raises `WrongValueError` if it deadlocked."""
    if found["deadlock"]:
        raise WrongValueError(f"the graph '{name}' deadlocks: {_explained(found['deadlock'])}")
    seconds = time.perf_counter() - start
    return {**{name: found[name] for name in MEASURED}, "seconds": seconds}


def _explained(deadlock: str | Mapping[str, Any]) -> str:
    """What frees it, where the diagnosis is data, or the diagnosis itself."""
    if isinstance(deadlock, str):
        return deadlock
    depth = deadlock["smallest_depth"]
    return "no depth helps" if depth is None else f"channels of depth {depth} are enough"
