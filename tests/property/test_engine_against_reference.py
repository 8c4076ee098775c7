"""
The compiled engine equals the plain reference: outputs, and the final clock of every node.

The two share no code: the engine compiles its primitives, the reference runs coroutines that were
written from the clock rules. Channels have random depths, one by one.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from headrace.simulators.stream.program import Program, ProgramBuilder, Slot, Stream
from headrace.simulators.stream.reference import reference_simulate
from headrace.simulators.stream.reference_arithmetic import BINARY, EXACT, MASKED, UNARY
from headrace.simulators.stream.simulate import simulate
from headrace.tests.operators import RULES, Rule
from headrace.tests.simulators import ENGINE, REFERENCE, Outcome, Simulator, run_streams
from headrace.tests.stream_graphs import random_graph

TRIALS, TRIALS_SLOW = 25, 400


def random_depths(program: Program, random: Random) -> Program:
    """Every channel unbounded, or with a depth of its own between 1 and 32."""
    shallow = random.random() < 0.5
    depths = [
        0 if random.random() < 0.3 else random.randint(1, 4 if shallow else 32)
        for _ in program.capacities
    ]
    return replace(program, capacities=np.array(depths, dtype=np.int64))


def assert_equal_times(found: Outcome, expected: Outcome, what: str) -> None:
    assert found.deadlock == expected.deadlock, what
    if found.deadlock:
        # Who waits for one input may have looked at another before: clocks may differ.
        for name, times in expected.nodes.items():
            assert found.nodes[name].tokens == times.tokens, f"{what}: {name}"
        return
    assert found.nodes == expected.nodes, what


def assert_equal(found: Outcome, expected: Outcome, what: str) -> None:
    assert_equal_times(found, expected, what)
    assert found.outputs.keys() == expected.outputs.keys(), what
    for name, values in expected.outputs.items():
        np.testing.assert_allclose(found.outputs[name], values, rtol=1e-12, err_msg=what)


def compare_operators(rule: Rule, seed: int) -> None:
    trial = rule(Random(f"{rule.__name__} {seed}"))

    def run(simulator: Simulator) -> tuple[Any, Outcome]:
        random = Random(seed)
        return run_streams(
            simulator,
            trial.inputs,
            trial.build,
            trial.expected,
            trial.arrays,
            interval=random.randint(0, 2),
            change=lambda program: random_depths(program, random),
        )

    found, found_outcome = run(ENGINE)
    expected, expected_outcome = run(REFERENCE)
    assert found == expected
    assert_equal_times(found_outcome, expected_outcome, f"{trial.inputs}, seed {seed}")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_operators_keep_the_same_time(rule: Rule) -> None:
    for seed in range(TRIALS):
        compare_operators(rule, seed)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_operators_keep_the_same_time_at_length(rule: Rule) -> None:
    for seed in range(TRIALS, TRIALS + TRIALS_SLOW):
        compare_operators(rule, seed)


SCALAR = 2.5
ON_NUMBERS = [op for op in (*EXACT, *BINARY) if op != "matmul"]
FUNCTIONS = [
    *((op, 1, 0.0) for op in UNARY),
    *((op, 2, 0.0) for op in ON_NUMBERS if op not in ("rsub", "rdiv")),
    *((op, 1, SCALAR) for op in ON_NUMBERS),
    *((op, 2, SCALAR) for op in MASKED),
    ("where", 3, 0.0),
]
"""Operation, number of streams, scalar."""


@pytest.mark.parametrize(("op", "count", "scalar"), FUNCTIONS)
def test_arithmetic_is_the_same(op: str, count: int, scalar: float) -> None:
    """Numbers of all signs and sizes, zeros, infinities, and absent operands, which count as 0."""
    random = Random(f"{op} {count}")
    choices = [
        "0.0",
        "1.0",
        "-1.0",
        "0.75",
        "-2.25",
        "3.0",
        "700.5",
        "1.0e-300",
        "inf",
        "-inf",
        "N",
    ]
    streams = [[random.choice(choices) for _ in range(60)] for _ in range(count)]

    def run(simulator: Simulator) -> list[list[str | float]]:
        found, _ = run_streams(
            simulator,
            [" ".join([*stream, "S0", "D"]) for stream in streams],
            lambda builder, inputs: builder.node("alu", *inputs, op=op, scalar=scalar),
            ["0.0"],
        )
        return found

    (found,), (expected,) = run(ENGINE), run(REFERENCE)
    assert found[-2:] == expected[-2:] == ["S0", "D"]
    values = (np.array(stream[:-2], dtype=np.float64) for stream in (found, expected))
    np.testing.assert_allclose(*values, rtol=1e-12)


@pytest.mark.parametrize("depth", [None, 1, 2, 5])
def test_cycle_runs_on_its_initial_token(depth: int | None) -> None:
    """
    A counter: each value read is, plus one, the next value that can be read.

    It counts as far as it is asked to; then the end of the stream, which has to come round, cannot.
    """
    builder = ProgramBuilder()
    (refs,) = builder.node("source", tokens=Slot("refs"), name="refs")
    feedback = builder.feedback(initial=[0])
    (value,) = builder.node("select_values", refs, feedback, name="select")
    (following,) = builder.node("alu", value, op="add", scalar=1.0, name="add")
    builder.connect(feedback, following)
    builder.node("write_values", value, output="count")
    program = builder.build()
    found, expected = (
        simulator.run(program, {"refs": simulator.parse("0 1 2 3 S0 D")}, depth=depth)
        for simulator in (ENGINE, REFERENCE)
    )
    assert expected.deadlock
    assert expected.nodes["add"].tokens == 5
    assert_equal(found, expected, f"depth {depth}")


def compare_graph(seed: int, largest: int) -> None:
    program, arrays = random_graph(seed, largest=largest)
    random = Random(seed)
    assert not ENGINE.run(program, arrays).deadlock
    for variant in (program, random_depths(program, random), random_depths(program, random)):
        for memory in (False, True):
            what = f"graph {seed}, memory {memory}, depths {variant.capacities.tolist()}"
            found, expected = (s.run(variant, arrays, memory=memory) for s in (ENGINE, REFERENCE))
            assert_equal(found, expected, what)
            assert found.deadlock or found.requested_words == expected.requested_words, what
        timed = simulate(variant, arrays, timing_only=True)
        assert timed.nodes == simulate(variant, arrays).nodes, f"graph {seed}, timing only"


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_random_graphs_keep_the_same_time(first: int) -> None:
    for seed in range(first, first + 20):
        compare_graph(seed, largest=4)


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_random_graphs_on_long_streams_keep_the_same_time(first: int) -> None:
    """Long enough for rings to wrap and for nodes to run many steps at once."""
    for seed in range(first, first + 10):
        compare_graph(seed, largest=15)


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_random_graphs_of_tiles_keep_the_same_time(first: int) -> None:
    for seed in range(first, first + 20):
        program, arrays = random_graph(seed, tile=2)
        for variant in (program, random_depths(program, Random(seed))):
            found, expected = (s.run(variant, arrays) for s in (ENGINE, REFERENCE))
            assert_equal(found, expected, f"graph {seed}, depths {variant.capacities.tolist()}")


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_peaks_of_channels_are_the_same_and_enough(first: int) -> None:
    """Channels as large as they were ever filled do not deadlock."""
    for seed in range(first, first + 20):
        program, arrays = random_graph(seed, largest=6)
        for variant in (program, random_depths(program, Random(seed))):
            found = simulate(variant, arrays, occupancy=True)
            expected = reference_simulate(variant, arrays, occupancy=True)
            assert tuple(channel.peak for channel in found.channels) == expected.peaks
        read = np.isin(np.arange(len(program.capacities)), program.inputs)
        peaks = reference_simulate(program, arrays, occupancy=True).peaks
        capacities = np.zeros(len(program.capacities), dtype=np.int64)
        capacities[read] = np.maximum(peaks, 1)
        assert simulate(replace(program, capacities=capacities), arrays).deadlock is None


@pytest.mark.parametrize("depth", [0, 3, 1])
def test_graph_of_400_nodes_keeps_the_same_time(depth: int) -> None:
    """Two streams that cross again and again, one of them late."""

    def crossings(builder: ProgramBuilder, streams: Sequence[Stream]) -> Sequence[Stream]:
        left, right = streams
        for _ in range(100):
            (left,), (right,) = (builder.node("alu", left, right, op=op) for op in ("max", "min"))
            (left,) = builder.node("alu", left, op="neg")
        return left, right

    def bounded(program: Program) -> Program:
        return replace(program, capacities=np.full_like(program.capacities, depth))

    texts = [f"{' '.join([text] * 40)} D" for text in ("1.0 3.0 S0 2.0 S1", "4.0 2.0 S0 0.5 S1")]
    (found, times), (expected, expected_times) = (
        run_streams(simulator, texts, crossings, texts, change=bounded)
        for simulator in (ENGINE, REFERENCE)
    )
    assert found == expected
    assert_equal_times(times, expected_times, f"depth {depth}")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(200, 5000, 200))
def test_many_random_graphs_keep_the_same_time(first: int) -> None:
    for seed in range(first, first + 200):
        compare_graph(seed, largest=4)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(40, 440, 40))
def test_many_random_graphs_on_long_streams_keep_the_same_time(first: int) -> None:
    for seed in range(first, first + 40):
        compare_graph(seed, largest=15)
