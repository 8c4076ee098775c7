"""
Parts that decoders share: normalisation, the gated feed-forward network, rotary positions.

Sources: "Root Mean Square Layer Normalization", NeurIPS 2019; "GLU Variants Improve Transformer",
arXiv 2002.05202 (SwiGLU); "RoFormer", arXiv 2104.09864 (rotary positions, the two halves of a head
rotated against each other).
"""

import torch
from torch import nn

from headrace.models.example import Example, seeded


class RMSNorm(nn.Module):
    """`x / sqrt(mean(x^2) + epsilon) * weight` along the last dimension."""

    def __init__(self, width: int, epsilon: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` is .. x width; so is the result."""
        square = x.pow(2).mean(-1, keepdim=True)
        return x * torch.rsqrt(square + self.epsilon) * self.weight


class SwiGLU(nn.Module):
    """The feed-forward network `down(silu(gate(x)) * up(x))` with `hidden` units, no biases."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` is .. x width; so is the result."""
        return self.down(nn.functional.silu(self.gate(x)) * self.up(x))


def rotation(positions: torch.Tensor, width: int, base: float = 10000.0) -> torch.Tensor:
    """
    The angles of rotary positions: rows x width for one position a row.

    Columns i and i + width / 2 turn by the same angle, `position / base^(2 i / width)`.
    """
    steps = torch.arange(0, width, 2, dtype=torch.float64) / width
    angles = positions.to(torch.float64)[:, None] / base**steps
    return torch.cat([angles, angles], dim=-1)


def rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotary positions: `x`, .. x width, turned by the angles of which these are the functions."""
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine


class Rotary(nn.Module):
    """Rotary positions of rows that have one head of even width."""

    def forward(self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        """All three are rows x width; so is the result."""
        return rotate(x, cosine, sine)


class FeedForward(nn.Module):
    """`x + network(norm(x))`, the feed-forward half of a decoder's layer."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.norm = RMSNorm(width)
        self.network = SwiGLU(width, hidden)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x` is rows x width; so is the result."""
        return x + self.network(self.norm(x))


def feed_forward(
    rows: int = 8,
    width: int = 16,
    hidden: int = 32,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """The feed-forward half of a layer, with random weights and rows."""
    with seeded(seed):
        model = FeedForward(width, hidden).to(dtype).eval()
        return model, (torch.randn(rows, width, dtype=dtype),)


def swiglu(
    rows: int = 8,
    width: int = 16,
    hidden: int = 32,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """The gated network alone, with random weights and rows."""
    with seeded(seed):
        model = SwiGLU(width, hidden).to(dtype).eval()
        return model, (torch.randn(rows, width, dtype=dtype),)


def rotary(
    rows: int = 8, width: int = 16, dtype: torch.dtype = torch.float32, seed: int = 0
) -> Example:
    """Rotary positions of random rows, which stand at positions 0, 1, .."""
    angles = rotation(torch.arange(rows), width)
    with seeded(seed):
        x = torch.randn(rows, width, dtype=dtype)
    return Rotary(), (x, angles.cos().to(dtype), angles.sin().to(dtype))
