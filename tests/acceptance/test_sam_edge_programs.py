"""Small programs with absent rows, empty fibers and empty tensors: values and cycles."""

import functools
import json
from typing import Any

import pytest

from headrace.backends.neutral import graph_from_data, read_graph
from headrace.backends.neutral_case import Case, dense_case
from headrace.tests.reference import reference_path
from headrace.tests.simulators import SIMULATORS, Simulator

PROGRAMS: dict[str, dict[str, Any]] = {
    entry["name"]: entry
    for entry in json.loads(reference_path("sam/edge_cases.json").read_text())["cases"]
}
GRAPHS: dict[str, str] = {
    entry["kernel"]: f"sam/{entry['name']}/graph.json"
    for entry in json.loads(reference_path("sam/index.json").read_text())["cases"]
}


@functools.cache
def case(name: str) -> Case:
    program = PROGRAMS[name]
    if "graph" in program:
        graph = graph_from_data(program["graph"])
    else:
        graph = read_graph(reference_path(GRAPHS[program["kernel"]]))
    return dense_case(name, graph, program["inputs"], program["gold"])


edge_programs = pytest.mark.parametrize("name", PROGRAMS)
simulators = pytest.mark.parametrize("simulator", SIMULATORS, ids=str)


@simulators
@edge_programs
def test_values(simulator: Simulator, name: str) -> None:
    error = case(name).max_error(simulator.run(case(name).program, case(name).arrays).outputs)
    assert error is not None
    assert error <= 1e-9


@simulators
@edge_programs
def test_cycles(simulator: Simulator, name: str) -> None:
    outcome = simulator.run(case(name).program, case(name).arrays)
    assert outcome.cycles == PROGRAMS[name]["clock_model"]["unbounded"]


@simulators
@edge_programs
def test_cycles_at_every_depth(simulator: Simulator, name: str) -> None:
    model = PROGRAMS[name]["clock_model"]["by_depth"]
    found: dict[str, int | str] = {}
    for depth in model:
        outcome = simulator.run(case(name).program, case(name).arrays, depth=int(depth))
        found[depth] = "deadlock" if outcome.deadlock else outcome.cycles
    assert found == model


@simulators
@edge_programs
def test_cycles_and_requests_with_memory(simulator: Simulator, name: str) -> None:
    outcome = simulator.run(case(name).program, case(name).arrays, memory=True)
    model = PROGRAMS[name]["clock_model"]
    assert (outcome.cycles, outcome.requested_words) == (model["hbm"], model["hbm_requests"])


@simulators
def test_an_empty_row_adds_no_value(simulator: Simulator) -> None:
    """The row without any common j is not a row with one empty fiber: two values, not three."""
    found = case("rowdot3_empty_row")
    outcome = simulator.run(found.program, found.arrays)
    assert outcome.outputs["X.values"].tolist() == [11.0, 0.0]
