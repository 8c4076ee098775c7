"""Replay a recorded graph: what every row of these experiments goes through."""

import time
from pathlib import Path

import headrace
from headrace.experiments.experiment import Cell, WrongValueError
from headrace.experiments.step.netlists import Netlist, path_of, written

MEASURED = (
    "cycles",
    "requests",
    "traffic",
    "onchip_bytes",
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
    found = headrace.replay(path)
    if found["deadlock"]:
        raise WrongValueError(f"the graph '{found['name']}' deadlocks: {found['deadlock']}")
    seconds = time.perf_counter() - start
    return {**{name: found[name] for name in MEASURED}, "seconds": seconds}
