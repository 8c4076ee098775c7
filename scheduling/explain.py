"""What was chosen and why, as JSON values."""

from collections.abc import Iterator
from typing import Any

from xdsl.dialects.builtin import StringAttr
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import Operation

from headrace.passes.sam.expression import Input, walk
from headrace.passes.sam.product_chains import is_contraction, name_of
from headrace.scheduling.choose import Decision
from headrace.scheduling.orders import Axes
from headrace.scheduling.planner import Choice, Planner, total
from headrace.scheduling.regions import Run
from headrace.scheduling.schedule import RegionSchedule

SHOWN = 3
"""Other schedules of a region that are shown, the cheapest."""


def summary(decision: Decision) -> dict[str, Any]:
    """
    The decision as JSON values: estimates.

    `cost` is what is compared: cycles, and one for each entry that is copied between graphs.
    """
    chosen = decision.chosen
    return {
        "cycles": round(decision.cycles),
        "cost": round(total(chosen.plan)),
        "pipeline": decision.schedule.pipeline,
        "lanes": decision.lanes,
        "products": list(chosen.text),
        "rejected_products": [
            {"products": list(one.text), "cost": round(total(one.plan))}
            for one in decision.rejected
        ],
        "baselines": {name: round(cost) for name, cost in decision.baselines.items()},
        "estimates": decision.estimates,
        "seconds": decision.seconds,
        "regions": [_region(chosen.planner, choice) for choice in chosen.plan],
    }


def _region(planner: Planner, choice: Choice) -> dict[str, Any]:
    run, chosen = choice.run, choice.cost
    axes = planner.evaluator.axes(run)
    units = (planner.runs[number, number + 1] for number in range(run.start, run.stop))
    alone = sum(planner.tried[unit][0].cost.flops for unit in units)
    return {
        "operations": list(dict.fromkeys(_described(op) for op in run.ops)),
        "axes": _axes(run, axes),
        "schedule": _schedule(choice.schedule),
        "cost": round(chosen.total),
        "cycles": round(chosen.cycles),
        "copied": round(chosen.copied),
        "flops": round(chosen.flops),
        "flops_alone": round(alone),
        "computed_more_than_once": [
            {"what": _described(run.ops[place]), "times": times}
            for place, times in (axes.repeated.items() if axes else ())
        ],
        "bytes": round(chosen.bytes),
        "bound_by": chosen.bottleneck,
        "rejected": [
            {
                "what": what,
                "cost": round(cost),
                "in_place_of": None if replaced is None else round(replaced),
                "bound_by": bound,
            }
            for what, cost, replaced, bound in _alternatives(planner, choice)
        ],
        "refused": [
            {"what": _schedule(schedule), "reason": reason}
            for schedule, reason in planner.refused.get(run, {}).items()
        ],
    }


def _alternatives(
    planner: Planner, choice: Choice
) -> Iterator[tuple[str, float, float | None, str]]:
    """
    Other schedules of a region, and other cuts around it.

    What, its cost, the cost of what it would replace (none for the region itself), and what bounds
    it. Cuts are compared in one lane.
    """
    run = choice.run
    single = planner.best(run)
    if choice.schedule.lanes:
        yield "one lane", single.cost.total, None, single.cost.bottleneck
    others = [
        one
        for one in planner.tried[run]
        if one.schedule != choice.schedule
        and bool(one.schedule.lanes) == bool(choice.schedule.lanes)
    ]
    for one in sorted(others, key=lambda one: one.cost.total)[:SHOWN]:
        yield _schedule(one.schedule), one.cost.total, None, one.cost.bottleneck
    for split in range(run.start + 1, run.stop):
        parts = (planner.runs.get((run.start, split)), planner.runs.get((split, run.stop)))
        best = tuple(planner.best(part) for part in parts if part is not None)
        if len(best) == 2:
            slower = max(best, key=lambda one: one.cost.total)
            where = _described(planner.units[split][0])
            yield f"cut before {where}", total(best), single.cost.total, slower.cost.bottleneck
    longer = planner.runs.get((run.start, run.stop + 1))
    if longer is not None:
        best_longer, added = (
            planner.best(longer),
            planner.best(planner.runs[run.stop, run.stop + 1]),
        )
        apart = single.cost.total + added.cost.total
        where = _described(planner.units[run.stop][0])
        bound = best_longer.cost.bottleneck
        yield f"together with {where}", best_longer.cost.total, apart, bound


def _described(op: Operation) -> str:
    """What an operation does and where in the model: `product (conv1, model.py:12)`."""
    composite = op.attributes.get("headrace.composite")
    if isinstance(composite, StringAttr) and composite.data:
        what = composite.data
    elif isinstance(op, LinalgStructuredOperation) and is_contraction(op):
        what = "product"
    else:
        inner = [one.name.partition(".")[2] for one in op.walk() if one is not op]
        what = inner[-2] if len(inner) > 1 else op.name
    places = [op.attributes.get(name) for name in ("headrace.module", "headrace.source")]
    where = ", ".join(one.data for one in places if isinstance(one, StringAttr) and one.data)
    return f"{what} ({where})" if where else what


def _axes(run: Run, axes: Axes | None) -> dict[str, str]:
    """Each axis of a region by the first dimension of an operand that it indexes."""
    if axes is None:
        return {}
    found: dict[str, str] = {}
    for use in walk(axes.read.results):
        if isinstance(use, Input):
            operand = name_of(run.inputs[use.operand]) or f"operand {use.operand}"
            for dimension, axis in enumerate(use.axes):
                found.setdefault(axes.read.name(axis), f"dimension {dimension} of {operand}")
    return dict(sorted(found.items()))


def _schedule(schedule: RegionSchedule) -> str:
    order = "default order"
    if schedule.priority is not None:
        order = "order " + " ".join(f"i{axis}" for axis in schedule.priority)
    lanes = [f"i{one.axis} in {one.factor} lanes ({one.balance})" for one in schedule.lanes]
    drops = ["zeros dropped"] if schedule.drops else []
    return ", ".join([order, *lanes, *drops])
