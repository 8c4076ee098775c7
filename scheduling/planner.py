"""
Cuts, orders and lanes of one function, whose products are bracketed already.

Every run of units is a candidate region. Its cost does not depend on the other regions, because
what lies between regions is stored, so the cheapest cuts are a shortest path over the runs. The
orders of a run are searched where it can matter: in units, and in the runs that the best cuts
are made of, until these no longer change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from xdsl.dialects.func import FuncOp
from xdsl.utils.exceptions import PassFailedException

from headrace.backends.statistics import TensorStatistics
from headrace.passes.sam.sam_fuse import SamFusePass, is_fusible, is_initialiser
from headrace.scheduling.cost import Cost, Evaluator
from headrace.scheduling.orders import descend
from headrace.scheduling.regions import Run, longer_runs, run_of, units_of
from headrace.scheduling.schedule import Lanes, RegionSchedule
from headrace.scheduling.tensors import Tensors

ORDERS = 60
"""Orders of one region that are estimated at most."""

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


GRANULARITIES: tuple[Literal["none", "layer", "all"], ...] = ("none", "layer", "all")
"""The fixed ways in which `sam-fuse` groups operations."""

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
        """`arguments` has the statistics of the arguments of the function by name."""
        self.block = function.body.block
        self.evaluator = evaluator
        self.tensors = Tensors(function, arguments)
        self.units = units_of(self.block)
        fusible = (op for op in self.block.ops if is_fusible(op))
        self.numbers = {op: number for number, op in enumerate(fusible)}
        """The numbers by which `sam-fuse` and `sam-drop-zeros` know operations."""
        self.tried: dict[Run, list[Choice]] = {}
        self.searched: set[Run] = set()
        self.refused: dict[Run, dict[tuple[Lanes, ...], str]] = {}
        """Why a region cannot be dealt to lanes along these axes."""
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
        for stop, ops in longer_runs(self.block, self.units, start):
            run = run_of(start, stop, ops)
            self.runs[start, stop] = run
            alone += self.best(self.runs[stop - 1, stop]).cost.total
            if self.try_out(run, RegionSchedule()).cost.total > HOPELESS * alone:
                return

    def try_out(self, run: Run, schedule: RegionSchedule) -> Choice:
        """Estimate a run under a schedule, and remember it."""
        found = self.evaluator.estimate(run, schedule, self.tensors.of(run.inputs))
        choice = Choice(run, schedule, found.cost)
        self.tried.setdefault(run, []).append(choice)
        return choice

    def best(self, run: Run) -> Choice:
        """The cheapest schedule of a run so far; the default unless another is clearly cheaper."""
        default = self.tried[run][0]
        best = min(self.tried[run], key=lambda choice: choice.cost.total)
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

    def baselines(self) -> dict[str, float]:
        """Cycles of the fixed granularities of `sam-fuse`, with the default orders."""
        found: dict[str, float] = {}
        for name in GRANULARITIES:
            runs = [run_of(0, 0, group.ops) for group in SamFusePass(name).groups(self.block)]
            costs = [self.try_out(run, RegionSchedule()).cost for run in runs]
            found[name] = sum(cost.cycles for cost in costs)
        return found

    def search_orders(self, run: Run) -> None:
        """Try the orders of a run around its best."""
        if run in self.searched:
            return
        self.searched.add(run)
        axes = self.evaluator.axes(run)
        if axes is None:
            return
        descend(
            axes.default,
            lambda order: self.try_out(run, RegionSchedule(order)).cost.total,
            ORDERS,
        )
        if run.zeros:
            self.try_out(run, replace(self.best(run).schedule, drops=True))

    def with_lanes(self, choice: Choice, lanes: int) -> Choice:
        """The same region dealt to at most `lanes` lanes, along the axis or two that gain most."""
        axes = self.evaluator.axes(choice.run)
        if axes is None or lanes == 1:
            return choice
        order = choice.schedule.priority or axes.default
        single = {axis: self.dealt(choice, Lanes(axis, lanes)) for axis in order}
        possible = [axis for axis in order if single[axis] is not None]
        tried = [choice, *(one for one in single.values() if one is not None)]
        for axis in possible:
            tried.append(self.dealt(choice, Lanes(axis, lanes, "nonzeros")) or choice)
        for outer, inner in combinations(possible, 2):
            for factor in _powers_of_two(lanes):
                nested = Lanes(outer, factor), Lanes(inner, lanes // factor)
                tried.append(self.dealt(choice, *nested) or choice)
        return min(tried, key=lambda one: one.cost.total)

    def dealt(self, choice: Choice, *lanes: Lanes) -> Choice | None:
        """The choice with these lanes; None, and the reason kept, if they are not possible."""
        try:
            return self.try_out(choice.run, replace(choice.schedule, lanes=lanes))
        except PassFailedException as error:
            self.refused.setdefault(choice.run, {})[lanes] = str(error)
            return None


def _powers_of_two(lanes: int) -> Iterator[int]:
    """The factors of `lanes` that are powers of two, but for 1 and `lanes` itself."""
    factor = 2
    while factor < lanes:
        if lanes % factor == 0:
            yield factor
        factor *= 2
