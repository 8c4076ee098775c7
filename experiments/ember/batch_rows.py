"""Beyond the paper: several rows a token, which share the cycles of leaving a loop."""

from collections.abc import Mapping, Sequence

from headrace.experiments.ember import workloads
from headrace.experiments.ember.ablation import LOOKUPS
from headrace.experiments.ember.measure import measured
from headrace.experiments.ember.published import table
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
from headrace.experiments.plots import COLOURS, number

POINT = ("workload", "rows a token")
ROWS = (1, 2, 4, 8, 16)
CYCLES, FEWER = "cycles a lookup", "fewer cycles than level 3, percent"
WORDS = "words an element"


def pipeline(rows: int) -> str:
    """Level 3, and so many rows a token; 16 are level 4."""
    before = "ember-decouple,ember-store-stream,ember-vectorize{lanes=8},ember-buffer,ember-align"
    return f"{before},ember-batch-rows{{rows={rows}}},ember-to-dlc"


def cases(sizes: Sizes) -> list[Case]:
    return [
        Case({**dict(zip(POINT, (one["workload"], rows), strict=True)), "lookups": LOOKUPS[sizes]})
        for one in table("models")
        for rows in ROWS
    ]


def measure(settings: Cells) -> Cells:
    """Raises `WrongValueError` if the values are not those of level 3, bit for bit."""
    rows, lookups = integer(settings["rows a token"]), integer(settings["lookups"])
    example = workloads.bags(str(settings["workload"]), "L0", lookups)
    found, _ = usual, _ = measured([example], opt=3)
    if rows > 1:
        found, _ = measured([example], pipeline=pipeline(rows))
    if found["values"] != usual["values"]:
        raise WrongValueError(f"the values of {rows} rows a token are not those of level 3")
    _, (table_of, *_) = example
    return {
        **found,
        CYCLES: integer(found["cycles"]) / lookups,
        WORDS: integer(found["words"]) / (lookups * table_of.shape[1]),
    }


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        point = {name: row[name] for name in POINT}
        note = f"bound by {row['bound by']}"
        lines.append(line(point, CYCLES, row[CYCLES], note=note, error=row["error"]))
        lines.append(line(point, WORDS, row[WORDS]))
        level3 = selected(rows, **dict(zip(POINT, (row["workload"], 1), strict=True)))
        for first in level3:
            if row is not first:
                fewer = 100 * (1 - row.number("cycles") / first.number("cycles"))
                lines.append(line(point, FEWER, fewer, note="values bit for bit those of level 3"))
    return lines


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(6, 4.4)
    axes = figure.add_subplot()
    names = dict.fromkeys(one["workload"] for one in lines)
    for name, colour in zip(names, COLOURS, strict=False):
        some = chosen(lines, workload=name, measure=CYCLES)
        across = [number(one["rows a token"]) for one in some]
        axes.plot(across, [number(one["value"]) for one in some], "o-", color=colour, label=name)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("rows a token (1: level 3)")
    axes.set_ylabel("core cycles a lookup")
    axes.set_title("embedding bags, several rows a token")
    axes.legend()


EXPERIMENT = Experiment(
    "ember-batch",
    "several rows a token, beyond level 3",
    "not published",
    cases,
    measure,
    tabulate,
    plot,
)
