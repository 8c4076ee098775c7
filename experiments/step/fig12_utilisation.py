"""
Figure 12: cycles and use of the compute when experts share regions of the machine.

The paper's count of operations charges a SiLU 8 times the hidden size for each value instead of 8,
so that its utilisation is 2.33 times the right one. Both are in the table.
"""

from collections.abc import Mapping, Sequence

from headrace.experiments.experiment import Cell, Drawing, Experiment, Row
from headrace.experiments.lines import Line, line, sources, summary
from headrace.experiments.step.netlists import available
from headrace.experiments.step.published import published
from headrace.experiments.step.sharing import (
    EXPERTS,
    POINT,
    TILE,
    bandwidth,
    by_regions,
    cases,
    known_of,
    measure,
    note_of,
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
        alone = by_regions(rows, row["source"], row["tile"]).get(EXPERTS)
        published_use = utilisation(row, alone, "reference_flops")
        lines += [
            line(point, "cycles", row["cycles"], known["cycles"], note_of(row)),
            line(point, AS_PUBLISHED, published_use, known["utilisation"]),
            line(point, RIGHT, utilisation(row, alone, "flops")),
            line(point, BANDWIDTH, bandwidth(row), known.get("bandwidth")),
        ]
    for source in sources(rows):
        lines += _gains(source, by_regions(rows, source))
    return lines


def _gains(source: Cell, rows: Mapping[int, Row]) -> list[Line]:
    """What 32 regions of static tiles give over a region for each expert."""
    if not {EXPERTS, 32} <= rows.keys():
        return []
    alone, shared = rows[EXPERTS], rows[32]
    point = summary(POINT, source=source, regions=32)
    before, after = (published("multiplexing", tile=TILE, regions=one) for one in (EXPERTS, 32))
    cycles = shared.number("cycles") / alone.number("cycles")
    freed = shared.number("allocated_compute") / alone.number("allocated_compute")
    text = published("sharing", regions=32)
    return [
        line(point, "cycles to 128 regions", cycles, after["cycles"] / before["cycles"]),
        line(point, "utilisation to 128 regions", 1 / (cycles * freed), text["utilisation"]),
    ]


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(10, 7)
    panels = figure.subplots(2, 2).flat
    for axes, name in zip(panels, ("cycles", AS_PUBLISHED, RIGHT, BANDWIDTH), strict=True):
        panel(axes, lines, name)
    figure.axes[0].legend()
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
