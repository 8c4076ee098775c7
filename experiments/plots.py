"""The kinds of plots that the figures share; published values are hollow or crossed marks."""

from collections.abc import Mapping, Sequence

import numpy as np

from headrace.experiments.experiment import Cell, Drawing

COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3")


def lines_of(
    axes: Drawing, lines: Sequence[Mapping[str, Cell]], series: str, x: str, y: str, theirs: str
) -> None:
    """
    A curve for each value of column `series`; crosses where a line has a published value.

    `theirs` is what the legend calls the crosses.
    """
    for colour, name in zip(COLOURS, dict.fromkeys(line[series] for line in lines), strict=False):
        chosen = [line for line in lines if line[series] == name]
        axes.plot(*_points(chosen, x, y), marker="o", markersize=4, color=colour, label=str(name))
        axes.plot(*_points(chosen, x, "published"), "x", markersize=9, color=colour)
    axes.plot([], [], "x", markersize=9, color="black", label=theirs)


def grouped_bars(
    axes: Drawing,
    lines: Sequence[Mapping[str, Cell]],
    group: str,
    series: str,
    value: str,
    theirs: str = "published",
) -> None:
    """
    Bars side by side for each value of column `group`, on a logarithmic scale around 1.

    Hatched bars are estimated; `theirs` is what the legend calls the diamonds, which are published.
    """
    groups = list(dict.fromkeys(line[group] for line in lines))
    names = list(dict.fromkeys(line[series] for line in lines))
    width = 0.8 / max(1, len(names))
    ends: list[tuple[float, float, float]] = []
    axes.set_yscale("log")
    for place, name in enumerate(names):
        chosen = [line for line in lines if line[series] == name]
        offset = (place - (len(names) - 1) / 2) * width
        places = [groups.index(line[group]) + offset for line in chosen]
        heights = [number(line[value]) for line in chosen]
        hatches = ["//" if line["how"] == "estimated" else "" for line in chosen]
        above = [height - 1 for height in heights]
        axes.bar(places, above, width, 1, color=COLOURS[place], label=str(name), hatch=hatches)
        known = [number(line["published"]) for line in chosen]
        mark = {"color": "white", "markeredgecolor": "black", "markersize": 5, "zorder": 3}
        axes.plot(places, known, "D", label=theirs if place == 0 else None, **mark)
        ends += zip(places, heights, known, strict=True)
    if any(line["how"] == "estimated" for line in lines):
        axes.bar([0], [0], 0, 1, color="white", edgecolor="black", hatch="//", label="estimated")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(groups)), [str(one).replace(" ", "\n") for one in groups])
    axes.margins(y=0.15)
    plain_ticks(axes)
    _label_ends(axes, ends)


def _label_ends(axes: Drawing, ends: Sequence[tuple[float, float, float]]) -> None:
    """The height of each bar at its end, or behind the mark of what is published if it is near."""
    low, high = np.log(axes.get_ylim())
    for place, height, known in ends:
        if np.isnan(height):
            continue
        up = 1 if height >= 1 else -1
        beyond = up * (np.log(known) - np.log(height)) / (high - low)
        hidden = -0.03 < beyond < 0.065
        axes.annotate(
            f"{height:.3g}",
            (place, known if hidden else height),
            (0, up * (5 if hidden else 2)),
            textcoords="offset points",
            ha="center",
            va="bottom" if up > 0 else "top",
            fontsize=7,
        )


def plain_ticks(axes: Drawing) -> None:
    """Numbers at 1, 2, 5, 10, .. of a logarithmic y axis."""
    plain_axis(axes.yaxis, (1, 2, 5))


def plain_axis(axis: Drawing, steps: Sequence[float]) -> None:
    """Numbers at some places of each decade of a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _points(lines: Sequence[Mapping[str, Cell]], x: str, y: str) -> tuple[list[float], list[float]]:
    return [number(line[x]) for line in lines], [number(line[y]) for line in lines]


def number(cell: Cell) -> float:
    """A number, or one that matplotlib leaves out."""
    return float(cell) if isinstance(cell, int | float) else float("nan")
