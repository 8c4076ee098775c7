"""`headrace replay`: recorded graphs from the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.cli.main import main

GRAPH: dict[str, Any] = {
    "kernel": "square",
    "expression": "X(i) = b(i) * b(i)",
    "output": "X",
    "fmt": {"X": "s0", "b": "s0"},
    "nodes": [
        {"id": 0, "type": "fiberlookup", "tensor": "b", "mode": 0, "index": "i"}
        | {"format": "compressed", "in": {}},
        {"id": 1, "type": "arrayvals", "tensor": "b", "in": {"ref": [0, "ref"]}},
        {"id": 2, "type": "mul", "in": {"in0": [1, "val"], "in1": [1, "val"]}},
        {"id": 3, "type": "fiberwrite", "tensor": "X", "mode": 0, "index": "i"}
        | {"in": {"in": [0, "crd"]}},
        {"id": 4, "type": "fiberwrite", "tensor": "X", "mode": "vals", "in": {"in": [2, "val"]}},
    ],
}


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A folder with a graph that squares a sparse vector."""
    folder = tmp_path / "square"
    folder.mkdir()
    (folder / "graph.json").write_text(json.dumps(GRAPH))
    dense = np.array([0.0, 3.0, 0.0, 2.0])
    inputs: dict[str, Any] = {
        "b.shape": np.array([4]),
        "b.0.seg": np.array([0, 2]),
        "b.0.crd": np.array([1, 3]),
        "b.vals": dense[[1, 3]],
        "b.dense": dense,
    }
    gold: dict[str, Any] = {"X.dense": dense * dense}
    np.savez(folder / "inputs.npz", **inputs)
    np.savez(folder / "gold.npz", **gold)
    return folder


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["replay", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    return error


def test_a_case_gives_cycles_and_error(capsys: pytest.CaptureFixture[str], case: Path) -> None:
    assert main(["replay", str(case), str(case), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["results"]
    assert first["name"] == "square"
    assert first["max_error"] == 0
    assert first["deadlock"] is None
    assert first["cycles"] == second["cycles"] > 0
    assert first["tokens"] > 0
    assert first["simulate_seconds"] >= 0


def test_people_get_a_table(capsys: pytest.CaptureFixture[str], case: Path) -> None:
    assert main(["replay", str(case), "--depth", "2"]) == 0
    text = capsys.readouterr().out
    assert "Channels of depth 2" in text
    assert "square" in text
    assert "finished" in text


def test_a_missing_case_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "is no case; give a folder" in failure(capsys, str(tmp_path / "nowhere"))


def test_truncated_inputs_are_one_line(capsys: pytest.CaptureFixture[str], case: Path) -> None:
    path = case / "inputs.npz"
    path.write_bytes(path.read_bytes()[:300])
    assert "inputs.npz" in failure(capsys, str(case))


def test_a_cycle_without_an_initial_token_is_one_line(
    capsys: pytest.CaptureFixture[str], case: Path
) -> None:
    nodes = json.loads(json.dumps(GRAPH["nodes"]))
    nodes[2]["in"]["in1"] = [2, "val"]
    (case / "graph.json").write_text(json.dumps(GRAPH | {"nodes": nodes}))
    error = failure(capsys, str(case))
    assert "cycle" in error
    assert "initial token" in error


def test_a_depth_of_zero_is_one_line(capsys: pytest.CaptureFixture[str], case: Path) -> None:
    assert "a channel of depth 0" in failure(capsys, str(case), "--depth", "0")
