"""One number of the machine at a time: RM3 at level 3 where every lookup comes from memory."""

from collections.abc import Callable, Mapping, Sequence

import headrace
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
from headrace.experiments.lines import Line, line
from headrace.experiments.plots import number, plain_axis

LOOKUPS: Mapping[Sizes, int] = {"reduced": 8192, "published": 98_304}
CYCLES = "cycles a lookup"
CALIBRATED = "beside the recurrence that reproduces the ablation, which is not in the paper"


def sweep(
    name: str, title: str, known: str, axis: str, machine: Callable[[int], headrace.DaeMachine]
) -> Experiment:
    """
    Cycles by a number of the machine, beside the table of the recurrence called `known`.

    `machine` makes the machine of a number. Where a lookup does not fit in one, the line says so.
    """

    def cases(sizes: Sizes) -> list[Case]:
        return [Case({"value": one["value"], "lookups": LOOKUPS[sizes]}) for one in table(known)]

    def measure(settings: Cells) -> Cells:
        lookups = integer(settings["lookups"])
        example = workloads.missing_bags("RM3", lookups)
        described = machine(integer(settings["value"]))
        try:
            found, _ = measured([example], opt=3, machine=described)
        except headrace.InputError as error:
            return {CYCLES: None, "error": None, "refused": str(error)}
        return {**found, CYCLES: integer(found["cycles"]) / lookups, "refused": None}

    def tabulate(rows: Sequence[Row]) -> list[Line]:
        return [
            line(
                {axis: row["value"]},
                CYCLES,
                row[CYCLES],
                published(known, value=row["value"])["cycles"],
                str(row["refused"] or CALIBRATED),
                row["error"],
            )
            for row in rows
        ]

    def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
        figure.set_size_inches(6, 4.4)
        axes = figure.add_subplot()
        across = [number(one[axis]) for one in lines]
        axes.plot(across, [number(one["value"]) for one in lines], "o-", label="ours")
        theirs = [number(one["published"]) for one in lines]
        axes.plot(across, theirs, "x", markersize=9, color="black", label="calibrated recurrence")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        plain_axis(axes.yaxis, (1, 2, 5))
        axes.set_xlabel(axis)
        axes.set_ylabel("core cycles a lookup")
        axes.set_title("RM3, level 3, every lookup from memory")
        axes.legend()

    return Experiment(
        name, title, "Ember, its machine in the recurrence", cases, measure, tabulate, plot
    )
