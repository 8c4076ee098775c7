"""
The three fidelities agree on random traces: the recurrence is the reference, exactly, and the
closed form is below both. Clocks are multiples of 1/8 cycle, which floating point adds exactly.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from headrace.simulators.dae.caches import NEVER, kept_in, stack_distances
from headrace.simulators.dae.machine import DaeMachine
from headrace.simulators.dae.timing import simulate
from headrace.simulators.dae.trace import Stream, Trace

TRIALS, TRIALS_SLOW = 500, 10_000


def random_streams(random: np.random.Generator) -> tuple[Stream, ...]:
    heights = random.integers(0, 4, random.integers(1, 5))
    return tuple(
        Stream(
            f"stream {number}",
            int(height),
            writes=bool(height == 0 and random.random() < 0.3),
            entry_bytes=int(random.choice([8, 32, 64])),
        )
        for number, height in enumerate(heights)
    )


def random_parents(streams: Sequence[Stream], random: np.random.Generator) -> list[int]:
    """Of requests of these streams: an earlier one whose value may be an address, or none."""
    parents = list[int]()
    for request, stream in enumerate(streams):
        able = [
            other
            for other in range(request)
            if streams[other].height >= stream.height and not streams[other].writes
        ]
        parents.append(int(random.choice(able)) if able and random.random() < 0.7 else -1)
    return parents


def random_trace(random: np.random.Generator) -> Trace:
    streams = random_streams(random)
    items, requests = int(random.integers(1, 14)), int(random.integers(0, 30))
    stream = random.integers(0, len(streams), requests)
    bounds = np.sort(random.integers(0, requests + 1, items - 1))
    parents = random_parents([streams[int(s)] for s in stream], random)
    return Trace(
        ("item",),
        streams,
        kind=np.zeros(items, np.int32),
        tokens=random.integers(0, 4, items),
        words=random.integers(0, 9, items),
        core=random.integers(0, 80, items) / 8,
        first_request=np.concatenate([[0], bounds, [requests]]).astype(np.int64),
        stream=stream.astype(np.int32),
        line=random.integers(0, 30, requests),
        lines=random.integers(1, 4, requests).astype(np.int32),
        parent=np.array(parents, np.int64),
    )


def random_machine(random: np.random.Generator) -> DaeMachine:
    """Narrow in some respects, so that each bound is the one that holds in some trials."""
    return DaeMachine(
        cores=1,
        core_clock=2.0,
        access_clock=1.0,
        lines_per_cycle=float(random.choice([0.25, 1, 2])),
        words_per_cycle=float(random.choice([1, 4, 8])),
        memory_bandwidth=float(random.choice([128, 32, 16])),
        latency_memory=float(random.choice([0, 20, 260])),
        outstanding=int(random.integers(1, 6)),
        queue_words=int(random.choice([4, 16, 64])),
        queue_tokens=int(random.choice([2, 5, 100])),
        storage_bytes=int(random.choice([64, 128, 1024])),
    )


def expect_agreement(seed: int) -> None:
    random = np.random.default_rng(seed)
    trace, machine = random_trace(random), random_machine(random)
    levels = random.integers(0, 3, len(trace.line)).astype(np.int8)
    closed, fast, slow = (
        simulate(trace, machine, fidelity, levels).cycles
        for fidelity in ("closed_form", "recurrence", "reference")
    )
    assert fast == slow, seed
    assert closed <= fast + 1e-9, seed


def test_recurrence_is_the_reference_and_the_closed_form_is_below() -> None:
    for seed in range(TRIALS):
        expect_agreement(seed)


@pytest.mark.slow
def test_recurrence_is_the_reference_on_many_traces() -> None:
    for seed in range(TRIALS, TRIALS + TRIALS_SLOW):
        expect_agreement(seed)


def test_more_of_a_resource_never_takes_longer() -> None:
    """A tuner would otherwise see resources that harm."""
    for seed in range(TRIALS):
        random = np.random.default_rng(seed)
        trace, machine = random_trace(random), random_machine(random)
        levels = random.integers(0, 3, len(trace.line)).astype(np.int8)
        for resource, more in (
            ("outstanding", machine.outstanding + 1),
            ("queue_words", 2 * machine.queue_words),
            ("queue_tokens", 2 * machine.queue_tokens),
            ("memory_bandwidth", 2 * machine.memory_bandwidth),
            ("words_per_cycle", 2 * machine.words_per_cycle),
            ("lines_per_cycle", 2 * machine.lines_per_cycle),
        ):
            other = replace(machine, **{resource: more})
            faster = simulate(trace, other, levels=levels).cycles
            assert faster <= simulate(trace, machine, levels=levels).cycles, (seed, resource)


def brute_force_distance(
    line: Sequence[int], lines: Sequence[int], keeps: Sequence[bool]
) -> list[int]:
    """By the definition: a stack of rows, the last kept on top."""
    stack = list[tuple[int, int]]()
    distances = list[int]()
    for row, size, kept in zip(line, lines, keeps, strict=True):
        depth = [other for other, _ in stack].index(row) if row in dict(stack) else None
        distances.append(NEVER if depth is None else sum(size for _, size in stack[:depth]))
        if kept:
            if depth is not None:
                del stack[depth]
            stack.insert(0, (row, size))
    return distances


def test_stack_distances_are_those_of_a_stack() -> None:
    for seed in range(TRIALS):
        random = np.random.default_rng(seed)
        count = int(random.integers(0, 60))
        line = random.integers(0, 12, count)
        lines = random.integers(1, 5, count).astype(np.int32)
        keeps = random.random(count) < 0.8
        expected = brute_force_distance(line.tolist(), lines.tolist(), keeps.tolist())
        assert stack_distances(line, lines, keeps).tolist() == expected, seed


def test_a_cache_keeps_what_its_capacity_exceeds() -> None:
    """The window of times gives what the distance says; a row has one size."""
    for seed in range(TRIALS):
        random = np.random.default_rng(seed)
        line = random.integers(0, 30, 150)
        lines = (line % 3 + 1).astype(np.int32)
        keeps = random.random(150) < 0.8
        capacity = int(random.integers(0, 70))
        distance = stack_distances(line, lines, keeps)
        expected = (distance != NEVER) & (distance + lines <= capacity)
        np.testing.assert_array_equal(kept_in(capacity, line, lines, keeps), expected, f"{seed}")
