"""Memory models and channel capacities on the recorded graphs."""

import functools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headrace.backends.neutral_case import Case, read_case
from headrace.benchmarks.ledger import largest_error
from headrace.simulators.stream.errors import ProgramError
from headrace.simulators.stream.machine import MemoryDescription
from headrace.simulators.stream.memory import BankedMemory
from headrace.simulators.stream.simulate import simulate
from headrace.tests.reference import reference_path

NAMES: list[str] = [
    case["name"] for case in json.loads(reference_path("sam/index.json").read_text())["cases"]
]
SMALL = "matmul_ikj__n32_d0.2"


@functools.cache
def case(name: str) -> Case:
    return read_case(reference_path(f"sam/{name}"))


def run(name: str, **options: Any) -> Any:
    return simulate(case(name).program, case(name).arrays, **options)


@pytest.mark.parametrize("name", NAMES)
def test_ledger_stays_close_to_requests_in_order_of_time(name: str) -> None:
    free = run(name)
    ledger, exact = (run(name, memory=BankedMemory(exact=exact)) for exact in (False, True))
    assert ledger.memory == exact.memory
    assert ledger.cycles == pytest.approx(exact.cycles, rel=0.01)
    assert exact.cycles > free.cycles
    for output, values in free.outputs.items():
        np.testing.assert_array_equal(ledger.outputs[output], values)
        np.testing.assert_array_equal(exact.outputs[output], values)


@pytest.mark.parametrize(
    ("channels", "interval", "bound"), [(1, 8, 27), (2, 16, 27), (4, 4, 3), (8, 2, 1)]
)
def test_the_ledger_is_as_far_off_as_documented(channels: int, interval: int, bound: float) -> None:
    error = largest_error([case(name) for name in NAMES], channels, interval)
    assert bound - 1 < abs(error) < bound


@pytest.mark.parametrize("exact", [False, True])
def test_worse_memories_are_slower(exact: bool) -> None:
    def cycles(**change: int) -> int:
        description = replace(MemoryDescription(), **change)
        return run(SMALL, memory=BankedMemory(description, exact)).cycles

    assert cycles(latency=20) < cycles() < cycles(latency=200)
    assert cycles(interval=1) <= cycles() < cycles(interval=32)
    assert cycles(channels=1, interval=16) > cycles(channels=8, interval=16)
    assert cycles(outstanding=1) > cycles(outstanding=16)


@pytest.mark.parametrize("interval", [3, 17, 33, 64])
def test_lines_that_the_ledger_cannot_count_are_refused(interval: int) -> None:
    description = MemoryDescription(interval=interval)
    with pytest.raises(ProgramError, match=r"give 1, 2, 4, 8, 16 or 32, or the exact memory"):
        BankedMemory(description)
    BankedMemory(description, exact=True)


def test_memory_moves_whole_lines() -> None:
    traffic = run(SMALL, memory=BankedMemory()).memory
    assert all(tensor.read % 64 == 0 and tensor.written % 64 == 0 for tensor in traffic.values())
    words = run(SMALL).memory
    assert traffic["X"].written >= words["X"].written - 64 * 3


@pytest.mark.parametrize("name", NAMES)
def test_unbounded_peaks_are_sufficient_capacities(name: str) -> None:
    """The vector of largest occupancies is enough for every graph, also where 8 deadlocks."""
    program = case(name).program
    peaks = {(c.source, c.target): c.peak for c in run(name, occupancy=True).channels}
    order = [(c.source, c.target) for c in run(name).channels]
    assert len(peaks) == len(order)
    read = [c for c in range(len(program.capacities)) if c in set(program.inputs.tolist())]
    capacities = np.zeros(len(program.capacities), dtype=np.int64)
    for channel, key in zip(read, order, strict=True):
        capacities[channel] = max(1, peaks[key] or 1)
    result = simulate(replace(program, capacities=capacities), case(name).arrays)
    assert result.deadlock is None


def test_timing_only_keeps_every_clock() -> None:
    for name in NAMES[:6]:
        for depth in (None, 8):
            full, timed = run(name, depth=depth), run(name, depth=depth, timing_only=True)
            assert [n.cycles for n in full.nodes] == [n.cycles for n in timed.nodes]
