"""Explain a deadlock; export traces."""

import json
from pathlib import Path

from headrace.simulators.stream.schedule import Run
from headrace.simulators.stream.statistics import Blocked, Deadlock, SimulationResult
from headrace.storage.atomic import replace_file


def write_trace(result: SimulationResult, path: str | Path) -> None:
    """
    Write busy intervals as a Chrome trace, which Perfetto shows: a row per node, 1 us per cycle.

    Needs the result of `simulate(.., trace=True)`. The file appears complete or not at all.
    """
    rows = {node.name: row for row, node in enumerate(result.nodes)}
    kinds = {node.name: node.kind for node in result.nodes}
    labels = [
        {"name": "thread_name", "ph": "M", "pid": 0, "tid": row, "args": {"name": name}}
        for name, row in rows.items()
    ]
    events = [
        {
            "name": kinds[interval.node],
            "ph": "X",
            "pid": 0,
            "tid": rows[interval.node],
            "ts": interval.start,
            "dur": interval.end - interval.start,
        }
        for interval in result.intervals
    ]
    replace_file(Path(path), json.dumps({"traceEvents": [*labels, *events]}).encode())


def diagnose(run: Run, smallest_depth: int | None) -> Deadlock:
    """Say which nodes of a run that is stuck wait for what, and around which cycle."""
    waits: dict[int, tuple[Blocked, int]] = {}
    for node in run.live_nodes():
        point = run.blocked_at(node)
        assert point is not None
        kind = "room" if point.kind == "room" else "data"
        channel = run.first_empty(node) if point.kind == "memory" else run.awaited(node)
        reader, writer = run.readers[channel], run.writers[channel]
        assert reader is not None
        (_, port), (other, _) = (reader, writer) if kind == "data" else (writer, reader)
        blocked = Blocked(run.label(node), kind, port, run.label(other), run.held(channel))
        waits[node] = (blocked, other)
    return Deadlock(
        blocked=tuple(blocked for blocked, _ in waits.values()),
        cycle=_cycle(waits),
        smallest_depth=smallest_depth,
    )


def _cycle(waits: dict[int, tuple[Blocked, int]]) -> tuple[Blocked, ...]:
    """Every blocked node waits for one other: follow them until a node comes again."""
    done: set[int] = set()
    for start in waits:
        path: list[int] = []
        node = start
        while node in waits and node not in done:
            done.add(node)
            path.append(node)
            node = waits[node][1]
        if node in path:
            return tuple(waits[n][0] for n in path[path.index(node) :])
    return ()
