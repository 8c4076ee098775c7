"""
Cuts, orders and lanes of one function, whose products are bracketed already.

Every run of units is a candidate region. Its cost does not depend on the other regions, because
what lies between regions is stored, so the cheapest cuts are a shortest path over the runs. The
orders of a run are searched where it can matter: in units, and in the runs that the best cuts
are made of, until these no longer change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from xdsl.dialects.func import FuncOp
from xdsl.utils.exceptions import PassFailedException

from headrace.backends.statistics import TensorStatistics
from headrace.passes.sam.sam_fuse import SamFusePass, is_initialiser
from headrace.scheduling.cost import Cost, Evaluator
from headrace.scheduling.orders import Priority, descend
from headrace.scheduling.regions import Run, Unit, runs_from, units_of
from headrace.scheduling.schedule import Lanes, RegionSchedule
from headrace.scheduling.tensors import Tensors

ORDERS = 60
"""Orders of one region that are estimated at most."""

HOPELESS = 3.0
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
        self.units: list[Unit] = units_of(self.block)
        self.tried: dict[Run, list[Choice]] = {}
        self.searched: set[Run] = set()
        self.refused: dict[Run, dict[tuple[Lanes, ...], str]] = {}
        """Why a region cannot be dealt to lanes along these axes."""
        self.runs: dict[tuple[int, int], Run] = {}
        for start in range(len(self.units)):
            for run in runs_from(self.block, self.units, start):
                self.runs[run.start, run.stop] = run
        self._estimate_units()
        for run in self.runs.values():
            self.try_out(run, RegionSchedule())

    def _estimate_units(self) -> None:
        """Learn the statistics of all tensors, in program order."""
        first = {unit.ops[-1]: number for number, unit in enumerate(self.units)}
        members = {op for unit in self.units for op in unit.ops}
        for op in self.block.ops:
            if op in first:
                run = self.runs[first[op], first[op] + 1]
                inputs = self.tensors.of(run.inputs)
                found = self.evaluator.estimate(run, RegionSchedule(), inputs)
                self.tensors.add_results(run, found.results)
            elif op not in members and not is_initialiser(op):
                self.tensors.add_host_step(op)

    def try_out(self, run: Run, schedule: RegionSchedule) -> Choice:
        """Estimate a run under a schedule, and remember it."""
        found = self.evaluator.estimate(run, schedule, self.tensors.of(run.inputs))
        choice = Choice(run, schedule, found.cost)
        self.tried.setdefault(run, []).append(choice)
        return choice

    def best(self, run: Run) -> Choice:
        """The cheapest schedule of a run so far."""
        return min(self.tried[run], key=lambda choice: choice.cost.total)

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
        runs = {(run.ops[0], run.ops[-1]): run for run in self.runs.values()}
        found: dict[str, float] = {}
        for name in GRANULARITIES:
            groups = SamFusePass(name).groups(self.block)
            costs = [self.tried[runs[one.ops[0], one.ops[-1]]][0].cost for one in groups]
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

    def with_lanes(self, choice: Choice, lanes: int) -> Choice:
        """The same region dealt to at most `lanes` lanes, along the axis or two that gain most."""
        run, order = choice.run, choice.schedule.priority
        axes = self.evaluator.axes(run)
        if axes is None or lanes == 1:
            return choice
        tried = [choice]
        for dealt in _dealt(axes.default if order is None else order, lanes):
            try:
                tried.append(self.try_out(run, RegionSchedule(order, dealt)))
            except PassFailedException as error:
                self.refused.setdefault(run, {})[dealt] = str(error)
        return min(tried, key=lambda one: one.cost.total)


def _dealt(order: Priority, lanes: int) -> Iterator[tuple[Lanes, ...]]:
    """One axis in all lanes, or two nested ones that share them."""
    for axis in order:
        yield (Lanes(axis, lanes),)
    factors = [2**n for n in range(1, lanes.bit_length()) if lanes % 2**n == 0 and 2**n < lanes]
    for outer, inner in combinations(order, 2):
        for factor in factors:
            yield Lanes(outer, factor), Lanes(inner, lanes // factor)
