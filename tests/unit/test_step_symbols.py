"""Sizes that selectors and lengths decide: as the netlists say, and as a simulation counts them."""

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, i1, i64
from xdsl.ir import Block, Region

from headrace.analyses.step_symbols import known_symbols
from headrace.backends.step import lower
from headrace.backends.step_netlist import machine_of
from headrace.dialects import step
from headrace.dialects.step_types import StreamType
from headrace.tests.netlists import imported, recorded


@pytest.mark.parametrize(
    "name",
    [
        "m11_pack_reassemble_deadlock",
        "attn_b16_stdev0479_1063_co",
        "attn_b16_stdev0479_1063_il",
        "fig9_mixtral_b64_tile16",
        "fig12_static_regions8",
    ],
)
def test_sizes_are_those_of_the_netlist(name: str) -> None:
    found = imported(name)
    assert found.symbols
    symbols = known_symbols(found.graph, found.arguments)
    assert found.symbols.items() <= symbols.items()


@pytest.mark.parametrize(
    "name", ["attn_b16_stdev0479_1063_il", "fig12_static_regions8", "fig9_mixtral_b64_dyn"]
)
def test_streams_are_as_long_as_a_simulation_counts(name: str) -> None:
    found, netlist = imported(name), recorded(name)
    symbols = known_symbols(found.graph, found.arguments)
    result = lower(found.graph, netlist.element_bytes).run(
        found.arguments, depth=netlist.channel_depth, machine=machine_of(netlist)
    )
    compared = 0
    for place, operation in enumerate(found.graph.body.block.ops):
        counts = [
            value.type.count.substitute(symbols)
            for value in operation.results
            if isinstance(value.type, StreamType) and (value.uses or len(operation.results) == 1)
        ]
        if counts and not isinstance(operation, step.ReshapeOp):
            assert all(count.is_static for count in counts), operation.name
            assert result.nodes[place].tokens == sum(count.value for count in counts)
            compared += 1
    assert compared > 50


def test_what_the_run_decides_is_left_out() -> None:
    found = imported("attn_b16_stdev0479_1063_dyn")
    symbols = known_symbols(found.graph, found.arguments)
    regions = [name for name in symbols if name.startswith("num_req_region")]
    assert not regions
    assert symbols == found.symbols


def graph(*types: TensorType) -> tuple[step.GraphOp, Block]:
    block = Block(arg_types=types)
    outer = Block(arg_types=types)
    return step.GraphOp(outer.args, [], Region(block)), block


def test_selectors_of_any_number_name_what_they_select() -> None:
    made, block = graph(TensorType(i1, (3, 2)))
    selectors = step.SelectOp(block.args[0])
    pair = step.BroadcastOp(selectors.result, consumers=2)
    routed = step.PartitionOp(pair.outputs[0], pair.outputs[1], rank=0, dims=["a", "b"])
    block.add_ops([selectors, pair, routed])
    rows = np.array([[1, 1], [0, 0], [0, 1]])
    assert known_symbols(made, [rows]) == {"a": 1, "b": 2}
    assert known_symbols(made, [None]) == {}


def test_lengths_name_lists_behind_routing_that_is_known() -> None:
    made, block = graph(TensorType(i64, (4,)), TensorType(i1, (4, 2)))
    lengths, selectors = step.IntegersOp(block.args[0]), step.SelectOp(block.args[1])
    routed = step.PartitionOp(lengths.result, selectors.result, rank=0, dims=["a", "b"])
    ranges = step.FlatMapOp(routed.outputs[1], fn="range", dim="r")
    last = step.FilterLastOp(routed.outputs[0], dim="l")
    ends = step.PartitionOp(last.result, last.result, rank=0, dims=["ends", "others"])
    block.add_ops([lengths, selectors, routed, ranges, last, ends])
    routing = np.eye(2)[[0, 1, 1, 0]]
    assert known_symbols(made, [[5, 2, 0, 3], routing]) == {
        "a": 2,
        "b": 2,
        "~r": [2, 0],
        "~l": [5, 3],
        "ends": 2,
        "others": 6,
    }
