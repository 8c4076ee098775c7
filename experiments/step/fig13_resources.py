"""Figure 13: on-chip memory and compute that are needed when experts share regions."""

from collections.abc import Mapping, Sequence

from headrace.experiments.experiment import Cell, Drawing, Experiment, Row
from headrace.experiments.plots import COLOURS
from headrace.experiments.step.lines import Line, line, selected, sources, summary
from headrace.experiments.step.netlists import available
from headrace.experiments.step.published import published
from headrace.experiments.step.sharing import (
    POINT,
    by_regions,
    cases,
    known_of,
    measure,
    panel,
    point_of,
)

MEMORY, COMPUTE = "on-chip memory", "allocated FLOPs/cycle"


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        point, known = point_of(row), known_of(row)
        lines += [
            line(point, MEMORY, row["onchip_bytes"], known["onchip"]),
            line(point, COMPUTE, row["allocated_compute"], known["allocated"]),
        ]
    for source in sources(rows):
        lines += _freed(source, by_regions(selected(rows, source=source)))
    return lines


def _freed(source: Cell, rows: Mapping[int, Row]) -> list[Line]:
    """What 32 regions leave free of what a region for each expert needs."""
    if not {128, 32} <= rows.keys():
        return []
    point = summary(POINT, source=source, regions=32)
    text = published("sharing", regions=32)

    def freed(name: str) -> float:
        return 1 - rows[32].number(name) / rows[128].number(name)

    return [
        line(point, "memory freed", freed("onchip_bytes"), text["memory_freed"]),
        line(point, "compute freed", freed("allocated_compute"), text["compute_freed"]),
    ]


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(10, 4.2)
    for axes, name, colour in zip(figure.subplots(1, 2), (MEMORY, COMPUTE), COLOURS, strict=False):
        panel(axes, lines, name, colour)
        axes.set_ylabel(f"{name}, bytes" if name == MEMORY else name)
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
