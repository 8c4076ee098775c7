"""Recorded graphs of attention, rewritten for other requests: equal to the recorded ones."""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from headrace.experiments.step.netlists import Netlist, read, recorded, with_compute
from headrace.experiments.step.requests import for_requests
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


def test_compute_is_changed_where_there_is_any() -> None:
    netlist = read("attn_b16_stdev1455_821_il")
    changed = with_compute(netlist, 64)
    before = [node["params"].get("compute_bw") for node in netlist["nodes"]]
    after = [node["params"].get("compute_bw") for node in changed["nodes"]]
    assert after == [64 if one else one for one in before]
    assert {0, 2048, None} <= set(before)
