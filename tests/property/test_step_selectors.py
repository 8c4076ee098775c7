"""
Selectors that a graph makes of its tiles take the time that they take in the plain reference.

Every source of selectors of a random netlist is replaced by a load of rows and what makes selectors
of them. The reference is told what they select; the engine gets the rows, and the interpreter finds
it.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import BlockArgument
from xdsl.rewriter import InsertPoint, Rewriter

from headrace.backends.step import lower
from headrace.backends.step_netlist import ImportedNetlist, import_netlist, machine_of
from headrace.dialects import step
from headrace.dialects.step_types import SelectorType, StreamType
from headrace.simulators.stream.netlist import Netlist, NetlistNode, Port
from headrace.simulators.stream.reference_step import reference_simulate_step
from headrace.storage.errors import InputError
from headrace.tests.step_netlists import random_netlist

TRIALS, TRIALS_SLOW = 300, 3000


def compute_of(number: int) -> dict[str, Any]:
    """What an operation that makes selectors takes, other for other numbers."""
    return {"compute_bw": (0, 1, 16)[number % 3], "write_back_mu": number // 3 % 2 == 1}


def replaced(node: NetlistNode) -> bool:
    return node.op == "SelectGen" and bool(node.parameters["underlying"]["hot"])


def reading(node: NetlistNode) -> Mapping[str, Any]:
    """The load of a row for each selector of a source."""
    *sizes, count = node.parameters["underlying"]["shape"]
    tile = {"tile_row": 1, "tile_col": count, "n_byte": 2, "par_dispatch": 1}
    return {"out_shape_tiled": sizes, "stride": [1], "tensor_shape_tiled": [*sizes, 1], **tile}


def with_rows(netlist: Netlist, number: int) -> Netlist:
    """The netlist with a load and a maker of selectors in place of each source of selectors."""
    nodes: list[NetlistNode] = []
    places: dict[int, int] = {}
    for node in netlist.nodes:
        if replaced(node):
            nodes.append(NetlistNode(len(nodes), "OffChipLoad", reading(node), {}))
            stored = node.parameters["underlying"]
            hot = [tuple(sorted(one)) for one in stored["hot"]]
            parameters = {"hot": hot, "count": stored["shape"][-1], **compute_of(number)}
            port = {"input": (Port(len(nodes) - 1),)}
            nodes.append(NetlistNode(len(nodes), "ToSelector", parameters, port, node.outputs))
            number += 1
        else:
            nodes.append(node)
        places[node.id] = len(nodes) - 1
    return Netlist(
        netlist.meta,
        tuple(
            NetlistNode(place, node.op, node.parameters, moved(node, places), node.outputs)
            for place, node in enumerate(nodes)
        ),
    )


def moved(node: NetlistNode, places: Mapping[int, int]) -> dict[str, tuple[Port, ...]]:
    """What a node reads, by the new places; that of a new node is new already."""
    if node.op == "ToSelector":
        return dict(node.inputs)
    return {
        name: tuple(Port(places[port.node], port.output) for port in ports)
        for name, ports in node.inputs.items()
    }


def make_rows(imported: ImportedNetlist, number: int) -> list[npt.NDArray[Any] | None]:
    """The same in the module of a netlist; the arguments of its graph."""
    graph, arguments = imported.graph, list(imported.arguments)
    for op in list(graph.body.block.ops):
        if not isinstance(op, step.SelectOp):
            continue
        assert isinstance(op.tensor, BlockArgument)
        table = arguments[op.tensor.index]
        assert table is not None
        if not len(table):
            continue
        rows = graph.body.block.insert_arg(TensorType(f32, table.shape), len(graph.body.block.args))
        arguments.append(np.where(table, Random(number).uniform(1, 2), 0.0))
        load = step.LoadOp(rows, tile=(1, table.shape[1]), strides=(1,), shape=(len(table),))
        assert isinstance(op.result.type, StreamType)
        assert isinstance(op.result.type.element_type, SelectorType)
        compute = compute_of(number)
        made = step.MapOp(
            load.result,
            fn="to_selector",
            scalar=op.result.type.element_type.hot,
            compute=compute["compute_bw"],
            write_back=compute["write_back_mu"],
        )
        Rewriter.insert_op([load, made], InsertPoint.before(op))
        op.result.replace_all_uses_with(made.result)
        Rewriter.erase_op(op)
        number += 1
    return arguments


def agrees(seed: int) -> bool:
    """Whether selectors are made of rows; asserts that both simulators then say the same."""
    netlist = random_netlist(seed).netlist
    assert netlist is not None
    if not any(replaced(node) for node in netlist.nodes):
        return False
    try:
        imported = import_netlist(netlist)
    except InputError:
        # Sizes agree in the run only: see test_step_netlists.py.
        return False
    arguments = make_rows(imported, seed)
    depth = Random(seed).choice((1, 1, 2, 3, 8, 100))
    program = lower(imported.graph, netlist.element_bytes)
    found = program.run(arguments, depth=depth, machine=machine_of(netlist))
    expected = reference_simulate_step(with_rows(netlist, seed), depth=depth)
    assert (found.deadlock is not None) == expected.deadlock
    if not expected.deadlock:
        assert {place: node.cycles for place, node in found.nodes.items()} == expected.clocks
        assert found.requests == expected.requests
        for merge, choices in expected.arbitration.items():
            assert tuple(found.arbitration[merge].tolist()) == choices
    return True


@pytest.mark.parametrize(
    "seeds", [range(TRIALS), pytest.param(range(TRIALS, TRIALS_SLOW), marks=pytest.mark.slow)]
)
def test_selectors_of_tiles_take_the_cycles_of_the_reference(seeds: Sequence[int]) -> None:
    assert sum(agrees(seed) for seed in seeds) > len(seeds) / 10
