"""
A Qwen layer at batch 64 whose experts share regions of the machine, for Figures 12 and 13.

Static tiles of 32 rows, hidden tiles of 48 columns, 1024 FLOPs/cycle in each operator.
"""

from collections.abc import Mapping, Sequence
from math import isnan

from headrace.experiments.experiment import Case, Cell, Cells, Drawing, Row, Sizes, integer
from headrace.experiments.plots import number
from headrace.experiments.step.measure import replayed
from headrace.experiments.step.published import published

POINT = ("source", "tile", "regions")
TILE = 32
REGIONS = (128, 64, 32, 16, 8, 4)
MEMORY_BANDWIDTH = 1024
"""Bytes/cycle: 32 channels give 64 bytes every other cycle."""


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes."""
    return [Case({"source": "netlist", "tile": TILE, "regions": regions}) for regions in REGIONS]


def measure(settings: Cells) -> Cells:
    return replayed(f"fig12_static_regions{settings['regions']}")


def point_of(row: Row) -> dict[str, Cell]:
    return {name: row[name] for name in POINT}


def known_of(row: Row) -> Mapping[str, Cell]:
    """What is published of a row."""
    return published("multiplexing", tile=row["tile"], regions=integer(row["regions"]))


def by_regions(rows: Sequence[Row]) -> dict[int, Row]:
    return {integer(row["regions"]): row for row in rows}


def utilisation(row: Row, operations: str) -> float:
    """Percent of the allocated compute that is used by `flops` or `reference_flops`."""
    return 100 * row.number(operations) / (row.number("cycles") * row.number("allocated_compute"))


def bandwidth(row: Row) -> float:
    """Percent of the bandwidth of the memory that is used."""
    return 100 * row.number("traffic") / (row.number("cycles") * MEMORY_BANDWIDTH)


def panel(axes: Drawing, lines: Sequence[Mapping[str, Cell]], name: str, colour: str) -> None:
    """A measure over the number of regions, with crosses where it is published."""
    some = [one for one in lines if one["measure"] == name and one["regions"] is not None]
    marks = dict(zip(dict.fromkeys(one["source"] for one in some), "osd", strict=False))
    for source, marker in marks.items():
        mine = [one for one in some if one["source"] == source]
        places = [number(one["regions"]) for one in mine]
        values = [number(one["value"]) for one in mine]
        axes.plot(places, values, f"{marker}-", color=colour, label=f"{name}, {source}")
    known = {number(one["regions"]): number(one["published"]) for one in some}
    if not all(map(isnan, known.values())):
        crosses = {"color": colour, "markersize": 10, "label": f"{name}, published"}
        axes.plot(list(known), list(known.values()), "x", **crosses)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("regions")
    axes.autoscale()
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
