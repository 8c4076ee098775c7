"""
Messages along the edges of a graph, weighted by the product of what both ends have.

Source: "FusedMM: A Unified SDDMM-SpMM Kernel for Graph Embedding and Graph Neural Networks",
IPDPS 2021.
"""

from typing import Any

import torch
from torch import nn

from headrace.models.example import Example, seeded
from headrace.models.graphs import as_torch, karate_club


class MessagePassing(nn.Module):
    """`y[i] = sum over neighbours j of f(x[i] . x[j]) x[j]`, with f tanh, or nothing."""

    def __init__(self, bounded: bool = True):
        super().__init__()
        self.bounded = bounded

    def forward(
        self, adjacency: torch.Tensor, x: torch.Tensor, neighbours: torch.Tensor | None = None
    ) -> torch.Tensor:
        """
        `adjacency` is a sparse matrix, nodes x neighbours; `x` nodes x features, as the result.

        `neighbours` has the features of the neighbours, where they are not the nodes.
        """
        sparse: Any = torch.sparse
        others = x if neighbours is None else neighbours
        sampled = sparse.sampled_addmm(adjacency, x, others.t(), beta=0.0)
        return sparse.mm(torch.tanh(sampled) if self.bounded else sampled, others)


class EdgeMessages(nn.Module):
    """`y[target] += weight * x[source]` for edges in any order."""

    def forward(
        self,
        x: torch.Tensor,
        source: torch.Tensor,
        target: torch.Tensor,
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """`x` is nodes x features, as the result; the others have one element an edge."""
        messages = x.index_select(0, source) * weight[:, None]
        return torch.zeros_like(x).index_add(0, target, messages)


def on_graph(adjacency: Any, features: int, *, bounded: bool = True, seed: int = 0) -> Example:
    """
    Message passing on a SciPy sparse matrix, with random features.

    Where it is not square, the neighbours have features of their own.
    """
    graph = as_torch(adjacency, torch.float32)
    nodes, neighbours = graph.shape
    with seeded(seed):
        others = () if nodes == neighbours else (torch.randn(neighbours, features),)
        return MessagePassing(bounded).eval(), (graph, torch.randn(nodes, features), *others)


def karate() -> Example:
    """Message passing on Zachary's karate club, 8 features a node."""
    return on_graph(karate_club().adjacency, 8)


def edge_messages(nodes: int = 8, edges: int = 20, features: int = 8, seed: int = 0) -> Example:
    """Messages along random edges."""
    with seeded(seed):
        source, target = torch.randint(0, nodes, (2, edges))
        x, weight = torch.randn(nodes, features), torch.rand(edges)
        return EdgeMessages().eval(), (x, source, target, weight)
