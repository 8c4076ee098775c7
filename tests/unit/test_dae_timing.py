"""
The recurrence gives the published times: the tables of sections 7.4 and 8 of the specification.

Traces are made by hand and record what EmbeddingBag would; 16384 lookups are a steady state.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from headrace.simulators.dae.cost import CaseWork
from headrace.simulators.dae.locality import locality_indices
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.timing import simulate
from headrace.simulators.dae.trace import MEMORY, Stream, Trace
from headrace.storage.errors import InputError
from headrace.tests.dae_traces import RM, embedding_bag, geometric_mean, rm

MACHINE = DaeMachine()
LOOKUPS = 16384

CYCLES = {
    "RM1": (229.5, 57.1, 39.8, 34.4),
    "RM2": (431.4, 84.7, 47.0, 36.0),
    "RM3": (835.3, 139.9, 61.4, 39.3),
}
"""Cycles per lookup at low locality, levels 0 to 3 (section 7.4)."""

OUTSTANDING = {1: 2080, 2: 1040, 4: 520, 8: 260, 16: 130, 32: 65, 48: 43.3, 64: 39.3, 256: 39.3}
QUEUE_WORDS = {64: 368, 128: 368, 256: 184, 1024: 46, 8192: 39.3}
"""Cycles per lookup of RM3, level 3, every lookup from memory (section 7.4)."""


def per_lookup(trace: Trace, machine: DaeMachine, lookups: int = LOOKUPS) -> float:
    return simulate(trace, machine).cycles / lookups


def misses(elements: int = 128, lookups: int = LOOKUPS, level: int = 3) -> Trace:
    """Rows that nothing has kept, and no requests for indices."""
    return embedding_bag(np.arange(lookups), 256, elements, level, MACHINE, index_lines=False)


@pytest.fixture(scope="module")
def ablation() -> dict[tuple[str, int], float]:
    """Cycles per lookup of each workload and level, at low locality."""
    return {
        (name, level): per_lookup(rm(name, level, "L0", MACHINE, LOOKUPS), MACHINE)
        for name in RM
        for level in range(4)
    }


@pytest.mark.parametrize("name", RM)
def test_the_cycles_of_a_lookup_at_each_level(
    name: str, ablation: dict[tuple[str, int], float]
) -> None:
    found = [ablation[name, level] for level in range(4)]
    assert found == pytest.approx(CYCLES[name], rel=0.05)


@pytest.mark.parametrize(("name", "published"), [("RM1", 6.6), ("RM2", 12.1), ("RM3", 21.0)])
def test_the_ablation(name: str, published: float, ablation: dict[tuple[str, int], float]) -> None:
    """Each level is faster than the one before, and vectorization is the largest step."""
    cycles = [ablation[name, level] for level in range(4)]
    steps = [before / after for before, after in pairwise(cycles)]
    assert cycles[0] / cycles[3] == pytest.approx(published, rel=0.1)
    assert min(steps) > 1
    assert steps[0] == max(steps)


def test_vectorization_alone(ablation: dict[tuple[str, int], float]) -> None:
    gains = [ablation[name, 0] / ablation[name, 1] for name in RM]
    assert geometric_mean(gains) == pytest.approx(5.13, rel=0.05)


def test_a_sweep_over_outstanding_lines() -> None:
    """The knee is bandwidth times latency over a line: 260 / 4.39, about 59 lines."""
    trace = misses()
    found = [per_lookup(trace, replace(MACHINE, outstanding=n)) for n in OUTSTANDING]
    assert found == pytest.approx(list(OUTSTANDING.values()), rel=0.05)
    assert found == sorted(found, reverse=True)


def test_a_sweep_over_the_words_of_the_queue() -> None:
    trace = misses()
    found = [per_lookup(trace, replace(MACHINE, queue_words=n)) for n in QUEUE_WORDS]
    assert found == pytest.approx(list(QUEUE_WORDS.values()), rel=0.05)
    assert found == sorted(found, reverse=True)


def test_a_sweep_over_the_bandwidth_of_memory() -> None:
    """Below the knee a lookup takes the transfer of its 8 lines; above, the core is the bound."""
    trace = misses()
    found = dict[float, float]()
    for bandwidth in (420, 840, 1680, 3360, 6720):
        machine = replace(MACHINE, memory_bandwidth=bandwidth)
        found[bandwidth] = per_lookup(trace, machine)
        transfer = 8 * machine.line_transfer
        assert found[bandwidth] == pytest.approx(max(transfer, 38.9), rel=0.02)
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize(
    ("change", "bound"),
    [
        ({}, "core"),
        ({"words_per_cycle": 4}, "marshalling"),
        ({"lines_per_cycle": 0.25}, "requests"),
        ({"memory_bandwidth": 1000}, "memory"),
        ({"outstanding": 16}, "outstanding"),
        ({"queue_words": 512}, "data queue"),
        ({"queue_tokens": 4}, "control queue"),
    ],
)
def test_in_steady_state_the_closed_form_is_the_recurrence(
    change: dict[str, Any], bound: str
) -> None:
    machine = replace(MACHINE, **change)
    closed, fast = (simulate(misses(), machine, f) for f in ("closed_form", "recurrence"))
    assert closed.cycles <= fast.cycles
    assert fast.cycles == pytest.approx(closed.cycles, rel=0.01)
    assert closed.bound_by == fast.bound_by == bound


def test_what_a_timing_says() -> None:
    """RM3, level 3: the core is the bound; payload is 512 bytes a lookup."""
    timing = simulate(misses(), MACHINE)
    assert timing.tokens == LOOKUPS + LOOKUPS // 256
    assert timing.words == LOOKUPS * 128
    assert timing.lines == (0, 0, LOOKUPS * 8)
    assert timing.memory_bytes == LOOKUPS * 512
    assert timing.core_busy == pytest.approx(1, rel=0.01)
    assert timing.access_busy == pytest.approx(38.4 / 38.9, rel=0.01)
    # The published share of compute throughput at level 3 is 48.62 % (section 8.5).
    assert timing.percent_of_line(LOOKUPS * 512) == pytest.approx(48.62, rel=0.05)


def test_outer_units_hide_the_latency_of_indices() -> None:
    """With buffers for one index only, each line of them is waited for."""
    trace = embedding_bag(locality_indices("L0", lookups=LOOKUPS), 256, 128, 3, MACHINE)
    hidden = per_lookup(trace, MACHINE)
    assert hidden == pytest.approx(per_lookup(misses(), MACHINE), rel=0.01)
    assert per_lookup(trace, replace(MACHINE, storage_bytes=64)) > 1.2 * hidden


def test_lanes_up_to_16_can_be_simulated() -> None:
    trace = embedding_bag(np.arange(256), 64, 100, 3, MACHINE, lanes=16)
    assert simulate(trace, replace(MACHINE, lanes=16)).words == 256 * 112


def test_a_store_takes_bandwidth_and_no_time_of_the_core() -> None:
    """Rows are copied by the access unit alone; it waits for them with later rows in flight."""
    rows = 4096
    trace = Trace(
        ("copy",),
        (Stream("from", 0, entry_bytes=32), Stream("to", 0, writes=True, entry_bytes=32)),
        kind=np.zeros(rows, np.int32),
        tokens=np.zeros(rows, np.int64),
        words=np.zeros(rows, np.int64),
        core=np.zeros(rows),
        first_request=2 * np.arange(rows + 1),
        stream=np.tile(np.array([0, 1], np.int32), rows),
        line=np.arange(2 * rows) * 4,
        lines=np.full(2 * rows, 4, np.int32),
        parent=np.where(np.arange(2 * rows) % 2, np.arange(2 * rows) - 1, -1),
    )
    timing = simulate(trace, MACHINE)
    assert timing.lines[MEMORY] == 8 * rows
    assert timing.bound_by == "memory"
    assert timing.cycles / rows == pytest.approx(8 * MACHINE.line_transfer, rel=0.02)
    assert timing.core_busy == 0


def test_an_unknown_fidelity_is_refused() -> None:
    unknown: Any = "exact"
    with pytest.raises(InputError, match="no fidelity 'exact'; choose from closed_form, recurr"):
        simulate(misses(), MACHINE, unknown)


def test_a_run_of_nothing_takes_no_time() -> None:
    nothing = misses(lookups=0)
    for fidelity in ("closed_form", "recurrence", "reference"):
        assert simulate(nothing, MACHINE, fidelity).cycles == 0


def test_a_part_of_a_trace_is_a_trace() -> None:
    """Two batches in turn take at most the sum of their times, and the longer one at least."""
    trace = rm("RM2", 3, "L0", MACHINE)
    half = 2048 + 16
    parts = [trace.slice(0, half), trace.slice(half, len(trace.kind))]
    assert sum(len(part.lines) for part in parts) == len(trace.lines)
    cycles = [simulate(part, MACHINE).cycles for part in parts]
    assert max(cycles) < simulate(trace, MACHINE).cycles <= sum(cycles)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"words": np.zeros(3, np.int64)}, r"words of a trace is int64 of shape \(3,\)"),
        ({"core": np.zeros(2, np.int64)}, "core of a trace is int64 .* instead of float64"),
        ({"first_request": np.array([0, 2, 1])}, "first_request of a trace must grow from 0"),
        ({"parent": np.array([-1, 1])}, "a parent of a trace must be an earlier request"),
        ({"lines": np.array([1, 0], np.int32)}, "a request of a trace has at least 1 line"),
        ({"stream": np.array([0, 2], np.int32)}, "a stream of a trace is none of the 2"),
        ({"stream": np.array([1, 0], np.int32)}, "belongs to an inner unit"),
        ({"streams": (Stream("a", 0, writes=True), Stream("b", 0))}, "brings no value"),
        ({"streams": (Stream("a", 1, writes=True), Stream("b", 0))}, "innermost|no value"),
    ],
)
def test_a_trace_that_does_not_fit_itself_is_refused(change: dict[str, Any], reason: str) -> None:
    arguments: dict[str, Any] = {
        "kinds": ("lookup",),
        "streams": (Stream("indices", 1), Stream("table", 0)),
        "kind": np.zeros(2, np.int32),
        "tokens": np.ones(2, np.int64),
        "words": np.ones(2, np.int64),
        "core": np.full(2, CaseWork(dispatches=1).cycles(MACHINE.core)),
        "first_request": np.array([0, 2, 2]),
        "stream": np.array([0, 1], np.int32),
        "line": np.array([0, 100]),
        "lines": np.ones(2, np.int32),
        "parent": np.array([-1, 0]),
    }
    Trace(**arguments)
    with pytest.raises(ValueError, match=reason):
        Trace(**arguments | change)
