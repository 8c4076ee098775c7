"""A multi-layer perceptron."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from headrace.models.example import Example, seeded


class MLP(nn.Module):
    """Linear layers with relu between them, and softmax at the end."""

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(one, other) for one, other in pairwise(widths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` is batch x widths[0]; the result batch x widths[-1]."""
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return torch.softmax(self.layers[-1](x), dim=-1)


def mlp(widths: Sequence[int] = (20, 16, 8), batch: int = 4, seed: int = 0) -> Example:
    """An MLP with random weights and inputs."""
    with seeded(seed):
        return MLP(widths).eval(), (torch.randn(batch, widths[0]),)
