"""Graphs for graph networks: Zachary's karate club, random graphs, and their normalisation."""

from dataclasses import dataclass
from typing import Any, cast

import networkx as nx
import numpy as np
import numpy.typing as npt
import scipy.sparse
import torch

# SciPy's and networkx's types are incomplete: matrices are Any.
sparse: Any = scipy.sparse
networks: Any = nx

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Graph:
    """A graph whose nodes have features and belong to classes."""

    adjacency: Any
    """Nodes x nodes, a CSR matrix without self loops added and without normalisation."""
    features: Any
    """Nodes x features, an array or a CSR matrix."""
    labels: Array
    """The class of each node."""
    classes: int


def with_random_features(adjacency: Any, features: int, classes: int, seed: int = 0) -> Graph:
    """A graph with features from a normal distribution, and classes at random."""
    draw: Any = np.random.default_rng(seed)
    nodes = adjacency.shape[0]
    values = draw.standard_normal((nodes, features))
    labels: Array = draw.integers(classes, size=nodes)
    return Graph(as_matrix(adjacency), values, labels, classes)


def from_networkx(graph: Any, features: int = 16, classes: int = 2, seed: int = 0) -> Graph:
    """
    A networkx graph, directed or not, with random features and classes.

    Nodes are numbered in the order of the graph; weights of its edges are left out.
    """
    adjacency = networks.to_scipy_sparse_array(graph, weight=None, dtype=np.float64)
    return with_random_features(adjacency, features, classes, seed)


def karate_club(features: int = 16, seed: int = 0) -> Graph:
    """
    Zachary's karate club: 34 nodes, 78 edges, 2 classes.

    The graph has no features of its own; they are drawn from a normal distribution. A node's class
    is the half of the club that it joined.
    """
    club: Any = networks.karate_club_graph()
    graph = from_networkx(club, features, seed=seed)
    officers: Array = np.array([club.nodes[node]["club"] == "Officer" for node in club.nodes])
    return Graph(graph.adjacency, graph.features, officers.astype(np.int64), 2)


def random_graph(
    nodes: int,
    edges: int,
    features: int = 16,
    classes: int = 7,
    *,
    skew: float = 0.55,
    blocks: int = 1,
    seed: int = 0,
) -> Graph:
    """`random_adjacency` with random features and classes."""
    adjacency = random_adjacency(nodes, edges, skew=skew, blocks=blocks, seed=seed)
    return with_random_features(adjacency, features, classes, seed)


def random_adjacency(
    nodes: int, edges: int, *, skew: float = 0.55, blocks: int = 1, seed: int = 0
) -> Any:
    """
    A symmetric CSR matrix of `edges` different edges, 1 each, without self loops.

    Degrees follow a power law: the node of rank r is an end of an edge with probability
    proportional to r to the power `-skew`; 0 makes all nodes alike. Both ends lie in the same of
    `blocks` runs of consecutive nodes. 21 million edges take about half a minute.
    """
    starts = np.linspace(0, nodes, blocks + 1).astype(np.int64)
    sizes = np.diff(starts)
    if edges > (sizes * (sizes - 1) // 2).sum():
        raise ValueError(
            f"{nodes} nodes in {blocks} block(s) have no room for {edges} edges; ask for fewer"
        )
    draw: Any = np.random.default_rng(seed)
    weights = np.arange(1, nodes + 1) ** -float(skew)
    weights /= weights.sum()
    draw.shuffle(weights)
    shares = np.concatenate([[0], np.cumsum(weights)])
    shares[-1] = 1
    keys = np.empty(0, dtype=np.int64)
    while len(keys) < edges:
        count = int((edges - len(keys)) * 1.3) + 64
        one: Array = _find(shares, draw.random(count))
        block = _find(starts, one)
        low, high = shares[starts[block]], shares[starts[block + 1]]
        other = _find(shares, low + (high - low) * draw.random(count))
        other = np.minimum(other, starts[block + 1] - 1)  # the sum may round up to `high`
        different: Array = one != other
        small, large = np.minimum(one, other)[different], np.maximum(one, other)[different]
        keys = np.concatenate([keys, small * nodes + large])
        keys = keys[np.sort(np.unique(keys, return_index=True)[1])]
    rows, columns = np.divmod(keys[:edges], nodes)
    half = sparse.coo_array((np.ones(edges), (rows, columns)), shape=(nodes, nodes))
    return as_matrix(half + half.T)


def _find(bounds: Array, values: Array) -> Array:
    """In which of the intervals between rising `bounds` each value lies."""
    return np.searchsorted(bounds[1:], values, "right")


def as_matrix(matrix: Any) -> Any:
    """A CSR matrix with sorted rows."""
    csr = sparse.csr_array(matrix)
    csr.sort_indices()
    return csr


def normalized(adjacency: Any) -> Any:
    """
    `D^-1/2 (A + I) D^-1/2`, with D the degrees of A + I.

    Source: "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017,
    section 2.
    """
    looped = as_matrix(adjacency + sparse.eye_array(adjacency.shape[0]))
    scale = sparse.diags_array(1 / np.sqrt(np.asarray(looped.sum(axis=1))))
    return as_matrix(scale @ looped @ scale)


def averaging(adjacency: Any) -> Any:
    """`D^-1 A`: each row averages over the neighbours; the row of an isolated node is empty."""
    degrees = np.asarray(adjacency.sum(axis=1))
    inverse = np.divide(1, degrees, out=np.zeros_like(degrees, dtype=np.float64), where=degrees > 0)
    return as_matrix(sparse.diags_array(inverse) @ adjacency)


def as_torch(matrix: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A SciPy sparse matrix as a CSR tensor, an array as a dense tensor."""
    if not isinstance(matrix, scipy.sparse.sparray | scipy.sparse.spmatrix):
        return torch.as_tensor(np.asarray(matrix), dtype=dtype)
    csr = as_matrix(matrix)
    pointers, indices = (
        torch.as_tensor(part, dtype=torch.int64) for part in (csr.indptr, csr.indices)
    )
    values = torch.as_tensor(csr.data, dtype=dtype)
    return cast(Any, torch).sparse_csr_tensor(pointers, indices, values, size=csr.shape)
