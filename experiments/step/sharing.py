"""
A Qwen layer at batch 64 whose experts share regions of the machine, for Figures 12 and 13.

Tiles of 32 rows, or dynamic ones, hidden tiles of 48 columns, 1024 FLOPs/cycle in each operator.
"""

from collections.abc import Mapping, Sequence

from headrace.experiments.experiment import Case, Cell, Cells, Drawing, Row, Sizes, integer
from headrace.experiments.lines import selected
from headrace.experiments.plots import COLOURS, number
from headrace.experiments.step.layers import compiled, tiled
from headrace.experiments.step.measure import replayed
from headrace.experiments.step.published import published

POINT = ("source", "tile", "regions")
TILE, HIDDEN_TILE = 32, 48
COMPUTE = 1024
"""FLOPs/cycle of an operator."""

EXPERTS = 128
REGIONS = (128, 64, 32, 16, 8, 4)
MEMORY_BANDWIDTH = 1024
"""Bytes/cycle: 32 channels give 64 bytes every other cycle."""


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes; graphs with dynamic tiles are not recorded."""
    static = [("netlist", TILE, regions) for regions in REGIONS]
    static += [("pytorch", TILE, regions) for regions in REGIONS]
    dynamic = [("pytorch", "dynamic", regions) for regions in (*REGIONS, 2)]
    return [Case(dict(zip(POINT, point, strict=True))) for point in (*static, *dynamic)]


def measure(settings: Cells) -> Cells:
    regions = integer(settings["regions"])
    if settings["source"] == "netlist":
        return replayed(f"fig12_static_regions{regions}")
    pipeline = tiled(settings["tile"], COMPUTE, HIDDEN_TILE)
    if regions < EXPERTS:
        pipeline += f",step-time-multiplex{{regions={regions}}}"
    return compiled("qwen", 64, pipeline)


def point_of(row: Row) -> dict[str, Cell]:
    return {name: row[name] for name in POINT}


def known_of(row: Row) -> Mapping[str, Cell]:
    """What is published of a row."""
    return published("multiplexing", tile=row["tile"], regions=integer(row["regions"]))


def by_regions(rows: Sequence[Row], source: Cell, tile: Cell = TILE) -> dict[int, Row]:
    chosen = selected(rows, source=source, tile=tile)
    return {integer(row["regions"]): row for row in chosen}


NOTE = (
    "weights are read as PyTorch has them, transposed, in whole requests of 64 bytes; "
    "48 columns of a recorded graph take 2 requests for 96 bytes"
)


def note_of(row: Row) -> str:
    """Why the cycles of a row are others than the published ones."""
    return NOTE if row["source"] == "pytorch" else ""


def utilisation(row: Row, alone: Row | None, operations: str) -> float | None:
    """
    Percent of the allocated compute that is used by `flops` or `reference_flops`.

    These are counted where each expert has a region, `alone`: those that share regions compute the
    same, but when, and so on tiles of which size, is known only from the run.
    """
    if alone is None:
        return None
    used = alone.number(operations)
    return 100 * used / (row.number("cycles") * row.number("allocated_compute"))


def bandwidth(row: Row) -> float:
    """Percent of the bandwidth of the memory that is used."""
    return 100 * row.number("traffic") / (row.number("cycles") * MEMORY_BANDWIDTH)


def panel(axes: Drawing, lines: Sequence[Mapping[str, Cell]], name: str) -> None:
    """A measure over the number of regions, with crosses where it is published."""
    some = [one for one in lines if one["measure"] == name and one["tile"] is not None]
    series = dict.fromkeys((one["source"], one["tile"]) for one in some)
    for colour, (source, tile) in zip(COLOURS, series, strict=False):
        mine = [one for one in some if (one["source"], one["tile"]) == (source, tile)]
        places = [number(one["regions"]) for one in mine]
        kind = "dynamic tiles" if tile == "dynamic" else f"tiles of {tile} rows"
        values = [number(one["value"]) for one in mine]
        axes.plot(places, values, "o-", markersize=4, color=colour, label=f"{source}, {kind}")
        known = [number(one["published"]) for one in mine]
        axes.plot(places, known, "x", markersize=9, color=colour)
    axes.plot([], [], "x", markersize=9, color="black", label="published")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("regions")
    axes.set_ylabel(name)
    axes.set_ylim(bottom=0)
