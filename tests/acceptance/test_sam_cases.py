"""
The 53 recorded graphs: values, and cycles for every channel depth and with memory.

The recorded cycles are those of the published simulators; the clock model's figures, with which
they agree, also cover the runs that those simulators cannot do.
"""

import functools
import json
from typing import Any

import numpy as np
import pytest

from headrace.backends.neutral import parse_graph
from headrace.backends.neutral_case import Case, read_case
from headrace.simulators.stream.reference import reference_simulate
from headrace.simulators.stream.simulate import simulate
from headrace.tests.reference import reference_path
from headrace.tests.simulators import ENGINE, REFERENCE, SIMULATORS, Outcome, Simulator

ENTRIES: dict[str, dict[str, Any]] = {
    entry["name"]: entry
    for entry in json.loads(reference_path("sam/index.json").read_text())["cases"]
}
LARGE = {name for name, entry in ENTRIES.items() if entry["python"]["tokens"] > 100_000}
"""Cases on which the plain reference takes long."""


def cases(*, slow_reference: bool = True) -> pytest.MarkDecorator:
    """Every simulator on every case; the reference on large cases only in long runs."""
    return pytest.mark.parametrize(
        ("simulator", "name"),
        [
            pytest.param(
                simulator,
                name,
                id=f"{simulator}-{name}",
                marks=pytest.mark.slow
                if slow_reference and simulator is REFERENCE and name in LARGE
                else (),
            )
            for simulator in SIMULATORS
            for name in ENTRIES
        ],
    )


@functools.cache
def case(name: str) -> Case:
    return read_case(reference_path(f"sam/{name}"))


@functools.cache
def run(simulator: Simulator, name: str, depth: int | None = None) -> Outcome:
    return simulator.run(case(name).program, case(name).arrays, depth=depth)


def cycles(outcome: Outcome) -> int | str:
    return "deadlock" if outcome.deadlock else outcome.cycles


@cases(slow_reference=False)
def test_values_equal_the_dense_result(simulator: Simulator, name: str) -> None:
    error = case(name).max_error(run(simulator, name).outputs)
    assert error is not None
    assert error <= 1e-9


@cases(slow_reference=False)
def test_written_arrays_equal_those_of_drop_mode(simulator: Simulator, name: str) -> None:
    outputs, gold, graph = run(simulator, name).outputs, case(name).gold, case(name).graph
    assert gold is not None
    for level, mode in enumerate(graph.formats[graph.output].order):
        prefix = f"{graph.output}.{level}"
        np.testing.assert_array_equal(outputs[f"{prefix}.segments"], gold[f"X.{mode}.seg"])
        np.testing.assert_array_equal(outputs[f"{prefix}.coordinates"], gold[f"X.{mode}.crd"])
    values = outputs[f"{graph.output}.values"]
    np.testing.assert_allclose(values, gold["X.vals"], rtol=1e-9, atol=1e-9)


@cases(slow_reference=False)
def test_cycles_of_unbounded_channels(simulator: Simulator, name: str) -> None:
    entry, found = ENTRIES[name], run(simulator, name).cycles
    assert found == entry["clock_model"]["unbounded"]
    assert entry["cycles"]["unbounded"] in (found, None)


@cases()
def test_cycles_at_depth_8(simulator: Simulator, name: str) -> None:
    recorded = ENTRIES[name]["cycles"]["depth8"]
    if recorded is None:
        pytest.skip("the published simulator fails on this graph")
    assert cycles(run(simulator, name, depth=8)) == recorded


@cases()
def test_cycles_at_every_depth(simulator: Simulator, name: str) -> None:
    model = ENTRIES[name]["clock_model"]["by_depth"]
    assert {depth: cycles(run(simulator, name, depth=int(depth))) for depth in model} == model


@cases()
def test_smallest_depth_without_deadlock(simulator: Simulator, name: str) -> None:
    smallest = ENTRIES[name]["clock_model"]["min_depth"]
    assert not run(simulator, name, depth=smallest).deadlock
    assert smallest == 1 or run(simulator, name, depth=smallest - 1).deadlock


@cases()
def test_cycles_and_requests_with_memory(simulator: Simulator, name: str) -> None:
    """The recorded figure is up to 3 above the model, in one case 21: see its note."""
    outcome = simulator.run(case(name).program, case(name).arrays, memory=True)
    model, recorded = ENTRIES[name]["clock_model"], ENTRIES[name]["cycles"]["hbm"]
    assert outcome.cycles == model["hbm"]
    assert outcome.requested_words == model["hbm_requests"]
    if recorded is not None and "note" not in ENTRIES[name]:
        assert 0 <= recorded - outcome.cycles <= 3
    expected = run(simulator, name).outputs
    for array, values in outcome.outputs.items():
        np.testing.assert_array_equal(values, expected[array])


def test_deadlock_is_explained() -> None:
    """A softmax keeps a whole row waiting: somebody is full, somebody empty, 81 is enough."""
    found = case("mha__i1_k8_j2_m4")
    deadlock = simulate(found.program, found.arrays, depth=8).deadlock
    assert deadlock is not None
    assert {blocked.kind for blocked in deadlock.cycle} == {"data", "room"}
    assert all(b.held == (8 if b.kind == "room" else 0) for b in deadlock.cycle)
    assert deadlock.smallest_depth == 81
    assert "81" in str(deadlock)


def test_both_simulators_block_at_the_same_nodes() -> None:
    found = case("mha__i1_k8_j2_m4")
    engine = simulate(found.program, found.arrays, depth=8).deadlock
    reference = reference_simulate(found.program, found.arrays, depth=8).deadlock
    assert engine is not None
    assert reference is not None
    assert {(b.node, b.kind) for b in engine.blocked} == {
        (b.node, b.waits_for) for b in reference.blocked
    }


@pytest.mark.parametrize("name", [n for n in ENTRIES if "kij" not in n and "elemadd__n16" not in n])
def test_cycles_lie_within_two_percent_of_the_python_simulator(name: str) -> None:
    """Excepted: order-2 accumulators, and the sum of tensors on which its union goes astray."""
    recorded = ENTRIES[name]["python"]["cycles"]
    assert abs(run(ENGINE, name).cycles - recorded) <= max(3, 0.02 * recorded)


@pytest.mark.parametrize("name", [n for n, e in ENTRIES.items() if e["python"]["tokens"] < 12_000])
def test_order_of_processes_changes_nothing(name: str) -> None:
    expected = run(REFERENCE, name, depth=8)
    for seed in range(20):
        shuffled = REFERENCE.run(case(name).program, case(name).arrays, depth=8, order_seed=seed)
        assert shuffled.clocks == expected.clocks
        assert shuffled.deadlock == expected.deadlock


@pytest.mark.parametrize("name", ENTRIES)
def test_written_graph_reads_back_the_same(name: str) -> None:
    text = reference_path(f"sam/{name}/graph.json").read_text()
    graph = parse_graph(parse_graph(text).to_json())
    assert graph == case(name).graph
    assert json.loads(graph.to_json()) == json.loads(text)
