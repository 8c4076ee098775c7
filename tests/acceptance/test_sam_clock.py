"""The worked examples of the clock rules: every figure can be found by hand."""

import json

import numpy as np
import pytest

from headrace.backends.neutral import read_graph
from headrace.backends.neutral_case import dense_case
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot
from headrace.tests.reference import reference_path
from headrace.tests.simulators import SIMULATORS, Simulator

simulators = pytest.mark.parametrize("simulator", SIMULATORS, ids=str)

SCAN = {"segments": np.array([0, 2, 2, 3]), "coordinates": np.array([4, 7, 1])}
"""Fibers [4, 7], [] and [1], scanned with the references 0 1 2."""


def scan_program(crd_interval: int = 0) -> Program:
    builder = ProgramBuilder()
    (ref,) = builder.node("source", tokens=Slot("in"), name="in")
    slots = {name: Slot(name) for name in SCAN}
    crd, child = builder.node("scan_compressed", ref, name="scan", **slots)
    builder.node("sink", crd, interval=crd_interval, output="crd", name="crd")
    builder.node("sink", child, output="ref", name="ref")
    return builder.build()


@pytest.mark.parametrize(
    ("depth", "crd_interval", "elapsed"),
    [(None, 0, 8), (2, 0, 8), (1, 0, 15), (1, 3, 23)],
    ids=["unbounded", "depth-2", "depth-1", "depth-1-slow-reader"],
)
@simulators
def test_scan_waits_for_tokens_and_room(
    simulator: Simulator, depth: int | None, crd_interval: int, elapsed: int
) -> None:
    slots = {"in": simulator.parse("0 1 2 S0 D"), **SCAN}
    assert simulator.run(scan_program(crd_interval), slots, depth=depth).cycles == elapsed


ONE_BY_ONE = {
    "fiberlookup B.i": 3,
    "broadcast fiberlookup B.i": 4,
    "signal of repeat i": 5,
    "repeat i": 6,
    "fiberlookup C.j": 7,
    "broadcast fiberlookup C.j": 8,
    "signal of repeat j": 9,
    "repeat j": 10,
    "fiberlookup B.k": 11,
    "intersect k": 12,
    "arrayvals B": 13,
    "arrayvals C": 13,
    "mul": 14,
    "reduce": 15,
    "fiberwrite X": 17,
}
"""The final clocks along the longest path: a cycle a hop, one more for the value writer's end."""


@simulators
def test_one_by_one_product_passes_its_token_from_node_to_node(simulator: Simulator) -> None:
    index = json.loads(reference_path("sam/index.json").read_text())
    name = next(e["name"] for e in index["cases"] if e["kernel"] == "matmul_ijk")
    graph = read_graph(reference_path(f"sam/{name}/graph.json"))
    case = dense_case("one by one", graph, {"B": [[1.0]], "C": [[2.0]]}, [[2.0]])
    outcome = simulator.run(case.program, case.arrays)
    clocks = {name.split(" [")[0]: clock for name, clock in outcome.clocks.items()}
    assert {name: clocks[name] for name in ONE_BY_ONE} == ONE_BY_ONE
    assert outcome.cycles == 17


@simulators
def test_scan_waits_for_the_memory(simulator: Simulator) -> None:
    """Segments at 20, coordinates at 39, the empty fiber at 59, the last fiber at 79 and 98."""
    slots = {"in": simulator.parse("0 1 2 S0 D"), **SCAN}
    outcome = simulator.run(scan_program(), slots, memory=True)
    found = simulator.format(outcome.outputs["crd.tokens"], "4 7 S0 S0 1 S1 D")
    assert found == "4 7 S0 S0 1 S1 D"
    assert outcome.clocks["scan"] == 99
    assert outcome.clocks["crd"] == 100
