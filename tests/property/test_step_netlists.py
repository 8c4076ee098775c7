"""
Random netlists as modules of `step` on the engine, against the plain reference: every clock.

The two share nothing but the netlist: the reference runs it node by node, the engine what the
dialect and its backend make of it. Netlists hold empty lists, ragged lists and merges by time.
"""

from random import Random

import pytest

from headrace.backends.step import lower
from headrace.backends.step_netlist import import_netlist, machine_of
from headrace.simulators.stream.reference_step import reference_simulate_step
from headrace.storage.errors import InputError
from headrace.tests.step_netlists import random_netlist

TRIALS, TRIALS_SLOW = 60, 1000

UNKNOWN = ("streams of one shape", "one selector for each unit", "name it by `dim`")
"""
Refusals for sizes that agree in the run, which the dialect cannot know: how many addresses or
selectors a generator makes for a stream of data-dependent length, rows of packs of ragged lists.
"""


def agrees(seed: int) -> bool:
    """Whether the dialect takes the netlist; asserts that both simulators then say the same."""
    netlist = random_netlist(seed).netlist
    assert netlist is not None
    depth = Random(seed).choice((1, 1, 2, 3, 8, 100))
    refused = ""
    try:
        imported = import_netlist(netlist)
    except InputError as error:
        refused, imported = str(error), None
    if imported is None:
        assert any(reason in refused for reason in UNKNOWN), refused
        return False
    imported.module.verify()
    program = lower(imported.graph, netlist.element_bytes)
    found = program.run(imported.arguments, depth=depth, machine=machine_of(netlist))
    expected = reference_simulate_step(netlist, depth=depth)
    if expected.deadlock:
        assert found.deadlock is not None
        places = {name: place for place, name in program.names.items()}
        blocked = {(places[one.node], one.kind) for one in found.deadlock.blocked}
        assert blocked == {(one.node, one.waits_for) for one in expected.blocked}
        return True
    assert found.deadlock is None
    clocks = {place: node.cycles for place, node in found.nodes.items()}
    assert clocks == expected.clocks
    assert found.requests == expected.requests
    for merge, choices in expected.arbitration.items():
        assert tuple(found.arbitration[merge].tolist()) == choices
    return True


@pytest.mark.parametrize("seed", range(TRIALS))
def test_modules_of_netlists_take_the_cycles_of_the_reference(seed: int) -> None:
    if not agrees(seed):
        pytest.skip("the dialect cannot know that sizes agree")


@pytest.mark.slow
def test_modules_of_netlists_take_the_cycles_of_the_reference_at_length() -> None:
    taken = sum(agrees(seed) for seed in range(TRIALS, TRIALS + TRIALS_SLOW))
    assert taken > 0.9 * TRIALS_SLOW
