"""
Figure 21: three ways to assign requests, geometric means over windows of like variation.

Batch 80 is a coarse batch of 64 with 16 more requests, which go to the first region. Its graphs
are rewritten from one of batch 64 for the recorded lengths.
"""

from collections.abc import Mapping, Sequence

from headrace.experiments.experiment import Case, Cell, Drawing, Experiment, Row, Sizes, integer
from headrace.experiments.lines import Line, line, sources, summary
from headrace.experiments.plots import grouped_bars
from headrace.experiments.statistics import geometric_mean
from headrace.experiments.step.attention import (
    SOURCES,
    WAYS,
    by_window,
    cycle_lines,
    measure,
    point_of,
    recorded_batch,
    speedup,
    window_cases,
)
from headrace.experiments.step.netlists import available
from headrace.experiments.step.published import published

BATCHES = (16, 64, 80)
VARIATIONS = ("high", "medium", "low")
STATIC = ("coarse", "interleaved")


def cases(sizes: Sizes) -> list[Case]:
    """The published windows at all sizes."""
    return [
        one
        for source in SOURCES
        for batch in BATCHES
        for one in window_cases(source, batch, tuple(WAYS))
    ]


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for place, window in by_window(rows).items():
        lines += cycle_lines(point_of(*place), window)
    for source in sources(rows):
        lines += _means(source, rows)
    return lines


def _means(source: Cell, rows: Sequence[Row]) -> list[Line]:
    """Means over the measured windows of a batch and variation, and over all recorded ones."""
    points: dict[tuple[Cell, Cell], list[Mapping[str, Row]]] = {}
    recorded: list[Mapping[str, Row]] = []
    for place, window in by_window(rows).items():
        point = point_of(*place)
        if point["source"] == source and WAYS.keys() <= window.keys():
            points.setdefault((point["batch"], point["variation"]), []).append(window)
            if recorded_batch(integer(point["batch"])):
                recorded.append(window)
    columns = summary(("source", "batch", "variation", "first"), source=source)
    lines: list[Line] = []
    for (batch, variation), windows in points.items():
        point = {**columns, "batch": batch, "variation": variation}
        known = published("fig21", batch=batch, variation=variation)
        note = "" if len(windows) == 3 else f"{len(windows)} of 3 windows"
        lines += [
            line(point, f"mean {way}", _mean(windows, way), known[way], note) for way in STATIC
        ]
    if len(recorded) == 18:
        known = published("fig21", batch="16 and 64")
        point = {**columns, "batch": "16 and 64", "variation": "all"}
        lines += [line(point, f"mean {way}", _mean(recorded, way), known[way]) for way in STATIC]
    return lines


def _mean(windows: Sequence[Mapping[str, Row]], way: str) -> float:
    """Of the cycles to those of dynamic assignment."""
    return geometric_mean([speedup(window, way) for window in windows])


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(10, 4.2)
    axes = figure.add_subplot()
    means = [
        {
            **one,
            "group": f"{str(one['batch']).replace(' and ', '+')} {one['variation']}",
            "series": f"{str(one['measure']).split()[1]}, {one['source']}",
        }
        for one in lines
        if str(one["measure"]).startswith("mean")
    ]
    if means:
        grouped_bars(axes, means, "group", "series", "value")
        axes.set_yticks((1, 1.5, 2, 2.5, 3, 3.5))
        axes.legend()
    axes.set_xlabel("batch, variation of the lengths")
    axes.set_ylabel("cycles to those of dynamic assignment")
    axes.set_title("decode attention: geometric means over three windows")


EXPERIMENT = Experiment(
    "step-fig21",
    "coarse, interleaved and dynamic assignment, means",
    "STeP, Figure 21",
    cases,
    measure,
    tabulate,
    plot,
    available,
)
