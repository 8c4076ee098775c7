"""
Scores of statements (head, relation, tail) of a knowledge graph.

Sources: "Translating Embeddings for Modeling Multi-relational Data", NIPS 2013 (TransE);
"Embedding Entities and Relations for Learning and Inference in Knowledge Bases", ICLR 2015
(DistMult).
"""

from typing import Any, cast

import torch
from torch import nn

from headrace.models.example import Example, seeded


class Embeddings(nn.Module):
    """A vector for each entity and for each relation."""

    def __init__(self, entities: int, relations: int, width: int):
        super().__init__()
        self.entities = nn.Embedding(entities, width)
        self.relations = nn.Embedding(relations, width)


class TransE(Embeddings):
    """The distance of head + relation from the tail, in the norm of order `order`."""

    def __init__(self, entities: int, relations: int, width: int, order: int = 1):
        super().__init__(entities, relations, width)
        self.order = order

    def forward(
        self, head: torch.Tensor, relation: torch.Tensor, tail: torch.Tensor
    ) -> torch.Tensor:
        """One index a statement in each argument; one score a statement."""
        translated = self.entities(head) + self.relations(relation)
        difference = translated - self.entities(tail)
        return cast(Any, torch.linalg).vector_norm(difference, ord=self.order, dim=-1)


class DistMult(Embeddings):
    """The sum of head * relation * tail."""

    def forward(
        self, head: torch.Tensor, relation: torch.Tensor, tail: torch.Tensor
    ) -> torch.Tensor:
        """One index a statement in each argument; one score a statement."""
        return (self.entities(head) * self.relations(relation) * self.entities(tail)).sum(-1)


def transe(
    statements: int = 6,
    entities: int = 20,
    relations: int = 4,
    width: int = 8,
    order: int = 1,
    seed: int = 0,
) -> Example:
    """TransE with random vectors, and random statements."""
    with seeded(seed):
        model = TransE(entities, relations, width, order).eval()
        return model, _statements(statements, entities, relations)


def distmult(
    statements: int = 6, entities: int = 20, relations: int = 4, width: int = 8, seed: int = 0
) -> Example:
    """DistMult with random vectors, and random statements."""
    with seeded(seed):
        model = DistMult(entities, relations, width).eval()
        return model, _statements(statements, entities, relations)


def _statements(count: int, entities: int, relations: int) -> tuple[torch.Tensor, ...]:
    return (
        torch.randint(0, entities, (count,)),
        torch.randint(0, relations, (count,)),
        torch.randint(0, entities, (count,)),
    )
