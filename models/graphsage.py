"""
GraphSAGE with mean aggregation.

Source: "Inductive Representation Learning on Large Graphs", NeurIPS 2017.
"""

from typing import Any

import torch
from torch import nn

from headrace.models.example import Example, seeded
from headrace.models.graphs import as_torch, averaging, karate_club


class SageLayer(nn.Module):
    """`X W1 + b + (A X) W2`: a node's own features and the average of its neighbours'."""

    def __init__(self, features: int, outputs: int):
        super().__init__()
        self.own = nn.Linear(features, outputs)
        self.neighbour = nn.Linear(features, outputs, bias=False)

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.own(x) + self.neighbour(adjacency @ x)


class GraphSAGE(nn.Module):
    """Two layers with relu between them; the hidden features of a node have length 1."""

    def __init__(self, features: int, hidden: int, classes: int):
        super().__init__()
        self.layer1 = SageLayer(features, hidden)
        self.layer2 = SageLayer(hidden, classes)

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """`adjacency` is nodes x nodes, `x` nodes x features; the result nodes x classes."""
        hidden = torch.relu(self.layer1(adjacency, x))
        hidden = torch.nn.functional.normalize(hidden, dim=-1)
        return self.layer2(adjacency, hidden)


def on_graph(
    adjacency: Any,
    features: Any,
    classes: int,
    *,
    hidden: int = 16,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """A GraphSAGE model with random weights, and its arguments for a graph."""
    with seeded(seed):
        model = GraphSAGE(features.shape[1], hidden, classes).to(dtype).eval()
    return model, (as_torch(averaging(adjacency), dtype), as_torch(features, dtype))


def karate() -> Example:
    """GraphSAGE on Zachary's karate club."""
    graph = karate_club()
    return on_graph(graph.adjacency, graph.features, graph.classes)
