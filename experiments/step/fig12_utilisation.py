"""
Figure 12: cycles and use of the compute when experts share regions of the machine.

The paper's count of operations charges a SiLU 8 times the hidden size for each value instead of 8,
so that its utilisation is 2.33 times the right one. Both are in the table.
"""

from collections.abc import Mapping, Sequence

from headrace.experiments.experiment import Cell, Drawing, Experiment, Row
from headrace.experiments.plots import COLOURS
from headrace.experiments.step.lines import Line, line, selected, sources, summary
from headrace.experiments.step.netlists import available
from headrace.experiments.step.published import published
from headrace.experiments.step.sharing import (
    POINT,
    bandwidth,
    by_regions,
    cases,
    known_of,
    measure,
    panel,
    point_of,
    utilisation,
)

AS_PUBLISHED = "utilisation as published, %"
RIGHT = "utilisation, %"
BANDWIDTH = "memory bandwidth used, %"


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        point, known = point_of(row), known_of(row)
        lines += [
            line(point, "cycles", row["cycles"], known["cycles"]),
            line(point, AS_PUBLISHED, utilisation(row, "reference_flops"), known["utilisation"]),
            line(point, RIGHT, utilisation(row, "flops")),
            line(point, BANDWIDTH, bandwidth(row), known["bandwidth"]),
        ]
    for source in sources(rows):
        lines += _gains(source, by_regions(selected(rows, source=source)))
    return lines


def _gains(source: Cell, rows: Mapping[int, Row]) -> list[Line]:
    """What 32 regions give over a region for each expert."""
    if not {128, 32} <= rows.keys():
        return []
    alone, shared = rows[128], rows[32]
    point = summary(POINT, source=source, regions=32)
    before, after = (published("multiplexing", tile=32, regions=one) for one in (128, 32))
    cycles = shared.number("cycles") / alone.number("cycles")
    gain = utilisation(shared, "flops") / utilisation(alone, "flops")
    text = published("sharing", regions=32)
    return [
        line(point, "cycles to 128 regions", cycles, after["cycles"] / before["cycles"]),
        line(point, "utilisation to 128 regions", gain, text["utilisation"]),
    ]


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(10, 4.2)
    left, right = figure.subplots(1, 2)
    panel(left, lines, "cycles", COLOURS[0])
    for name, colour in zip((AS_PUBLISHED, RIGHT, BANDWIDTH), COLOURS[1:], strict=False):
        panel(right, lines, name, colour)
    left.set_ylabel("cycles")
    right.set_ylabel("percent")
    figure.suptitle("Qwen layer, batch 64: experts that share regions")


EXPERIMENT = Experiment(
    "step-fig12",
    "cycles and utilisation of shared regions",
    "STeP, Figure 12",
    cases,
    measure,
    tabulate,
    plot,
    available,
)
