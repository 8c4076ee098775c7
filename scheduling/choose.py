"""
Chooses the schedule of a function by the cost model: brackets, cuts, orders, lanes.

Source: "FuseFlow", ASPLOS 2026, section 7; the choices that its user makes by hand are made here.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from headrace.backends.statistics import TensorStatistics
from headrace.dialects.functions import main_function
from headrace.passes.sam.product_chains import Chain, chains, splits_of
from headrace.passes.sam.sam_associate import SamAssociatePass
from headrace.passes.sam.sam_fuse import erase_unused
from headrace.scheduling.cost import Evaluator
from headrace.scheduling.planner import CLEARLY, ESTIMATES, Granularity, Plan, Planner, total
from headrace.scheduling.schedule import Schedule
from headrace.storage.errors import InputError

Forms = tuple[int, ...]

FORMS = 5
"""Bracketings of a chain that are planned, of fewest multiplications: all of four factors."""

COUNTED = 1430
"""Bracketings of one chain whose multiplications are counted: all of nine factors."""

UNKNOWN_SIZE = 100
"""Stands for a size that is known when the program runs, where multiplications are counted."""


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
    baselines: Mapping[Granularity, float]
    """The costs of the fixed granularities of `sam-fuse`, of the function as it is written."""
    lanes: int
    estimates: int
    """Regions under schedules that were estimated."""
    seconds: float

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
        """The estimated cycles of the whole function."""
        return sum(choice.cost.cycles for choice in self.chosen.plan)


def choose(module: ModuleOp, tensors: Mapping[str, TensorStatistics], lanes: int = 1) -> Decision:
    """
    Choose a schedule for the function `main` of entry IR.

    `tensors` has the statistics of its arguments and constants by name. A region may use up to
    `lanes` parallel lanes. The choice costs no more, by the estimates, than every operation alone,
    a region for each layer, or one region.

    Raises `InputError` if the module has another function, since passes number the operations of
    all, and `PassFailedException` if an operation cannot be lowered.
    """
    functions = [op for op in module.body.block.ops if isinstance(op, FuncOp) and op.body.blocks]
    if len(functions) > 1:
        names = ", ".join(f"'{function.sym_name.data}'" for function in functions)
        raise InputError(f"the scheduler takes a module of one function, not of {names}")
    start = time.perf_counter()
    evaluator = Evaluator()
    found = chains(main_function(module))
    written = _plan(module, found, tuple(chain.written for chain in found), tensors, evaluator)
    best, rejected = written, list[Bracketing]()
    for number, chain in enumerate(found):
        for form in _worth_a_plan(chain):
            if evaluator.estimated >= ESTIMATES:
                break
            forms = (*best.forms[:number], form, *best.forms[number + 1 :])
            other = _plan(module, found, forms, tensors, evaluator)
            if total(other.plan) < total(best.plan):
                best, other = other, best
            rejected.append(other)
    baselines = written.planner.baselines()
    fixed = min(baselines.values(), key=lambda plan: (total(plan), len(plan)))
    if total(best.plan) > CLEARLY * total(fixed):
        rejected.append(best)
        best = replace(written, plan=fixed)
    if lanes > 1:
        dealt = tuple(best.planner.with_lanes(choice, lanes) for choice in best.plan)
        best = replace(best, plan=dealt)
    seconds = time.perf_counter() - start
    costs: dict[Granularity, float] = {name: total(plan) for name, plan in baselines.items()}
    return Decision(best, tuple(rejected), costs, lanes, evaluator.estimated, seconds)


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


def _worth_a_plan(chain: Chain) -> list[int]:
    """The bracketings, besides the one that is written, with the fewest multiplications."""
    known = range(min(chain.bracketings, COUNTED))
    forms = sorted({*known, chain.bracketings - 1}, key=lambda form: multiplications(chain, form))
    return [form for form in forms if form != chain.written][: FORMS - 1]


def multiplications(chain: Chain, form: int) -> int:
    """The scalar products of a bracketing, as if every factor were dense."""
    count = len(chain.factors)
    labels = [{label for label in one.labels if label is not None} for one in chain.factors]
    sizes: dict[int, int] = {}
    for factor, shape in zip(chain.factors, chain.shapes, strict=True):
        for label, size in zip(factor.labels, shape, strict=True):
            if label is not None:
                sizes[label] = UNKNOWN_SIZE if size is None else size

    def left(first: int, end: int) -> set[int]:
        """The loops that the product of an interval has."""
        outside = set(chain.labels).union(*labels[:first], *labels[end:])
        return set[int]().union(*labels[first:end]) & outside

    return sum(
        prod(sizes[label] for label in left(first, split) | left(split, end))
        for (first, end), split in splits_of(form, count).items()
    )
