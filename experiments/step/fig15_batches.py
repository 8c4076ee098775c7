"""
Figure 15: coarse and dynamic assignment of the first requests of one window, by batch size.

Coarse assignment gives 16 requests to each region, so that a batch of 16 uses one of the four.
Graphs of batches below 64 are rewritten from that of 64, which is recorded.
"""

from collections.abc import Mapping, Sequence

from headrace.experiments.experiment import Case, Cell, Drawing, Experiment, Row, Sizes
from headrace.experiments.lines import Line, chosen, line
from headrace.experiments.plots import COLOURS, number
from headrace.experiments.step.attention import (
    FIRST,
    SOURCES,
    by_window,
    case,
    cycle_lines,
    measure,
    point_of,
    speedup,
)
from headrace.experiments.step.netlists import available
from headrace.experiments.step.published import published

BATCHES = (16, 32, 48, 64)
WAYS = ("coarse", "dynamic")
SPEEDUP = "speed-up over coarse"


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes."""
    return [
        case(source, batch, FIRST, way) for source in SOURCES for batch in BATCHES for way in WAYS
    ]


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for place, window in by_window(rows).items():
        point = point_of(*place)
        lines += cycle_lines(point, window)
        if {*WAYS} <= window.keys():
            known = published("attention", batch=point["batch"], first=point["first"])
            theirs = known["coarse"] / known["dynamic"] if known else None
            text = published("fig15", batch=point["batch"])
            lines.append(
                line(point, SPEEDUP, speedup(window, "coarse"), text.get("speedup", theirs))
            )
    return lines


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(6, 4.2)
    axes = figure.add_subplot()
    for way, colour in zip(WAYS, COLOURS, strict=False):
        some = chosen(lines, measure=f"cycles {way}")
        marks = dict(zip(dict.fromkeys(one["source"] for one in some), "osd", strict=False))
        for source, marker in marks.items():
            mine = chosen(some, source=source)
            batches = [number(one["batch"]) for one in mine]
            values = [number(one["value"]) for one in mine]
            axes.plot(batches, values, f"{marker}-", color=colour, label=f"{way}, {source}")
        known = [one for one in some if one["published"] is not None]
        axes.plot(
            [number(one["batch"]) for one in known],
            [number(one["published"]) for one in known],
            "x",
            markersize=10,
            color="black",
        )
    for one in chosen(lines, measure=SPEEDUP):
        place = {"batch": one["batch"], "source": one["source"]}
        (coarse,) = chosen(lines, measure="cycles coarse", **place)
        at = (number(one["batch"]), number(coarse["value"]))
        offset = {"textcoords": "offset points", "ha": "center"}
        axes.annotate(f"{number(one['value']):.2f}x", at, (0, 10), **offset)
    axes.margins(y=0.15)
    axes.plot([], [], "x", color="black", label="published")
    axes.set_xticks(BATCHES)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("batch")
    axes.set_ylabel("cycles")
    axes.set_title("decode attention: coarse and dynamic assignment")
    axes.legend(loc="lower right")


EXPERIMENT = Experiment(
    "step-fig15",
    "coarse and dynamic assignment by batch size",
    "STeP, Figure 15",
    cases,
    measure,
    tabulate,
    plot,
    available,
)
