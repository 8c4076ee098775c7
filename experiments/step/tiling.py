"""
Static and dynamic tiles of a layer of experts, which Figures 9 and 10 compare.

A static tile has a fixed number of rows, a dynamic one what arrives at an expert. The published
graphs with dynamic tiles compute 6400 FLOPs/cycle in each operator, those with static ones 4096:
each comparison says which it is.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from headrace.experiments.experiment import Case, Cell, Cells, Drawing, Row, integer
from headrace.experiments.lines import Line, chosen, line, selected, sources, summary
from headrace.experiments.plots import COLOURS, number, plain_axis
from headrace.experiments.statistics import Point, improvement_distance, pareto_front
from headrace.experiments.step.layers import compiled, tiled
from headrace.experiments.step.measure import replayed, rewritten
from headrace.experiments.step.netlists import read, recorded, with_compute
from headrace.experiments.step.published import published, table
from headrace.experiments.step.routing import for_routing

STATIC, DYNAMIC = 4096, 6400
"""FLOPs/cycle of an operator in the published graphs."""

SOURCES = ("netlist", "pytorch")

REWRITTEN = (("qwen", 1024),)
"""Layers whose graphs are not recorded, but rewritten from those of batch 64."""

POINT = ("source", "model", "batch", "tile", "FLOPs/cycle")


def case(source: str, model: str, batch: int, tile: int | str, compute: int) -> Case:
    """A layer on tiles of some rows, or `dynamic` ones."""
    values = (source, model, batch, tile, compute)
    return Case(dict(zip(POINT, values, strict=True)))


def published_cases(source: str, model: str, batch: int) -> list[Case]:
    """The points of a figure, with the compute they were published with."""
    tiles = [
        one["tile"] for one in table("tiling") if (one["model"], one["batch"]) == (model, batch)
    ]
    return [case(source, model, batch, tile, published_compute(tile)) for tile in tiles]


def published_compute(tile: Cell) -> int:
    """FLOPs/cycle with which a tile was published."""
    return DYNAMIC if tile == "dynamic" else STATIC


def measure(settings: Cells) -> Cells:
    model, batch, tile = str(settings["model"]), integer(settings["batch"]), settings["tile"]
    compute = integer(settings["FLOPs/cycle"])
    if settings["source"] == "pytorch":
        return compiled(model, batch, tiled(tile, compute))
    short = "dyn" if tile == "dynamic" else f"tile{tile}"
    if (model, batch) in REWRITTEN:
        trace = published("layers", model=model, batch=batch)["trace"]
        routing = np.load(recorded(f"traces/expert_routing/{trace}"))["data"].tolist()
        template = read(f"fig9_{model}_b64_{'dyn' if tile == 'dynamic' else 'tile16'}")
        rows = None if tile == "dynamic" else integer(tile)
        return rewritten(with_compute(for_routing(template, routing, rows), compute))
    name = f"{'fig9' if batch == 64 else 'fig10'}_{model}_b{batch}_{short}"
    if compute == published_compute(tile):
        return replayed(name)
    return rewritten(with_compute(read(name), compute))


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines = [one for row in rows for one in _measures(row)]
    for source in sources(rows):
        for layer in table("layers"):
            key = {"source": source, "model": layer["model"], "batch": layer["batch"]}
            lines += _comparisons(key, selected(rows, **key))
    return lines


def _measures(row: Row) -> list[Line]:
    """Cycles, traffic and memory of a row; the last two do not depend on compute."""
    point = {name: row[name] for name in POINT}
    known = published("tiling", model=row["model"], batch=row["batch"], tile=row["tile"])
    if row["FLOPs/cycle"] != published_compute(row["tile"]):
        return [line(point, "cycles", row["cycles"], note="compute of the other tiles")]
    return [
        line(point, "cycles", row["cycles"], known.get("cycles")),
        line(point, "traffic", row["traffic"], known.get("traffic")),
        line(point, "on-chip memory", _memory(row), known.get("onchip")),
    ]


def _memory(row: Row) -> float:
    """Bytes as published: static tiles have those of all experts, dynamic ones of those in use."""
    layer = published("layers", model=row["model"], batch=row["batch"])
    if layer["idle_counted"] and row["tile"] != "dynamic":
        return _of_all(row)
    return _of_active(row)


def _comparisons(key: Cells, rows: Sequence[Row]) -> list[Line]:
    """Dynamic tiles against the static ones, as published and at equal compute."""
    columns = summary(POINT, **key)
    lines: list[Line] = []
    for static, dynamic, note in (
        (STATIC, DYNAMIC, "as published: static tiles have 4096 FLOPs/cycle"),
        (STATIC, STATIC, "equal compute"),
        (DYNAMIC, DYNAMIC, "equal compute"),
    ):
        one = next(iter(selected(rows, tile="dynamic", **{"FLOPs/cycle": dynamic})), None)
        others = [row for row in selected(rows, **{"FLOPs/cycle": static}) if row is not one]
        others = [row for row in others if row["tile"] != "dynamic"]
        if one is None or not others:
            continue
        point = {**columns, "tile": "dynamic", "FLOPs/cycle": dynamic}
        unequal = static != dynamic
        known = published("improvement", model=key["model"], batch=key["batch"]).get("exact")
        found = improvement_distance(_cost(one), [_cost(row) for row in others])
        lines.append(line(point, "Pareto improvement", found, known if unequal else None, note))
        if unequal:
            lines += _quoted(columns, one, others)
            lines += _equal_memory(point, one, others)
    return lines


def _cost(row: Row) -> Point:
    return Point(row.number("cycles"), _memory(row))


def _quoted(columns: Cells, dynamic: Row, static: Sequence[Row]) -> list[Line]:
    """What the text quotes: static tiles to dynamic ones."""
    lines: list[Line] = []
    for row in static:
        known = published("to_dynamic", model=row["model"], batch=row["batch"], tile=row["tile"])
        if known:
            ours, base = _cost(row), _cost(dynamic)
            point = {**columns, "tile": row["tile"], "FLOPs/cycle": row["FLOPs/cycle"]}
            lines += [
                line(point, "cycles to dynamic", ours.cycles / base.cycles, known["cycles"]),
                line(point, "memory to dynamic", ours.bytes / base.bytes, known["memory"]),
            ]
    return lines


def _equal_memory(point: Cells, dynamic: Row, static: Sequence[Row]) -> list[Line]:
    """The improvement if both sides count the same experts, where the published points do not."""
    rows = (dynamic, *static)
    lines: list[Line] = []
    for memory, note in (
        (_of_all, "equal accounting: memory of all experts"),
        (_of_active, "equal accounting: memory of the experts that get tokens"),
    ):
        if any(memory(row) != _memory(row) for row in rows):
            costs = [Point(row.number("cycles"), memory(row)) for row in rows]
            found = improvement_distance(costs[0], costs[1:])
            lines.append(line(point, "Pareto improvement", found, note=note))
    return lines


def _of_all(row: Row) -> float:
    return row.number("onchip_bytes")


def _of_active(row: Row) -> float:
    """Of the experts that get tokens."""
    return row.number("onchip_bytes_active")


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    """Cycles over on-chip memory; the front of the static tiles, and what is beyond it."""
    layers = dict.fromkeys((one["model"], one["batch"]) for one in lines)
    figure.set_size_inches(max(6.5, 5.5 * len(layers)), 5)
    marks: dict[str, Drawing] = {}
    panels = figure.subplots(1, len(layers), squeeze=False)[0]
    for axes, (model, batch) in zip(panels, layers, strict=True):
        some = chosen(lines, model=model, batch=batch)
        origins = dict.fromkeys(one["source"] for one in some)
        known = [one for one in table("tiling") if (one["model"], one["batch"]) == (model, batch)]
        memory = [one["onchip"] / 1e6 for one in known]
        cycles = [one["cycles"] / 1e6 for one in known]
        # Publication and sources agree: smaller marks lie on larger ones, and one name serves all.
        ring = {"linestyle": "", "marker": "o", "fillstyle": "none", "color": "#b0b0b0"}
        axes.plot(memory, cycles, markersize=19, label="published", **ring)
        for one, x, y in zip(known, memory, cycles, strict=True):
            place = {"xytext": (11, 7), "textcoords": "offset points", "fontsize": 8}
            axes.annotate(str(one["tile"]), (x, y), **place)
        for colour, size, source in zip(COLOURS, (1.7, 0.7), origins, strict=False):
            _draw(axes, chosen(some, source=source), colour, size)
        axes.margins(0.12)
        axes.set_xscale("log")
        axes.set_yscale("log")
        plain_axis(axes.xaxis, (1, 1.5, 2, 3, 4, 6))
        plain_axis(axes.yaxis, (1, 2, 3, 4, 6, 7, 8, 9))
        axes.set_xlabel("on-chip memory, MB")
        axes.set_ylabel("million cycles")
        axes.set_title(f"{model}, batch {batch}")
        drawn, names = axes.get_legend_handles_labels()
        marks |= zip(names, drawn, strict=True)
    figure.legend(marks.values(), marks, loc="outside lower center", ncols=2)


def _draw(axes: Drawing, lines: Sequence[Mapping[str, Cell]], colour: str, size: float) -> None:
    """Filled marks have the published compute, hollow ones that of the other kind of tiles."""
    memory = {one["tile"]: number(one["value"]) for one in chosen(lines, measure="on-chip memory")}
    groups: dict[tuple[bool, bool], list[Point]] = {}
    for one in chosen(lines, measure="cycles"):
        if one["tile"] in memory:
            point = Point(number(one["value"]) / 1e6, memory[one["tile"]] / 1e6)
            filled = one["FLOPs/cycle"] == published_compute(one["tile"])
            groups.setdefault((one["tile"] == "dynamic", filled), []).append(point)
    for (dynamic, filled), points in groups.items():
        kind = f"{lines[0]['source']}, {'dynamic' if dynamic else 'static'} tiles"
        style = {
            "marker": "*" if dynamic else "o",
            "markersize": size * (13 if dynamic else 7),
            "fillstyle": "full" if filled else "none",
            "label": kind if filled else f"{kind}, other compute",
        }
        x, y = [point.bytes for point in points], [point.cycles for point in points]
        axes.plot(x, y, linestyle="", color=colour, **style)
        if filled and not dynamic:
            front = pareto_front(points)
            axes.plot([one.bytes for one in front], [one.cycles for one in front], color=colour)
