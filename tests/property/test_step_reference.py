"""The reference simulator of streaming tensor programs against lists, and against itself."""

from random import Random
from typing import Any

import pytest

from headrace.backends.netlist import netlist_data, parse_netlist
from headrace.simulators.stream.netlist import Netlist
from headrace.simulators.stream.reference_step import reference_simulate_step
from headrace.simulators.stream.reference_step_process import Element
from headrace.simulators.stream.reference_step_values import Integer, Selector, Tile
from headrace.tests.step_building import META, Netlists
from headrace.tests.step_netlists import random_netlist
from headrace.tests.step_routing import expand
from headrace.tests.step_shaping import reshape, split
from headrace.tests.step_strands import Leaf, decoded, encoded

SEEDS = range(80)


def leaf(element: Element) -> tuple[Leaf | None, int]:
    value: Any = element.value
    match value:
        case Tile():
            return Leaf(value.rows, value.valid), element.stop
        case Integer():
            return Leaf(1, value.value), element.stop
        case Selector():
            return Leaf(1, value.hot), element.stop
        case _:
            return None, element.stop


WRITINGS: list[tuple[Any, int, Any]] = [
    ([], 2, []),
    ([[]], 2, [(None, 2)]),
    ([[[]]], 2, [(None, 1), (None, 2)]),
    ([[[1]], []], 2, [(1, 2), (None, 2)]),
    ([[[1]], [[]]], 2, [(1, 2), (None, 1), (None, 2)]),
    ([[[1], []]], 2, [(1, 1), (None, 1), (None, 2)]),
    ([[[[]]]], 3, [(None, 1), (None, 3)]),
]


@pytest.mark.parametrize(("lists", "rank", "elements"), WRITINGS)
def test_empty_lists_have_one_reading(lists: Any, rank: int, elements: Any) -> None:
    assert encoded(lists, rank) == elements
    assert decoded(elements, rank) == lists


def test_the_end_of_lists_may_come_late() -> None:
    assert decoded([(1, 0), (None, 1), (2, 0), (None, 2)], 2) == [[[1], [2]]]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_arrives_is_what_the_operators_do_to_lists(seed: int) -> None:
    made = random_netlist(seed)
    assert made.netlist is not None
    result = reference_simulate_step(made.netlist, depth=1024)
    assert not result.deadlock
    for consumer, strand in made.sinks.items():
        if strand.lists is not None:
            arrived = [leaf(element) for element in result.received[consumer]]
            assert decoded(arrived, strand.rank) == strand.lists, consumer


def test_lists_of_padding_have_no_rows() -> None:
    """Every list ends, also where none of its tiles has a row to send."""
    building = Netlists(Random(0))
    padded = reshape(building, building.load(), 7)
    rows = split(building, expand(building, padded, 1), True)
    building.add("ConsumerContext", {}, [], input=rows)
    netlist = Netlist({**META, "name": "padding"}, tuple(building.nodes))
    [received] = reference_simulate_step(netlist).received.values()
    arrived = decoded([leaf(element) for element in received], rows.rank)
    assert not rows.leaves
    assert arrived == rows.lists


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_processes_changes_nothing(seed: int) -> None:
    netlist = random_netlist(seed).netlist
    assert netlist is not None
    depth = 1 + seed % 3
    assert reference_simulate_step(netlist, depth=depth) == reference_simulate_step(
        netlist, depth=depth, order_seed=seed
    )


def test_random_netlists_have_every_operator_empty_lists_and_deadlocks() -> None:
    operators: set[str] = set()
    bare = deadlocks = 0
    for seed in SEEDS:
        netlist = random_netlist(seed).netlist
        assert netlist is not None
        assert parse_netlist(netlist_data(netlist), "random").nodes == netlist.nodes
        operators.update(node.op for node in netlist.nodes)
        result = reference_simulate_step(netlist, depth=1)
        deadlocks += result.deadlock
        bare += sum(x.is_bare for received in result.received.values() for x in received)
    assert len(operators) == 29
    assert bare > 20
    assert 5 < deadlocks < len(SEEDS) // 2
