"""Levels 0 to 3 beside each other: cycles a lookup, and speed-ups over level 0."""

from collections.abc import Mapping, Sequence

from headrace.experiments.ember import workloads
from headrace.experiments.ember.measure import measured
from headrace.experiments.ember.published import published, table
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
from headrace.experiments.lines import Line, chosen, line, selected, summary
from headrace.experiments.plots import grouped_bars
from headrace.experiments.statistics import geometric_mean

POINT = ("family", "workload", "locality", "level")
LEVELS = (0, 1, 2, 3)
SPEEDUP = "speed-up over level 0"
MEAN = "geometric mean of speed-ups"
BAGS, MESSAGES = "embedding bag", "message passing"

LOOKUPS: Mapping[Sizes, int] = {"reduced": 24_576, "published": 98_304}
"""Of embedding bags: 6 and 24 batches."""
DRAWN = (
    "drawn graph of the published vertices and entries; the published spread is of the originals"
)
ENTRIES: Mapping[Sizes, int] = {"reduced": 15_000, "published": 1_000_000}
"""Of graphs, at most those of one core."""


def cases(sizes: Sizes) -> list[Case]:
    """One core; published sizes are all its batches of a trace, and all its vertices of a graph."""
    inputs = [
        (BAGS, one["workload"], one["locality"], LOOKUPS[sizes]) for one in table("ablation")
    ] + [(MESSAGES, one["graph"], "", ENTRIES[sizes]) for one in table("message_passing")]
    return [
        Case({**dict(zip(POINT, (*input[:3], level), strict=True)), "lookups": input[3]})
        for input in inputs
        for level in LEVELS
    ]


def measure(settings: Cells) -> Cells:
    workload, size = str(settings["workload"]), integer(settings["lookups"])
    if settings["family"] == BAGS:
        example = workloads.bags(workload, str(settings["locality"]), size)
    else:
        example = workloads.messages(workload, size)
    lookups = workloads.lookups_of(example)
    found, _ = measured([example], opt=integer(settings["level"]))
    return {**found, "cycles a lookup": integer(found["cycles"]) / lookups}


def known_speedups(family: Cell, workload: Cell, locality: Cell) -> Mapping[int, float]:
    """What is published, by level."""
    if family == MESSAGES:
        speedups = published("message_passing", graph=workload)["speedups"]
        return dict(enumerate([1.0, *speedups]))
    cycles = published("ablation", workload=workload, locality=locality)["cycles"]
    return {level: cycles[0] / one for level, one in enumerate(cycles)}


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for place in dict.fromkeys(tuple(row[name] for name in POINT[:3]) for row in rows):
        some = selected(rows, **dict(zip(POINT[:3], place, strict=True)))
        known = known_speedups(*place)
        (first,) = selected(some, level=0) or (None,)
        for row in some:
            point = {name: row[name] for name in POINT}
            lines.append(line(point, "cycles a lookup", row["cycles a lookup"], error=row["error"]))
            if first is not None and row is not first:
                same = row["values"] == first["values"]
                speedup = first.number("cycles") / row.number("cycles")
                note = "values bit for bit those of level 0" if same else DRAWN
                lines.append(
                    line(point, SPEEDUP, speedup, known[integer(row["level"])], note, row["error"])
                )
    return lines + means(lines)


def means(lines: Sequence[Line]) -> list[Line]:
    """Of the speed-ups of level 3 for each model, and of level 1 for all embedding bags."""
    found: list[Line] = []

    def add(point: Mapping[str, Cell], known: float) -> None:
        key = {name: value for name, value in point.items() if value is not None}
        values = [one["value"] for one in chosen(lines, measure=SPEEDUP, **key)]
        numbers = [value for value in values if isinstance(value, float)]
        if numbers:
            found.append(line(point, MEAN, geometric_mean(numbers), known))

    for one in table("means"):
        name, level = one["workload"], one["level"]
        is_family = name in (BAGS, MESSAGES)
        where = {"family": name} if is_family else {"family": BAGS, "workload": name}
        add(summary(POINT, **where, level=level), one["speedup"])
    return found


def broken(name: Cell) -> str:
    """The name of a graph with room for a line break."""
    return str(name).replace("-", "- ")


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(14, 5)
    axes = figure.add_subplot()
    bars = [
        {**one, "input": f"{broken(one['workload'])} {one['locality']}".strip()}
        for one in chosen(lines, measure=SPEEDUP)
    ]
    bars += [
        {**one, "input": f"{one['workload'] or one['family']} mean"}
        for one in chosen(lines, measure=MEAN, level=3)
    ]
    named = [{**one, "level": f"level {one['level']}"} for one in bars]
    if named:
        grouped_bars(axes, named, "input", "level", "value")
        axes.legend(ncols=4, loc="upper left")
    axes.set_ylabel("speed-up over level 0")
    axes.set_title("vectors, buffered rows, aligned queue: one core, beside what is published")


EXPERIMENT = Experiment(
    "ember-ablation",
    "levels 0 to 3 of embedding bags and message passing",
    "Ember, ablation",
    cases,
    measure,
    tabulate,
    plot,
)
