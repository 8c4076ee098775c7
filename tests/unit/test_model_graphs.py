"""Graphs of models: random ones follow their statistics; files and networkx give the same graph."""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from headrace.models import graphs
from headrace.models.datasets import DATASETS, dataset
from headrace.models.graph_files import load_graph
from headrace.storage.errors import InputError
from headrace.tests.fusion import recorded_inputs

networks: Any = nx
CLUB = networks.karate_club_graph()


def squared_degrees(adjacency: Any) -> float:
    return float((np.diff(adjacency.indptr).astype(float) ** 2).sum())


@pytest.mark.parametrize(
    "law", [{}, {"skew": 0.0}, {"blocks": 4}, {"skew": 0.9, "blocks": 3}], ids=str
)
def test_random_graphs_are_symmetric_and_reproducible(law: dict[str, Any]) -> None:
    one, two, other = (graphs.random_graph(30, 50, **law, seed=seed) for seed in (4, 4, 5))
    dense: Any = one.adjacency.toarray()
    assert dense.sum() == 100
    assert (dense == dense.T).all()
    assert (dense.diagonal() == 0).all()
    assert (dense == two.adjacency.toarray()).all()
    assert (dense != other.adjacency.toarray()).any()
    assert set(dense.ravel()) == {0, 1}


def test_edges_in_blocks_join_nodes_of_one_block() -> None:
    adjacency: Any = graphs.random_adjacency(30, 60, blocks=4, skew=0.3).tocoo()
    bounds = np.linspace(0, 30, 5).astype(np.int64)
    block = np.searchsorted(bounds, np.arange(30), "right")
    assert (block[adjacency.row] == block[adjacency.col]).all()


def test_blocks_may_be_full() -> None:
    dense: Any = graphs.random_adjacency(6, 6, blocks=2).toarray()
    full = np.ones((3, 3)) - np.eye(3)
    assert (dense == np.kron(np.eye(2), full)).all()


@pytest.mark.parametrize(("blocks", "edges"), [(1, 11), (2, 5)])
def test_a_graph_without_room_for_its_edges_is_refused(blocks: int, edges: int) -> None:
    with pytest.raises(ValueError, match=f"no room for {edges} edges"):
        graphs.random_graph(5, edges, blocks=blocks)


def test_a_steeper_law_has_larger_squared_degrees() -> None:
    found = [squared_degrees(graphs.random_adjacency(300, 900, skew=s)) for s in (0, 0.4, 0.8)]
    assert found == sorted(found)


@pytest.mark.parametrize("name", ["cora", "cora_ml", "dblp", "ogb_collab"])
def test_a_data_set_has_its_statistics(name: str) -> None:
    wanted = DATASETS[name]
    adjacency = wanted.adjacency()
    assert (adjacency.shape[0], adjacency.nnz) == (wanted.nodes, wanted.entries)
    if wanted.squared_degrees is not None:
        assert squared_degrees(adjacency) == pytest.approx(wanted.squared_degrees, rel=0.02)


@pytest.mark.slow
def test_the_largest_data_set_has_its_statistics() -> None:
    wanted = DATASETS["ogb_mag"]
    adjacency = wanted.adjacency()
    assert (adjacency.shape[0], adjacency.nnz) == (wanted.nodes, wanted.entries)
    assert squared_degrees(adjacency) == pytest.approx(wanted.squared_degrees, rel=0.02)


def test_a_data_set_is_the_graph_of_the_recipe() -> None:
    """The reference cycles were recorded on the graphs of this recipe."""
    inputs = recorded_inputs()
    for name, (nodes, entries, alpha, *_) in inputs.DATASETS.items():
        pointers, columns = inputs.graph_csr(nodes, entries, alpha)
        adjacency = DATASETS[name].adjacency()
        assert (adjacency.indptr == pointers).all()
        assert (adjacency.indices == columns).all()


def test_a_data_set_is_scaled_down() -> None:
    graph = dataset("cora", scale=0.1)
    assert graph.features.shape == (271, 143)
    assert (graph.adjacency.nnz, graph.classes) == (2 * 528, 7)
    assert graph.labels.shape == (271,)
    assert graph.labels.max() < 7


def test_a_networkx_graph_keeps_its_order_and_directions() -> None:
    directed = networks.DiGraph([("b", "a"), ("b", "c")])
    adjacency: Any = graphs.from_networkx(directed).adjacency
    assert list(directed.nodes) == ["b", "a", "c"]
    assert adjacency.toarray().tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]


def test_the_karate_club_has_two_halves() -> None:
    graph = graphs.karate_club()
    assert graph.adjacency.nnz == 2 * 78
    assert graph.labels.sum() == 17


@pytest.mark.parametrize("suffix", ["npz", "npy", "mtx", "txt", "csv"])
def test_every_kind_of_file_gives_the_same_graph(suffix: str, tmp_path: Path) -> None:
    club = graphs.from_networkx(CLUB)
    path, matrix = tmp_path / f"club.{suffix}", club.adjacency
    match suffix:
        case "npz":
            scipy.sparse.save_npz(path, matrix)
        case "npy":
            np.save(path, matrix.toarray())
        case "mtx":
            scipy.io.mmwrite(path, matrix)
        case "txt":
            networks.write_weighted_edgelist(CLUB, path)
        case _:
            rows = [f"{one},{other}" for one, other in CLUB.edges]
            path.write_text("\n".join(["# edges", *rows, rows[0]]))
    graph = load_graph(path)
    assert (graph.adjacency != matrix).nnz == 0
    assert (graph.features == club.features).all()


@pytest.mark.parametrize("text", ["", "1\n2\n", "a b\n", "0 -1\n"])
def test_a_list_of_edges_that_is_wrong(text: str, tmp_path: Path) -> None:
    path = tmp_path / "edges.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="edges"):
        load_graph(path)


def test_normalized_adjacency_has_eigenvalue_one() -> None:
    """`D^1/2 1` is an eigenvector of `D^-1/2 (A + I) D^-1/2` with eigenvalue 1."""
    adjacency: Any = graphs.karate_club().adjacency
    dense: Any = adjacency.toarray()
    root: Any = (dense.sum(1) + 1) ** 0.5
    normalized: Any = graphs.normalized(adjacency)
    assert abs(normalized @ root - root).max() < 1e-12


def test_averaging_leaves_isolated_nodes_empty() -> None:
    adjacency = graphs.as_matrix([[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    averaged: Any = graphs.averaging(adjacency)
    assert averaged.toarray().sum(1).tolist() == [1, 1, 1, 0]
