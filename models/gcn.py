"""
Graph convolutional networks.

Source: "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from headrace.models.example import Example, seeded
from headrace.models.graphs import as_torch, karate_club, normalized
from headrace.models.linear import register_weights


class GraphConvolution(nn.Module):
    """
    `A (X W) + b`, or `(A X) W + b` if `aggregate_first`.

    A is nodes x nodes and sparse, X nodes x `features`; the result is nodes x `outputs`.
    `density` of the weights is kept.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(
        self, features: int, outputs: int, aggregate_first: bool = False, density: float = 1.0
    ):
        super().__init__()
        register_weights(self, features, outputs, density)
        self.aggregate_first = aggregate_first

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if self.aggregate_first:
            return (adjacency @ x).to_dense() @ self.weight + self.bias
        return adjacency @ (x.to_dense() @ self.weight) + self.bias


class GCN(nn.Module):
    """
    Graph convolutions with relu between them, from `widths[0]` features to `widths[-1]` classes.

    Gives the probabilities of the classes of each node, or their logarithms if `log`. The
    published kernels are those of `aggregate_first` without `log`.
    """

    def __init__(
        self,
        widths: Sequence[int],
        aggregate_first: bool = False,
        log: bool = True,
        density: float = 1.0,
    ):
        super().__init__()
        self.log = log
        for number, (inputs, outputs) in enumerate(pairwise(widths), 1):
            layer = GraphConvolution(inputs, outputs, aggregate_first, density)
            self.add_module(f"conv{number}", layer)

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """`adjacency` is nodes x nodes, `x` nodes x features; the result nodes x classes."""
        first, *rest = self.children()
        x = first(adjacency, x)
        for layer in rest:
            x = layer(adjacency, torch.relu(x))
        return torch.log_softmax(x, dim=1) if self.log else torch.softmax(x, dim=1)


def on_graph(
    adjacency: Any,
    features: Any,
    classes: int,
    *,
    hidden: int = 16,
    layers: int = 2,
    density: float = 1.0,
    aggregate_first: bool = False,
    log: bool = True,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """
    A GCN with random weights, and its arguments for a graph.

    `adjacency` is a SciPy sparse matrix (normalised here, then a CSR tensor); `features` an
    array or a SciPy sparse matrix. All layers but the last give `hidden` features; `density` of
    the weights is kept.
    """
    widths = [features.shape[1], *[hidden] * (layers - 1), classes]
    with seeded(seed):
        model = GCN(widths, aggregate_first, log, density).to(dtype).eval()
    return model, (as_torch(normalized(adjacency), dtype), as_torch(features, dtype))


def karate() -> Example:
    """A GCN on Zachary's karate club: 34 nodes, 16 features, 16 hidden, 2 classes."""
    graph = karate_club()
    return on_graph(graph.adjacency, graph.features, graph.classes)
