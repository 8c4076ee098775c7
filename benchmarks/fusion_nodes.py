"""
Nodes of the graphs of the fusion literature: as recorded from the reference compiler, and ours.

Ours at the granularity of the reference compiler (`sam-lower{reference=true}`) and as compiled by
default, all as one region with results compressed on every level. Where the first differs from
the record, the kinds of nodes that differ follow, and the reasons below the table.

`python -m headrace.benchmarks.fusion_nodes`
"""

import sys
from collections import Counter

from headrace.cli.report import print_table
from headrace.tests.fusion import lowered, nodes, recorded_graphs, recorded_program
from headrace.tests.fusion_programs import DEVIATIONS
from headrace.tests.reference import REFERENCE_DATA


def main() -> None:
    """Print one row for each recorded graph."""
    if not (REFERENCE_DATA / "fusion").exists():
        sys.exit(f"no recorded graphs in {REFERENCE_DATA}; set HEADRACE_REFERENCE_DATA")
    rows: list[tuple[str, int, int, int, str]] = []
    for name, graph in recorded_graphs().items():
        if graph["nodes"] is None:
            continue
        program = recorded_program(name, graph)
        reference, default = nodes(lowered(program, reference=True)), nodes(lowered(program))
        more = Counter(reference)
        more.subtract(graph["histogram"])
        differing = ", ".join(f"{count:+} {kind}" for kind, count in more.items() if count)
        row = (name, graph["nodes"], reference.total(), default.total(), differing)
        rows.append(row)
    columns = ("program", "recorded", "reference mode", "default", "reference mode - recorded")
    print_table("Nodes", columns, rows)
    for name, deviation in DEVIATIONS.items():
        print(f"{name}: {deviation.reason}")


if __name__ == "__main__":
    main()
