"""
Figure 14: arithmetic operations and accesses to elements of a two-layer GCN, for five schedules.

Both are counted in the simulation: operations by the nodes that compute, accesses (of values,
coordinates and segments alike) by the nodes that read and write memory.
"""

from collections.abc import Mapping, Sequence
from typing import Any

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
    ratio,
)
from headrace.experiments.fuseflow.fig12_models import example
from headrace.experiments.fuseflow.measure import simulated
from headrace.experiments.fuseflow.networks import GCN_CUTS, fused
from headrace.experiments.fuseflow.published import published
from headrace.experiments.plots import grouped_bars

DATA = ("Cora_ML", "DBLP")
WORD_BYTES = 8
"""Of an element in our memory; an element of the paper has 4."""
QUANTITIES = ("flops", "accesses")


def cases(sizes: Sizes) -> list[Case]:
    """Both graphs have their published size at all sizes."""
    return [Case({"data": data, "schedule": schedule}) for data in DATA for schedule in GCN_CUTS]


def measure(settings: Cells) -> Cells:
    import torch

    module, arguments = example("GCN", str(settings["data"]), "published")
    pipeline = fused(GCN_CUTS[str(settings["schedule"])])
    with torch.no_grad():
        expected: Any = module(*arguments)
    found = simulated(
        lambda: headrace.compile(module, arguments, pipeline=pipeline),
        arguments,
        expected,
        operations=True,
    )
    return {**found, "accesses": integer(found["bytes"]) // WORD_BYTES}


def tabulate(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    """Each quantity of each case, to that of the unfused schedule; and operations per access."""
    lines: list[dict[str, Cell]] = []
    for row in rows:
        data, schedule = row["data"], row["schedule"]
        unfused = next(
            (one for one in rows if (one["data"], one["schedule"]) == (data, "unfused")), None
        )
        theirs = published("fig14", data=data, schedule=schedule)
        base = published("fig14", data=data, schedule="unfused")
        for quantity in QUANTITIES:
            ours = row.number(quantity) / unfused.number(quantity) if unfused else None
            known: float = theirs[quantity] / base[quantity]
            lines.append(_line(row, quantity, row[quantity], ours, known))
        intensity = row.number("flops") / row.number("accesses")
        known = theirs["flops"] / theirs["accesses"]
        lines.append(_line(row, "flops per access", None, intensity, known))
    return lines


def _line(row: Row, quantity: str, counted: Cell, ours: Cell, theirs: Cell) -> dict[str, Cell]:
    return {
        "data": row["data"],
        "schedule": row["schedule"],
        "quantity": quantity if counted is None else f"{quantity}, to unfused",
        "counted": counted,
        "ours": ours,
        "published": theirs,
        "ratio": ratio(ours, theirs),
        "error": row["error"],
        "how": "simulated",
        "note": "",
    }


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    """A picture for each graph and quantity; diamonds are published."""
    figure.set_size_inches(11, 7)
    names = list(dict.fromkeys(line["data"] for line in lines))
    for row, data in enumerate(names):
        for column, quantity in enumerate(QUANTITIES):
            axes = figure.add_subplot(len(names), 2, 2 * row + column + 1)
            chosen = [
                line
                for line in lines
                if line["data"] == data and str(line["quantity"]).startswith(f"{quantity},")
            ]
            grouped_bars(axes, chosen, "schedule", "data", "ours")
            axes.set_ylabel(f"{quantity}, to unfused")
            axes.set_title(f"two-layer GCN on {data}; diamonds are published")


EXPERIMENT = Experiment(
    "fig14",
    "operations and accesses of a GCN",
    "FuseFlow, Figure 14",
    cases,
    measure,
    tabulate,
    plot,
)
