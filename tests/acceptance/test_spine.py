"""
The whole road: from a sparse PyTorch model to exact values and cycles, at three levels of fusion.
"""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy.sparse
import torch

import headrace
from headrace.cli.main import main
from headrace.models.gcn import karate, on_graph
from headrace.models.graphs import random_graph
from headrace.tests.reference import reference_path

LEVELS = ("gcn-unfused", "gcn-per-layer", "gcn-fused")


def demo(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["demo", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def check(report: dict[str, Any]) -> None:
    assert report["equal"]
    assert [level["pipeline"] for level in report["levels"]] == [*LEVELS]
    for level in report["levels"]:
        assert level["max_error"] <= 1e-5
        assert min(level["cycles"], level["tokens"], level["bytes"]) > 0
    assert [level["graphs"] for level in report["levels"]] == [8, 2, 1]


def test_the_demonstration_on_the_karate_club(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = demo(capsys, "--out", str(tmp_path / "new" / "folder"))
    check(report)
    assert report["graph"] == {"name": "Zachary's karate club", "nodes": 34, "edges": 78}
    svg, dot = (Path(drawing) for drawing in report["drawings"])
    assert ElementTree.fromstring(svg.read_text()).tag.endswith("svg")
    assert dot.read_text().startswith("digraph")


@pytest.mark.slow
def test_the_demonstration_on_a_citation_graph(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cora = reference_path("graphs/cora.npz")
    report = demo(capsys, "--graph", str(cora), "--out", str(tmp_path))
    check(report)
    assert report["graph"] == {"name": "cora.npz", "nodes": 2708, "edges": 5278}


def test_the_demonstration_on_an_adjacency_matrix(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    graph = random_graph(nodes=30, edges=60)
    scipy.sparse.save_npz(tmp_path / "graph.npz", graph.adjacency)
    check(demo(capsys, "--graph", str(tmp_path / "graph.npz"), "--out", str(tmp_path)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"adjacency": np.ones((3, 4))}, "an adjacency is square"),
        ({"adjacency": np.array([[0, np.nan], [1, 0]])}, "has NaN or infinite entries"),
        ({"a": np.eye(3), "b": np.eye(3)}, "holds a, b; give one adjacency matrix"),
        (
            {"adj_indptr": np.array([0, 1]), "adj_indices": np.array([0]), "adj_data": np.ones(1)},
            "the array feat_indptr is missing",
        ),
    ],
)
def test_a_file_that_is_no_graph_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    assert main(["demo", "--graph", str(tmp_path / "bad.npz"), "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("pipeline", LEVELS)
@pytest.mark.parametrize("aggregate_first", [False, True])
def test_a_gcn_equals_pytorch_in_double_precision(pipeline: str, aggregate_first: bool) -> None:
    graph = random_graph(nodes=25, edges=40, features=6, classes=3, seed=1)
    model, args = on_graph(
        graph.adjacency,
        graph.features,
        graph.classes,
        hidden=5,
        aggregate_first=aggregate_first,
        dtype=torch.float64,
    )
    program = headrace.compile(model, args, pipeline=pipeline)
    for depth in (None, 64):
        result = program.run(*args, depth=depth)
        assert result.deadlock is None or depth is not None
        for output in result.outputs:
            torch.testing.assert_close(output, model(*args), rtol=1e-12, atol=1e-12)


def test_a_program_compiled_for_one_graph_runs_on_another_of_its_size(tmp_path: Path) -> None:
    model, args = karate()
    program = headrace.compile(model, args, pipeline="pipelines/gcn-per-layer.toml")
    program.save(tmp_path / "gcn.npz")
    loaded = headrace.load(tmp_path / "gcn.npz")
    other = torch.eye(34).to_sparse_csr()
    for adjacency in (args[0], other):
        (output,) = loaded.run(adjacency, args[1]).outputs
        torch.testing.assert_close(output, model(adjacency, args[1]), rtol=0, atol=1e-5)


def test_two_runs_are_equal() -> None:
    model, args = karate()
    program = headrace.compile(model, args, pipeline="gcn-fused")
    first, second = program.run(*args), program.run(*args)
    assert first.nodes == second.nodes
    assert torch.equal(first.outputs[0], second.outputs[0])
