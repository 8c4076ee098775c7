"""Depths of single channels: found where a run deadlocks, and read by the backend."""

import numpy as np
import pytest
from xdsl.transforms.canonicalize import CanonicalizePass
from xdsl.utils.exceptions import VerifyException

from headrace.backends.step import graphs_of, lower
from headrace.backends.step_depths import find_depths
from headrace.cli.driver import make_context
from headrace.dialects import step
from headrace.dialects.step_depths import channels, depths_of, set_depths
from headrace.storage.errors import InputError
from headrace.tests.modules import parse
from headrace.tests.step_moe import ExpertLayer

LAYER = ExpertLayer(rows=20, experts=2, width=4, hidden=4, tile_rows=4, tile_hidden=2, chosen=None)
STARVED = [[0], *[[1]] * 16, *[[0]] * 3]
"""Expert 0 has its first row, which comes first in the result, packed with its last."""


def starved() -> tuple[step.GraphOp, list[np.ndarray]]:
    (graph,) = graphs_of(LAYER.module())
    return graph, LAYER.arguments(np.random.default_rng(0), STARVED)


@pytest.mark.parametrize("depth", [1, 2])
def test_found_depths_free_the_run_and_none_is_too_large(depth: int) -> None:
    graph, arguments = starved()
    assert lower(graph).run(arguments, depth=depth).deadlock is not None
    found = find_depths(graph, arguments, depth=depth)
    streams = channels(graph.body.block.ops)

    def deadlocks(depths: dict[int, int]) -> bool:
        for number, (op, result) in enumerate(streams):
            given = list(depths_of(op))
            given[result] = depths.get(number, 0)
            set_depths(op, given)
        return lower(graph).run(arguments, depth=depth).deadlock is not None

    assert found
    assert not deadlocks(found)
    for number in found:
        assert deadlocks({**found, number: found[number] - 1})


def test_a_run_that_ends_needs_nothing_and_the_graph_is_left_alone() -> None:
    graph, arguments = starved()
    assert find_depths(graph, arguments, depth=64) == {}
    find_depths(graph, arguments, depth=1)
    assert not any(any(depths_of(op)) for op in graph.body.block.ops)


def test_a_limit_that_is_too_low_is_an_error() -> None:
    graph, arguments = starved()
    with pytest.raises(InputError, match="no depth up to 2 of single channels helps; deadlock"):
        find_depths(graph, arguments, depth=1, limit=2)


def test_depths_are_one_for_each_result() -> None:
    graph, _ = starved()
    op, _ = channels(graph.body.block.ops)[0]
    set_depths(op, [4, 4])
    with pytest.raises(VerifyException, match="needs 1 integers of 0 or more, one for each result"):
        depths_of(op)


def test_simplifying_leaves_channels_that_have_a_depth() -> None:
    """Two copies of copies are merged, unless room was given between them."""
    text = """
%x = "test.op"() : () -> !step.stream<index, [4]>
%a, %b = step.broadcast %x consumers 2 : !step.stream<index, [4]>
%c, %d = step.broadcast %b consumers 2 : !step.stream<index, [4]>
"test.op"(%a) : (!step.stream<index, [4]>) -> ()
"test.op"(%c) : (!step.stream<index, [4]>) -> ()
"test.op"(%d) : (!step.stream<index, [4]>) -> ()
"""
    for depths, broadcasts in (((0, 0), 1), ((0, 3), 2)):
        module = parse(text)
        first = next(op for op in module.walk() if isinstance(op, step.BroadcastOp))
        set_depths(first, depths)
        CanonicalizePass().apply(make_context(), module)
        found = [op for op in module.walk() if isinstance(op, step.BroadcastOp)]
        assert len(found) == broadcasts
