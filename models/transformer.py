"""
A transformer block with block-sparse attention.

Sources: "Language Models are Few-Shot Learners", NeurIPS 2020 (the block: normalisation first);
"Big Bird: Transformers for Longer Sequences", NeurIPS 2020 (the mask).
"""

import math
from typing import Any

import torch
from torch import nn

from headrace.models.example import Example, seeded


class Attention(nn.Module):
    """Self-attention in which position i sees position j where `mask[i, j]`."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        split = (batch, length, self.heads, width // self.heads)
        query, key, value = (
            part.view(split).transpose(1, 2) for part in self.project(x).split(width, dim=-1)
        )
        scores = query @ key.transpose(-2, -1) / math.sqrt(width // self.heads)
        weights = torch.softmax(scores.masked_fill(~mask, -math.inf), dim=-1)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, length, width)
        return self.output(mixed)


class Block(nn.Module):
    """`x + attention(norm(x))`, then `x + feed_forward(norm(x))`."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`x` is batch x length x width, `mask` boolean, length x length; the result as `x`."""
        x = x + self.attention(self.norm1(x), mask)
        hidden = torch.nn.functional.gelu(self.expand(self.norm2(x)))
        return x + self.contract(hidden)


def bigbird_mask(blocks: int, block: int, *, random_blocks: int = 2, seed: int = 0) -> torch.Tensor:
    """
    A boolean mask of `blocks * block` positions in square.

    Every row of blocks sees its diagonal block and both neighbours, the first two columns of
    blocks and `random_blocks` others; the first two rows see everything.
    """
    draw: Any = torch.Generator()
    draw.manual_seed(seed)
    kept = torch.zeros(blocks, blocks, dtype=torch.bool)
    kept[:2, :] = True
    kept[:, :2] = True
    for row in range(blocks):
        kept[row, max(row - 1, 0) : row + 2] = True
        kept[row, torch.randperm(blocks, generator=draw)[:random_blocks]] = True
    return kept.repeat_interleave(block, 0).repeat_interleave(block, 1)


def block(
    length: int = 32,
    width: int = 16,
    heads: int = 2,
    block_size: int = 4,
    batch: int = 1,
    seed: int = 0,
) -> Example:
    """A block with random weights, a random sequence and a BigBird mask."""
    with seeded(seed):
        model = Block(width, heads).eval()
        x = torch.randn(batch, length, width)
    return model, (x, bigbird_mask(length // block_size, block_size, seed=seed))
