"""
Chooses the schedule of a function by the cost model: brackets, cuts, orders, lanes.

Source: "FuseFlow", ASPLOS 2026, section 7; the choices that its user makes by hand are made here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from headrace.backends.sam import main_function
from headrace.backends.statistics import TensorStatistics
from headrace.passes.sam.product_chains import Chain, chains
from headrace.passes.sam.sam_associate import SamAssociatePass
from headrace.passes.sam.sam_fuse import erase_unused
from headrace.scheduling.cost import Evaluator
from headrace.scheduling.planner import Plan, Planner, total
from headrace.scheduling.schedule import Schedule

Forms = tuple[int, ...]


@dataclass(frozen=True)
class Bracketing:
    """One way to bracket the products of a function, and the best plan under it."""

    forms: Forms
    text: tuple[str, ...]
    planner: Planner
    plan: Plan


@dataclass(frozen=True)
class Decision:
    """The schedule that was chosen, and everything that it was chosen from."""

    chosen: Bracketing
    rejected: tuple[Bracketing, ...]
    baselines: Mapping[str, float]
    """The estimates of the fixed granularities of `sam-fuse`, of the function as it is written."""
    lanes: int

    @property
    def schedule(self) -> Schedule:
        """What to tell the passes."""
        plan, number_of = self.chosen.plan, self.chosen.planner.numbers
        starts = tuple(number_of[choice.run.ops[0]] for choice in plan)
        drops = tuple(
            number_of[choice.run.ops[place]]
            for choice in plan
            if choice.schedule.drops
            for place in choice.run.zeros
        )
        regions = tuple(choice.schedule for choice in plan)
        return Schedule(self.chosen.forms, starts[1:], drops, regions)

    @property
    def cycles(self) -> float:
        """The estimate of the whole function."""
        return sum(choice.cost.cycles for choice in self.chosen.plan)


def choose(module: ModuleOp, tensors: Mapping[str, TensorStatistics], lanes: int = 1) -> Decision:
    """
    Choose a schedule for the function `main` of entry IR.

    `tensors` has the statistics of its arguments and constants by name. A region may use up to
    `lanes` parallel lanes.
    """
    evaluator = Evaluator()
    found = chains(main_function(module))
    written = _plan(module, found, tuple(chain.written for chain in found), tensors, evaluator)
    best, rejected = written, list[Bracketing]()
    for number, chain in enumerate(found):
        for form in range(chain.bracketings):
            if form == chain.written:
                continue
            forms = (*best.forms[:number], form, *best.forms[number + 1 :])
            other = _plan(module, found, forms, tensors, evaluator)
            if total(other.plan) < total(best.plan):
                best, other = other, best
            rejected.append(other)
    if lanes > 1:
        dealt = tuple(best.planner.with_lanes(choice, lanes) for choice in best.plan)
        best = replace(best, plan=dealt)
    return Decision(best, tuple(rejected), written.planner.baselines(), lanes)


def _plan(
    module: ModuleOp,
    found: list[Chain],
    forms: Forms,
    tensors: Mapping[str, TensorStatistics],
    evaluator: Evaluator,
) -> Bracketing:
    module = module.clone()
    if forms:
        SamAssociatePass(forms).apply(Context(), module)
    function = main_function(module)
    erase_unused(function.body.block)
    planner = Planner(function, tensors, evaluator)
    text = tuple(chain.text(form) for chain, form in zip(found, forms, strict=True))
    return Bracketing(forms, text, planner, planner.plan())
