"""
The published ablation of EmbeddingBag, by programs that the pipelines made.

Source: "Ember: A Compiler for Embedding Operations on Decoupled Access-Execute Architectures",
CGO 2026: speed-ups over level 0 at low locality.
"""

from functools import cache

import numpy as np
import pytest

from headrace.backends.dae import build
from headrace.pipelines.load import resolve_pipeline
from headrace.simulators.dae.execute import execute
from headrace.simulators.dae.locality import ROWS, locality_indices
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.program import Program
from headrace.simulators.dae.timing import simulate
from headrace.tests.ember_nests import NESTS, function, lowered

MACHINE = DaeMachine()
LOOKUPS = 8192

WORKLOADS = {"RM1": (32, 64), "RM2": (64, 128), "RM3": (128, 256)}
"""Numbers in a row, and rows in a bag."""

PUBLISHED = {
    "RM1": [3.96, 5.65, 6.6],
    "RM2": [5.38, 9.04, 12.1],
    "RM3": [6.08, 13.56, 21.0],
}


@cache
def program(opt: int) -> Program:
    text, _ = NESTS["embedding_bag"]
    return build(function(lowered(text, resolve_pipeline(f"ember-opt{opt}"))))


@cache
def cycles(workload: str, opt: int) -> float:
    """Of `LOOKUPS` rows of a table of which no row is in memory."""
    width, length = WORKLOADS[workload]
    bags = LOOKUPS // length
    offsets = np.arange(bags + 1) * length
    table = np.broadcast_to(np.float32(0), (ROWS, width))
    out = np.broadcast_to(np.float32(0), (bags, width))
    given = [offsets, locality_indices("L0", lookups=LOOKUPS), table, out]
    run = execute(program(opt), given, MACHINE, values=False)
    return simulate(run.trace, MACHINE).cycles


@pytest.mark.parametrize("workload", WORKLOADS)
def test_speed_ups_are_those_published(workload: str) -> None:
    found = [cycles(workload, 0) / cycles(workload, opt) for opt in range(1, 4)]
    assert found == pytest.approx(PUBLISHED[workload], rel=0.1)
    steps = [found[0], found[1] / found[0], found[2] / found[1]]
    assert min(steps) > 1
    assert max(steps) == steps[0]


def test_rows_in_batches_are_a_further_step() -> None:
    """At least 15 % fewer cycles on RM1, and not more where memory is the bound."""
    assert cycles("RM1", 4) < 0.85 * cycles("RM1", 3)
    assert cycles("RM3", 4) <= cycles("RM3", 3)
