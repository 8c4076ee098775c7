"""Recorded graphs of attention, rewritten for other requests: equal to the recorded ones."""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from headrace.experiments.step.netlists import Netlist, read, recorded, with_compute
from headrace.experiments.step.requests import for_requests
from headrace.experiments.step.routing import Routing, for_routing
from headrace.tests.reference import reference_path

reference_path("step/golden/netlists")

WAYS = ("co", "il", "dyn")
TEMPLATE = "attn_b64_stdev0996_4007"


def comparable(netlist: Netlist) -> list[dict[str, Any]]:
    """The nodes; symbols of dimensions are numbered by first use."""
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0], f"#{len(numbers)}")

    text = re.sub(r"(?<=[a-z]_)\d+", number, json.dumps(netlist["nodes"]))
    nodes: list[dict[str, Any]] = json.loads(text)
    return nodes


def lengths_of(netlist: Netlist) -> Sequence[int]:
    lengths: list[int] = np.load(recorded(netlist["meta"]["trace"])).tolist()
    return lengths


@pytest.mark.parametrize("way", WAYS)
def test_a_graph_for_the_requests_of_another_window_is_the_recorded_one(way: str) -> None:
    other = read(f"attn_b64_stdev0508_2019_{way}")
    made = for_requests(read(f"{TEMPLATE}_{way}"), lengths_of(other), other["meta"]["max_N"])
    assert comparable(made) == comparable(other)
    assert made["nodes"] != read(f"{TEMPLATE}_{way}")["nodes"]
    assert "published_cycles" not in made["meta"]


@pytest.mark.parametrize("way", WAYS)
def test_a_graph_for_fewer_requests_is_the_recorded_one(way: str) -> None:
    other = read(f"attn_b16_stdev1455_821_{way}")
    made = for_requests(read(f"{TEMPLATE}_{way}"), lengths_of(other), other["meta"]["max_N"])
    assert comparable(made) == comparable(other)
    for key in ("max_N", "channel_depth_overrides"):
        assert made["meta"][key] == other["meta"][key]


def routing_of(name: str) -> Routing:
    chosen: Routing = np.load(recorded(f"traces/expert_routing/{name}.npz"))["data"].tolist()
    return chosen


@pytest.mark.parametrize(
    ("template", "trace", "tile", "name"),
    [
        ("fig9_mixtral_b64_tile16", "mixtral_b1024/019_009", 256, "fig10_mixtral_b1024_tile256"),
        ("fig9_mixtral_b64_tile16", "mixtral_b1024/019_009", 64, "fig10_mixtral_b1024_tile64"),
        ("fig9_mixtral_b64_dyn", "mixtral_b1024/019_009", None, "fig10_mixtral_b1024_dyn"),
        ("fig9_qwen_b64_tile16", "qwen_b64/032_012", 32, "fig9_qwen_b64_tile32"),
    ],
)
def test_a_graph_for_other_tokens_is_the_recorded_one(
    template: str, trace: str, tile: int | None, name: str
) -> None:
    made, other = for_routing(read(template), routing_of(trace), tile), read(name)
    assert comparable(made) == comparable(other)
    for key in ("batch", "tile"):
        assert made["meta"][key] == other["meta"][key]


def test_compute_is_changed_where_there_is_any() -> None:
    netlist = read("attn_b16_stdev1455_821_il")
    changed = with_compute(netlist, 64)
    before = [node["params"].get("compute_bw") for node in netlist["nodes"]]
    after = [node["params"].get("compute_bw") for node in changed["nodes"]]
    assert after == [64 if one else one for one in before]
    assert {0, 2048, None} <= set(before)
