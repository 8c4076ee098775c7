"""
CPU seconds for the 53 recorded graphs: compiled engine beside the plain-Python reference.

Loading and compilation are not counted: every case runs once before it is timed. Prints one row a
case and the totals. The goal of the specification: all cases, unbounded, in under 2 CPU seconds.

    python benchmarks/recorded_cases.py [--reference] [--depth N]
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.backends.neutral_case import read_case
from headrace.simulators.stream.reference import reference_simulate
from headrace.simulators.stream.simulate import simulate

DATA = Path(os.environ.get("HEADRACE_REFERENCE_DATA", Path(__file__).parents[2] / "shared/data"))


def cpu_seconds(run: Callable[[], Any], repetitions: int) -> float:
    """The lowest CPU time of several runs."""
    best = float("inf")
    for _ in range(repetitions):
        begin = time.process_time()
        run()
        best = min(best, time.process_time() - begin)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", action="store_true", help="time the plain reference too")
    parser.add_argument("--depth", type=int, help="capacity of every channel")
    options = parser.parse_args()
    index = DATA / "sam" / "index.json"
    if not index.exists():
        print(f"no recorded cases at {index}; set HEADRACE_REFERENCE_DATA")
        return
    print(f"{'case':36}{'tokens':>10}{'cycles':>9}{'engine s':>10}{'Mtok/s':>8}{'reference s':>13}")
    tokens, engine, plain = 0, 0.0, 0.0
    for entry in json.loads(index.read_text())["cases"]:
        case = read_case(index.parent / entry["name"])

        def run() -> Any:
            return simulate(case.program, case.arrays, depth=options.depth)

        def run_reference() -> Any:
            return reference_simulate(case.program, case.arrays, depth=options.depth)

        result = run()
        seconds = cpu_seconds(run, 3)
        reference = cpu_seconds(run_reference, 1) if options.reference else 0.0
        tokens, engine, plain = tokens + result.tokens, engine + seconds, plain + reference
        rate = result.tokens / seconds / 1e6
        print(
            f"{entry['name']:36}{result.tokens:10}{result.cycles:9}{seconds:10.4f}{rate:8.1f}"
            + (f"{reference:13.3f}" if options.reference else "")
        )
    print(
        f"{'all':36}{tokens:10}{'':9}{engine:10.4f}{tokens / engine / 1e6:8.1f}"
        + (f"{plain:13.3f}" if options.reference else "")
    )


if __name__ == "__main__":
    main()
