"""The default memory model, on kernels with random inputs: it takes time and changes no value."""

from dataclasses import replace

import numpy as np
import pytest

from headrace.backends.neutral_case import Case, dense_case
from headrace.simulators.stream.machine import MemoryDescription
from headrace.simulators.stream.memory import BankedMemory
from headrace.simulators.stream.simulate import simulate
from headrace.tests.kernels import random_inputs, row_product

LEDGER, EXACT = BankedMemory(), BankedMemory(exact=True)


def cases() -> list[Case]:
    graph = row_product(3)
    return [
        dense_case(f"{seed}", graph, random_inputs(graph, np.random.default_rng(seed), 8))
        for seed in range(10)
    ]


@pytest.mark.parametrize("memory", [LEDGER, EXACT], ids=["ledger", "exact"])
@pytest.mark.parametrize("depth", [None, 8, 2])
def test_memory_changes_no_value_and_takes_time(memory: BankedMemory, depth: int | None) -> None:
    for case in cases():
        expected = simulate(case.program, case.arrays, depth=depth)
        found = simulate(case.program, case.arrays, depth=depth, memory=memory)
        assert (found.deadlock is None) == (expected.deadlock is None)
        assert found.cycles >= expected.cycles
        assert found.outputs.keys() == expected.outputs.keys()
        for name, values in expected.outputs.items():
            np.testing.assert_array_equal(found.outputs[name], values)


@pytest.mark.parametrize("memory", [LEDGER, EXACT], ids=["ledger", "exact"])
def test_the_same_run_gives_the_same_clocks(memory: BankedMemory) -> None:
    for case in cases():
        first, second = (simulate(case.program, case.arrays, memory=memory) for _ in range(2))
        assert first.nodes == second.nodes
        assert first.memory == second.memory


def test_a_slower_memory_is_not_faster() -> None:
    slow = MemoryDescription(latency=500, interval=8, channels=1, outstanding=1)
    for case in cases():
        default = simulate(case.program, case.arrays, memory=EXACT)
        slower = simulate(case.program, case.arrays, memory=replace(EXACT, description=slow))
        assert slower.cycles >= default.cycles


def test_traffic_does_not_depend_on_the_order_of_service() -> None:
    for case in cases():
        ledger, exact = (simulate(case.program, case.arrays, memory=m) for m in (LEDGER, EXACT))
        assert ledger.memory == exact.memory
