"""
A decoder of transformer blocks with block-sparse attention.

Sources: "Language Models are Few-Shot Learners", NeurIPS 2020 (the block: normalisation first);
"Big Bird: Transformers for Longer Sequences", NeurIPS 2020 (the mask); "FuseFlow", ASPLOS 2026
(relu between the layers of the feed-forward network).
"""

import math
import random

import numpy as np
import torch
from torch import nn

from headrace.models.example import Example, seeded
from headrace.models.linear import Linear


class Attention(nn.Module):
    """Self-attention in which position i sees position j where `mask[i, j]`."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.output = Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        query, key, value = (self.split(part(x)) for part in (self.query, self.key, self.value))
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        weights = torch.softmax(scores.masked_fill(~mask.to_dense(), -math.inf), dim=-1)
        return self.output((weights @ value).transpose(1, 2).reshape(x.shape))

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """`batch x length x width` stored as `batch x heads x length x head size`."""
        batch, length, width = x.shape
        heads = x.view(batch, length, self.heads, width // self.heads)
        return heads.transpose(1, 2).contiguous()


class Block(nn.Module):
    """`x + attention(norm(x))`, then `x + feed_forward(norm(x))` with `hidden` units."""

    def __init__(self, width: int, heads: int, hidden: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.expand = Linear(width, hidden)
        self.contract = Linear(hidden, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x), mask)
        return x + self.contract(torch.relu(self.expand(self.norm2(x))))


class Decoder(nn.Module):
    """`layers` blocks in a row, without embedding."""

    def __init__(self, layers: int, width: int, heads: int, hidden: int):
        super().__init__()
        for number in range(1, layers + 1):
            self.add_module(f"block{number}", Block(width, heads, hidden))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """
        `x` is batch x length x width; so is the result.

        `mask` is boolean, length x length, dense or CSR. A fused graph computes attention only
        where a CSR mask has entries.
        """
        for block in self.children():
            x = block(x, mask)
        return x


def bigbird_blocks(blocks: int, seed: int = 0) -> torch.Tensor:
    """
    Which blocks a BigBird mask keeps: boolean, `blocks` in square.

    Every row of blocks sees its diagonal block and both neighbours, the first two columns of
    blocks and 2 others at random; the first two rows see everything.
    """
    draw = random.Random(seed)
    kept = np.zeros((blocks, blocks), dtype=bool)
    kept[:2], kept[:, :2] = True, True
    for row in range(blocks):
        kept[row, max(row - 1, 0) : row + 2] = True
        kept[row, draw.sample(range(blocks), 2)] = True
    return torch.as_tensor(kept)


def bigbird_mask(length: int, block: int, seed: int = 0) -> torch.Tensor:
    """A boolean BigBird mask of `length` positions in square, which `block` divides."""
    if length % block:
        raise ValueError(f"blocks of {block} do not divide a sequence of {length}; change one")
    kept = bigbird_blocks(length // block, seed)
    return kept.repeat_interleave(block, 0).repeat_interleave(block, 1)


def decoder(
    length: int = 32,
    width: int = 16,
    heads: int = 2,
    hidden: int | None = None,
    layers: int = 1,
    block: int = 4,
    batch: int = 1,
    *,
    sparse: bool = True,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """
    A decoder with random weights, a random sequence and a BigBird mask in blocks of `block`.

    `hidden` is 4 times the width unless given; the mask is CSR if `sparse`.
    """
    mask = bigbird_mask(length, block, seed)
    with seeded(seed):
        model = Decoder(layers, width, heads, hidden or 4 * width).to(dtype).eval()
        x = torch.randn(batch, length, width, dtype=dtype)
    return model, (x, mask.to_sparse_csr() if sparse else mask)


def gpt3_small(block: int = 16, layers: int = 12, length: int = 1024, seed: int = 0) -> Example:
    """The decoder of GPT-3 Small: 12 heads of 64, feed-forward layers of 3072 units."""
    return decoder(length, 768, 12, 3072, layers, block, seed=seed)
