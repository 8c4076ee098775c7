"""What a function of `step` graphs costs: its time, and bytes and operations of its graphs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from headrace.analyses.step_compute import allocated_compute, flops, reference_flops
from headrace.analyses.step_costs import Accounting, CostModel, graph_cost
from headrace.analyses.step_symbols import known_symbols
from headrace.backends.step_function import StepFunction
from headrace.dialects import step
from headrace.dialects.step_dimension import Dimension
from headrace.simulators.stream.machine import StepMachine

HALF_BYTES = 2
"""Bytes of a number where the published graphs account loads as bf16, whatever their type is."""


def measure(
    function: StepFunction,
    *args: object,
    depth: int | None = None,
    machine: StepMachine | None = None,
    accounting: Literal["consistent", "reference"] = "consistent",
) -> dict[str, Any]:
    """
    Time a function on its arguments, which need no values but for selectors and integers.

    `depth` is the capacity of every channel, unbounded by default. With `reference` accounting
    numbers of tiles move as 2 bytes and loads count 2, as in the published figures.

    Returns `cycles`, `deadlock` (the diagnosis, or None), `requests` to the memory, and of all
    graphs together `traffic`, `onchip_bytes` (the most of any graph; `onchip_bytes_active` without
    operations that get nothing), `allocated_compute` in FLOPs/cycle (the most of any graph),
    `flops`, and `reference_flops`, which count as the published figures do. What depends on the
    order of arrivals is None. Raises `InputError` for arguments that do not fit.
    """
    chosen = Accounting(accounting)
    if chosen is Accounting.REFERENCE:
        function = replace(function, element_bytes=HALF_BYTES)
    result = function.run(*args, depth=depth, machine=machine, timing_only=True)
    costs = [_costs(graph, inputs, chosen) for graph, inputs in function.graph_arguments(*args)]

    def joined(name: str) -> int | None:
        values = [cost[name] for cost in costs]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        together = sum if name in ("traffic", "flops", "reference_flops") else max
        return together(known) if known else 0

    return {
        "cycles": result.cycles,
        "deadlock": None if result.deadlock is None else str(result.deadlock),
        "requests": sum(node.requests for node in result.nodes),
        **{name: joined(name) for name in _NAMES},
    }


_NAMES = (
    "traffic",
    "onchip_bytes",
    "onchip_bytes_active",
    "allocated_compute",
    "flops",
    "reference_flops",
)


def _costs(graph: step.GraphOp, inputs: Sequence[Any], chosen: Accounting) -> dict[str, int | None]:
    operations = list(graph.body.block.ops)
    symbols = known_symbols(graph, inputs)

    def known(size: Dimension) -> int | None:
        value = size.substitute(symbols)
        return value.value if value.is_static else None

    every, active = (
        graph_cost(operations, CostModel(accounting=chosen, active_only=active))
        for active in (False, True)
    )
    return {
        "traffic": known(every.traffic_size),
        "onchip_bytes": known(every.on_chip_size),
        "onchip_bytes_active": known(active.on_chip_size),
        "allocated_compute": allocated_compute(operations),
        "flops": known(flops(operations)),
        "reference_flops": known(reference_flops(operations)),
    }
