"""A multi-layer perceptron, and a sparse autoencoder whose weights are pruned."""

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


class PrunedLinear(nn.Module):
    """`x W^T + b` where W, outputs x inputs, is a CSR tensor with `density` of its weights."""

    weight: torch.Tensor

    def __init__(self, inputs: int, outputs: int, density: float):
        super().__init__()
        dense = torch.empty(outputs, inputs)
        nn.init.xavier_uniform_(dense)
        kept = torch.rand(outputs, inputs) < density
        self.register_buffer("weight", (dense * kept).to_sparse_csr())
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.weight @ x.t()).t() + self.bias


class SparseAutoencoder(nn.Module):
    """
    `decode(relu(encode(x)))` with pruned weights.

    Source: "FuseFlow", ASPLOS 2026, section 8 (weights of density 0.5, batch 32).
    """

    def __init__(self, inputs: int, hidden: int, density: float = 0.5):
        super().__init__()
        self.encoder = PrunedLinear(inputs, hidden, density)
        self.decoder = PrunedLinear(hidden, inputs, density)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` is batch x inputs; so is the result."""
        return self.decoder(torch.relu(self.encoder(x)))


def mlp(widths: Sequence[int] = (20, 16, 8), batch: int = 4, seed: int = 0) -> Example:
    """An MLP with random weights and inputs."""
    with seeded(seed):
        return MLP(widths).eval(), (torch.randn(batch, widths[0]),)


def sparse_autoencoder(
    inputs: int = 48, hidden: int = 16, batch: int = 4, density: float = 0.5, seed: int = 0
) -> Example:
    """A sparse autoencoder with random weights and inputs."""
    with seeded(seed):
        model = SparseAutoencoder(inputs, hidden, density).eval()
        return model, (torch.randn(batch, inputs),)
