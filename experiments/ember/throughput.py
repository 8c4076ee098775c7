"""
What the access unit could push and what the core could take, in percent of a line a cycle.

The access unit alone is simulated with a core that takes no time. What it pushes for an element
follows from static counts, and so do the proportions of the levels that are published.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import headrace
from headrace.experiments.ember import workloads
from headrace.experiments.ember.ablation import LEVELS
from headrace.experiments.ember.measure import compiled, measured
from headrace.experiments.ember.published import published, table
from headrace.experiments.experiment import (
    Case,
    Cell,
    Cells,
    Drawing,
    Experiment,
    Row,
    Sizes,
    WrongValueError,
    integer,
)
from headrace.experiments.lines import Line, chosen, line, selected
from headrace.experiments.plots import COLOURS, number, plain_axis

POINT = ("workload", "locality", "level")
WORDS = "words an element, static"
PROPORTION = "access, proportion to level 0, static"
PROPORTION_32 = "the same of rows of 32"
WORDS_32 = "words an element of rows of 32, static"
ACCESS, COMPUTE = "access, percent", "compute, percent"
ELEMENT_BYTES = 4
MACHINE = Path(__file__).with_name("access_alone.toml")
LOOKUPS: Mapping[Sizes, int] = {"reduced": 8192, "published": 98_304}
SLOWER = "the published access unit takes about 11 ns a row, however long; ours 8 words a cycle"
ONE_LENGTH = "the published proportions are those of rows of 32 elements for all models"


def cases(sizes: Sizes) -> list[Case]:
    return [
        Case(
            {
                "workload": one["workload"],
                "locality": one["locality"],
                "level": level,
                "lookups": LOOKUPS[sizes],
            }
        )
        for one in table("throughput")
        for level in LEVELS
    ]


def measure(settings: Cells) -> Cells:
    """Raises `WrongValueError` if the static count is not that of the run."""
    lookups, level = integer(settings["lookups"]), integer(settings["level"])
    workload = str(settings["workload"])
    example = workloads.bags(workload, str(settings["locality"]), lookups)
    found, (run,) = measured([example], opt=level)
    function = compiled(example, opt=level)
    words = static_words(function, lookups)
    if words != found["words"]:
        raise WrongValueError(f"{found['words']} words are pushed, but {words} are counted")
    elements = lookups * integer(published("models", workload=workload)["length"])
    payload = ELEMENT_BYTES * elements
    _, arguments = example
    alone = function.run(*arguments, machine=MACHINE, timing_only=True).operations[0].timing
    usual = run.operations[0].timing
    short = compiled(workloads.missing_bags("RM1", 64), opt=level)
    return {
        **found,
        WORDS: words / elements,
        WORDS_32: static_words(short, 64) / (64 * 32),
        ACCESS: alone.percent_of_line(payload),
        COMPUTE: usual.percent_of_line(payload) / usual.core_busy,
    }


def static_words(function: headrace.DaeFunction, lookups: int) -> int:
    """The words of embedding bags, from expressions in which only the lookups are unknown."""
    (counts,) = function.counts.values()
    return int(counts.words.subs(dict.fromkeys(counts.trips, lookups)))


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        point, level = {name: row[name] for name in POINT}, integer(row["level"])
        place = {name: row[name] for name in POINT[:2]}
        known = published("throughput", **place)
        lines.append(line(point, WORDS, row[WORDS], error=row["error"]))
        for first in selected(rows, **place, level=0):
            theirs = known["access"][level] / known["access"][0]
            for measure, words, note in (
                (PROPORTION, WORDS, ONE_LENGTH),
                (PROPORTION_32, WORDS_32, ""),
            ):
                ours = first.number(words) / row.number(words)
                lines.append(line(point, measure, ours, theirs, note))
        lines.append(line(point, ACCESS, row[ACCESS], known["access"][level], SLOWER))
        lines.append(line(point, COMPUTE, row[COMPUTE], known["compute"][level]))
    return lines


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(13, 4.6)
    names = list(dict.fromkeys(one["workload"] for one in lines))
    for axes, name in zip(
        figure.subplots(1, len(names), squeeze=False, sharey=True)[0], names, strict=True
    ):
        localities = dict.fromkeys(one["locality"] for one in chosen(lines, workload=name))
        for locality, colour in zip(localities, COLOURS, strict=False):
            place = {"workload": name, "locality": locality}
            access = chosen(lines, measure=ACCESS, **place)
            compute = chosen(lines, measure=COMPUTE, **place)
            for column, style in (("value", "o-"), ("published", "x--")):
                label = str(locality) if column == "value" else None
                across = [number(one[column]) for one in access]
                up = [number(one[column]) for one in compute]
                axes.plot(across, up, style, color=colour, label=label)
        axes.plot([2, 100], [2, 100], color="grey", linewidth=0.8)
        axes.plot([], [], "x--", color="black", label="published")
        axes.set_xscale("log")
        axes.set_yscale("log")
        plain_axis(axes.xaxis, (1, 2, 5))
        plain_axis(axes.yaxis, (1, 2, 5))
        axes.set_xlabel("access unit alone, % of 64 bytes a cycle")
        axes.set_title(f"{name}: levels 0 to 3 from left below")
        axes.legend()
    figure.axes[0].set_ylabel("core alone with full queues, %")


EXPERIMENT = Experiment(
    "ember-throughput",
    "throughput of the access unit and of the core",
    "Ember, throughput plane",
    cases,
    measure,
    tabulate,
    plot,
)
