"""Layers of experts of full size in PyTorch, through our passes, with the recorded routing."""

import time

import headrace
from headrace.experiments.experiment import Cell, integer
from headrace.experiments.step.measure import cells, timed
from headrace.experiments.step.netlists import recorded
from headrace.experiments.step.published import published

DEPTH = 2
"""Of channels, as in the published graphs of experts."""

LEAST_ROWS = 8
"""Of the static tiles that dynamic ones are made of."""


def tiled(tile: Cell, compute: int, columns: int = 64) -> str:
    """The passes to tiles of so many rows, or to `dynamic` ones; `compute` in FLOPs/cycle."""
    rows = LEAST_ROWS if tile == "dynamic" else integer(tile)
    lowered = f"step-lower{{rows={rows} columns={columns} compute={compute}}}"
    return f"{lowered},step-dynamic-tile" if tile == "dynamic" else lowered


def compiled(model: Cell, batch: Cell, pipeline: str) -> dict[str, Cell]:
    """
    Compile a layer, whose weights have no values, and measure it.

    Raises `InputError` if its routing is not recorded and `WrongValueError` if it deadlocks.
    """
    from headrace.models import moe

    start = time.perf_counter()
    trace = published("layers", model=model, batch=batch)["trace"]
    factory = {"mixtral": moe.mixtral, "qwen": moe.qwen}[str(model)]
    routing = recorded(f"traces/expert_routing/{trace}")
    layer, arguments = factory(reduction=1, values=False, form="batched", routing=routing)
    function = headrace.compile(layer, arguments, target="step", pipeline=pipeline)
    return cells(f"{model} {pipeline}", timed(function, arguments, DEPTH), start)
