"""What one region costs under one schedule: it is lowered by itself, and its graph is estimated."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.transforms.dead_code_elimination import dce

from headrace.backends.compiled import Program
from headrace.backends.estimate import estimate_steps
from headrace.backends.sam import build
from headrace.backends.statistics import TensorStatistics
from headrace.dialects import sam
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.passes.sam.region_expression import DROP_ZEROS
from headrace.passes.sam.sam_fuse import is_fusible
from headrace.scheduling.orders import Axes, axes_of
from headrace.scheduling.regions import Run
from headrace.scheduling.schedule import RegionSchedule


@dataclass(frozen=True)
class Cost:
    """The estimate of a region."""

    cycles: float
    copied: float
    """Entries of operands and results that are stored once more, in another order."""
    flops: float
    bytes: float
    bottleneck: str
    """The node that is busy longest."""

    @property
    def total(self) -> float:
        """Cycles, and one for each entry that is copied between graphs."""
        return self.cycles + self.copied


@dataclass(frozen=True)
class Estimated:
    """A cost, and the statistics of what the region computes."""

    cost: Cost
    results: tuple[TensorStatistics, ...]


class Evaluator:
    """Estimates regions; equal regions on equal statistics are estimated once."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Estimated] = {}
        self._axes: dict[str, Axes | None] = {}

    @property
    def estimated(self) -> int:
        """Different regions under different schedules that were lowered and estimated."""
        return len(self._known)

    def axes(self, run: Run) -> Axes | None:
        """The axes of a run; None if it computes constants only."""
        if run.text not in self._axes:
            self._axes[run.text] = axes_of(run.module)
        return self._axes[run.text]

    def estimate(
        self, run: Run, schedule: RegionSchedule, inputs: tuple[TensorStatistics, ...]
    ) -> Estimated:
        """
        The cost of a run whose inputs have these statistics.

        Raises `PassFailedException` for a schedule that a pass refuses.
        """
        key = (run.text, schedule, *map(_identity, inputs))
        if key not in self._known:
            self._known[key] = self._estimate(run, schedule, inputs)
        return self._known[key]

    def _estimate(
        self, run: Run, schedule: RegionSchedule, inputs: tuple[TensorStatistics, ...]
    ) -> Estimated:
        program = _program(run, schedule)
        arguments = [one.name for one in program.arguments]
        costs, known = estimate_steps(program.steps, dict(zip(arguments, inputs, strict=True)))
        graphs = [cost.result for cost in costs]
        slowest = max(graphs, key=lambda graph: graph.cycles, default=None)
        bottleneck = slowest.bottleneck if slowest else None
        axes = self.axes(run)
        copied = axes.copied(schedule.priority or axes.default) if axes else 0
        cost = Cost(
            sum(graph.cycles for graph in graphs),
            copied,
            sum(graph.flops for graph in graphs),
            sum(graph.bytes for graph in graphs),
            bottleneck.name if bottleneck else "nothing",
        )
        return Estimated(cost, tuple(known[one.name] for one in program.results))


def _program(run: Run, schedule: RegionSchedule) -> Program:
    """The region alone as a program whose arguments are the inputs of the run."""
    module: ModuleOp = run.module.clone()
    if schedule.drops:
        (region,) = (op for op in module.walk() if isinstance(op, sam.RegionOp))
        fusible = [op for op in region.body.block.ops if is_fusible(op)]
        for place in run.zeros:
            fusible[place].attributes[DROP_ZEROS] = UnitAttr()
    spec = ",".join((*schedule.passes(0), "sam-lower"))
    parse_passes(spec, get_all_passes()).apply(Context(), module)
    dce(module)
    return build(module)


def _identity(statistics: TensorStatistics) -> object:
    """Equal for dense tensors on which equal regions cost the same; else the tensor itself."""
    if statistics.format.is_dense:
        return statistics.shape, statistics.format, f"{statistics.nonzero:.2g}"
    return statistics
