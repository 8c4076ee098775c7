"""
Table 3: how far the cost model is from what is counted in the simulation.

The paper's heuristic estimates operations and bytes from one density per axis; ours takes the
statistics of the rows of the operands, and estimates cycles too. The intermediate tensors of the
models are full, so that all that is counted follows from the operands; those of two steps on a
graph, `(A A) X`, are not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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
from headrace.experiments.fuseflow.fig12_models import GRAPHS, example
from headrace.experiments.fuseflow.measure import simulated
from headrace.experiments.fuseflow.published import published
from headrace.experiments.plots import COLOURS, number

DATA: Mapping[str, Sequence[str]] = {
    "GPT-3": ("BigBird 16",),
    "GCN": ("Cora", "Cora_ML"),
    "GraphSAGE": ("Cora", "Cora_ML"),
    "SAE": ("ImageNet",),
    "two steps": ("Cora", "Cora_ML"),
}
QUANTITIES = ("flops", "bytes", "cycles")


def cases(sizes: Sizes) -> list[Case]:
    """Graphs at their published size, the others at the reduced one, at all sizes."""
    return [
        Case({"model": model, "data": data, "schedule": schedule})
        for model, names in DATA.items()
        for data in names
        for schedule in FIXED
        if (model, schedule) != ("two steps", "partial")
    ]


def measure(settings: Cells) -> Cells:
    model, data, schedule = (str(settings[name]) for name in ("model", "data", "schedule"))
    make = two_steps if model == "two steps" else neural_network
    program, arguments, expected = make(model, data, FIXED[schedule])
    cost = program.estimate(*arguments)
    found = simulated(lambda: program, arguments, expected, operations=True)
    return {
        **{name: found[name] for name in (*QUANTITIES, "error", "simulate_seconds")},
        "estimated flops": cost.flops,
        "estimated bytes": cost.bytes,
        "estimated cycles": cost.cycles,
    }


Compiled = tuple[headrace.Program, tuple[object, ...], object]
"""A program, its arguments, and the values that it must give."""


def neural_network(model: str, data: str, pipeline: str) -> Compiled:
    """A model of Figure 12, but of the decoder two narrow layers, which take seconds."""
    import torch

    from headrace.models.transformer import decoder

    if model == "GPT-3":
        module, arguments = decoder(256, 128, 2, 512, 2, 4, dtype=torch.float64)
    else:
        size = "reduced" if model == "SAE" else "published"
        module, arguments = example(model, data, size)
    with torch.no_grad():
        expected: Any = module(*arguments)
    return headrace.compile(module, arguments, pipeline=pipeline), arguments, expected


def two_steps(model: str, data: str, pipeline: str) -> Compiled:
    """Features after two steps on a graph; the product of the adjacency with itself is sparse."""
    from headrace.models.datasets import DATASETS

    adjacency: Any = DATASETS[GRAPHS[data]].adjacency()
    features = np.random.default_rng(0).standard_normal((adjacency.shape[0], 64))
    text = "Y(i,f) = A(i,j) * A(j,k) * X(k,f)"
    formats: dict[str, Any] = {"A": ("ss", adjacency.shape), "X": ("dd", features.shape)}
    program = headrace.einsum(text, pipeline=pipeline, **formats)
    return program, (adjacency, features), adjacency @ (adjacency @ features)


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
    "table3", "cost model against simulation", "FuseFlow, Table 3", cases, measure, tabulate, plot
)
