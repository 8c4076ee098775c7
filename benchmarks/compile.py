"""
Compile times: the fused two-layer GCN, stage by stage.

Goal: passes and program under 0.5 s ("FuseFlow", ASPLOS 2026, section 8.7: under 0.75 s).
"""

import time
from collections.abc import Callable
from typing import TypeVar

from headrace.backends.sam import build
from headrace.cli.driver import make_context
from headrace.cli.report import print_table
from headrace.frontends.torch_export import import_model
from headrace.models.gcn import karate
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.pipelines.load import resolve_pipeline

T = TypeVar("T")

REPETITIONS = 5
PIPELINES = ("gcn-unfused", "gcn-per-layer", "gcn-fused")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return the result of `work` and the processor time that it took, in milliseconds."""
    start = time.process_time()
    result = work()
    return result, 1e3 * (time.process_time() - start)


def main() -> None:
    """Print the best of several repetitions for each pipeline."""
    model, args = karate()
    context = make_context()
    rows: list[tuple[str, float, float, float, float]] = []
    for pipeline in PIPELINES:
        passes = parse_passes(resolve_pipeline(pipeline), get_all_passes())
        times: list[tuple[float, float, float]] = []
        for _ in range(REPETITIONS):
            imported, importing = timed(lambda: import_model(model, args))
            module = imported.module
            _, lowering = timed(lambda: passes.apply(context, module))
            _, building = timed(lambda: build(module))
            times.append((importing, lowering, building))
        best = [min(column) for column in zip(*times, strict=True)]
        rows.append((pipeline, best[0], best[1], best[2], best[1] + best[2]))
    columns = ("pipeline", "torch.export", "passes", "program", "passes + program")
    print_table("Compile time, ms of processor time", columns, rows)


if __name__ == "__main__":
    main()
