"""
The part of a large graph that one core has: some vertices, and their neighbours anywhere in it.

A matrix is vertices of the part x neighbours; vertices that are no neighbours are left out, so that
a part of a graph of millions of vertices is small, but uses each row of their features as often,
and as long after its last use, as in the whole graph.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from headrace.models.graphs import as_matrix

# SciPy's types are incomplete: matrices are Any.
sparse: Any = scipy.sparse

Int64s = npt.NDArray[np.int64]


def skewed_share(nodes: int, entries: int, part: int, *, skew: float, seed: int = 0) -> Any:
    """
    `part` vertices, drawn from a graph whose degrees follow a power law.

    As in `graphs.random_adjacency`, the vertex of rank r is an end of an entry with a probability
    proportional to r to the power `-skew`. The graph has so many `nodes` and `entries`.
    """
    draw: Any = np.random.default_rng(seed)
    weights = np.arange(1, nodes + 1) ** -float(skew)
    weights /= weights.sum()
    own = draw.choice(nodes, part, replace=False)
    degrees: Int64s = draw.poisson(entries * weights[own])
    draws: npt.NDArray[np.float64] = draw.random(int(degrees.sum()))
    ranks = np.searchsorted(np.cumsum(weights), draws)
    # Ranks lie anywhere in memory.
    neighbours: Int64s = draw.permutation(nodes)[np.minimum(ranks, nodes - 1)]
    return _matrix(np.repeat(np.arange(part), degrees), neighbours, part)


def lattice_share(nodes: int, entries: int, part: int, *, seed: int = 0) -> Any:
    """
    `part` consecutive vertices of a square lattice, which a network of roads is much like.

    Of the four neighbours of a vertex as many are left out as leave `entries` in the whole.
    """
    draw: Any = np.random.default_rng(seed)
    side = round(nodes**0.5)
    first = (nodes - part) // 2
    own = np.repeat(np.arange(first, first + part), 4)
    neighbours = own + np.tile([-side, -1, 1, side], part)
    kept = draw.random(len(own)) < entries / (4 * nodes)
    kept &= (neighbours >= 0) & (neighbours < nodes)
    return _matrix(own[kept] - first, neighbours[kept], part)


def _matrix(rows: Int64s, neighbours: Int64s, part: int) -> Any:
    """A CSR matrix of 1 for each entry, of the columns that there are."""
    used, columns = np.unique(neighbours, return_inverse=True)
    matrix = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(part, len(used)))
    csr = as_matrix(matrix)
    csr.data[:] = 1
    return csr
