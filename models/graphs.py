"""Graphs for graph networks: Zachary's karate club, random graphs, and their normalisation."""

from dataclasses import dataclass
from typing import Any, cast

import networkx as nx
import numpy as np
import numpy.typing as npt
import scipy.sparse
import torch

# SciPy's and networkx's types are incomplete: matrices are Any here, annotated where they leave.
sparse: Any = scipy.sparse
networks: Any = nx

Matrix = scipy.sparse.csr_array
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Graph:
    """An undirected graph whose nodes have features and belong to classes."""

    adjacency: Matrix
    """Nodes x nodes, symmetric, 1 for an edge, without self loops."""
    features: Array
    """Nodes x features."""
    classes: int


def karate_club(features: int = 16, seed: int = 0) -> Graph:
    """
    Zachary's karate club: 34 nodes, 78 edges, 2 classes.

    The graph has no features of its own; they are drawn from a normal distribution.
    """
    graph = networks.karate_club_graph()
    adjacency = as_matrix(networks.to_scipy_sparse_array(graph, weight=None, dtype=np.float64))
    draw = np.random.default_rng(seed)
    return Graph(adjacency, draw.standard_normal((adjacency.shape[0], features)), 2)


def random_graph(
    nodes: int,
    edges: int,
    features: int = 16,
    classes: int = 7,
    *,
    skew: float = 0.55,
    seed: int = 0,
) -> Graph:
    """
    A graph of `edges` different edges with a heavy-tailed distribution of degrees.

    Node of rank r is an end of an edge with probability proportional to r to the power `-skew`.
    """
    if edges > nodes * (nodes - 1) // 2:
        raise ValueError(f"{nodes} nodes have no room for {edges} edges")
    draw = np.random.default_rng(seed)
    weights = np.arange(1, nodes + 1) ** -skew
    weights = draw.permutation(weights / weights.sum())
    chosen: set[tuple[int, int]] = set()
    while len(chosen) < edges:
        ends = draw.choice(nodes, size=(edges, 2), p=weights)
        for one, other in ends:
            if one != other and len(chosen) < edges:
                chosen.add((int(min(one, other)), int(max(one, other))))
    rows, columns = np.array(sorted(chosen), dtype=np.int64).reshape(-1, 2).T
    half = sparse.coo_array((np.ones(edges), (rows, columns)), shape=(nodes, nodes))
    return Graph(as_matrix(half + half.T), draw.standard_normal((nodes, features)), classes)


def as_matrix(matrix: Any) -> Any:
    """A CSR matrix with sorted rows."""
    csr = sparse.csr_array(matrix)
    csr.sort_indices()
    return csr


def normalized(adjacency: Any) -> Matrix:
    """
    `D^-1/2 (A + I) D^-1/2`, with D the degrees of A + I.

    Source: "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017,
    section 2.
    """
    looped = as_matrix(adjacency + sparse.eye_array(adjacency.shape[0]))
    scale = sparse.diags_array(1 / np.sqrt(np.asarray(looped.sum(axis=1))))
    return as_matrix(scale @ looped @ scale)


def averaging(adjacency: Any) -> Matrix:
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
