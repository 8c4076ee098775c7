"""Graph files: read as they are, refused with the array that is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.models.graph_files import load_graph
from headrace.storage.errors import InputError
from headrace.tests.reference import reference_path

GRAPH: dict[str, Any] = {
    "adj_indptr": np.array([0, 1, 3, 4]),
    "adj_indices": np.array([1, 0, 2, 1]),
    "adj_data": np.ones(4, dtype=np.float32),
    "feat_indptr": np.array([0, 1, 1, 2]),
    "feat_indices": np.array([1, 0]),
    "feat_data": np.array([2.0, 3.0]),
    "labels": np.array([0, 1, 1]),
    "shape": np.array([3, 2, 2]),
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "graph.npz"
    arrays = {name: array for name, array in (GRAPH | changes).items() if array is not None}
    np.savez(path, **arrays)
    return path


def test_a_graph_is_read_as_it_is(tmp_path: Path) -> None:
    graph = load_graph(write(tmp_path))
    adjacency: Any = graph.adjacency
    features: Any = graph.features
    assert adjacency.toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert features.toarray().tolist() == [[0, 2], [0, 0], [3, 0]]
    assert graph.labels.tolist() == [0, 1, 1]
    assert graph.classes == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adj_indices": None}, "the array adj_indices is missing"),
        ({"labels": None}, "the array labels is missing"),
        ({"shape": np.array([3, 2])}, "shape must be three integers"),
        ({"labels": np.array([0, 1])}, "labels must be 3 integers, one a node"),
        ({"labels": np.array([0, 1, np.nan])}, "labels must be 3 integers"),
        ({"adj_indices": np.array([1, 0, np.nan, 1])}, "adj.*coordinates must be integers"),
        ({"adj_indices": np.array([1, 2, 0, 1])}, "adj.*must increase inside a fiber"),
        ({"adj_indices": np.array([1, 0, 0, 1])}, "adj.*must increase inside a fiber"),
        ({"adj_indices": np.array([1, 0, 3, 1])}, r"adj.*must lie in 0\.\.2"),
        ({"adj_indptr": np.array([0, 1, 4])}, "adj.*3 segments for 3 fibers"),
        ({"adj_indptr": np.array([0, 3, 1, 4])}, "adj.*segments must rise"),
        ({"feat_data": np.ones(3)}, "feat.*but 2 coordinates need shape"),
        ({"feat_data": np.array(["a", "b"])}, "feat.*not real numbers"),
    ],
)
def test_a_graph_that_is_wrong(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        load_graph(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_missing_or_truncated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_graph(tmp_path / "none.npz")
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="not a complete npz file"):
        load_graph(path)


def test_the_cora_graph() -> None:
    graph = load_graph(reference_path("graphs/cora.npz"))
    adjacency: Any = graph.adjacency
    features: Any = graph.features
    assert (adjacency.shape, adjacency.nnz) == ((2708, 2708), 10556)
    assert (features.shape, features.nnz) == ((2708, 1433), 49216)
    assert (adjacency != adjacency.T).nnz == 0
    assert graph.classes == len(np.unique(graph.labels)) == 7
