"""Figure 14: dynamic over interleaved assignment of requests, batch 64, window by window."""

from collections.abc import Mapping, Sequence

from headrace.experiments.experiment import Case, Cell, Drawing, Experiment, Row, Sizes
from headrace.experiments.lines import Line, chosen, line
from headrace.experiments.plots import grouped_bars
from headrace.experiments.step.attention import (
    SOURCES,
    by_window,
    cycle_lines,
    measure,
    point_of,
    speedup,
    window_cases,
)
from headrace.experiments.step.netlists import available
from headrace.experiments.step.published import published

SPEEDUP = "speed-up over interleaved"
WAYS = ("interleaved", "dynamic")


def cases(sizes: Sizes) -> list[Case]:
    """The published windows at all sizes."""
    return [one for source in SOURCES for one in window_cases(source, 64, WAYS)]


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for place, window in by_window(rows).items():
        point = point_of(*place)
        lines += cycle_lines(point, window)
        if {*WAYS} <= window.keys():
            known = published("attention", batch=point["batch"], first=point["first"])
            theirs = known["interleaved"] / known["dynamic"]
            lines.append(line(point, SPEEDUP, speedup(window, "interleaved"), theirs))
    return lines


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(9, 4.2)
    axes = figure.add_subplot()
    speedups = [
        {**one, "window": f"{one['variation']} {one['first']}"}
        for one in chosen(lines, measure=SPEEDUP)
    ]
    if speedups:
        grouped_bars(axes, speedups, "window", "source", "value")
        axes.set_yticks((1, 1.2, 1.4, 1.6))
        axes.legend()
    axes.set_xlabel("variation of the lengths, first request of the window")
    axes.set_ylabel("cycles interleaved to dynamic")
    axes.set_title("decode attention, batch 64: requests to the region that is ready")


EXPERIMENT = Experiment(
    "step-fig14",
    "dynamic over interleaved assignment of requests",
    "STeP, Figure 14",
    cases,
    measure,
    tabulate,
    plot,
    available,
)
