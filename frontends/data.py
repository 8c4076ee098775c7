"""Graphs from files, as the models of `headrace.models` take them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import scipy.sparse

from headrace.storage.errors import InputError
from headrace.storage.files import read_arrays
from headrace.storage.levels import Array
from headrace.storage.values import CSR, from_compressed, storage_of

_CSR_PARTS = ("indptr", "indices", "data")


@dataclass(frozen=True)
class CitationGraph:
    """A graph whose nodes have features and belong to classes."""

    adjacency: scipy.sparse.csr_array
    """Nodes x nodes, as stored: no normalisation, no self loops added."""
    features: scipy.sparse.csr_array
    """Nodes x features."""
    labels: Array
    """The class of each node."""
    classes: int


def load_graph(path: str | Path) -> CitationGraph:
    """
    A graph in the arrangement of the public GCN release of the Planetoid data sets.

    Arrays: `adj_indptr`, `adj_indices`, `adj_data` and `feat_*` (CSR), `labels`, and `shape`
    (nodes, features, classes). Raises `InputError` where one is missing or does not fit.
    """
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
    return CitationGraph(adjacency, feature, labels, classes)


def _matrix(
    arrays: Mapping[str, Array], name: str, shape: tuple[int, int], path: str | Path
) -> scipy.sparse.csr_array:
    """Checked before SciPy sees it, which would accept much and fail late."""
    pointers, indices, values = (arrays[f"{name}_{part}"] for part in _CSR_PARTS)
    stored = from_compressed(shape, CSR, pointers, indices, values)
    storage_of(stored, name=f"'{path}': {name}")
    return scipy.sparse.csr_array((values, indices, pointers), shape=shape)
