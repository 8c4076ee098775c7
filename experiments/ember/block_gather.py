"""Block-sparse attention: accesses of the last cache when keys are read from it, or from L2."""

from collections.abc import Mapping, Sequence
from math import prod

from headrace.experiments.ember import workloads
from headrace.experiments.ember.measure import measured
from headrace.experiments.ember.published import published, table
from headrace.experiments.experiment import (
    Case,
    Cell,
    Cells,
    Drawing,
    Experiment,
    Row,
    Sizes,
    integer,
)
from headrace.experiments.lines import Line, chosen, line, selected
from headrace.experiments.plots import COLOURS, number

POINT = ("keys a block", "reads from")
CACHES = ("LLC", "L2")
STREAMS = ("indices", "embeddings")
REDUCTION = {"embeddings": "reduction of embeddings, percent", "all": "reduction of all, percent"}
COUNTED = "an element counts once for each query of a block, by which the published counts fall"
FEW_INDICES = "ours reads one index a block; what the paper reads more is not known"


def pipeline(cache: str) -> str:
    """Level 3 with keys that are kept in a cache, and indices that are not kept."""
    hints = (
        "ember-hints{loads=0 level=LLC nontemporal=true}",
        f"ember-hints{{loads=1 level={cache} nontemporal=false}}",
    )
    rest = "ember-store-stream,ember-vectorize{lanes=8},ember-buffer,ember-align,ember-to-dlc"
    return f"ember-decouple,{','.join(hints)},{rest}"


def cases(sizes: Sizes) -> list[Case]:
    """The published sizes at all sizes: 4096 keys of 64 floats, one head."""
    return [
        Case({"keys a block": one["block"], "reads from": cache})
        for one in table("block_gather")
        for cache in CACHES
    ]


def measure(settings: Cells) -> Cells:
    example = workloads.blocks(integer(settings["keys a block"]), workloads.POSITIONS)
    cache = str(settings["reads from"])
    found, (run,) = measured([example], pipeline=pipeline(cache))
    (operation,) = run.operations
    trace = operation.trace
    asked = dict.fromkeys(STREAMS, 0.0)
    for place, stream in enumerate(trace.streams):
        if not stream.writes:
            name = STREAMS[0] if stream.height else STREAMS[1]
            asked[name] += float(trace.lines[trace.stream == place].sum())
    # Only the keys are ever read from L2.
    asked["embeddings"] -= operation.timing.lines[0]
    (shape,) = run.shapes
    # Of 1000 elements of keys that one query attends to; a block has as many queries as keys.
    thousands = prod(shape) * integer(settings["keys a block"]) / 1000
    return {**found, **{name: lines / thousands for name, lines in asked.items()}}


def tabulate(rows: Sequence[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        point = {name: row[name] for name in POINT}
        known = published("block_gather", block=row["keys a block"])
        place = CACHES.index(str(row["reads from"]))
        lines.append(line(point, "cycles", row["cycles"], error=row["error"]))
        for name, note in zip(STREAMS, (FEW_INDICES, COUNTED), strict=True):
            lines.append(line(point, name, row[name], known[name][place], note))
    for block in dict.fromkeys(row["keys a block"] for row in rows):
        both = [selected(rows, **dict(zip(POINT, (block, cache), strict=True))) for cache in CACHES]
        if all(both):
            (llc,), (l2,) = both
            known = published("block_gather", block=block)
            point: Cells = dict(zip(POINT, (block, "L2"), strict=True))
            for names, measure in ((STREAMS[1:], "embeddings"), (STREAMS, "all")):
                ours = [sum(row.number(name) for name in names) for row in (llc, l2)]
                theirs = [sum(known[name][place] for name in names) for place in (0, 1)]
                lines.append(line(point, REDUCTION[measure], saved(*ours), saved(*theirs)))
    return lines


def saved(before: float, after: float) -> float:
    """Percent."""
    return 100 * (1 - after / before)


def plot(lines: Sequence[Mapping[str, Cell]], figure: Drawing) -> None:
    figure.set_size_inches(10, 4.4)
    accesses, reductions = figure.subplots(1, 2)
    names = list(dict.fromkeys(one["keys a block"] for one in lines))
    for place, cache in enumerate(CACHES):
        some = chosen(lines, measure="embeddings", **{"reads from": cache})
        across = [names.index(one["keys a block"]) + 0.4 * place - 0.2 for one in some]
        values = [number(one["value"]) for one in some]
        accesses.bar(across, values, 0.35, color=COLOURS[place], label=f"from {cache}")
        theirs = [number(one["published"]) for one in some]
        accesses.plot(across, theirs, "D", color="white", markeredgecolor="black")
    accesses.plot([], [], "D", color="white", markeredgecolor="black", label="published")
    accesses.set_xticks(range(len(names)), [str(name) for name in names])
    accesses.set_ylabel("accesses of the LLC for keys, per 1000 elements")
    for measure, colour in zip(REDUCTION.values(), COLOURS, strict=False):
        some = chosen(lines, measure=measure)
        across = [names.index(one["keys a block"]) for one in some]
        label = measure.removesuffix(", percent")
        values = [number(one["value"]) for one in some]
        reductions.plot(across, values, "o-", color=colour, label=label)
        theirs = [number(one["published"]) for one in some]
        reductions.plot(across, theirs, "x--", color=colour)
    reductions.plot([], [], "x--", color="black", label="published")
    reductions.set_xticks(range(len(names)), [str(name) for name in names])
    reductions.set_ylim(0, 100)
    reductions.set_ylabel("fewer accesses when keys are read from L2, %")
    for axes in (accesses, reductions):
        axes.set_xlabel("keys a block")
        axes.legend()
    figure.suptitle("block-sparse attention, 4096 keys of 64 floats")


EXPERIMENT = Experiment(
    "ember-block-gather",
    "cache hints of block-sparse attention",
    "Ember, BigBird",
    cases,
    measure,
    tabulate,
    plot,
)
