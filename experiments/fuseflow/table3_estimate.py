"""
Table 3: how far the cost model is from what is counted in the simulation.

The paper's heuristic estimates operations and bytes from one density per axis; ours takes the
statistics of the rows of the operands, and estimates cycles too.
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
    ratio,
)
from headrace.experiments.fuseflow.fig12_fusion import FIXED
from headrace.experiments.fuseflow.fig12_models import Example, example
from headrace.experiments.fuseflow.measure import simulated
from headrace.experiments.fuseflow.published import published
from headrace.experiments.plots import COLOURS, number

DATA: Mapping[str, Sequence[str]] = {
    "GPT-3": ("BigBird 16",),
    "GCN": ("Cora", "Cora_ML"),
    "GraphSAGE": ("Cora", "Cora_ML"),
    "SAE": ("ImageNet",),
}
QUANTITIES = ("flops", "bytes", "cycles")


def cases(sizes: Sizes) -> list[Case]:
    """Graphs at their published size, the others at the reduced one, at all sizes."""
    return [
        Case({"model": model, "data": data, "schedule": schedule})
        for model, names in DATA.items()
        for data in names
        for schedule in FIXED
    ]


def small(model: str, data: str) -> Example:
    """The model of a row; a decoder of two narrow layers takes seconds."""
    if model != "GPT-3":
        return example(model, data, "reduced" if model == "SAE" else "published")
    import torch

    from headrace.models.transformer import decoder

    return decoder(256, 128, 2, 512, 2, 4, dtype=torch.float64)


def measure(settings: Cells) -> Cells:
    import torch

    module, arguments = small(str(settings["model"]), str(settings["data"]))
    program = headrace.compile(module, arguments, pipeline=FIXED[str(settings["schedule"])])
    with torch.no_grad():
        expected: Any = module(*arguments)
    cost = program.estimate(*arguments)
    estimated = {"flops": cost.flops, "bytes": cost.bytes, "cycles": cost.cycles}
    found = simulated(lambda: program, arguments, expected)
    return {**found, **{f"estimated {name}": value for name, value in estimated.items()}}


def tabulate(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    """Errors in percent of each row and quantity, then the means over the rows of a model."""
    lines: list[dict[str, Cell]] = []
    for row in rows:
        for quantity in QUANTITIES:
            counted, estimated = row.number(quantity), row.number(f"estimated {quantity}")
            lines.append(
                {
                    **{name: row[name] for name in ("model", "data", "schedule")},
                    "quantity": quantity,
                    "counted": counted,
                    "estimated": estimated,
                    "error in %": 100 * abs(estimated - counted) / counted,
                    "published": None,
                    "ratio": None,
                    "error": row["error"],
                    "how": "simulated",
                    "note": "",
                }
            )
    return [*lines, *means(lines)]


def means(lines: Sequence[Mapping[str, Cell]]) -> list[dict[str, Cell]]:
    """The average error of each model and quantity, which is what is published."""
    found: list[dict[str, Cell]] = []
    for model in dict.fromkeys(line["model"] for line in lines):
        for quantity in QUANTITIES:
            errors = [
                number(line["error in %"])
                for line in lines
                if (line["model"], line["quantity"]) == (model, quantity)
            ]
            mean = sum(errors) / len(errors)
            theirs: float | None = published("table3", model=model).get(quantity)
            found.append(
                {
                    **dict.fromkeys(lines[0]),
                    "model": model,
                    "data": "mean",
                    "quantity": quantity,
                    "error in %": mean,
                    "published": theirs,
                    "ratio": ratio(mean, theirs),
                    "how": "simulated",
                    "note": "",
                }
            )
    return found


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    """The mean errors; diamonds are published."""
    figure.set_size_inches(8, 4)
    axes = figure.add_subplot()
    chosen = [line for line in lines if line["data"] == "mean"]
    models = list(dict.fromkeys(line["model"] for line in chosen))
    for place, quantity in enumerate(QUANTITIES):
        bars = [line for line in chosen if line["quantity"] == quantity]
        places = [models.index(line["model"]) + (place - 1) * 0.27 for line in bars]
        drawn = axes.bar(
            places,
            [number(line["error in %"]) for line in bars],
            0.27,
            color=COLOURS[place],
            label=quantity,
        )
        axes.bar_label(drawn, fmt="%.2g", fontsize=8, padding=2)
        theirs = [number(line["published"]) for line in bars]
        label = "published" if place == 0 else None
        axes.plot(places, theirs, "D", color="white", markeredgecolor="black", label=label)
    axes.set_xticks(range(len(models)), [str(model) for model in models])
    axes.set_ylabel("mean error in %")
    axes.set_title("cost model against simulation")
    axes.legend()


EXPERIMENT = Experiment(
    "table3", "cost model against simulation", "Table 3", cases, measure, tabulate, plot
)
