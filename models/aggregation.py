"""Sums over the neighbours of vertices, as each layer of a graph network has one."""

from typing import Any

import torch
from torch import nn

from headrace.models.example import Example, seeded
from headrace.models.graphs import as_torch, karate_club, normalized


class Aggregation(nn.Module):
    """`y[i] = sum over neighbours j of adjacency[i, j] x[j]`."""

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """`adjacency` is a sparse matrix, vertices x neighbours; `x` neighbours x features."""
        sparse: Any = torch.sparse
        return sparse.mm(adjacency, x)


def on_graph(adjacency: Any, features: int, seed: int = 0) -> Example:
    """The sums over the rows of a SciPy sparse matrix, with random features."""
    graph = as_torch(adjacency, torch.float32)
    with seeded(seed):
        return Aggregation().eval(), (graph, torch.randn(graph.shape[1], features))


def karate() -> Example:
    """Averages in Zachary's karate club, 8 features a member."""
    return on_graph(normalized(karate_club().adjacency), 8)
