"""
Decode attention of a batch of requests in four regions, for Figures 14, 15 and 21.

Coarse assignment deals blocks of 16 consecutive requests to the regions, interleaved assignment
single requests, both in turn; dynamic assignment gives a request to the region that is ready.
"""

import time
from collections.abc import Mapping, Sequence

import numpy as np

import headrace
from headrace.experiments.experiment import Case, Cell, Cells, Row, integer
from headrace.experiments.lines import Line, line
from headrace.experiments.step.measure import cells, replayed, rewritten, timed
from headrace.experiments.step.netlists import read, recorded
from headrace.experiments.step.published import published, table
from headrace.experiments.step.requests import for_requests

WAYS: Mapping[str, str] = {"coarse": "co", "interleaved": "il", "dynamic": "dyn"}
"""How requests are assigned, and how the recorded netlists call it."""

FIRST = 4007
"""The first request of the window of batch 64 whose graph is rewritten for other requests."""


SOURCES = ("netlist", "pytorch")

PIPELINE = "step-lower{compute=2048 softmax=plain},step-parallelize{mode=%s}"
"""Exponentials without the subtraction of the maximum, as the recorded graphs have them."""

DEPTH = 1
"""Of channels, as in the recorded graphs of attention."""


def case(source: str, batch: int, first: int, way: str) -> Case:
    """A batch of requests from `first` on, assigned in some way."""
    return Case({"source": source, "batch": batch, "first": first, "assignment": way})


def window_cases(source: str, batch: int, ways: Sequence[str]) -> list[Case]:
    """The published windows of a batch."""
    lines = [one for one in table("attention") if one["batch"] == batch]
    return [case(source, batch, one["first"], way) for one in lines for way in ways]


def measure(settings: Cells) -> Cells:
    batch, first = integer(settings["batch"]), integer(settings["first"])
    assignment = str(settings["assignment"])
    window = published("attention", batch=batch, first=first)
    # Batches without a window of their own are the first requests of one of batch 64.
    window = window or published("attention", batch=64, first=first)
    lengths = lengths_of(window)[:batch]
    if settings["source"] == "pytorch":
        return compiled(lengths, window["longest"], assignment)
    way = WAYS[assignment]
    if recorded_batch(batch) and len(lengths) == window["batch"]:
        return replayed(netlist_name(window, way))
    template = published("attention", batch=64, first=FIRST)
    graph = read(netlist_name(template, way))
    return rewritten(for_requests(graph, lengths, window["longest"]))


def compiled(lengths: Sequence[int], longest: int, assignment: str) -> dict[str, Cell]:
    """
    Compile attention in PyTorch, of requests with such caches, and measure it.

    Raises `WrongValueError` if it deadlocks.
    """
    from headrace.models.decode_attention import decode_attention

    start = time.perf_counter()
    model, arguments = decode_attention(lengths, positions=longest)
    pipeline = PIPELINE % assignment
    function = headrace.compile(model, arguments, target="step", pipeline=pipeline)
    # Only lengths decide the time.
    steering = [None if one.is_floating_point() else one for one in arguments]
    return cells(f"attention {pipeline}", timed(function, steering, DEPTH), start)


def recorded_batch(batch: int) -> bool:
    """Whether the graphs of the windows of a batch are recorded."""
    return batch in (16, 64)


def netlist_name(window: Cells, way: str) -> str:
    deviation = integer(window["deviation"])
    return f"attn_b{window['batch']}_stdev{deviation:04d}_{window['first']}_{way}"


def lengths_of(window: Cells) -> list[int]:
    """The rows in the cache of each request of a window."""
    batch, first = integer(window["batch"]), integer(window["first"])
    deviation = integer(window["deviation"])
    name = f"conv_stdev{deviation:04d}_{first:04d}_{first + batch - 1:04d}.npy"
    lengths: list[int] = np.load(recorded(f"traces/azure_trace/b{batch}/{name}")).tolist()
    return lengths


def by_window(rows: Sequence[Row]) -> dict[tuple[Cell, ...], dict[str, Row]]:
    """The rows of each source, batch and first request, by assignment."""
    windows: dict[tuple[Cell, ...], dict[str, Row]] = {}
    for row in rows:
        place = tuple(row[name] for name in ("source", "batch", "first"))
        windows.setdefault(place, {})[str(row["assignment"])] = row
    return windows


def point_of(source: Cell, batch: Cell, first: Cell) -> dict[str, Cell]:
    """The columns that say which requests; batches that have no window begin one of batch 64."""
    window = published("attention", batch=batch, first=first)
    window = window or published("attention", batch=64, first=first)
    return {"source": source, "batch": batch, "variation": window["variation"], "first": first}


def cycle_lines(point: Cells, window: Mapping[str, Row]) -> list[Line]:
    """The cycles of each assignment of the requests of a point."""
    known = published("attention", batch=point["batch"], first=point["first"])
    return [
        line(point, f"cycles {way}", row["cycles"], known.get(way)) for way, row in window.items()
    ]


def speedup(window: Mapping[str, Row], way: str) -> float:
    """The cycles of an assignment to those of the dynamic one."""
    return window[way].number("cycles") / window["dynamic"].number("cycles")
