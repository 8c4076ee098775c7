"""The more rows the caches hold, the less an access unit gains: low to high locality."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from headrace.experiments.ember import workloads
from headrace.experiments.ember.ablation import BAGS
from headrace.experiments.ember.measure import measured
from headrace.experiments.ember.published import published, table
from headrace.experiments.ember.speedup import SPEEDUP
from headrace.experiments.experiment import Case, Cell, Cells, Drawing, Experiment, Row, Sizes
from headrace.experiments.lines import Line, chosen, line, selected, summary
from headrace.experiments.plots import COLOURS, number

POINT = ("workload", "locality")
LOCALITIES = ("L0", "L1", "L2")
LOOKUPS = 98_304
"""24 batches, for which the exponents of the localities are calibrated."""
CACHED = "lines from caches, percent"
FALLS = "falls from L0 to L2"


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes."""
    return [
        Case({"workload": one["workload"], "locality": locality})
        for one in table("models")
        for locality in LOCALITIES
    ]


def measure(settings: Cells) -> Cells:
    example = workloads.bags(str(settings["workload"]), str(settings["locality"]), LOOKUPS)
    return measured([example], opt=3)[0]


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        point = {name: row[name] for name in POINT}
        known = published("speedup", family=BAGS, input=f"{point['workload']} {point['locality']}")
        ours = row.number("core alone") / row.number("cycles")
        near = row.number("lines of L2") + row.number("lines of LLC")
        cached = 100 * near / (near + row.number("lines of memory"))
        lines.append(line(point, SPEEDUP, ours, known["speedup"], error=row["error"]))
        lines.append(line(point, CACHED, cached))
    for workload in dict.fromkeys(row["workload"] for row in rows):
        if len(selected(rows, workload=workload)) == len(LOCALITIES):
            some = chosen(lines, workload=workload, measure=SPEEDUP)
            ours, theirs = (
                all(number(one[column]) > number(other[column]) for one, other in pairwise(some))
                for column in ("value", "published")
            )
            lines.append(line(summary(POINT, workload=workload), FALLS, ours, theirs))
    return lines


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(6.5, 4.6)
    axes = figure.add_subplot()
    names = dict.fromkeys(one["workload"] for one in lines)
    for name, colour in zip(names, COLOURS, strict=False):
        some = chosen(lines, workload=name, measure=SPEEDUP)
        across = [number(one["value"]) for one in chosen(lines, workload=name, measure=CACHED)]
        axes.plot(across, [number(one["value"]) for one in some], "o-", color=colour, label=name)
        axes.plot(across, [number(one["published"]) for one in some], "x--", color=colour)
    axes.plot([], [], "x--", color="black", label="published, at our share of lines")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("lines that caches answer, % (L0, L1, L2)")
    axes.set_ylabel("cycles of the core alone to level 3")
    axes.set_title("embedding bags: locality helps the core alone")
    axes.legend()


EXPERIMENT = Experiment(
    "ember-locality",
    "speed-up over the core alone by locality",
    "Ember, speed-ups over the multicore",
    cases,
    measure,
    tabulate,
    plot,
)
