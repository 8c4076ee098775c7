"""
The recorded graphs of streaming tensor programs: cycles of the engine, and of the plain reference.

Netlists become modules of the `step` dialect and run in the engine. The model is an independent
one of the same clock rules, which both simulators must meet to the cycle; the published figures
come from a simulator that is not deterministic, and have the tolerances of the acceptance cases.
"""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.backends.netlist import read_netlist
from headrace.cli.replay_netlists import replay_netlist
from headrace.simulators.stream.netlist import DEFAULT_DEPTH, Netlist
from headrace.simulators.stream.reference_step import (
    StepReferenceResult,
    reference_simulate_step,
)
from headrace.tests.reference import reference_path

GOLDEN = reference_path("step/golden")


def names(folder: str, pattern: str) -> list[str]:
    return sorted(path.name.split(".")[0] for path in (GOLDEN / folder).glob(pattern))


def path_of(name: str) -> Path:
    micro = GOLDEN / "micro" / f"{name}.json"
    return micro if micro.exists() else GOLDEN / "netlists" / f"{name}.json.gz"


@functools.cache
def netlist(name: str) -> Netlist:
    return read_netlist(path_of(name))


def cases(chosen: Iterable[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", list(chosen))


MICRO = names("micro", "*.json")
ATTENTION = names("netlists", "attn_*")
SWIGLU = names("netlists", "fig8_*")
LAYERS_64 = names("netlists", "fig9_*")
LAYERS_1024 = names("netlists", "fig10_*")
REGIONS = names("netlists", "fig12_*")


def test_all_recorded_graphs_are_here() -> None:
    families = (MICRO, ATTENTION, SWIGLU, LAYERS_64, LAYERS_1024, REGIONS)
    assert [len(family) for family in families] == [11, 54, 10, 10, 8, 6]


@cases(MICRO)
def test_micro_graphs(name: str) -> None:
    """C1, C2, C8: cycles, requests, traffic and memory at every recorded depth."""
    expected = netlist(name).meta["expected"]
    for entry, recorded in zip(replay_netlist(path_of(name)), expected, strict=True):
        assert entry["depth"] == (recorded["channel_depth"] or DEFAULT_DEPTH)
        assert (entry["deadlock"] is not None) == recorded.get("deadlock", False)
        if entry["deadlock"] is None:
            assert entry["cycles"] == recorded["cycles"]
            assert entry["requests"] == recorded["hbm_requests"]
            traffic = recorded.get("traffic_value", recorded["traffic"])
            assert entry["traffic"] == int(traffic)
            assert entry["onchip_bytes"] == int(recorded.get("onchip_value", recorded["onchip"]))


@cases(MICRO)
def test_micro_graphs_in_the_reference(name: str) -> None:
    for recorded in netlist(name).meta["expected"]:
        depth = recorded["channel_depth"] or DEFAULT_DEPTH
        result = reference_simulate_step(netlist(name), depth=depth)
        assert result.deadlock == recorded.get("deadlock", False)
        if not result.deadlock:
            assert result.cycles == recorded["cycles"]
            assert result.requests == recorded["hbm_requests"]


def test_a_tile_of_n_requests_takes_n_and_eighteen_cycles() -> None:
    """C2: a load of four tiles of 32 requests, which nobody delays: the last clock of the load."""
    result = reference_simulate_step(netlist("m02_load_store_4tiles"), depth=DEFAULT_DEPTH)
    assert result.clocks[0] == 4 * (32 + 18)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_starved_reassembly_deadlocks_and_names_what_waits(depth: int) -> None:
    """C8: expert 0's pack waits for a row behind rows that expert 1 has no room for."""
    [entry] = replay_netlist(path_of("m11_pack_reassemble_deadlock"), depth)
    assert entry["deadlock"]["smallest_depth"] == 4
    waits = {(one["node"], one["kind"], one["other"]) for one in entry["deadlock"]["cycle"]}
    assert ("Reshape_4", "data", "FlatPartition_2") in waits
    assert ("FlatPartition_2", "room", "Reshape_9") in waits
    assert ("FlatReassemble_15", "data", "RetileStreamify_8") in waits
    reference = reference_simulate_step(netlist("m11_pack_reassemble_deadlock"), depth=depth)
    labels = {node.id: node.label for node in netlist("m11_pack_reassemble_deadlock").nodes}
    blocked = {(one["node"], one["kind"]) for one in entry["deadlock"]["blocked"]}
    assert blocked == {(labels[one.node], one.waits_for) for one in reference.blocked}


def timed(name: str) -> dict[str, Any]:
    """The run of a graph, whose cycles are those of the model."""
    [entry] = replay_netlist(path_of(name))
    assert entry["deadlock"] is None
    assert entry["cycles"] == entry["model_cycles"], name
    return entry


def in_the_reference(name: str) -> StepReferenceResult:
    result = reference_simulate_step(netlist(name))
    assert result.cycles == netlist(name).meta["model_cycles"]
    return result


@cases(ATTENTION)
def test_attention(name: str) -> None:
    """C3."""
    entry = timed(name)
    assert abs(entry["cycles"] - entry["published_cycles"]) <= 2
    assert in_the_reference(name).requests == entry["requests"]


def test_swiglu() -> None:
    """C5: within 0.3 %, and as in the generated hardware."""
    entries = {name: timed(name) for name in SWIGLU}
    for name, entry in entries.items():
        assert entry["ratio"] == pytest.approx(1, abs=0.003), name
        assert in_the_reference(name).requests == entry["requests"]
    cycles = [
        (entry["cycles"], netlist(name).meta["hdl_cycles"]) for name, entry in entries.items()
    ]
    assert np.corrcoef(np.transpose(cycles))[0, 1] >= 0.98


@pytest.mark.parametrize(("model", "tile"), [("mixtral", "tile32"), ("qwen", "tile64")])
def test_layers_of_64_tokens(model: str, tile: str) -> None:
    """C6: dynamic tiles are about as fast as the best static ones, and take less memory."""
    entries = {name: timed(name) for name in LAYERS_64 if model in name}
    for name, entry in entries.items():
        assert entry["ratio"] == pytest.approx(1, abs=0.01), name
    dynamic, static = entries[f"fig9_{model}_b64_dyn"], entries[f"fig9_{model}_b64_{tile}"]
    assert dynamic["cycles"] == pytest.approx(static["cycles"], rel=0.01)
    assert dynamic["onchip_bytes_active"] < static["onchip_bytes_active"]


@cases(LAYERS_1024)
def test_layers_of_1024_tokens(name: str) -> None:
    """C7."""
    assert timed(name)["ratio"] == pytest.approx(1, abs=0.01)


@cases(REGIONS)
def test_regions_that_share_compute(name: str) -> None:
    """C9."""
    assert timed(name)["ratio"] == pytest.approx(1, abs=0.015)


@pytest.mark.slow
@cases([*(name for name in LAYERS_64 if "qwen" in name), *REGIONS, "fig9_mixtral_b64_tile32"])
def test_cycles_of_the_reference_on_layers(name: str) -> None:
    """C6, C9: up to a minute each; the other layers of Mixtral take several."""
    in_the_reference(name)
