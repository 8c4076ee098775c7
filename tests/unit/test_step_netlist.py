"""Netlists as step modules: what they become, that shapes agree, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headrace.backends.step_netlist import ImportedNetlist, import_netlist
from headrace.dialects import step
from headrace.dialects.step_types import StreamType
from headrace.simulators.stream.netlist import Netlist, NetlistNode, Output, Port
from headrace.storage.errors import InputError
from headrace.tests.netlists import imported, read_back, recorded, shapes_differ

NAMES = (
    "m06_buffer_streamify",
    "m09_moe_static_tile4",
    "m10_moe_dynamic_tile",
    "m11_pack_reassemble_deadlock",
    "attn_b16_stdev0479_1063_co",
    "attn_b16_stdev0479_1063_il",
    "attn_b16_stdev0479_1063_dyn",
    "fig8_tb16_tf128",
    "fig9_mixtral_b64_tile16",
    "fig9_mixtral_b64_dyn",
    "fig12_static_regions8",
)


@pytest.mark.parametrize("name", NAMES)
def test_netlists_are_modules_that_print_and_read_back(name: str) -> None:
    module = imported(name).module
    module.verify()
    assert read_back(str(module)) == str(module)


@pytest.mark.parametrize("name", NAMES)
def test_every_node_is_one_operation_in_its_place(name: str) -> None:
    found, nodes = imported(name), recorded(name).nodes
    operations = list(found.graph.body.block.ops)
    assert len(operations) == len(nodes) + 1
    for port, stream in found.streams.items():
        assert stream.owner is operations[port.node]


@pytest.mark.parametrize("name", NAMES)
def test_inferred_shapes_are_the_recorded_ones(name: str) -> None:
    assert not shapes_differ(name)


def operation(found: ImportedNetlist, node: int) -> step.StepOperation:
    made = list(found.graph.body.block.ops)[node]
    assert isinstance(made, step.StepOperation)
    return made


def test_equal_selectors_give_sizes_of_equal_names() -> None:
    """Rows and their routing weights are partitioned by different selectors, equally often."""
    found = imported("fig9_mixtral_b64_tile16")
    rows, weights = operation(found, 2), operation(found, 133)
    assert isinstance(rows, step.PartitionOp)
    assert isinstance(weights, step.PartitionOp)
    names = tuple(f"d0_{expert}" for expert in range(8))
    assert rows.named == weights.named == names
    assert rows.declared == names
    assert not weights.declared
    assert [found.symbols[name] for name in names] == [13, 10, 17, 14, 17, 10, 24, 23]


def test_selectors_are_the_argument_that_they_are_read_from() -> None:
    found = imported("m11_pack_reassemble_deadlock")
    values = [value for value in found.arguments if value is not None]
    assert len(values) == 1
    assert values[0].shape == (52, 2)
    assert np.flatnonzero(values[0][:, 0]).tolist() == [0, 49, 50, 51]


def test_the_last_tiles_are_as_many_as_the_requests() -> None:
    partition = operation(imported("attn_b16_stdev0479_1063_co"), 18)
    assert isinstance(partition, step.PartitionOp)
    sizes = [str(value.type.dimensions[0]) for value in partition.outputs]
    lengths = imported("attn_b16_stdev0479_1063_co").symbols
    (name,) = lengths
    assert sizes == ["16", f"total({name}) - 16"]


def test_regions_that_are_fed_back_serve_all_requests() -> None:
    merge = operation(imported("attn_b16_stdev0479_1063_dyn"), 0)
    assert isinstance(merge, step.EagerMergeOp)
    assert merge.selector.type == StreamType(step.SelectorType(4, hot=1), (16,))


def test_padding_that_is_dropped_leaves_the_rows_that_came() -> None:
    found = imported("m09_moe_static_tile4")
    kept = [name for name in found.symbols if name.startswith("~")]
    assert [found.symbols[name] for name in kept] == [[12], [16, 12]]


def changed(name: str, node: int, **parts: Any) -> Netlist:
    netlist = recorded(name)
    nodes = list(netlist.nodes)
    nodes[node] = replace(nodes[node], **parts)
    return replace(netlist, nodes=tuple(nodes))


def with_parameter(name: str, node: int, **parameters: Any) -> Netlist:
    old = recorded(name).nodes[node].parameters
    return changed(name, node, parameters={**old, **parameters})


def promised(netlist: Netlist, *shape: str) -> Netlist:
    """The attention graph with another recorded shape for the selectors of its merge."""
    merge = netlist.nodes[0]
    outputs = (merge.outputs[0], Output(shape, "MultiHot(total_n=4)"))
    return replace(netlist, nodes=(replace(merge, outputs=outputs), *netlist.nodes[1:]))


def waiting_for_itself() -> Netlist:
    nodes = tuple(
        NetlistNode(
            number,
            "Flatten",
            {"min_rank": 0, "max_rank": 0},
            {"input": (Port(1 - number),)},
        )
        for number in range(2)
    )
    return Netlist(recorded("m02_load_store_4tiles").meta, nodes)


FEEDBACK = "attn_b16_stdev0479_1063_dyn"

REFUSED: list[tuple[Callable[[], Netlist], str]] = [
    (lambda: changed("m02_load_store_4tiles", 0, op="Sort"), r"OffChip|Sort_0 .* no 'Sort'"),
    (
        lambda: with_parameter("m11_pack_reassemble_deadlock", 2, switch_cycles=[1, 2]),
        r"FlatPartition_2 .* switch cycles differ: \[1, 2\]",
    ),
    (
        lambda: with_parameter("m11_pack_reassemble_deadlock", 2, partition_rank=1),
        "FlatPartition_2 .* takes one selector for each unit",
    ),
    (
        lambda: with_parameter("m02_load_store_4tiles", 0, stride=[9, 1]),
        "OffChipLoad_0 .* reads up to tile 27",
    ),
    (waiting_for_itself, "a cycle without an EagerMerge"),
    (lambda: promised(recorded(FEEDBACK), "unheard_of"), "whose shape must be recorded"),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_what_is_no_step_graph_is_refused(make: Callable[[], Netlist], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        import_netlist(make())


def test_recorded_shapes_are_not_needed_without_feedback() -> None:
    netlist = recorded("m09_moe_static_tile4")
    bare = replace(netlist, nodes=tuple(replace(node, outputs=()) for node in netlist.nodes))
    found = import_netlist(bare)
    found.module.verify()
    assert found.symbols == imported("m09_moe_static_tile4").symbols
