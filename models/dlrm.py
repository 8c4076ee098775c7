"""
Recommendation: bags of categories become vectors, whose products with each other are features.

Source: "Deep Learning Recommendation Model for Personalization and Recommendation Systems",
arXiv 1906.00091 (DLRM).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from headrace.models.example import Example, seeded


class Layers(nn.Sequential):
    """Linear layers, each followed by relu; the last one by `end` instead."""

    def __init__(self, widths: Sequence[int], end: nn.Module):
        linear = [nn.Linear(one, other) for one, other in pairwise(widths)]
        inner = [layer for one in linear[:-1] for layer in (one, nn.ReLU())]
        super().__init__(*inner, linear[-1], end)


class DLRM(nn.Module):
    """
    The probability that a user follows a link, from numbers and from categories.

    `tables` has the number of categories of each table, of which rows are `width` wide. The vector
    of the numbers and those of the tables are multiplied with each other, pair by pair.
    """

    pairs: torch.Tensor

    def __init__(self, numbers: int, tables: Sequence[int], width: int, hidden: int):
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(rows, width, mode="sum") for rows in tables)
        self.bottom = Layers([numbers, hidden, width], nn.ReLU())
        vectors = len(tables) + 1
        places = torch.tril_indices(vectors, vectors, offset=-1)
        self.register_buffer("pairs", places[0] * vectors + places[1])
        self.top = Layers([width + len(self.pairs), hidden, 1], nn.Sigmoid())

    def forward(self, x: torch.Tensor, *bags: torch.Tensor) -> torch.Tensor:
        """
        `x` is batch x numbers; the result batch.

        `bags` are the indices and the offsets (one a sample) of the first table, then of the next.
        """
        dense = self.bottom(x)
        given = zip(self.tables, bags[::2], bags[1::2], strict=True)
        vectors = torch.stack([dense, *(table(i, offsets) for table, i, offsets in given)], dim=1)
        products = (vectors @ vectors.transpose(1, 2)).flatten(1).index_select(1, self.pairs)
        return self.top(torch.cat([dense, products], dim=1)).squeeze(1)


def dlrm(
    batch: int = 4,
    numbers: int = 5,
    tables: Sequence[int] = (30, 20, 40),
    width: int = 8,
    hidden: int = 16,
    longest: int = 5,
    seed: int = 0,
) -> Example:
    """A DLRM with random weights, and bags of at most `longest` categories, some of them none."""
    with seeded(seed):
        model = DLRM(numbers, tables, width, hidden).eval()
        bags: list[torch.Tensor] = []
        for rows in tables:
            lengths = torch.randint(0, longest + 1, (batch,))
            bags += [torch.randint(0, rows, (int(lengths.sum()),)), lengths.cumsum(0) - lengths]
        return model, (torch.randn(batch, numbers), *bags)
