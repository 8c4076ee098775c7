"""
The graphs behind the published figures of streaming tensor programs, replayed in the engine.

Cases C1 to C3 and C5 to C9 of the acceptance data, `step/golden`.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from headrace.backends.netlist import read_netlist
from headrace.simulators.stream.statistics import SimulationResult
from headrace.tests.reference import reference_path
from headrace.tests.step_programs import simulate_netlist

GOLDEN = reference_path("step/golden")
MICRO = sorted(path.stem for path in (GOLDEN / "micro").glob("m*.json"))
NETLISTS = sorted(path.name for path in (GOLDEN / "netlists").glob("*.json.gz"))

TOLERANCES = {"attn": 2.0, "fig8": 0.003, "fig9": 0.01, "fig10": 0.01, "fig12": 0.015}
"""Cycles, or a share of the published cycles."""


@pytest.mark.parametrize("name", MICRO)
def test_micro_graphs(name: str) -> None:
    netlist = read_netlist(GOLDEN / "micro" / f"{name}.json")
    for expected in netlist.meta["expected"]:
        depth = expected["channel_depth"]
        result = simulate_netlist(netlist, depth)
        if "cycles" not in expected or expected["cycles"] is None:
            assert result.deadlock is not None, depth
            assert result.deadlock.smallest_depth == 4
            continue
        assert result.deadlock is None
        assert result.cycles == expected["cycles"], depth
        assert sum(node.requests for node in result.nodes) == expected["hbm_requests"]


def test_latency_of_a_load() -> None:
    """A tile of n requests takes n + 18 cycles; then it is sent."""
    netlist = read_netlist(GOLDEN / "micro" / "m02_load_store_4tiles.json")
    result = simulate_netlist(netlist, 2)
    load = next(node for node in result.nodes if node.name.startswith("OffChipLoad"))
    assert load.cycles == 4 * (load.requests // 4 + 18)


def test_starved_reassembly_names_the_waiting_channels() -> None:
    netlist = read_netlist(GOLDEN / "micro" / "m11_pack_reassemble_deadlock.json")
    for depth in (1, 2, 3):
        deadlock = simulate_netlist(netlist, depth).deadlock
        assert deadlock is not None
        waiting = {one.node.split("_")[0]: one for one in deadlock.cycle}
        assert waiting["FlatReassemble"].kind == "data"
        assert waiting["FlatPartition"].kind == "room"
        assert waiting["FlatPartition"].held == depth
        assert f"channels of depth {4} are enough" in str(deadlock)


def replay(name: str) -> tuple[SimulationResult, dict[str, int]]:
    netlist = read_netlist(GOLDEN / "netlists" / name)
    return simulate_netlist(netlist), dict(netlist.meta)


@pytest.mark.parametrize("name", NETLISTS)
def test_netlists(name: str) -> None:
    result, meta = replay(name)
    assert result.deadlock is None
    assert result.cycles == meta["model_cycles"]
    published = meta["published_cycles"]
    tolerance = TOLERANCES[name.split("_")[0]]
    allowed = tolerance if tolerance > 1 else tolerance * published
    assert abs(result.cycles - published) <= allowed


def test_cycles_follow_the_hardware() -> None:
    """Figure 8: against the RTL simulation."""
    runs = [replay(name) for name in NETLISTS if name.startswith("fig8")]
    found = [result.cycles for result, _ in runs]
    hardware = [meta["hdl_cycles"] for _, meta in runs]
    assert np.corrcoef(found, hardware)[0, 1] >= 0.98


def test_requests_of_the_netlists() -> None:
    table = Path(reference_path("step/model_check/model_vs_published.csv"))
    with table.open() as file:
        rows = {row["name"]: int(row["hbm_requests_64B"]) for row in csv.DictReader(file)}
    for name in ("fig9_qwen_b64_dyn", "attn_b64_stdev0996_4007_dyn", "fig12_static_regions4"):
        result, _ = replay(f"{name}.json.gz")
        assert sum(node.requests for node in result.nodes) == rows[name]
