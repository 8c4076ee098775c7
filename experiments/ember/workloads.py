"""The inputs of the experiments, as PyTorch models with arguments."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

import headrace
from headrace.experiments.ember.published import published
from headrace.models import aggregation, embedding_bag, message_passing
from headrace.models.block_gather import BlockGather
from headrace.models.example import Example, seeded
from headrace.models.graph_shares import lattice_share, skewed_share
from headrace.models.knowledge_graph import TransE

CORES = 96

SKEWS: Mapping[str, float] = {
    "com-Youtube": 0.7,
    "web-Google": 0.57,
    "wiki-Talk": 0.8,
    "arxiv": 0.6,
    "mag": 0.37,
    "products": 0.6,
    "proteins": 0.4,
}
"""
Exponents of the degrees of graphs; roadNet-CA is a lattice instead.

Those of the graphs of message passing give about the largest degrees of the originals (28,754,
6,332 and 100,029), that of mag is the one of `models.datasets`; the others are guesses.
"""

FEATURES = 128
"""Of message passing."""

STATEMENTS, VECTOR = 3000, 512
"""Statements that are scored, and the length of vectors of knowledge graphs."""

POSITIONS, HEAD, RANDOM = 4096, 64, 3
"""Keys of block-sparse attention, the elements of each, and the random blocks of a query block."""


def bags(workload: str, locality: str, lookups: int) -> Example:
    """A model of recommendation on a trace of some locality, in batches one after the other."""
    size = published("models", workload=workload)
    indices = torch.as_tensor(headrace.locality_indices(locality, lookups=lookups))
    return embedding_bag.on_indices(indices, size["lookups"], size["length"])


def lookups_of(example: Example) -> int:
    """The rows that bags, or the sums over neighbours, look up."""
    _, (first, second, *_) = example
    return first._nnz() if first.layout is torch.sparse_csr else len(second)


def missing_bags(workload: str, lookups: int) -> Example:
    """The same where no row is looked up twice."""
    size = published("models", workload=workload)
    return embedding_bag.on_indices(torch.arange(lookups), size["lookups"], size["length"])


def messages(graph: str, entries: int) -> Example:
    """Message passing over about so many entries of a graph, at most those of one core."""
    return message_passing.on_graph(share(graph, entries), FEATURES)


def layers(graph: str, entries: int) -> list[Example]:
    """The sums of the layers of a graph network."""
    widths = published("graphs", name=graph)["widths"]
    part = share(graph, entries)
    return [aggregation.on_graph(part, width) for width in widths]


def share(graph: str, entries: int) -> Any:
    """The rows of a graph that have about so many entries, at most those of one core."""
    size = published("graphs", name=graph)
    part = round(size["nodes"] * min(1 / CORES, entries / size["entries"]))
    if graph not in SKEWS:
        return lattice_share(size["nodes"], size["entries"], part)
    return skewed_share(size["nodes"], size["entries"], part, skew=SKEWS[graph])


def statements(graph: str) -> Example:
    """Scores of random statements; the tables have only the rows that these read."""
    size = published("knowledge", name=graph)
    draw: Any = np.random.default_rng(0)
    ends, places = np.unique(
        draw.integers(size["nodes"], size=(2, STATEMENTS)), return_inverse=True
    )
    head, tail = torch.as_tensor(places.reshape(2, STATEMENTS))
    relation = torch.as_tensor(draw.integers(size["relations"], size=STATEMENTS))
    with seeded(0):
        return TransE(len(ends), size["relations"], VECTOR).eval(), (head, relation, tail)


def blocks(size: int, positions: int) -> Example:
    """
    The blocks of so many keys that the blocks of one head attend to.

    A block takes itself, its neighbours (around the ends), the first, the last, and random ones.
    """
    count = positions // size
    with seeded(0):
        own = torch.arange(count)[:, None]
        near = (own + torch.arange(-1, 2)) % count
        ends = torch.tensor([0, count - 1]).expand(count, 2)
        chosen = torch.cat([near, ends, torch.randint(0, count, (count, RANDOM))], dim=1)
        return BlockGather(size).eval(), (torch.randn(positions, HEAD), chosen)
