"""
Recorded graphs of streaming tensor programs: simulated, and compared with what is recorded.

The road is that of every program of the `step` dialect: netlist, module, program of the engine.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from headrace.analyses.step_costs import REFERENCE_LOAD_BYTES, Accounting
from headrace.backends.compiled import check_depth
from headrace.backends.netlist import read_netlist
from headrace.backends.step import StepProgram, lower
from headrace.backends.step_depths import find_depths, listed_depths
from headrace.backends.step_netlist import ImportedNetlist, import_netlist, machine_of
from headrace.backends.step_use import use_of
from headrace.experiments.workers import end_with_parent
from headrace.simulators.stream.netlist import DEFAULT_DEPTH, Netlist
from headrace.simulators.stream.statistics import Blocked, Deadlock


def replay_all(
    paths: Sequence[Path], depth: int | None = None, jobs: int = 1, fifos: bool = False
) -> Iterator[list[dict[str, Any]]]:
    """
    What `replay_netlist` says of each path, in order, found by up to `jobs` processes.

    Raises `InputError` as `replay_netlist` does.
    """
    if min(jobs, len(paths)) < 2:
        yield from (replay_netlist(path, depth, fifos) for path in paths)
        return
    # Workers are spawned, not forked: compiled code may have threads in this process.
    workers = min(jobs, len(paths))
    with ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent) as pool:
        try:
            yield from pool.map(partial(replay_netlist, depth=depth, fifos=fifos), paths)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def replay_netlist(
    path: Path, depth: int | None = None, fifos: bool = False
) -> list[dict[str, Any]]:
    """
    One entry per depth, fit for JSON.

    Depths are `depth`, else those with recorded results, else that of the netlist. An entry has
    `name`, `depth`, `cycles`, `deadlock` (null or the diagnosis), `requests` to the memory of 64
    bytes, `traffic` off chip and `onchip_bytes` (of all operations; `onchip_bytes_active` of those
    that get anything) in bytes, `flops`, the `allocated_compute` in FLOPs a cycle and its
    `utilisation`, the `offchip_utilisation` of the bandwidth, `published_cycles` with the `ratio`
    to them, `model_cycles` of an independent model, and `simulate_seconds`, the wall time of the
    run. `reference_flops` and `reference_utilisation` count FLOPs as the published figures do. What
    is not known or not recorded is null. With `fifos` a deadlock has `channel_depths`: least depths
    of single channels that free the run (see `listed_depths`), which takes many runs.

    Raises `InputError` for a depth below 1, for a file that is damaged or no legal graph, and with
    `fifos` if no depths free a run.
    """
    check_depth(depth)
    netlist = read_netlist(path)
    imported = import_netlist(netlist)
    program = lower(imported.graph, netlist.element_bytes)
    recorded = recorded_runs(netlist)
    depths = [depth] if depth is not None else list(recorded)
    for one in depths:
        check_depth(one)
    entries = [
        _entry(netlist, imported, program, chosen, recorded.get(chosen, {})) for chosen in depths
    ]
    for entry in entries:
        if fifos and entry["deadlock"] is not None:
            entry["deadlock"]["channel_depths"] = _channel_depths(netlist, imported, entry["depth"])
    return entries


def replay(path: str | Path, depth: int | None = None) -> dict[str, Any]:
    """
    Simulate a recorded graph of streaming tensor programs.

    The entry of `replay_netlist` at `depth`, by default that of the netlist. Raises `InputError`
    as that does.
    """
    chosen = read_netlist(Path(path)).channel_depth if depth is None else depth
    return replay_netlist(Path(path), chosen)[0]


def recorded_runs(netlist: Netlist) -> Mapping[int, Mapping[str, Any]]:
    """What is recorded of runs, by the depth of their channels; at least the netlist's own."""
    expected: Sequence[Mapping[str, Any]] = netlist.meta.get("expected", ())
    runs = {int(run["channel_depth"] or DEFAULT_DEPTH): run for run in expected}
    return runs or {netlist.channel_depth: netlist.meta}


def _accounting(netlist: Netlist) -> Accounting:
    """How the published graphs count bytes: as bf16 where loads do, whatever the tiles are."""
    halves = netlist.element_bytes == REFERENCE_LOAD_BYTES
    return Accounting.REFERENCE if halves else Accounting.CONSISTENT


def _entry(
    netlist: Netlist,
    imported: ImportedNetlist,
    program: StepProgram,
    depth: int,
    recorded: Mapping[str, Any],
) -> dict[str, Any]:
    machine = machine_of(netlist)
    begin = time.perf_counter()
    result = program.run(imported.arguments, depth=depth, machine=machine)
    seconds = time.perf_counter() - begin
    use = use_of(
        imported.graph,
        result,
        imported.symbols,
        machine,
        accounting=_accounting(netlist),
        element_bytes=netlist.element_bytes,
    )
    published = netlist.meta.get("published_cycles")
    ended = result.deadlock is None
    return {
        "name": netlist.name,
        "depth": depth,
        "cycles": result.cycles,
        "deadlock": None if ended else _diagnosis(result.deadlock, program, netlist),
        **use.summary(),
        "published_cycles": published,
        "ratio": result.cycles / published if ended and published else None,
        "model_cycles": recorded.get("model_cycles", recorded.get("cycles")),
        "simulate_seconds": seconds,
    }


def _diagnosis(deadlock: Deadlock | None, program: StepProgram, netlist: Netlist) -> dict[str, Any]:
    """A deadlock, in the names of the netlist."""
    assert deadlock is not None
    labels = {name: netlist.nodes[place].label for place, name in program.names.items()}

    def named(blocked: Blocked) -> Blocked:
        return replace(blocked, node=labels[blocked.node], other=labels[blocked.other])

    return asdict(
        replace(
            deadlock,
            blocked=tuple(map(named, deadlock.blocked)),
            cycle=tuple(map(named, deadlock.cycle)),
        )
    )


def _channel_depths(
    netlist: Netlist, imported: ImportedNetlist, depth: int
) -> list[dict[str, Any]]:
    """The depths that single channels need where all others have `depth`."""
    found = find_depths(
        imported.graph,
        imported.arguments,
        depth=depth,
        element_bytes=netlist.element_bytes,
        machine=machine_of(netlist),
    )
    labels = {place: node.label for place, node in enumerate(netlist.nodes)}
    return listed_depths(imported.graph, found, labels)
