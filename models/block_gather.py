"""
The keys that blocks of queries attend to, in attention that is sparse by blocks.

Source: "Big Bird: Transformers for Longer Sequences", NeurIPS 2020: each block of queries attends
to its neighbours, to global blocks and to random blocks.
"""

import torch
from torch import nn

from headrace.models.example import Example, seeded


class BlockGather(nn.Module):
    """The blocks of `rows` keys that indices name."""

    def __init__(self, rows: int):
        super().__init__()
        self.rows = rows

    def forward(self, keys: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
        """
        `keys` is (blocks * rows) x width, `blocks` queries x slots.

        The result, queries x slots x rows x width, has the keys of block `blocks[q, s]` at q, s.
        """
        return keys.reshape(-1, self.rows, keys.shape[-1])[blocks]


def block_gather(
    queries: int = 6,
    rows: int = 4,
    width: int = 8,
    neighbours: int = 1,
    random: int = 2,
    seed: int = 0,
) -> Example:
    """
    Random keys, as many blocks of them as of queries.

    A block of queries takes itself, `neighbours` blocks on either side (around the ends), the first
    block, and `random` others.
    """
    with seeded(seed):
        own = torch.arange(queries)[:, None]
        near = (own + torch.arange(-neighbours, neighbours + 1)) % queries
        chosen = torch.randint(0, queries, (queries, random))
        blocks = torch.cat([near, torch.zeros_like(own), chosen], dim=1)
        return BlockGather(rows).eval(), (torch.randn(queries * rows, width), blocks)
