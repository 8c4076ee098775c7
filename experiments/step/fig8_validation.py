"""
Figure 8: a SwiGLU on tiles of several sizes, the simulator beside the hardware that was generated.

64 rows, 256 inputs, 512 hidden units, float32, 8 memory channels, 256 bytes/cycle on chip.
"""

from collections.abc import Mapping, Sequence

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
from headrace.experiments.plots import COLOURS, number
from headrace.experiments.step.lines import Line, chosen, line, selected, sources, summary
from headrace.experiments.step.measure import replayed
from headrace.experiments.step.netlists import available
from headrace.experiments.step.published import published, table
from headrace.experiments.step.statistics import correlation

POINT = ("source", "tile rows", "hidden tile")


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes."""
    return [
        Case(
            {
                "source": "netlist",
                "tile rows": one["tile_rows"],
                "hidden tile": one["tile_hidden"],
            }
        )
        for one in table("fig8")
    ]


def measure(settings: Cells) -> Cells:
    return replayed(f"fig8_tb{settings['tile rows']}_tf{settings['hidden tile']}")


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
    for axes, rows, colour in zip(
        figure.subplots(1, len(names), squeeze=False)[0], names, COLOURS, strict=False
    ):
        some = chosen(lines, measure="cycles", **{"tile rows": rows})
        for source in dict.fromkeys(one["source"] for one in some):
            mine = chosen(some, source=source)
            tiles = [number(one["hidden tile"]) for one in mine]
            label = f"ours, {source}"
            axes.plot(
                tiles, [number(one["value"]) for one in mine], "o-", color=colour, label=label
            )
        known = [one for one in table("fig8") if one["tile_rows"] == rows]
        tiles = [one["tile_hidden"] for one in known]
        axes.plot(
            tiles,
            [one["cycles"] for one in known],
            "x",
            markersize=9,
            color=colour,
            label="published simulator",
        )
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
