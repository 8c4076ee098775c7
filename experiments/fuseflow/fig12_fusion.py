"""
Figure 12: speed-up over unfused of partial (per layer) and full fusion, for four models.

The models are PyTorch modules, the schedules pipelines of passes, and every result is compared with
PyTorch's. Unfused, each operation is a stream graph of its own whose result is stored.
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
from headrace.experiments.fuseflow.fig12_models import example
from headrace.experiments.fuseflow.measure import simulated, unfused_cycles
from headrace.experiments.fuseflow.published import caution, published
from headrace.experiments.plots import grouped_bars

FIXED: Mapping[str, str] = {
    "unfused": "sam-fuse{regions=none},sam-lower",
    "partial": "sam-fuse{regions=layer},sam-lower",
    "full": "sam-fuse{regions=all},sam-lower",
}
SCHEDULES: Mapping[str, str] = {**FIXED, "auto": "auto"}
"""Those of the paper, and the one that the scheduler chooses."""

DATA: Mapping[str, Sequence[str]] = {
    "SAE": ("ImageNet", "NIH-CXR", "LUNA16"),
    "GCN": ("Cora", "Cora_ML", "DBLP", "OGB-MAG"),
    "GraphSAGE": ("Cora", "Cora_ML", "OGB-MAG"),
    "GPT-3": ("BigBird 16", "BigBird 64"),
}
SMALL_ENOUGH = ("ImageNet", "Cora", "Cora_ML", "DBLP")
"""What is simulated at its published size; what is larger is estimated."""

SHARE = {"SAE": 1 / 16, "GCN": 1 / 16, "GraphSAGE": 1 / 16, "GPT-3": 1.0}
"""
Of which part of the pixels or nodes the cost is estimated where it is.

It is proportional to them: a graph of a sixteenth of the nodes has the same degrees.
"""

BEST = "published: the best of the three schedules"

MEAN = "geometric mean"


def cases(sizes: Sizes) -> list[Case]:
    return [
        Case({"model": model, "data": data, "size": size, "schedule": schedule, "how": how})
        for model, names in DATA.items()
        for data in names
        for size, how in [size_of(model, data, sizes)]
        for schedule in SCHEDULES
    ]


def size_of(model: str, data: str, sizes: Sizes) -> tuple[str, str]:
    """The size of a model, and how its cycles are found; graphs have their published size."""
    if sizes == "reduced" and model in ("SAE", "GPT-3"):
        return "reduced", "simulated"
    return "published", "simulated" if data in SMALL_ENOUGH else "estimated"


def measure(settings: Cells) -> Cells:
    import torch

    model, data, size, schedule = (
        str(settings[name]) for name in ("model", "data", "size", "schedule")
    )
    share = SHARE[model] if settings["how"] == "estimated" else 1
    module, arguments = example(model, data, size, share)

    def compile() -> headrace.Program:
        return headrace.compile(module, arguments, pipeline=SCHEDULES[schedule])

    if settings["how"] == "estimated":
        cost = compile().estimate(*arguments)
        return {"cycles": round(cost.cycles / share), "error": None}
    with torch.no_grad():
        expected: Any = module(*arguments)
    return simulated(compile, arguments, expected)


def tabulate(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    """A line for each case, and for each model and schedule the mean over the data sets."""
    place = ("model", "data", "size")
    unfused = unfused_cycles(rows, place)
    lines: list[dict[str, Cell]] = []
    for row in rows:
        base = unfused.get(tuple(row[name] for name in place))
        speedup = base / row.number("cycles") if base else None
        theirs = published_speedup(row)
        settings = {name: row[name] for name in (*place, "schedule")}
        lines.append(
            {
                **settings,
                "cycles": row["cycles"],
                "speed-up": speedup,
                "published": theirs,
                "ratio": ratio(speedup, theirs),
                "error": row["error"],
                "how": row["how"],
                "note": note_on(**settings),
            }
        )
    return [*lines, *means(lines)]


def note_on(**settings: Cell) -> str:
    """What is to be known about the published value of a line."""
    notes = (BEST if settings["schedule"] == "auto" else "", caution(**settings))
    return "; ".join(note for note in notes if note)


def published_speedup(row: Row) -> float | None:
    """
    From the published cycles, but for the full fusion of the autoencoder: from the text.

    The scheduler's choice is compared with the best of the published schedules.
    """
    if row["model"] == "SAE" and row["schedule"] in ("full", "auto"):
        return published("geomean", model="SAE")["full"]
    line = published("fig12", model=row["model"], data=row["data"])
    if row["schedule"] == "auto":
        return line["unfused"] / min(line[name] for name in FIXED)
    return line["unfused"] / line[str(row["schedule"])]


def means(lines: Sequence[Mapping[str, Cell]]) -> list[dict[str, Cell]]:
    """The geometric mean of each model and schedule over its data sets."""
    found: list[dict[str, Cell]] = []
    for model in dict.fromkeys(line["model"] for line in lines):
        for schedule in [name for name in SCHEDULES if name != "unfused"]:
            chosen = [
                line for line in lines if (line["model"], line["schedule"]) == (model, schedule)
            ]
            mean = _mean(chosen)
            if mean is None:
                continue
            notes = [note_on(model=model, schedule=schedule)]
            alone = _mean([line for line in chosen if line["how"] == "simulated"])
            left_out = [str(line["data"]) for line in chosen if line["how"] == "estimated"]
            if alone and left_out:
                notes.append(f"{alone:.3g} without what is estimated ({', '.join(left_out)})")
            known = published("geomean", model=model)
            of_schedules = [known[name] for name in FIXED if name in known]
            theirs = max(of_schedules) if schedule == "auto" else known.get(schedule)
            found.append(
                {
                    **dict.fromkeys(lines[0]),
                    "model": model,
                    "data": MEAN,
                    "size": chosen[0]["size"],
                    "schedule": schedule,
                    "speed-up": mean,
                    "published": theirs,
                    "ratio": ratio(mean, theirs),
                    "how": "estimated" if left_out else "simulated",
                    "note": "; ".join(note for note in notes if note),
                }
            )
    return found


def _mean(lines: Sequence[Mapping[str, Cell]]) -> float | None:
    """The geometric mean of the speed-ups that there are."""
    speedups = [one for line in lines if isinstance(one := line["speed-up"], float)]
    return float(np.exp(np.mean(np.log(speedups)))) if speedups else None


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    """A picture for each model; hatched bars are estimated, diamonds published."""
    models = list(dict.fromkeys(line["model"] for line in lines))
    theirs = "published; of auto: the best of the published schedules"
    legend: dict[str, Drawing] = {}
    figure.set_size_inches(11, 7)
    for place, model in enumerate(models, 1):
        axes = figure.add_subplot(2, 2, place)
        chosen = [
            line for line in lines if line["model"] == model and line["schedule"] != "unfused"
        ]
        grouped_bars(axes, chosen, "data", "schedule", "speed-up", theirs)
        axes.set_ylabel("speed-up over unfused")
        axes.set_title(str(model))
        axes.tick_params(axis="x", labelsize=9)
        handles, labels = axes.get_legend_handles_labels()
        legend.update(zip(labels, handles, strict=True))
    if legend:
        figure.legend(legend.values(), legend, loc="outside lower center", ncols=len(legend))


EXPERIMENT = Experiment(
    "fig12",
    "fusion granularity of four models",
    "FuseFlow, Figure 12",
    cases,
    measure,
    tabulate,
    plot,
)
