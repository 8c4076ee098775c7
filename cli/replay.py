"""`headrace replay`: simulate recorded graphs and compare them with what is expected."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from headrace.backends.netlist import is_netlist_path, read_netlist
from headrace.backends.replay import replay as replay_cases
from headrace.cli.report import print_json, print_table, progress
from headrace.storage.errors import InputError

Entry = dict[str, Any]


def replay(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    paths = [Path(case) for case in options.cases]
    for path in paths:
        if not (path.is_dir() or (path.is_file() and is_netlist_path(path))):
            raise InputError(
                f"'{path}' is no case; give a folder with graph.json and inputs.npz, or a netlist "
                "(.json, .json.gz)"
            )
    found = dict[int, list[Entry]]()
    with progress(options.json) as bar:
        task = bar.add_task("simulating", total=len(paths))
        for place, entries in _replayed(paths, options):
            found[place] = entries
            bar.advance(task)
    if options.json:
        print_json({"results": [entry for place in sorted(found) for entry in found[place]]})
        return 0
    _print_cases([e for p in sorted(found) if paths[p].is_dir() for e in found[p]], options.depth)
    _print_netlists([e for p in sorted(found) if not paths[p].is_dir() for e in found[p]])
    return 0


def _replayed(
    paths: Sequence[Path], options: argparse.Namespace
) -> Iterator[tuple[int, list[Entry]]]:
    """The entries of every path, by its place."""
    netlists = [place for place, path in enumerate(paths) if not path.is_dir()]
    for place in netlists:
        # A damaged file costs no time if it is found before the first run.
        read_netlist(paths[place])
    for place, path in enumerate(paths):
        if path.is_dir():
            yield place, replay_cases([path], options.depth)
    if netlists:
        from headrace.cli.replay_netlists import replay_all

        files = [paths[place] for place in netlists]
        results = replay_all(files, options.depth, options.jobs, options.fifos)
        yield from zip(netlists, results, strict=True)


def _outcome(entry: Entry) -> str:
    return "deadlock" if entry["deadlock"] else "finished"


def _print_cases(entries: Sequence[Entry], depth: int | None) -> None:
    if not entries:
        return
    columns = ("name", "cycles", "tokens", "max_error", "simulate_seconds")
    headers = ("case", "cycles", "tokens", "error", "seconds", "outcome")
    rows = [[*(entry[column] for column in columns), _outcome(entry)] for entry in entries]
    title = "any depth" if depth is None else f"depth {depth}"
    print_table(f"Channels of {title}", headers, rows)


def _print_netlists(entries: Sequence[Entry]) -> None:
    if not entries:
        return
    columns = (
        "netlist",
        "depth",
        "cycles",
        "recorded",
        "ratio",
        "traffic B",
        "on-chip B",
        "outcome",
    )
    rows = [
        [
            *(entry[key] for key in ("name", "depth", "cycles")),
            _recorded(entry),
            _ratio(entry),
            *(entry[key] for key in ("traffic", "onchip_bytes")),
            _outcome(entry),
        ]
        for entry in entries
    ]
    print_table("Streaming tensor programs", columns, rows)
    stuck = {entry["name"]: entry for entry in entries if entry["deadlock"]}
    for entry in stuck.values():
        print(f"{entry['name']} at depth {entry['depth']}: {_explained(entry['deadlock'])}")


def _recorded(entry: Entry) -> int | None:
    """The published cycles, or those of the recorded model."""
    return entry["published_cycles"] or entry["model_cycles"]


def _ratio(entry: Entry) -> str | None:
    """Cycles to recorded ones, with digits enough to tell one in ten thousand."""
    recorded = _recorded(entry)
    return f"{entry['cycles'] / recorded:.4f}" if recorded and not entry["deadlock"] else None


def shown_depths(channels: Sequence[Entry]) -> str:
    """Depths of single channels in words; their numbers are those of `step-size-fifos`."""
    return ", ".join(
        f"{one['depth']} of channel {one['channel']} ({one['node']}, result {one['result']})"
        for one in channels
    )


def _explained(deadlock: Entry) -> str:
    waits = "; ".join(
        f"{one['node']} waits for {one['kind']} "
        f"{'from' if one['kind'] == 'data' else 'to'} {one['other']}"
        for one in deadlock["cycle"] or deadlock["blocked"]
    )
    smallest = deadlock["smallest_depth"]
    remedy = "no depth helps" if smallest is None else f"depth {smallest} is enough"
    if single := deadlock.get("channel_depths"):
        remedy += f" (or {shown_depths(single)})"
    return f"{remedy}: {waits}"
