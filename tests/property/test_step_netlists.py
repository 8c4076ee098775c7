"""
Random netlists as modules of `step` on the engine, against the plain reference: every clock.

The two share nothing but the netlist: the reference runs it node by node, the engine what the
dialect and its backend make of it. Netlists hold empty lists, ragged lists and merges by time.
"""

from random import Random

import pytest

from headrace.backends.step import lower
from headrace.backends.step_netlist import import_netlist, machine_of
from headrace.simulators.stream.netlist import Netlist, Port
from headrace.simulators.stream.reference_step import reference_simulate_step
from headrace.storage.errors import InputError
from headrace.tests.step_building import META, Netlists
from headrace.tests.step_netlists import random_netlist
from headrace.tests.step_shaping import accumulate
from headrace.tests.step_strands import Leaf, Strand

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


def test_no_row_times_one_row_is_no_row() -> None:
    """Of a list that is empty: no rows strung together, and a sum, which is one row."""
    building = Netlists(Random(0))
    lengths = building.integers([2, 0])
    addresses = Strand(Port(0), "integer", 1, [[Leaf(1, 0), Leaf(1, 1)], []], 1, 1, "lists")
    inputs = {"idx": building.integers([0, 1]), "seq_len": lengths}
    [address] = building.add("CacheReadAddrGen", {"row_offset": 8}, [addresses], **inputs)
    tiles = Strand(Port(0), "tile", 1, [[Leaf(1, 1)] * 2, []], 1, 16, "lists")
    [tiles] = building.add("RandomOffChipLoad", building.reading([], 1, 16), [tiles], raddr=address)
    one, other = building.fan_out(tiles, 2)
    rows, total = accumulate(building, one, 1, "RetileRow"), accumulate(building, other, 1, "Add")
    parameters = {"fn": {"fn": "Mul"}, "compute_bw": 1, "write_back_mu": False}
    [product] = building.add("BinaryMap", parameters, [rows], in1=rows, in2=total)
    building.add("ConsumerContext", {}, [], input=product)
    netlist = Netlist({**META, "name": "no rows"}, tuple(building.nodes))
    expected = reference_simulate_step(netlist, depth=2)
    [received] = expected.received.values()
    assert [x.value.rows for x in received] == [2, 0]
    made = import_netlist(netlist)
    program = lower(made.graph, netlist.element_bytes)
    found = program.run(made.arguments, depth=2, machine=machine_of(netlist))
    assert {place: node.cycles for place, node in found.nodes.items()} == expected.clocks


@pytest.mark.slow
def test_modules_of_netlists_take_the_cycles_of_the_reference_at_length() -> None:
    taken = sum(agrees(seed) for seed in range(TRIALS, TRIALS + TRIALS_SLOW))
    assert taken > 0.9 * TRIALS_SLOW
