"""
CPU seconds to replay the recorded netlists of streaming tensor programs, and their cycles.

Reading a netlist, building its program and compiling primitives are not counted: every netlist runs
once before it is timed. Prints one row a figure, the slowest netlist, and the totals.

    python benchmarks/step_netlists.py [--all]
"""

import argparse
import time

from headrace.backends.netlist import read_netlist
from headrace.backends.step import lower
from headrace.backends.step_netlist import import_netlist, machine_of
from headrace.tests.reference import REFERENCE_DATA


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="one row a netlist")
    options = parser.parse_args()
    folder = REFERENCE_DATA / "step/golden/netlists"
    if not folder.is_dir():
        parser.exit(1, f"no recorded netlists at {folder}; set HEADRACE_REFERENCE_DATA\n")
    figures: dict[str, list[tuple[float, int, str]]] = {}
    for path in sorted(folder.glob("*.json.gz")):
        netlist = read_netlist(path)
        imported = import_netlist(netlist)
        program = lower(imported.graph, netlist.element_bytes)
        depth, machine = netlist.channel_depth, machine_of(netlist)
        program.run(imported.arguments, depth=depth, machine=machine)
        begin = time.process_time()
        result = program.run(imported.arguments, depth=depth, machine=machine)
        seconds = time.process_time() - begin
        name = path.name.removesuffix(".json.gz")
        figures.setdefault(name.split("_")[0], []).append((seconds, result.requests, name))
        if options.all:
            published = f"published {netlist.meta['published_cycles']:>11,}"
            row = f"{result.cycles:>11,} cycles, {published}, {result.requests:>12,} requests"
            print(f"{name:32} {row}, {seconds:6.2f} s")
    runs = [run for rows in figures.values() for run in rows]
    for figure, rows in figures.items():
        print(f"{figure:6} {len(rows):3} netlists {_total(rows)}")
    seconds, requests, name = max(runs)
    print(f"slowest: {name}, {requests:,} requests, {seconds:.2f} s")
    print(f"all {len(runs)}: {_total(runs)}")


def _total(runs: list[tuple[float, int, str]]) -> str:
    requests, seconds = sum(run[1] for run in runs), sum(run[0] for run in runs)
    return f"{requests:>13,} requests {seconds:6.2f} s {1e9 * seconds / requests:6.1f} ns/request"


if __name__ == "__main__":
    main()
