"""
A sparse autoencoder: the weights of encoder and decoder are pruned.

Source: "FuseFlow", ASPLOS 2026, section 8 (weights of density 0.5, batch 32).
"""

from collections.abc import Mapping

import torch
from torch import nn

from headrace.models.example import Example, seeded
from headrace.models.linear import Linear

SHAPES: Mapping[str, tuple[int, int]] = {
    "imagenet": (224 * 224, 256),
    "nih_cxr": (1024 * 1024, 512),
    "luna16": (512 * 512, 512),
    "scaled": (1500, 32),
}
"""
Inputs (pixels) and hidden units for each data set, and a size that simulates in seconds.

The images themselves are not needed: inputs are drawn from a normal distribution.
"""


class SparseAutoencoder(nn.Module):
    """`decode(relu(encode(x)))` with `density` of the weights kept."""

    def __init__(self, inputs: int, hidden: int, density: float = 0.5):
        super().__init__()
        self.encoder = Linear(inputs, hidden, density)
        self.decoder = Linear(hidden, inputs, density)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` is batch x inputs, dense or sparse; the result batch x inputs."""
        return self.decoder(torch.relu(self.encoder(x)))


def sparse_autoencoder(
    inputs: int = 48,
    hidden: int = 16,
    batch: int = 4,
    density: float = 0.5,
    *,
    compressed: bool = False,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """A sparse autoencoder with random weights and inputs, which are CSR if `compressed`."""
    with seeded(seed):
        model = SparseAutoencoder(inputs, hidden, density).to(dtype).eval()
        x = torch.randn(batch, inputs, dtype=dtype)
    return model, (x.to_sparse_csr() if compressed else x,)


def on_data_set(name: str, density: float = 0.5, batch: int = 32, seed: int = 0) -> Example:
    """
    A sparse autoencoder in one of `SHAPES`.

    The weights of `nih_cxr` have 0.5 G entries and take about 7 GB while they are pruned.
    """
    inputs, hidden = SHAPES[name]
    return sparse_autoencoder(inputs, hidden, batch, density, seed=seed)
