"""Graphs from files: citation graphs, adjacency matrices and lists of edges."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from headrace.models.graphs import Graph, with_random_features
from headrace.storage.errors import InputError
from headrace.storage.files import StoredMatrix, read_arrays, read_tensors
from headrace.storage.levels import Array
from headrace.storage.values import CSR, from_compressed, storage_of

_CSR_PARTS = ("indptr", "indices", "data")
_EDGE_LISTS = (".txt", ".edges", ".tsv", ".csv")

# SciPy's types are incomplete.
sparse: Any = scipy.sparse


def load_graph(path: str | Path, features: int = 16, classes: int = 2, seed: int = 0) -> Graph:
    """
    A graph in a file, in one of three arrangements.

    - npz with `adj_indptr`, `adj_indices`, `adj_data` and `feat_*` (CSR), `labels`, and `shape`
      (nodes, features, classes), as in the public GCN release of the Planetoid data sets;
    - npz, npy or Matrix Market with an adjacency matrix by itself;
    - txt, edges, tsv or csv with one edge a line: the numbers of two nodes, counted from 0. An edge
      leads both ways, also if it is listed twice; further columns, and lines after `#` or `%`,
      are left out.

    Where the file has no features and classes, so many are drawn at random. Raises `InputError`
    where something is missing or does not fit.
    """
    if Path(path).suffix in _EDGE_LISTS:
        return with_random_features(_edge_list(path), features, classes, seed)
    tensors = read_tensors(path)
    if tensors.keys() & {"adj", *(f"adj_{part}" for part in _CSR_PARTS)}:
        return _citation_graph(path)
    if len(tensors) != 1:
        raise InputError(
            f"'{path}' holds {', '.join(tensors)}; give one adjacency matrix, or a citation graph "
            "with adj_indptr, adj_indices, adj_data, feat_indptr, feat_indices, feat_data, "
            "labels, shape"
        )
    ((name, tensor),) = tensors.items()
    if isinstance(tensor, StoredMatrix):
        nodes = len(tensor.pointers) - 1
        tensor = tensor.storage(name, (nodes, nodes))
    stored = storage_of(tensor, name=name)
    if len(stored.shape) != 2 or stored.shape[0] != stored.shape[1]:
        raise InputError(f"'{path}' holds a tensor of shape {stored.shape}; an adjacency is square")
    coordinates, values = stored.to_coordinates()
    adjacency = sparse.csr_array((values, tuple(coordinates)), shape=stored.shape)
    return with_random_features(adjacency, features, classes, seed)


def _edge_list(path: str | Path) -> Any:
    """A symmetric matrix of ones."""
    comma = "," if Path(path).suffix == ".csv" else None
    try:
        with warnings.catch_warnings(action="ignore"):  # of a file without edges, refused below
            ends = np.loadtxt(
                path, np.int64, comments=["#", "%"], delimiter=comma, usecols=(0, 1), ndmin=2
            )
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from None
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise InputError(
            f"'{path}' is no list of edges: {error}; write the numbers of two nodes a line"
        ) from None
    if not len(ends) or ends.min() < 0:
        raise InputError(f"'{path}' must list edges between nodes that are counted from 0")
    nodes = int(ends.max()) + 1
    rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
    doubled = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(nodes, nodes))
    adjacency = sparse.csr_array(doubled)
    adjacency.data[:] = 1
    return adjacency


def _citation_graph(path: str | Path) -> Graph:
    arrays = read_arrays(path)
    wanted = [f"{matrix}_{part}" for matrix in ("adj", "feat") for part in _CSR_PARTS]
    missing = [name for name in (*wanted, "labels", "shape") if name not in arrays]
    if missing:
        raise InputError(f"'{path}' is not a graph file: the array {missing[0]} is missing")
    sizes = arrays["shape"]
    if sizes.shape != (3,) or sizes.dtype.kind not in "iu":
        raise InputError(f"'{path}': shape must be three integers (nodes, features, classes)")
    nodes, features, classes = (int(size) for size in sizes)
    labels = arrays["labels"]
    if labels.shape != (nodes,) or labels.dtype.kind not in "iu":
        raise InputError(f"'{path}': labels must be {nodes} integers, one a node")
    adjacency = _matrix(arrays, "adj", (nodes, nodes), path)
    feature = _matrix(arrays, "feat", (nodes, features), path)
    return Graph(adjacency, feature, labels, classes)


def _matrix(
    arrays: Mapping[str, Array], name: str, shape: tuple[int, int], path: str | Path
) -> Any:
    """Checked before SciPy sees it, which would accept much and fail late."""
    pointers, indices, values = (arrays[f"{name}_{part}"] for part in _CSR_PARTS)
    stored = from_compressed(shape, CSR, pointers, indices, values)
    storage_of(stored, name=f"'{path}': {name}")
    return sparse.csr_array((values, indices, pointers), shape=shape)
