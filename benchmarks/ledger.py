"""
How far the cycles of the ledger are from those of the exact memory, over the recorded graphs.

One row for each number of channels, one column for each interval that the ledger can count; an
entry is the error that is farthest from 0, in percent of the exact cycles.

`python -m headrace.benchmarks.ledger`
"""

import json
from typing import cast

from headrace.backends.neutral_case import Case, read_case
from headrace.cli.report import print_table
from headrace.simulators.stream.machine import MemoryDescription
from headrace.simulators.stream.memory import BankedMemory
from headrace.simulators.stream.simulate import simulate
from headrace.tests.reference import REFERENCE_DATA

CHANNELS = (1, 2, 4, 8)
INTERVALS = (1, 2, 4, 8, 16, 32)


def error(case: Case, description: MemoryDescription) -> float:
    """Cycles of the ledger in percent above those of the exact memory; below 0 if fewer."""
    ledger, exact = (
        simulate(case.program, case.arrays, memory=BankedMemory(description, exact)).cycles
        for exact in (False, True)
    )
    return 100 * (ledger - exact) / exact


def largest_error(cases: list[Case], channels: int, interval: int) -> float:
    description = MemoryDescription(channels=channels, interval=interval)
    return max((error(case, description) for case in cases), key=abs)


def main() -> None:
    """Print the table."""
    index = REFERENCE_DATA / "sam" / "index.json"
    if not index.exists():
        print(f"no recorded cases at {index}; set HEADRACE_REFERENCE_DATA")
        return
    names = [cast(str, entry["name"]) for entry in json.loads(index.read_text())["cases"]]
    cases = [read_case(index.parent / name) for name in names]
    rows = [
        (channels, *(f"{largest_error(cases, channels, interval):+.1f}" for interval in INTERVALS))
        for channels in CHANNELS
    ]
    columns = ("channels", *(f"interval {interval}" for interval in INTERVALS))
    print_table(f"Largest error of the ledger over {len(cases)} graphs, %", columns, rows)


if __name__ == "__main__":
    main()
