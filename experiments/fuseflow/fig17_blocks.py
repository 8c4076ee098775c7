"""
Figure 17: attention under a BigBird mask, on the blocks of the mask as tiles and without blocks.

Without blocks an allowed position costs a row of the keys; with them a tile of positions does.
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
from headrace.experiments.plots import number

ATTENTION = "Y(b,h,i,e) = masked_softmax(Q(b,h,i,d) * K(b,h,j,d) / 8, M(i,j), j) * V(b,h,j,e)"
"""Its axes are i0 = b, i1 = h, i2 = i, i3 = d, i4 = j and i5 = e."""

BLOCKS = (16, 32, 64)
LENGTH, HEADS, WIDTH = 1024, 12, 64


def cases(sizes: Sizes) -> list[Case]:
    """The published size at all sizes."""
    return [
        Case({"block": block, "length": LENGTH, "treatment": treatment})
        for block in BLOCKS
        for treatment in ("unstructured", "blocked")
    ]


def measure(settings: Cells) -> Cells:
    block, length = integer(settings["block"]), integer(settings["length"])
    operands = attention_operands(length, block)
    tiles = f"sam-block{{axes=2,3,4,5 sizes={','.join(4 * [str(block)])}}},"
    blocked = tiles if settings["treatment"] == "blocked" else ""
    pipeline = f"sam-fuse{{regions=all}},{blocked}sam-lower"
    found = simulated_notation(ATTENTION, pipeline, {"M": "ss"}, operands, attention(operands))
    return {**found, "mask sparsity": float(1 - operands["M"].mean())}


def attention_operands(length: int, block: int) -> dict[str, Array]:
    """Queries, keys and values of 12 heads, and a mask."""
    from headrace.models.transformer import bigbird_mask

    draw = np.random.default_rng(0)
    shape = (1, HEADS, length, WIDTH)
    operands = {name: draw.standard_normal(shape) for name in ("Q", "K", "V")}
    return {**operands, "M": bigbird_mask(length, block).numpy().astype(np.float64)}


def attention(operands: Mapping[str, Array]) -> Array:
    """The result in dense arithmetic."""
    scores = operands["Q"] @ operands["K"].swapaxes(2, 3) / 8
    scores[..., operands["M"] == 0] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ operands["V"]


def tabulate(rows: Sequence[Row]) -> list[dict[str, Cell]]:
    """The speed-up of blocks; what is published is that it grows with their size."""
    cycles = {(row["block"], row["treatment"]): row.number("cycles") for row in rows}
    speedups = {
        block: cycles[block, "unstructured"] / cycles[block, "blocked"]
        for block in BLOCKS
        if {(block, "unstructured"), (block, "blocked")} <= cycles.keys()
    }
    lines: list[dict[str, Cell]] = []
    for row in rows:
        block = row.number("block")
        blocked = row["treatment"] == "blocked"
        speedup = speedups.get(round(block)) if blocked else None
        first = speedups.get(BLOCKS[0])
        grown = speedup / first if speedup and first else None
        theirs = block / BLOCKS[0] if blocked else None
        lines.append(
            {
                **{name: row[name] for name in ("block", "length", "mask sparsity", "treatment")},
                "cycles": row["cycles"],
                "speed-up": speedup,
                f"to blocks of {BLOCKS[0]}": grown,
                "published": theirs,
                "ratio": ratio(grown, theirs),
                "error": row["error"],
                "how": "simulated",
                "note": "the paper: in proportion to the block size" if blocked else "",
            }
        )
    return lines


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(6, 4.5)
    axes = figure.add_subplot()
    chosen = [line for line in lines if line["speed-up"] is not None]
    names = [str(line["block"]) for line in chosen]
    speedups = [number(line["speed-up"]) for line in chosen]
    bars = axes.bar(names, speedups, 0.6)
    axes.bar_label(bars, fmt="%.3g", label_type="center", color="white")
    if speedups:
        proportional = [speedups[0] * number(line["published"]) for line in chosen]
        axes.plot(names, proportional, "D--", color="black", label="in proportion (published)")
        axes.legend()
    axes.set_xlabel("block size of the mask")
    axes.set_ylabel("speed-up of tiles over no blocks")
    axes.set_title("attention under a BigBird mask")


EXPERIMENT = Experiment(
    "fig17",
    "attention on the blocks of its mask",
    "FuseFlow, Figure 17",
    cases,
    measure,
    tabulate,
    plot,
)
