"""Bags of rows of a table, which is an argument and no parameter of the model."""

import numpy as np
import torch
from torch import nn

from headrace.models.example import Example, seeded


class EmbeddingBag(nn.Module):
    """The sum, mean or maximum of the rows of each bag."""

    def __init__(self, mode: str = "sum"):
        super().__init__()
        self.mode = mode

    def forward(
        self, table: torch.Tensor, indices: torch.Tensor, offsets: torch.Tensor
    ) -> torch.Tensor:
        """`table` is rows x width; bag b has `indices` from `offsets[b]` up to `offsets[b + 1]`."""
        return nn.functional.embedding_bag(indices, table, offsets, mode=self.mode)


def embedding_bag(
    bags: int = 4,
    lookups: int = 5,
    rows: int = 20,
    width: int = 8,
    mode: str = "sum",
    seed: int = 0,
) -> Example:
    """Random rows, looked up at random: so many `lookups` in each of `bags`."""
    with seeded(seed):
        indices = torch.randint(0, rows, (bags * lookups,))
        return on_indices(indices, lookups, width, mode=mode, seed=seed)


def on_indices(
    indices: torch.Tensor, lookups: int, width: int, *, mode: str = "sum", seed: int = 0
) -> Example:
    """
    Bags of so many `lookups` of random rows at given indices, of any table.

    The table has only the rows that are looked up, in their order: which rows are the same, and
    when each was used last, stays as it is.
    """
    used, places = np.unique(np.asarray(indices), return_inverse=True)
    with seeded(seed):
        table = torch.randn(len(used), width)
    return EmbeddingBag(mode).eval(), (
        table,
        torch.as_tensor(places),
        torch.arange(0, len(indices), lookups),
    )
