"""Which level answers a request, with the hints of its stream."""

from dataclasses import replace

import numpy as np
import pytest

from headrace.simulators.dae.caches import answering_levels
from headrace.simulators.dae.locality import locality_indices
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.trace import L2, LLC, MEMORY, Stream, Trace
from headrace.tests.dae_traces import RM, embedding_bag

SMALL = DaeMachine(l2_kib=0.25, l2_usable=0.5, llc_kib=0.25)
"""2 lines of L2 are left for what is read; the LLC has 4."""


def trace_of(requests: list[tuple[int, int]], *streams: Stream, lines: int = 1) -> Trace:
    """One item with requests of (stream, line)."""
    count = len(requests)
    return Trace(
        ("item",),
        streams,
        kind=np.zeros(1, np.int32),
        tokens=np.ones(1, np.int64),
        words=np.ones(1, np.int64),
        core=np.ones(1),
        first_request=np.array([0, count]),
        stream=np.array([stream for stream, _ in requests], np.int32),
        line=np.array([line for _, line in requests], np.int64),
        lines=np.full(count, lines, np.int32),
        parent=np.full(count, -1, np.int64),
    )


NEAR, FAR = Stream("near", 0, reads_from="l2"), Stream("far", 0)
PASSING = Stream("passing", 0, temporal=False)


def test_a_level_answers_as_far_as_its_capacity_goes() -> None:
    rows = [1, 2, 1, 3, 4, 1, 5, 6, 7, 1]
    levels = answering_levels(trace_of([(0, row) for row in rows], NEAR), SMALL)
    first = MEMORY
    assert levels.tolist() == [first, first, L2, first, first, LLC, first, first, first, LLC]
    levels = answering_levels(trace_of([(0, row) for row in [*range(5), 0]], NEAR), SMALL)
    assert levels[-1] == MEMORY


def test_a_row_needs_room_for_all_its_lines() -> None:
    levels = answering_levels(trace_of([(0, 8), (0, 8)], NEAR, lines=2), SMALL)
    assert levels.tolist() == [MEMORY, L2]
    levels = answering_levels(trace_of([(0, 8), (0, 8)], NEAR, lines=3), SMALL)
    assert levels.tolist() == [MEMORY, LLC]
    levels = answering_levels(trace_of([(0, 8), (0, 8)], NEAR, lines=5), SMALL)
    assert levels.tolist() == [MEMORY, MEMORY]


def test_a_stream_that_reads_from_the_llc_leaves_l2_alone() -> None:
    requests = [(0, 1), (1, 2), (1, 3), (0, 1), (1, 2)]
    assert answering_levels(trace_of(requests, NEAR, FAR), SMALL).tolist()[-2:] == [L2, LLC]
    everything_near = answering_levels(trace_of(requests, NEAR, NEAR), SMALL)
    assert everything_near.tolist()[-2:] == [LLC, LLC]


def test_a_stream_that_is_not_temporal_displaces_nothing() -> None:
    requests = [(0, 1), *((1, line) for line in range(10, 20)), (0, 1)]
    assert answering_levels(trace_of(requests, FAR, PASSING), SMALL)[-1] == LLC
    assert answering_levels(trace_of(requests, FAR, FAR), SMALL)[-1] == MEMORY


def test_a_stream_that_is_not_temporal_finds_what_others_keep() -> None:
    levels = answering_levels(trace_of([(0, 1), (1, 1), (1, 2), (1, 2)], NEAR, PASSING), SMALL)
    assert levels.tolist() == [MEMORY, LLC, MEMORY, MEMORY]


def test_without_hints_all_streams_are_near_and_kept() -> None:
    trace = trace_of([(0, 1), (1, 1)], FAR, PASSING)
    assert answering_levels(trace, SMALL, hints=False).tolist() == [MEMORY, L2]


def test_lines_that_are_written_go_to_memory() -> None:
    trace = trace_of([(0, 1), (1, 1)], NEAR, Stream("out", 0, writes=True))
    assert answering_levels(trace, SMALL).tolist() == [MEMORY, MEMORY]


@pytest.mark.parametrize(
    ("locality", "least", "most"), [("L0", 0.0, 0.01), ("L1", 0.04, 0.11), ("L2", 0.25, 0.37)]
)
@pytest.mark.parametrize("name", RM)
def test_the_share_of_hits_of_a_locality(
    name: str, locality: str, least: float, most: float
) -> None:
    """Section 7.5: under 1 % at L0, 27 to 37 % at L2."""
    per_segment, elements = RM[name]
    machine = DaeMachine()
    indices = locality_indices(locality)
    trace = embedding_bag(indices, per_segment, elements, 3, machine, index_lines=False)
    hits = np.count_nonzero(answering_levels(trace, machine) != MEMORY) / len(indices)
    assert least <= hits <= most


def test_l2_spares_the_llc() -> None:
    """The hint of BigBird (section 8.6): rows that are used again are read from L2."""
    indices = locality_indices("L2", lookups=20_000)
    machine = DaeMachine()
    near = embedding_bag(indices, 64, 32, 3, machine)
    far = replace(near, streams=tuple(replace(s, reads_from="llc") for s in near.streams))
    asked = [
        int(trace.lines[answering_levels(trace, machine) != L2].sum()) for trace in (near, far)
    ]
    assert asked[0] < 0.85 * asked[1]
