"""
The models of Figure 12 on their data sets, as PyTorch modules in double precision.

Graphs are synthetic, with the nodes, entries and squared degrees of the data sets; weights of graph
networks have a density of 0.4, which the published cycles of Cora fit (the paper does not say).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

SAE_SHAPES: Mapping[str, tuple[int, int]] = {
    "ImageNet": (224 * 224, 256),
    "NIH-CXR": (1024 * 1024, 512),
    "LUNA16": (512 * 512, 512),
}
"""Pixels and hidden units."""

SAE_SCALE = (32, 8)
"""By how much pixels and hidden units are divided at reduced sizes; the batch stays 32."""

GRAPHS: Mapping[str, str] = {
    "Cora": "cora",
    "Cora_ML": "cora_ml",
    "DBLP": "dblp",
    "OGB-MAG": "ogb_mag",
}
"""The names of the data sets in `headrace.models.datasets`."""

DENSITY = 0.4

BATCH = 32

BIGBIRD: Mapping[str, int] = {"BigBird 16": 16, "BigBird 64": 64}
"""The positions of a block at the published length."""

GPT_SIZES = {"published": (1024, 12, 12), "reduced": (256, 6, 2)}
"""Positions, heads of 64 and layers. Blocks shrink with the length: the mask stays as sparse."""

Example = tuple[Any, tuple[Any, ...]]
"""A model and its arguments."""


def autoencoder(data: str, size: str, share: float) -> Example:
    """Half of the weights are pruned; the input is stored compressed, though all of it is there."""
    import torch

    from headrace.models.autoencoder import sparse_autoencoder

    pixels, hidden = SAE_SHAPES[data]
    if size == "reduced":
        pixels, hidden = pixels // SAE_SCALE[0], hidden // SAE_SCALE[1]
    return sparse_autoencoder(
        round(pixels * share), hidden, BATCH, 0.5, compressed=True, dtype=torch.float64
    )


def convolutional(data: str, size: str, share: float) -> Example:
    """
    Two graph convolutions and a softmax, without self loops, as in the published kernels.

    The adjacency is scaled by the degrees so that the softmax sees scores of the order of 1.
    """
    import scipy.sparse
    import torch

    from headrace.models.datasets import DATASETS
    from headrace.models.example import seeded
    from headrace.models.gcn import GCN
    from headrace.models.graphs import as_torch

    statistics = DATASETS[GRAPHS[data]]
    sparse: Any = scipy.sparse
    adjacency: Any = statistics.adjacency(share)
    degrees = np.asarray(adjacency.sum(axis=1))
    scale = sparse.diags_array(1 / np.sqrt(np.maximum(degrees, 1)))
    widths = (statistics.features, statistics.hidden, statistics.classes)
    with seeded(0):
        model = GCN(widths, aggregate_first=True, log=False, density=DENSITY).double().eval()
        features = torch.randn(len(degrees), statistics.features, dtype=torch.float64)
    return model, (as_torch(scale @ adjacency @ scale, torch.float64), features)


def sampling(data: str, size: str, share: float) -> Example:
    """Two layers of GraphSAGE, whose adjacency averages over the neighbours."""
    import torch

    from headrace.models.datasets import DATASETS
    from headrace.models.graphsage import on_graph

    statistics = DATASETS[GRAPHS[data]]
    adjacency: Any = statistics.adjacency(share)
    draw = np.random.default_rng(0)
    return on_graph(
        adjacency,
        draw.standard_normal((adjacency.shape[0], statistics.features)),
        statistics.classes,
        hidden=statistics.hidden,
        density=DENSITY,
        dtype=torch.float64,
    )


def transformer(data: str, size: str, share: float) -> Example:
    """Blocks of GPT-3 Small, without embedding, with a BigBird mask stored compressed."""
    import torch

    from headrace.models.transformer import decoder

    longest, *_ = GPT_SIZES["published"]
    length, heads, layers = GPT_SIZES[size]
    block = BIGBIRD[data] * length // longest
    return decoder(length, 64 * heads, heads, layers=layers, block=block, dtype=torch.float64)


MODELS: Mapping[str, Callable[[str, str, float], Example]] = {
    "SAE": autoencoder,
    "GCN": convolutional,
    "GraphSAGE": sampling,
    "GPT-3": transformer,
}


def example(model: str, data: str, size: str, share: float = 1) -> Example:
    """
    The model and the arguments of one row, at `reduced` or `published` size.

    Of an autoencoder's pixels, or a graph's nodes and entries, only a `share` is made.
    """
    return MODELS[model](data, size, share)
