"""
The engine runs streaming tensor programs as the plain reference does: every clock, every choice.

The two share no code. Graphs are random, with ragged streams, empty lists and merges by time.
"""

from random import Random

import pytest

from headrace.simulators.stream.reference_step import reference_simulate_step
from headrace.tests.step_graphs import RandomNetlist
from headrace.tests.step_programs import simulate_netlist

TRIALS, TRIALS_SLOW = 60, 1500


def compare(seed: int) -> None:
    random = Random(seed)
    netlist = RandomNetlist(random, steps=random.randint(0, 14)).netlist()
    depth = random.choice((1, 1, 2, 3, 8, 100))
    expected = reference_simulate_step(netlist, depth=depth)
    found = simulate_netlist(netlist, depth)
    labels = {node.id: node.label for node in netlist.nodes}
    blocked = {(labels[one.node], one.waits_for) for one in expected.blocked}
    if expected.deadlock:
        assert found.deadlock is not None
        assert {(one.node, one.kind) for one in found.deadlock.blocked} == blocked
        return
    assert found.deadlock is None
    clocks = {node.name: node.cycles for node in found.nodes}
    assert clocks == {labels[node]: clock for node, clock in expected.clocks.items()}
    assert sum(node.requests for node in found.nodes) == expected.requests
    for node, choices in expected.arbitration.items():
        assert tuple(found.outputs[f"{labels[node]}.choices"].tolist()) == choices


@pytest.mark.parametrize("seed", range(TRIALS))
def test_engine_equals_the_reference(seed: int) -> None:
    compare(seed)


@pytest.mark.slow
def test_engine_equals_the_reference_at_length() -> None:
    for seed in range(TRIALS, TRIALS + TRIALS_SLOW):
        compare(seed)
