"""`headrace replay`: simulate recorded graphs and compare them with what is expected."""

import argparse
from pathlib import Path
from typing import Any

from headrace.backends.replay import replay as replay_cases
from headrace.cli.report import print_json, print_table, progress
from headrace.storage.errors import InputError


def replay(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    cases = [Path(case) for case in options.cases]
    for case in cases:
        if not case.is_dir():
            raise InputError(f"'{case}' is no case; give a folder with graph.json and inputs.npz")
    results: list[dict[str, Any]] = []
    with progress(options.json) as bar:
        for case in bar.track(cases, description="simulating"):
            results += replay_cases([case], options.depth)
    if options.json:
        print_json({"results": results})
        return 0
    columns = ("name", "cycles", "tokens", "max_error", "simulate_seconds")
    headers = ("case", "cycles", "tokens", "error", "seconds", "outcome")
    rows = [
        [*(result[column] for column in columns), "deadlock" if result["deadlock"] else "finished"]
        for result in results
    ]
    depth = "any depth" if options.depth is None else f"depth {options.depth}"
    print_table(f"Channels of {depth}", headers, rows)
    return 0
