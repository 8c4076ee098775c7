"""
Figure 13: on-chip memory and compute that are needed when experts share regions.

As published, memory is that of the experts that get tokens and of the regions that they use.
"""

from collections.abc import Mapping, Sequence

from headrace.experiments.experiment import Cell, Drawing, Experiment, Row
from headrace.experiments.lines import Line, line, sources, summary
from headrace.experiments.step.netlists import available
from headrace.experiments.step.published import published
from headrace.experiments.step.sharing import (
    EXPERTS,
    POINT,
    by_regions,
    cases,
    known_of,
    measure,
    panel,
    point_of,
)

MEMORY, COMPUTE = "on-chip bytes", "allocated FLOPs/cycle"

UNKNOWN = "how large the dynamic tiles of a region are depends on the order of arrivals"


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        point, known = point_of(row), known_of(row)
        note = "" if row["onchip_bytes_active"] is not None else UNKNOWN
        lines += [
            line(point, MEMORY, row["onchip_bytes_active"], known.get("onchip"), note),
            line(point, COMPUTE, row["allocated_compute"], known["allocated"]),
        ]
    for source in sources(rows):
        lines += _freed(source, by_regions(rows, source))
    return lines


def _freed(source: Cell, rows: Mapping[int, Row]) -> list[Line]:
    """What 32 regions leave free of what a region for each expert needs."""
    if not {EXPERTS, 32} <= rows.keys():
        return []
    point = summary(POINT, source=source, regions=32)
    text = published("sharing", regions=32)

    def freed(name: str) -> float:
        return 1 - rows[32].number(name) / rows[EXPERTS].number(name)

    return [
        line(point, "memory freed", freed("onchip_bytes_active"), text["memory_freed"]),
        line(point, "compute freed", freed("allocated_compute"), text["compute_freed"]),
    ]


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(10, 4.2)
    for axes, name in zip(figure.subplots(1, 2), (MEMORY, COMPUTE), strict=True):
        panel(axes, lines, name)
    figure.axes[0].legend()
    figure.suptitle("Qwen layer, batch 64: experts that share regions")


EXPERIMENT = Experiment(
    "step-fig13",
    "memory and compute of shared regions",
    "STeP, Figure 13",
    cases,
    measure,
    tabulate,
    plot,
    available,
)
