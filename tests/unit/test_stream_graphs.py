"""
Whole graphs against recorded values and cycles.

The cases are graphs of the kernels of "The Sparse Abstract Machine" (ASPLOS 2023) with the cycles
that the reference simulator of "The Dataflow Abstract Machine" (ISCA 2024) needs for them.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.simulators.stream.memory import BankedMemory, ParityMemory
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot, Stream
from headrace.simulators.stream.simulate import simulate
from headrace.simulators.stream.statistics import SimulationResult

DATA = (
    Path(
        os.environ.get(
            "HEADRACE_REFERENCE_DATA", Path(__file__).parents[2].parent / "shared" / "data"
        )
    )
    / "sam"
)
if not DATA.exists():
    pytest.skip(f"no reference data in {DATA}", allow_module_level=True)

CASES: list[dict[str, Any]] = json.loads((DATA / "index.json").read_text())["cases"]
NAMES = [case["name"] for case in CASES]


class GraphReader:
    """Builds the program of a recorded graph: one signal per repeat, one root per missing ref."""

    def __init__(self, graph: dict[str, Any]) -> None:
        self.builder = ProgramBuilder()
        self.graph = graph
        self.nodes = {node["id"]: node for node in graph["nodes"]}
        self.made: dict[int, dict[str, Stream]] = {}

    def program(self) -> Program:
        for node in self.graph["nodes"]:
            self.streams(node["id"])
        return self.builder.build()

    def port(self, node: dict[str, Any], port: str) -> Stream:
        if port not in node["in"]:
            return self.builder.node("root")[0]
        source, name = node["in"][port]
        return self.streams(source)[name]

    def signal(self, node: dict[str, Any]) -> Stream:
        source, name = self.nodes[node["in"]["sig"][0]]["in"]["crd"]
        streams = self.streams(source)
        if name == "crd":
            name = next(n for n in ("ref", "ref0", "crd") if n in streams)
        return self.builder.node("repeat_signal", streams[name])[0]

    def streams(self, index: int) -> dict[str, Stream]:
        if index not in self.made:
            self.made[index] = self.make(self.nodes[index])
        return self.made[index]

    def make(self, node: dict[str, Any]) -> dict[str, Stream]:
        tensor, kind = node.get("tensor"), node["type"]

        def add(primitive: str, *inputs: Stream, **parameters: Any) -> tuple[Stream, ...]:
            # The place in the file numbers the ports of the memory.
            rank = self.graph["nodes"].index(node)
            return self.builder.node(primitive, *inputs, rank=rank, **parameters)

        match kind:
            case "fiberlookup":
                level = f"{tensor}.{node['mode']}"
                ref = self.port(node, "ref")
                if node["format"] == "dense":
                    out = add("scan_dense", ref, extent=Slot(f"{level}.extent"))
                else:
                    out = add(
                        "scan_compressed",
                        ref,
                        segments=Slot(f"{level}.seg"),
                        coordinates=Slot(f"{level}.crd"),
                    )
                return dict(zip(("crd", "ref"), out, strict=True))
            case "intersect" | "union":
                ports = [self.port(node, p) for p in ("crd0", "crd1", "ref0", "ref1")]
                return dict(zip(("crd", "ref0", "ref1"), add(kind, *ports), strict=True))
            case "repsiggen":
                return {}
            case "repeat":
                return {"ref": add("repeat", self.port(node, "ref"), self.signal(node))[0]}
            case "arrayvals":
                ref = self.port(node, "ref")
                return {"val": add("array", ref, values=Slot(f"{tensor}.vals"))[0]}
            case "mul" | "add" | "sub" | "div":
                ports = [self.port(node, "in0"), self.port(node, "in1")]
                return {"val": add("alu", *ports, op=kind)[0]}
            case "exp":
                return {"val": add("alu", self.port(node, "in0"), op="exp")[0]}
            case "reduce" | "maxreduce":
                op = "add" if kind == "reduce" else "max"
                return {"val": add("reduce", self.port(node, "val"), op=op)[0]}
            case "spaccumulator":
                keys = [f"crd_{node[f'in{k}']}" for k in range(node["order"], -1, -1)]
                ports = [self.port(node, key) for key in (*keys, "val")]
                out = add("accumulate", *ports)
                return dict(zip((*keys[1:], "val"), out, strict=True))
            case "crddrop":
                ports = [self.port(node, "outer"), self.port(node, "inner")]
                return dict(zip(("outer", "inner"), add("coordinate_drop", *ports), strict=True))
            case "fiberwrite" if node["mode"] == "vals":
                add("write_values", self.port(node, "in"), output="X")
                return {}
            case "fiberwrite":
                output = f"X.{node['mode']}"
                add("write_coordinates", self.port(node, "in"), mode="drop", output=output)
                return {}
            case _:
                raise AssertionError(kind)


def load(name: str) -> tuple[Program, dict[str, Any], dict[str, Any]]:
    graph = json.loads((DATA / name / "graph.json").read_text())
    arrays: dict[str, Any] = {}
    with np.load(DATA / name / "inputs.npz") as data:
        for key in data:
            tensor, _, what = key.partition(".")
            if what == "shape":
                for mode, extent in enumerate(data[key]):
                    arrays[f"{tensor}.{mode}.extent"] = int(extent)
            elif what != "dense":
                arrays[key] = data[key].ravel()
    with np.load(DATA / name / "gold.npz") as data:
        gold = {key: data[key] for key in data}
    return GraphReader(graph).program(), arrays, gold


def check_values(result: SimulationResult, gold: dict[str, Any]) -> None:
    for key, expected in gold.items():
        if key in ("X.dense", "X.shape"):
            continue
        name = key.replace("seg", "segments").replace("crd", "coordinates")
        found = result.outputs[name.replace("vals", "values")]
        np.testing.assert_allclose(found, np.asarray(expected).ravel(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_values_and_unbounded_cycles(case: dict[str, Any]) -> None:
    program, arrays, gold = load(case["name"])
    result = simulate(program, arrays)
    assert result.cycles == case["clock_model"]["unbounded"]
    check_values(result, gold)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_cycles_at_every_recorded_depth(case: dict[str, Any]) -> None:
    program, arrays, gold = load(case["name"])
    recorded = dict(case["clock_model"]["by_depth"])
    if case["cycles"]["depth8"] is not None:
        recorded["8"] = case["cycles"]["depth8"]
    for depth, expected in recorded.items():
        result = simulate(program, arrays, depth=int(depth))
        if expected == "deadlock":
            assert result.deadlock is not None
        else:
            assert result.cycles == expected
            check_values(result, gold)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_cycles_and_requests_with_the_parity_memory(case: dict[str, Any]) -> None:
    program, arrays, gold = load(case["name"])
    memory = ParityMemory()
    result = simulate(program, arrays, memory=memory)
    assert result.cycles == case["clock_model"]["hbm"]
    moved = sum(traffic.read + traffic.written for traffic in result.memory.values())
    assert moved == memory.word_bytes * case["clock_model"]["hbm_requests"]
    check_values(result, gold)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_ledger_stays_close_to_the_exact_memory(case: dict[str, Any]) -> None:
    program, arrays, gold = load(case["name"])
    ledger, exact = (
        simulate(program, arrays, memory=BankedMemory(exact=exact)) for exact in (False, True)
    )
    assert ledger.memory == exact.memory
    assert ledger.cycles == pytest.approx(exact.cycles, rel=0.05)
    check_values(ledger, gold)
    check_values(exact, gold)


def test_deadlock_names_its_cycle_and_the_smallest_sufficient_depth() -> None:
    program, arrays, _ = load("mha__i1_k8_j2_m4")
    deadlock = simulate(program, arrays, depth=8).deadlock
    assert deadlock is not None
    assert deadlock.smallest_depth == 81
    kinds = {blocked.kind for blocked in deadlock.cycle}
    assert kinds == {"data", "room"}
    assert all(b.held == (8 if b.kind == "room" else 0) for b in deadlock.cycle)
    for blocked, following in zip(
        deadlock.cycle, (*deadlock.cycle[1:], deadlock.cycle[0]), strict=True
    ):
        assert blocked.other == following.node


SMALLEST = [case for case in CASES if case["cycles"]["depth8"] == "deadlock"]


@pytest.mark.parametrize("case", SMALLEST, ids=[case["name"] for case in SMALLEST])
def test_smallest_depth_is_recorded(case: dict[str, Any]) -> None:
    program, arrays, _ = load(case["name"])
    deadlock = simulate(program, arrays, depth=1).deadlock
    assert deadlock is not None
    assert deadlock.smallest_depth == case["clock_model"]["min_depth"]
