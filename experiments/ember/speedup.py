"""Level 3 beside the same core without an access unit: the five families of operations."""

from collections.abc import Mapping, Sequence

from headrace.experiments.ember import workloads
from headrace.experiments.ember.ablation import BAGS, DRAWN, MESSAGES, broken
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
from headrace.experiments.plots import grouped_bars, number
from headrace.experiments.statistics import geometric_mean
from headrace.models.example import Example

POINT = ("family", "input")
NETWORKS, STATEMENTS, BLOCKS = "graph neural network", "knowledge graph", "block gather"
SPEEDUP = "speed-up over the core alone"
MEAN = "geometric mean of speed-ups"
ORDER = "families in the order of the means"

SIZES: Mapping[Sizes, Mapping[str, int]] = {
    "reduced": {BAGS: 98_304, MESSAGES: 20_000, NETWORKS: 20_000, BLOCKS: 4096},
    "published": {BAGS: 98_304, MESSAGES: 1_000_000, NETWORKS: 100_000, BLOCKS: 4096},
}
"""Lookups, entries of graphs (at most those of one core) or keys."""

NOTES: Mapping[str, str] = {
    MESSAGES: DRAWN,
    NETWORKS: "drawn graph without communities: a core alone finds fewer rows in its caches",
    BLOCKS: "keys of 64 floats, one head; why blocks of 8 gain most in the paper is not known",
    STATEMENTS: "relations as in the data set; their rows stay in the caches of a core alone",
}


def cases(sizes: Sizes) -> list[Case]:
    return [
        Case({**{name: one[name] for name in POINT}, "size": SIZES[sizes].get(one["family"])})
        for one in table("speedup")
    ]


def measure(settings: Cells) -> Cells:
    return measured(examples(settings), opt=3)[0]


def examples(settings: Cells) -> list[Example]:
    """What is run one after the other."""
    name, family = str(settings["input"]), settings["family"]
    if family == STATEMENTS:
        return [workloads.statements(name)]
    size = integer(settings["size"])
    if family == MESSAGES:
        return [workloads.messages(name, size)]
    if family == NETWORKS:
        return workloads.layers(name, size)
    if family == BLOCKS:
        return [workloads.blocks(int(name.split()[0]), size)]
    workload, locality = name.split()
    return [workloads.bags(workload, locality, size)]


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines = [
        line(
            {name: row[name] for name in POINT},
            SPEEDUP,
            row.number("core alone") / row.number("cycles"),
            published("speedup", **{name: row[name] for name in POINT})["speedup"],
            NOTES.get(str(row["family"]), ""),
            row["error"],
        )
        for row in rows
    ]
    means = {
        family: geometric_mean([number(one["value"]) for one in chosen(lines, family=family)])
        for family in dict.fromkeys(row["family"] for row in rows)
    }
    for one in table("families"):
        family = one["family"]
        if len(selected(rows, family=family)) == len(chosen(table("speedup"), family=family)):
            point = summary(POINT, family=family)
            note = NOTES.get(family, "")
            lines.append(line(point, MEAN, means[family], one["speedup"], note))
    theirs = [one["family"] for one in table("families")]
    if len(means) == len(theirs):
        ours = sorted(theirs, key=means.__getitem__)
        note = "" if ours == theirs else "the order differs"
        lines.append(line(summary(POINT), ORDER, " < ".join(ours), " < ".join(theirs), note))
    return lines


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(15, 5)
    axes = figure.add_subplot()
    bars = [
        {**one, "input": broken(one["input"] or f"mean {one['family']}")}
        for name in (SPEEDUP, MEAN)
        for one in chosen(lines, measure=name)
    ]
    families = list(dict.fromkeys(one["family"] for one in bars))
    ordered = sorted(bars, key=lambda one: families.index(one["family"]))
    for bar in ordered:
        bar["ours"] = "ours"
    if ordered:
        grouped_bars(axes, ordered, "input", "ours", "value")
        axes.tick_params(axis="x", labelsize=7)
        axes.legend()
    axes.set_ylabel("cycles of the core alone to level 3")
    axes.set_title("what the access unit gains")


EXPERIMENT = Experiment(
    "ember-speedup",
    "an access unit beside the core alone, five families",
    "Ember, speed-ups over the multicore",
    cases,
    measure,
    tabulate,
    plot,
)
