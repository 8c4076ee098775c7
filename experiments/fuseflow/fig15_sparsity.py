"""
Figure 15: a two-layer GCN by the sparsity and the pattern of its adjacency.

The paper gives no numbers: partial fusion is above 1 and grows with sparsity, a structured pattern
is slightly better, full fusion slows down. What is compared here are cycles recorded with a token
simulation of the graphs that the released compiler emits, at the reduced size.
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
    real,
)
from headrace.experiments.fuseflow.measure import unfused_cycles
from headrace.experiments.fuseflow.networks import (
    GCN,
    GCN_CUTS,
    GCN_FORMATS,
    Array,
    fused,
    gcn_operands,
    gcn_values,
    simulated_notation,
)
from headrace.experiments.fuseflow.published import published
from headrace.experiments.plots import lines_of

SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95)
PATTERNS = ("uniform", "block", "power law")
SCHEDULES = {"unfused": "unfused", "partial": "both layers", "full": "full"}

RECORDED = "recorded with a token simulation"
"""What the values are that ours are compared with."""

NODES: Mapping[Sizes, tuple[int, int]] = {"reduced": (200, 64), "published": (500, 128)}
"""Nodes and features; 16 hidden features and 8 classes at both sizes."""


def cases(sizes: Sizes) -> list[Case]:
    nodes, features = NODES[sizes]
    return [
        Case(
            {
                "pattern": pattern,
                "sparsity": sparsity,
                "nodes": nodes,
                "features": features,
                "schedule": schedule,
            }
        )
        for pattern in PATTERNS
        for sparsity in SPARSITIES
        for schedule in SCHEDULES
    ]


def measure(settings: Cells) -> Cells:
    nodes, features = integer(settings["nodes"]), integer(settings["features"])
    draw = np.random.default_rng(0)
    graph = adjacency(nodes, str(settings["pattern"]), real(settings["sparsity"]), draw)
    operands = gcn_operands(graph, features, 16, 8, 0.5, draw)
    cuts = GCN_CUTS[SCHEDULES[str(settings["schedule"])]]
    found = simulated_notation(GCN, fused(cuts), GCN_FORMATS, operands, gcn_values(operands))
    return {**found, "entries": int(graph.sum())}


def adjacency(nodes: int, pattern: str, sparsity: float, draw: np.random.Generator) -> Array:
    """A 0/1 matrix with a full diagonal: entries anywhere, in diagonal blocks, or on hubs."""
    kept = np.zeros((nodes, nodes), dtype=bool)
    match pattern:
        case "uniform":
            kept = draw.random((nodes, nodes)) < 1 - sparsity
        case "block":
            for block in np.array_split(np.arange(nodes), max(1, round(1 / (1 - sparsity)))):
                kept[np.ix_(block, block)] = True
        case _:
            # The largest of "logarithm of the weight, with Gumbel noise" are a weighted draw
            # without replacement.
            weight = -0.55 * np.log(draw.permutation(nodes) + 1.0)
            noisy = weight[:, None] + weight[None, :] + draw.gumbel(size=(nodes, nodes))
            chosen = np.argsort(noisy, axis=None)[
                nodes * nodes - round((1 - sparsity) * nodes**2) :
            ]
            kept.reshape(-1)[chosen] = True
    np.fill_diagonal(kept, True)
    return kept.astype(np.float64)


def tabulate(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    """A line for each case; speed-ups are over the unfused schedule of the same graph."""
    place = ("pattern", "sparsity", "nodes", "features")
    unfused = unfused_cycles(rows, place)
    lines: list[dict[str, Cell]] = []
    for row in rows:
        base = unfused.get(tuple(row[name] for name in place))
        speedup = base / row.number("cycles") if base else None
        recorded = published(
            "fig15", **{name: row[name] for name in ("pattern", "sparsity", "nodes")}
        )
        known: int | None = recorded.get(str(row["schedule"]))
        their_speedup = recorded["unfused"] / known if known else None
        lines.append(
            {
                **{name: row[name] for name in (*place, "entries", "schedule", "cycles")},
                "speed-up": speedup,
                "published": their_speedup,
                "ratio": ratio(speedup, their_speedup),
                "error": row["error"],
                "how": "simulated",
                "note": f"{RECORDED}, not in the paper" if known else "",
            }
        )
    return lines


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    """Speed-up over sparsity, a picture for each kind of fusion; crosses are recorded."""
    figure.set_size_inches(10, 4)
    for place, schedule in enumerate(("partial", "full"), 1):
        axes = figure.add_subplot(1, 2, place)
        chosen = [line for line in lines if line["schedule"] == schedule]
        lines_of(axes, chosen, "pattern", "sparsity", "speed-up", RECORDED)
        axes.axhline(1, color="grey", linewidth=0.8)
        axes.set_xlabel("sparsity of the adjacency")
        axes.set_ylabel("speed-up over unfused")
        axes.set_title(f"two-layer GCN, {schedule} fusion")
        axes.set_yscale("log" if schedule == "full" else "linear")
        axes.legend()


EXPERIMENT = Experiment(
    "fig15",
    "a GCN by sparsity and pattern of its graph",
    "FuseFlow, Figure 15",
    cases,
    measure,
    tabulate,
    plot,
)
