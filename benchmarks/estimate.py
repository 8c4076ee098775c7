"""
The cost model against the simulation: cycles, operations and bytes of the models.

One row for each schedule: simulated cycles, the estimate, its errors in percent, and the processor
time of one estimate of all its graphs, when the statistics of the arguments are known and an
estimate was made before.

`python -m headrace.benchmarks.estimate [--small]`
"""

import argparse
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from headrace.backends.estimate import estimate_steps
from headrace.benchmarks.estimate_cases import Case, large_cases, small_cases
from headrace.cli.driver import compile
from headrace.cli.report import print_table

REPETITIONS = 5


@dataclass(frozen=True)
class Comparison:
    """One schedule: what was simulated and what was estimated."""

    case: str
    schedule: str
    simulated: tuple[int, int, int]
    """Cycles, operations, bytes."""
    estimated: tuple[int, int, int]
    microseconds: float
    nodes: int

    @property
    def errors(self) -> tuple[float, float, float]:
        """Errors of cycles, operations and bytes in percent."""
        pairs = zip(self.estimated, self.simulated, strict=True)
        cycles, operations, moved = (100 * (e / s - 1) if s else 0.0 for e, s in pairs)
        return cycles, operations, moved


def compare(case: Case) -> Iterable[Comparison]:
    """Simulate and estimate every schedule of a case."""
    model, args = case.make()
    for schedule in case.schedules:
        program = compile(model, args, pipeline=schedule)
        result = program.run(*args, timing_only=True)
        statistics = program.statistics(*args)
        estimate = program.estimate(*args)
        best = float("inf")
        for _ in range(REPETITIONS):
            start = time.process_time()
            estimate_steps(program.steps, statistics)
            best = min(best, time.process_time() - start)
        yield Comparison(
            case.name,
            re.sub(r"sam-fuse{regions=(\w+)}", r"\1", schedule.removesuffix(",sam-lower")),
            (result.cycles, result.flops, result.bytes),
            (estimate.cycles, estimate.flops, estimate.bytes),
            1e6 * best,
            len(result.nodes),
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small cases only")
    options = parser.parse_args()
    cases = list(small_cases())
    if not options.small:
        cases += large_cases()
    rows = [
        (
            one.case,
            one.schedule,
            one.simulated[0],
            one.estimated[0],
            *(f"{error:+.2f}" for error in one.errors),
            one.nodes,
            f"{one.microseconds:.0f}",
        )
        for case in cases
        for one in compare(case)
    ]
    columns = (
        "case",
        "schedule",
        "cycles",
        "estimate",
        "cycles %",
        "flops %",
        "bytes %",
        "nodes",
        "us",
    )
    print_table("The cost model against the simulation", columns, rows)


if __name__ == "__main__":
    main()
