"""
Figure 18: the order of the loops of `Y(i,l) = A(i,k) B(k,j) C(j,l)`, all 24 of them.

A is the karate club's graph, B is dense, C has a tenth of its entries. Operands whose storage
contradicts an order are read as permuted copies, so that every order runs.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

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
from headrace.experiments.fuseflow.networks import Array, simulated_notation, sparse
from headrace.experiments.fuseflow.published import published
from headrace.experiments.plots import number

CHAIN = "Y(i,l) = A(i,k) * B(k,j) * C(j,l)"
AXES = "ikjl"
"""In the order of first use, which is how `sam-order` numbers them."""

SPREAD = 29
"""The slowest to the fastest of the published orders, in the text."""


def cases(sizes: Sizes) -> list[Case]:
    """Every order of the four loops; reduced and published sizes are the same."""
    return [Case({"order": "".join(order)}) for order in permutations(AXES)]


def measure(settings: Cells) -> Cells:
    from headrace.models.graphs import karate_club

    order = str(settings["order"])
    draw = np.random.default_rng(0)
    graph: Any = karate_club().adjacency
    operands: dict[str, Array] = {
        "A": graph.toarray(),
        "B": draw.standard_normal((34, 34)),
        "C": sparse(draw, (34, 16), 0.1),
    }
    priority = ",".join(str(AXES.index(axis)) for axis in order)
    pipeline = f"sam-fuse{{regions=all}},sam-order{{priority={priority} copies=any}},sam-lower"
    expected = operands["A"] @ operands["B"] @ operands["C"]
    return simulated_notation(CHAIN, pipeline, {"A": "ss", "C": "ss"}, operands, expected)


def tabulate(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    """Orders from fast to slow, then their spread, for which there is a published value."""
    ordered = sorted(rows, key=lambda row: row.number("cycles"))
    lines: list[dict[str, Cell]] = []
    for row in ordered:
        slower = row.number("cycles") / ordered[0].number("cycles")
        place: int | None = published("fig18", order=row["order"]).get("number")
        lines.append(
            {
                "order": row["order"],
                "number in the paper": place,
                "cycles": row["cycles"],
                "times the fastest": slower,
                "published": None,
                "ratio": None,
                "error": row["error"],
                "how": "simulated",
                "note": "" if place is not None else "did not run in the paper",
            }
        )
    ran = [line for line in lines if line["number in the paper"] is not None]
    return [
        *lines,
        *_spread(ran, "over the orders that ran in the paper, whose text says about 29", SPREAD),
        *_spread(lines, "over all orders", None),
    ]


def _spread(
    ordered: Sequence[Mapping[str, Cell]], note: str, theirs: float | None
) -> list[dict[str, Cell]]:
    """A line for the slowest to the fastest of some orders, where there are two."""
    if len(ordered) < 2:
        return []
    spread = number(ordered[-1]["cycles"]) / number(ordered[0]["cycles"])
    return [
        {
            **dict.fromkeys(ordered[0]),
            "order": f"spread of {len(ordered)}",
            "times the fastest": spread,
            "published": theirs,
            "ratio": ratio(spread, theirs),
            "how": "simulated",
            "note": note,
        }
    ]


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(9, 4)
    axes = figure.add_subplot()
    orders = [line for line in lines if line["cycles"] is not None]
    names = [str(line["order"]) for line in orders]
    cycles = [number(line["cycles"]) for line in orders]
    ran = [line["number in the paper"] is not None for line in orders]
    colours = ["tab:blue" if one else "lightsteelblue" for one in ran]
    axes.bar(names, cycles, color=colours)
    label = f"published spread, of the orders that ran: {SPREAD} times the fastest"
    axes.axhline(SPREAD * min(cycles), color="black", linestyle="--", label=label)
    axes.legend(loc="upper left")
    axes.set_yscale("log")
    axes.set_ylim(0.8 * min(cycles), 3 * SPREAD * min(cycles))
    axes.set_ylabel("cycles")
    axes.set_xlabel("order of the loops, outermost first (pale: did not run in the paper)")
    axes.tick_params(axis="x", rotation=90)
    axes.set_title("A(i,k) B(k,j) C(j,l) on the karate club, by order of loops")


EXPERIMENT = Experiment(
    "fig18",
    "order of the loops of a chain of products",
    "FuseFlow, Figure 18",
    cases,
    measure,
    tabulate,
    plot,
)
