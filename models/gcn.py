"""
Graph convolutional networks.

Source: "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017.
"""

from typing import Any

import torch
from torch import nn

from headrace.models.example import Example, seeded
from headrace.models.graphs import as_torch, karate_club, normalized


class GraphConvolution(nn.Module):
    """
    `A (X W) + b`, or `(A X) W + b` if `aggregate_first`.

    A is nodes x nodes and sparse, X nodes x `features`; the result is nodes x `outputs`.
    """

    def __init__(self, features: int, outputs: int, aggregate_first: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.aggregate_first = aggregate_first
        nn.init.xavier_uniform_(self.weight)
        nn.init.uniform_(self.bias, -0.1, 0.1)

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if self.aggregate_first:
            return (adjacency @ x) @ self.weight + self.bias
        return adjacency @ (x @ self.weight) + self.bias


class GCN(nn.Module):
    """
    Two graph convolutions with relu between them.

    Gives the probabilities of the classes of each node, or their logarithms if `log`.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        classes: int,
        aggregate_first: bool = False,
        log: bool = True,
    ):
        super().__init__()
        self.log = log
        self.conv1 = GraphConvolution(features, hidden, aggregate_first)
        self.conv2 = GraphConvolution(hidden, classes, aggregate_first)

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """`adjacency` is nodes x nodes, `x` nodes x features; the result nodes x classes."""
        hidden = torch.relu(self.conv1(adjacency, x))
        scores = self.conv2(adjacency, hidden)
        return torch.log_softmax(scores, dim=1) if self.log else torch.softmax(scores, dim=1)


def on_graph(
    adjacency: Any,
    features: Any,
    classes: int,
    *,
    hidden: int = 16,
    aggregate_first: bool = False,
    log: bool = True,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """
    A GCN with random weights, and its arguments for a graph.

    `adjacency` is a SciPy sparse matrix (normalised here, then a CSR tensor); `features` an
    array or a SciPy sparse matrix.
    """
    with seeded(seed):
        model = GCN(features.shape[1], hidden, classes, aggregate_first, log).to(dtype).eval()
    return model, (as_torch(normalized(adjacency), dtype), as_torch(features, dtype))


def karate() -> Example:
    """A GCN on Zachary's karate club: 34 nodes, 16 features, 16 hidden, 2 classes."""
    graph = karate_club()
    return on_graph(graph.adjacency, graph.features, graph.classes)
