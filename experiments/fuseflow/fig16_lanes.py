"""
Figure 16: attention in parallel lanes, on the heads, on the rows of the scores, and on both.

The mask is off, as in the published cycles (12 heads x 1024 x 1024 x 64 of them), and the keys are
stored with the positions innermost.
"""

from collections.abc import Mapping, Sequence

import numpy as np

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
from headrace.experiments.fuseflow.networks import Array, simulated_notation
from headrace.experiments.fuseflow.published import published
from headrace.experiments.plots import number

ATTENTION = "Y(b,h,i,e) = softmax(Q(b,h,i,d) * K(b,h,d,j) / 8, j) * V(b,h,j,e)"
AXES = {"heads": 1, "rows": 2}
"""The numbers of h and i, by first use."""

FACTORS: Sequence[tuple[int, int]] = (
    (1, 1),
    (1, 2),
    (1, 4),
    (1, 16),
    (1, 64),
    (2, 1),
    (4, 1),
    (2, 2),
    (4, 4),
)
"""Lanes of heads and of rows."""

LENGTH: Mapping[Sizes, int] = {"reduced": 256, "published": 1024}
HEADS, WIDTH = 12, 64


def cases(sizes: Sizes) -> list[Case]:
    return [
        Case({"length": LENGTH[sizes], "heads": heads, "rows": rows}) for heads, rows in FACTORS
    ]


def measure(settings: Cells) -> Cells:
    length = integer(settings["length"])
    draw = np.random.default_rng(0)
    operands = {
        "Q": draw.standard_normal((1, HEADS, length, WIDTH)),
        "K": draw.standard_normal((1, HEADS, WIDTH, length)),
        "V": draw.standard_normal((1, HEADS, length, WIDTH)),
    }
    lanes = "".join(
        f"sam-parallelize{{axis={place} factor={settings[axis]}}},"
        for axis, place in AXES.items()
        if settings[axis] != 1
    )
    pipeline = f"sam-fuse{{regions=all}},{lanes}sam-lower"
    return simulated_notation(ATTENTION, pipeline, {}, operands, attention(operands))


def attention(operands: Mapping[str, Array]) -> Array:
    """The result in dense arithmetic."""
    scores = operands["Q"] @ operands["K"] / 8
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ operands["V"]


def tabulate(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    alone = next((row for row in rows if lanes_of(row) == 1), None)
    theirs_alone: int = published("fig16", outer=1, inner=1)["cycles"]
    lines: list[dict[str, Cell]] = []
    for row in rows:
        speedup = alone.number("cycles") / row.number("cycles") if alone else None
        known: int | None = published("fig16", outer=row["heads"], inner=row["rows"]).get("cycles")
        theirs = theirs_alone / known if known else None
        lines.append(
            {
                **{name: row[name] for name in ("length", "heads", "rows")},
                "mask": "off",
                "lanes": lanes_of(row),
                "primitives": row["primitives"],
                "cycles": row["cycles"],
                "speed-up": speedup,
                "published": theirs,
                "ratio": ratio(speedup, theirs),
                "error": row["error"],
                "how": "simulated",
                "note": "" if known else "the paper's text says near linear",
            }
        )
    return lines


def lanes_of(row: Row) -> int:
    """How many copies of the innermost part there are."""
    return round(row.number("heads") * row.number("rows"))


def dealt(line: Mapping[str, Cell]) -> str:
    """Which axes have lanes; one lane alone counts as lanes of rows."""
    if line["heads"] == 1:
        return "rows"
    return "heads" if line["rows"] == 1 else "both"


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(6.5, 5)
    axes = figure.add_subplot()
    most = max(number(line["lanes"]) for line in lines)
    axes.plot([1, most], [1, most], color="grey", linewidth=0.8, label="ideal")
    for marker, name in zip("osd", ("rows", "heads", "both"), strict=True):
        chosen = [line for line in lines if dealt(line) == name]
        lanes = [number(line["lanes"]) for line in chosen]
        speedups = [number(line["speed-up"]) for line in chosen]
        axes.plot(lanes, speedups, marker, label=f"lanes of {name}")
    known = [line for line in lines if line["published"] is not None]
    axes.plot(
        [number(line["lanes"]) for line in known],
        [number(line["published"]) for line in known],
        "x",
        markersize=10,
        color="black",
        label="published (block 64, mask off)",
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("lanes")
    axes.set_ylabel("speed-up over one lane")
    axes.set_title("attention in parallel lanes, mask off")
    axes.legend()


EXPERIMENT = Experiment(
    "fig16",
    "attention in parallel lanes, mask off",
    "FuseFlow, Figure 16",
    cases,
    measure,
    tabulate,
    plot,
)
