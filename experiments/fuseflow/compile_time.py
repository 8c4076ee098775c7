"""
Compile times of fused regions, from index notation to a program that can run.

The largest is what full fusion makes of a decoder: from the output of one attention through the
feed-forward layers to the next attention's queries.
"""

import time
from collections.abc import Mapping, Sequence

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
from headrace.experiments.fuseflow.networks import GCN, GCN_FORMATS
from headrace.experiments.fuseflow.published import published
from headrace.experiments.plots import number

REPETITIONS = 5


def attended(inner: str, outer: str) -> str:
    """The output projection of an attention X, with its residual R."""
    return f"X(b,i,{inner}) * Wo({inner},{outer}) + bo({outer}) + R(b,i,{outer})"


NORMAL = f"layernorm({attended('a', 'd')}, d)"
FEED_FORWARD = f"relu({NORMAL} * W1(d,f) + b1(f)) * W2(f,e) + b2(e) + ({attended('c', 'e')})"
"""A block of a decoder behind its attention."""

WEIGHTS = {"A": "ss", "W1": "ss", "W2": "ss"}
SPARSE = {"X": "ss", "E": "ss", "D": "ss"}
DENSE: Mapping[str, str] = {}
REGIONS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "SAE, whole": ("Y(i,o) = relu(X(i,f) * E(f,h) + be(h)) * D(h,o) + bd(o)", SPARSE),
    "GCN layer": ("Y(i,h) = relu(A(i,k) * X(k,f) * W1(f,h) + b(h))", WEIGHTS),
    "GCN, two layers": (GCN, GCN_FORMATS),
    "GraphSAGE layer": (
        "Y(i,h) = relu(X(i,f) * W1(f,h) + b1(h) + (A(i,j) * X(j,g) * W2(g,h) + b2(h)))",
        WEIGHTS,
    ),
    "masked attention": (
        "Y(b,h,i,e) = softmax(Q(b,h,i,d) * K(b,h,d,j) / 8 * M(i,j), j) * V(b,h,j,e)",
        {"M": "ss"},
    ),
    "feed-forward": (f"Y(b,i,e) = {FEED_FORWARD}", DENSE),
    "feed-forward, queries": (
        f"Y(b,i,q) = layernorm({FEED_FORWARD}, e) * Wq(e,q) + bq(q)",
        DENSE,
    ),
}


def cases(sizes: Sizes) -> list[Case]:
    """The sizes of the operands are known when a program runs only."""
    return [Case({"region": region}) for region in REGIONS]


def measure(settings: Cells) -> Cells:
    text, formats = REGIONS[str(settings["region"])]
    pipeline = "sam-fuse{regions=all},sam-lower"
    operands = {name: format for name, format in formats.items() if f"{name}(" in text}
    primitives = 0
    times: list[float] = []
    for _ in range(REPETITIONS):
        # Processor time, so that other work on the machine does not count.
        start = time.process_time()
        program = headrace.einsum(text, pipeline=pipeline, sizes=None, dtype="f64", **operands)
        times.append(1e3 * (time.process_time() - start))
        primitives = sum(len(graph.program.kinds) for graph in program.graphs)
    return {"primitives": primitives, "milliseconds": min(times), "first": times[0]}


def tabulate(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    limit: int = published("compile")["milliseconds"]
    return [
        {
            "region": row["region"],
            "primitives": row["primitives"],
            "first in ms": row["first"],
            "best in ms": row["milliseconds"],
            "published": limit,
            "ratio": ratio(row["milliseconds"], limit),
            "error": None,
            "how": "measured",
            "note": "the paper's bound for all its models",
        }
        for row in rows
    ]


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(7, 4)
    axes = figure.add_subplot()
    names = [f"{line['region']} ({line['primitives']})" for line in lines]
    bars = axes.barh(names, [number(line["best in ms"]) for line in lines])
    axes.bar_label(bars, fmt="%.0f", padding=2)
    axes.axvline(
        number(lines[0]["published"]), color="black", linestyle="--", label="published bound"
    )
    axes.invert_yaxis()
    axes.set_xlabel("compile time in ms; in brackets the primitives of the graph")
    axes.legend()


EXPERIMENT = Experiment(
    "compile",
    "compile time of fused regions",
    "FuseFlow, Section 8.7",
    cases,
    measure,
    tabulate,
    plot,
)
