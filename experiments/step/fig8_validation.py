"""
Figure 8: a SwiGLU on tiles of several sizes, the simulator beside the hardware that was generated.

64 rows, 256 inputs, 512 hidden units, float32, 8 memory channels, 256 bytes/cycle on chip. The
published graph reads every tile anew when it is needed, in the order of static loads.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import headrace
from headrace.experiments.experiment import (
    Case,
    Cell,
    Cells,
    Drawing,
    Experiment,
    Row,
    Sizes,
    integer,
)
from headrace.experiments.lines import Line, chosen, line, selected, sources, summary
from headrace.experiments.plots import COLOURS, number
from headrace.experiments.statistics import correlation
from headrace.experiments.step.measure import cells, replayed, timed
from headrace.experiments.step.netlists import available
from headrace.experiments.step.published import published, table

POINT = ("source", "tile rows", "hidden tile")

SOURCES = ("netlist", "pytorch")

ROWS, WIDTH, HIDDEN = 64, 256, 512
"""Of the published SwiGLU."""

MACHINE = Path(__file__).with_name("fig8_machine.toml")

DEPTH = 1
"""Of channels, as in the recorded graphs."""


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes."""
    return [
        Case(dict(zip(POINT, (source, one["tile_rows"], one["tile_hidden"]), strict=True)))
        for source in SOURCES
        for one in table("fig8")
    ]


def measure(settings: Cells) -> Cells:
    rows, hidden = integer(settings["tile rows"]), integer(settings["hidden tile"])
    if settings["source"] == "pytorch":
        return compiled(rows, hidden)
    return replayed(f"fig8_tb{rows}_tf{hidden}")


def pipeline(rows: int, hidden: int) -> str:
    """The passes to tiles of so many rows and hidden units, with the compute as published."""
    lowered = f"step-lower{{rows={rows} columns={hidden} compute=4096}}"
    return f"{lowered},step-reload{{dispatch=4}}"


def compiled(rows: int, hidden: int) -> dict[str, Cell]:
    """
    Compile the SwiGLU in PyTorch and measure it.

    Raises `WrongValueError` if it deadlocks.
    """
    from headrace.models.blocks import swiglu

    start = time.perf_counter()
    model, arguments = swiglu(ROWS, WIDTH, HIDDEN)
    passes = pipeline(rows, hidden)
    function = headrace.compile(model, arguments, target="step", pipeline=passes)
    found = timed(function, arguments, DEPTH, accounting="consistent", machine=MACHINE)
    return cells(f"swiglu {passes}", found, start)


def known_of(row: Row) -> Mapping[str, Cell]:
    """What is published of a row."""
    rows, hidden = integer(row["tile rows"]), integer(row["hidden tile"])
    return published("fig8", tile_rows=rows, tile_hidden=hidden)


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        point, known = {name: row[name] for name in POINT}, known_of(row)
        ours, theirs, hardware = (
            row.number("cycles"),
            number(known["cycles"]),
            number(known["rtl"]),
        )
        lines += [
            line(point, "cycles", row["cycles"], known["cycles"]),
            line(point, "cycles to hardware", ours / hardware, theirs / hardware),
            line(point, "traffic", row["traffic"], known["traffic"]),
        ]
    for source in sources(rows):
        measured = selected(rows, source=source)
        if len(measured) > 1:
            lines += _agreement(summary(POINT, source=source), measured)
    return lines


def _agreement(point: Cells, rows: Sequence[Row]) -> list[Line]:
    """How well the cycles of all rows follow those of the hardware."""
    ours = [row.number("cycles") for row in rows]
    known = [known_of(row) for row in rows]
    theirs = [number(one["cycles"]) for one in known]
    hardware = [number(one["rtl"]) for one in known]
    return [
        line(point, name, how(ours, hardware), how(theirs, hardware))
        for name, how in (
            ("correlation with hardware", correlation),
            ("mean error to hardware", mean_error),
            ("largest error to hardware", largest_error),
        )
    ]


def mean_error(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return sum(errors(ours, theirs)) / len(ours)


def largest_error(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return max(errors(ours, theirs))


def errors(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Relative errors."""
    return [abs(one / other - 1) for one, other in zip(ours, theirs, strict=True)]


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(9, 4)
    names = dict.fromkeys(one["tile rows"] for one in lines if one["tile rows"] is not None)
    for axes, rows in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        some = chosen(lines, measure="cycles", **{"tile rows": rows})
        origins = dict.fromkeys(one["source"] for one in some)
        # Publication and sources agree: smaller marks lie on larger ones.
        for colour, size, source in zip(COLOURS, (9, 4), origins, strict=False):
            mine = chosen(some, source=source)
            tiles = [number(one["hidden tile"]) for one in mine]
            cycles = [number(one["value"]) for one in mine]
            style = {"color": colour, "markersize": size, "linewidth": size / 3}
            axes.plot(tiles, cycles, "o-", label=f"ours, {source}", **style)
        known = [one for one in table("fig8") if one["tile_rows"] == rows]
        tiles = [one["tile_hidden"] for one in known]
        cycles = [one["cycles"] for one in known]
        ring = {"linestyle": "", "marker": "o", "fillstyle": "none", "color": "#b0b0b0"}
        axes.plot(tiles, cycles, markersize=15, label="published simulator", **ring)
        axes.plot(tiles, [one["rtl"] for one in known], "s--", color="black", label="hardware")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("columns of a hidden tile")
        axes.set_ylabel("cycles")
        axes.set_ylim(bottom=0)
        axes.set_title(f"SwiGLU, tiles of {rows} rows")
        axes.legend()


EXPERIMENT = Experiment(
    "step-fig8",
    "the simulator beside hardware, SwiGLU",
    "STeP, Figure 8",
    cases,
    measure,
    tabulate,
    plot,
    available,
)
