"""The kinds of plots that the figures share; published values are hollow or crossed marks."""

from collections.abc import Mapping, Sequence

from headrace.experiments.experiment import Cell, Drawing

COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3")


def lines_of(
    axes: Drawing, lines: Sequence[Mapping[str, Cell]], series: str, x: str, y: str
) -> None:
    """A curve for each value of column `series`; crosses where a line has a published value."""
    for colour, name in zip(COLOURS, dict.fromkeys(line[series] for line in lines), strict=False):
        chosen = [line for line in lines if line[series] == name]
        axes.plot(*_points(chosen, x, y), marker="o", markersize=4, color=colour, label=str(name))
        axes.plot(*_points(chosen, x, "published"), "x", markersize=9, color=colour)


def grouped_bars(
    axes: Drawing,
    lines: Sequence[Mapping[str, Cell]],
    group: str,
    series: str,
    value: str,
    published: str = "published",
) -> None:
    """Bars side by side for each value of column `group`; diamonds are the published values."""
    groups = list(dict.fromkeys(line[group] for line in lines))
    names = list(dict.fromkeys(line[series] for line in lines))
    width = 0.8 / max(1, len(names))
    for place, name in enumerate(names):
        chosen = [line for line in lines if line[series] == name]
        offset = (place - (len(names) - 1) / 2) * width
        places = [groups.index(line[group]) + offset for line in chosen]
        heights = [number(line[value]) for line in chosen]
        hatches = ["//" if line["how"] == "estimated" else "" for line in chosen]
        axes.bar(places, heights, width, color=COLOURS[place], label=str(name), hatch=hatches)
        theirs = [number(line[published]) for line in chosen]
        axes.plot(places, theirs, "D", markersize=4, markeredgecolor="black", color="white")
    axes.set_xticks(range(len(groups)), [str(one) for one in groups])


def _points(lines: Sequence[Mapping[str, Cell]], x: str, y: str) -> tuple[list[float], list[float]]:
    return [number(line[x]) for line in lines], [number(line[y]) for line in lines]


def number(cell: Cell) -> float:
    """A number, or one that matplotlib leaves out."""
    return float(cell) if isinstance(cell, int | float) else float("nan")
