"""
Cuts, orders and lanes of one function, whose products are bracketed already.

Every run of units is a candidate region. Its cost does not depend on the other regions, because
what lies between regions is stored, so the cheapest cuts are a shortest path over the runs. The
orders of a run are searched where it can matter: in units, and in the runs that the best cuts
are made of, until these no longer change. A schedule that a pass refuses is no candidate.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from xdsl.dialects.builtin import StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation
from xdsl.utils.exceptions import PassFailedException

from headrace.backends.statistics import TensorStatistics
from headrace.passes.sam.sam_fuse import SamFusePass, is_fusible, is_initialiser
from headrace.scheduling.cost import Cost, Evaluator
from headrace.scheduling.orders import Priority, descend
from headrace.scheduling.regions import Run, longer_runs, run_of, units_of
from headrace.scheduling.schedule import Lanes, RegionSchedule
from headrace.scheduling.tensors import Tensors

ORDERS = 60
"""Orders of one region that are estimated at most."""

RUNS = 400
"""Runs that are estimated at most, but for single units and the fixed granularities."""

ESTIMATES = 1500
"""Estimates of one function after which no further orders and brackets are tried."""

PROBE = 8
"""Lanes with which axes are compared; a graph in lanes grows with their number."""

CLEARLY = 0.99
"""Estimates are less exact than the differences between schedules above this ratio."""

HOPELESS = 2.0
"""A run that costs so many times the sum of its units is not made longer."""


@dataclass(frozen=True)
class Choice:
    """A region, how it is computed, and what that costs."""

    run: Run
    schedule: RegionSchedule
    cost: Cost


Granularity = Literal["none", "layer", "all"]
"""A fixed way in which `sam-fuse` groups operations."""

Plan = tuple[Choice, ...]
"""The regions of a function, in program order."""


def total(plan: Plan) -> float:
    """Cycles and copied entries of the whole function."""
    return sum(choice.cost.total for choice in plan)


class Planner:
    """The candidate regions of a function, and every schedule of them that was estimated."""

    def __init__(
        self,
        function: FuncOp,
        arguments: Mapping[str, TensorStatistics],
        evaluator: Evaluator,
    ) -> None:
        """
        `arguments` has the statistics of the arguments of the function by name.

        Raises `PassFailedException` if an operation cannot be lowered alone.
        """
        self.block = function.body.block
        self.evaluator = evaluator
        self.tensors = Tensors(function, arguments)
        self.units = units_of(self.block)
        fusible = (op for op in self.block.ops if is_fusible(op))
        self.numbers = {op: number for number, op in enumerate(fusible)}
        """The numbers by which `sam-fuse` and `sam-drop-zeros` know operations."""
        self.tried: dict[Run, list[Choice]] = {}
        self.refused: dict[Run, dict[RegionSchedule, str]] = {}
        """Why a region cannot be computed under a schedule."""
        self.searched: set[Run] = set()
        self.runs: dict[tuple[int, int], Run] = {}
        self._estimate_units()
        for start in range(len(self.units)):
            self._try_out_from(start)

    def _estimate_units(self) -> None:
        """Learn the statistics of all tensors, in program order."""
        number_of = {unit[-1]: number for number, unit in enumerate(self.units)}
        members = {op for unit in self.units for op in unit}
        for op in self.block.ops:
            if op in number_of:
                number = number_of[op]
                run = run_of(number, number + 1, self.units[number])
                self.runs[number, number + 1] = run
                inputs = self.tensors.of(run.inputs)
                found = self.evaluator.estimate(run, RegionSchedule(), inputs)
                self.tensors.add_results(run, found.results)
                self.tried[run] = [Choice(run, RegionSchedule(), found.cost)]
            elif op not in members and not is_initialiser(op):
                self.tensors.add_host_step(op)

    def _try_out_from(self, start: int) -> None:
        """Estimate ever longer runs, as long as there is hope that they pay."""
        alone = self.best(self.runs[start, start + 1]).cost.total
        longest = max(RUNS // len(self.units), 2)
        for stop, ops in longer_runs(self.block, self.units, start):
            choice = self.try_out(run_of(start, stop, ops), RegionSchedule())
            if stop - start > longest or choice is None:
                return
            self.runs[start, stop] = choice.run
            alone += self.best(self.runs[stop - 1, stop]).cost.total
            if choice.cost.total > HOPELESS * alone:
                return

    def try_out(self, run: Run, schedule: RegionSchedule) -> Choice | None:
        """Estimate a run under a schedule; None, and the reason kept, if a pass refuses it."""
        try:
            found = self.evaluator.estimate(run, schedule, self.tensors.of(run.inputs))
        except PassFailedException as error:
            self.refused.setdefault(run, {})[schedule] = str(error)
            return None
        choice = Choice(run, schedule, found.cost)
        self.tried.setdefault(run, []).append(choice)
        return choice

    def best(self, run: Run) -> Choice:
        """
        The cheapest schedule of a run in one lane so far; the default unless another is clearly
        cheaper.
        """
        single = [choice for choice in self.tried[run] if not choice.schedule.lanes]
        default = single[0]
        best = min(single, key=lambda choice: choice.cost.total)
        return best if best.cost.total < CLEARLY * default.cost.total else default

    def plan(self) -> Plan:
        """The cheapest regions, with their orders."""
        for number in range(len(self.units)):
            self.search_orders(self.runs[number, number + 1])
        while True:
            plan = self.cheapest()
            fresh = [choice.run for choice in plan if choice.run not in self.searched]
            if not fresh:
                return plan
            for run in fresh:
                self.search_orders(run)

    def cheapest(self) -> Plan:
        """The cuts of least cost under what was tried; the longer region of two equal ones."""
        count = len(self.units)
        plans: list[Plan] = [()] * (count + 1)
        for start in reversed(range(count)):
            stops = [stop for stop in range(count, start, -1) if (start, stop) in self.runs]
            options = [(self.best(self.runs[start, stop]), *plans[stop]) for stop in stops]
            plans[start] = min(options, key=total)
        return plans[0]

    def baselines(self) -> dict[Granularity, Plan]:
        """The fixed granularities of `sam-fuse`, with the default orders; none that is refused."""
        found: dict[Granularity, Plan] = {}
        for name, fuse in self._granularities().items():
            runs = [self._run_of_group(tuple(group.ops)) for group in fuse.groups(self.block)]
            choices = [self.try_out(run, RegionSchedule()) for run in runs]
            plan = tuple(choice for choice in choices if choice is not None)
            if len(plan) == len(runs):
                found[name] = plan
        return found

    def _granularities(self) -> dict[Granularity, SamFusePass]:
        """`layer` is the outermost module of which there are several."""
        attributes = (op.attributes.get("headrace.module") for op in self.numbers)
        paths = {one.data for one in attributes if isinstance(one, StringAttr) and one.data}
        parts = [path.split(".") for path in paths]
        common = 0
        while parts and len({tuple(path[: common + 1]) for path in parts}) == 1:
            if any(len(path) <= common + 1 for path in parts):
                break
            common += 1
        return {
            "none": SamFusePass("none"),
            "layer": SamFusePass("layer", depth=common + 1),
            "all": SamFusePass("all"),
        }

    def _run_of_group(self, ops: tuple[Operation, ...]) -> Run:
        unit_of = {op: number for number, unit in enumerate(self.units) for op in unit}
        start, stop = unit_of[ops[0]], unit_of[ops[-1]] + 1
        known = self.runs.get((start, stop))
        return known if known is not None and known.ops == ops else run_of(start, stop, ops)

    def search_orders(self, run: Run) -> None:
        """Try the orders of a run around its best, and its zeros dropped."""
        if run in self.searched:
            return
        self.searched.add(run)
        axes = self.evaluator.axes(run)
        if axes is None or not axes.default:
            return

        def cost(order: Priority) -> float:
            if order == axes.default:
                return self.tried[run][0].cost.total
            choice = self.try_out(run, RegionSchedule(order))
            return float("inf") if choice is None else choice.cost.total

        if self.evaluator.estimated < ESTIMATES:
            descend(axes.default, cost, ORDERS)
        if run.zeros:
            self.try_out(run, replace(self.best(run).schedule, drops=True))

    def with_lanes(self, choice: Choice, lanes: int) -> Choice:
        """
        The same region dealt to at most `lanes` lanes, along the axis or two that gain most.

        Axes are compared with few lanes, and the best two ways tried with all.
        """
        axes = self.evaluator.axes(choice.run)
        if axes is None or lanes == 1:
            return choice
        order = choice.schedule.priority or axes.default
        tried = [one for way in _ways(order) if (one := self.dealt(choice, way, min(lanes, PROBE)))]
        tried.sort(key=lambda one: one.cost.total)
        if lanes > PROBE:
            ways = [
                tuple(replace(lane, factor=1) for lane in one.schedule.lanes) for one in tried[:2]
            ]
            tried += [one for way in ways if (one := self.dealt(choice, way, lanes))]
        return min([choice, *tried], key=lambda one: one.cost.total)

    def dealt(self, choice: Choice, way: tuple[Lanes, ...], lanes: int) -> Choice | None:
        """The choice with `lanes` lanes along these axes; of two, shared as gains most."""
        if any(self._is_refused(choice, lane) for lane in way):
            return None
        tried = [
            self.try_out(choice.run, replace(choice.schedule, lanes=shared))
            for shared in _shared(way, lanes)
        ]
        possible = [one for one in tried if one is not None]
        return min(possible, key=lambda one: one.cost.total, default=None)

    def _is_refused(self, choice: Choice, lane: Lanes) -> bool:
        """Whether the axis alone was refused lanes."""
        return any(
            one.lanes and len(one.lanes) == 1 and replace(one.lanes[0], factor=1) == lane
            for one in self.refused.get(choice.run, {})
        )


def _ways(order: Priority) -> Iterator[tuple[Lanes, ...]]:
    """One axis in lanes, in turn or by nonzeros, and two nested."""
    for axis in order:
        yield (Lanes(axis, 1),)
    for axis in order:
        yield (Lanes(axis, 1, "nonzeros"),)
    for outer, inner in combinations(order, 2):
        yield Lanes(outer, 1), Lanes(inner, 1)


def _shared(way: tuple[Lanes, ...], lanes: int) -> Iterator[tuple[Lanes, ...]]:
    """The lanes for one axis; of two, splits about the middle in powers of two."""
    if len(way) == 1:
        yield (replace(way[0], factor=lanes),)
        return
    outer, inner = way
    factors = [2**n for n in range(1, lanes.bit_length()) if lanes % 2**n == 0 and 2**n < lanes]
    middle = len(factors) // 2
    for factor in factors[max(middle - 1, 0) : middle + 2]:
        yield replace(outer, factor=factor), replace(inner, factor=lanes // factor)
