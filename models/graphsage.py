"""
GraphSAGE with mean aggregation.

Source: "Inductive Representation Learning on Large Graphs", NeurIPS 2017.
"""

from typing import Any

import torch
from torch import nn

from headrace.models.example import Example, seeded
from headrace.models.graphs import as_torch, averaging, karate_club
from headrace.models.linear import Linear


class SageLayer(nn.Module):
    """
    `relu(X W1 + b1 + ((A X) W2 + b2))`: a node's own features and those of its neighbours.

    With `normalize`, the features of each node are then divided by their length.
    """

    def __init__(self, features: int, outputs: int, density: float = 1.0, normalize: bool = False):
        super().__init__()
        self.own = Linear(features, outputs, density)
        self.neighbour = Linear(features, outputs, density)
        self.normalize = normalize

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        result = torch.relu(self.own(x) + self.neighbour(adjacency @ x))
        return torch.nn.functional.normalize(result, dim=-1) if self.normalize else result


class GraphSAGE(nn.Module):
    """Two layers; `normalize` is that of the first, as in the paper of 2017."""

    def __init__(
        self,
        features: int,
        hidden: int,
        classes: int,
        density: float = 1.0,
        normalize: bool = False,
    ):
        super().__init__()
        self.layer1 = SageLayer(features, hidden, density, normalize)
        self.layer2 = SageLayer(hidden, classes, density)

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """`adjacency` is nodes x nodes, `x` nodes x features; the result nodes x classes."""
        return self.layer2(adjacency, self.layer1(adjacency, x))


def on_graph(
    adjacency: Any,
    features: Any,
    classes: int,
    *,
    hidden: int = 16,
    density: float = 1.0,
    normalize: bool = False,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """
    A GraphSAGE model with random weights, and its arguments for a graph.

    `adjacency` is a SciPy sparse matrix, of which each row is scaled to average over the
    neighbours; `features` an array or a SciPy sparse matrix. `density` of the weights is kept.
    """
    with seeded(seed):
        model = GraphSAGE(features.shape[1], hidden, classes, density, normalize)
    arguments = (as_torch(averaging(adjacency), dtype), as_torch(features, dtype))
    return model.to(dtype).eval(), arguments


def karate() -> Example:
    """GraphSAGE on Zachary's karate club, with normalisation between the layers."""
    graph = karate_club()
    return on_graph(graph.adjacency, graph.features, graph.classes, normalize=True)
