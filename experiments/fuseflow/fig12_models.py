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

Example = tuple[Any, tuple[Any, ...]]
"""A model and its arguments."""


def autoencoder(data: str, reduced: bool) -> Example:
    """Half of the weights are pruned; the input is stored compressed, though all of it is there."""
    import torch

    from headrace.models.autoencoder import sparse_autoencoder

    pixels, hidden = SAE_SHAPES[data]
    if reduced:
        pixels, hidden = pixels // SAE_SCALE[0], hidden // SAE_SCALE[1]
    return sparse_autoencoder(pixels, hidden, BATCH, 0.5, compressed=True, dtype=torch.float64)


def convolutional(data: str) -> Example:
    """
    Two graph convolutions and a softmax, without self loops, as in the published kernels.

    The adjacency is scaled by the degrees so that the softmax sees scores of the order of 1.
    """
    import scipy.sparse
    import torch

    from headrace.models.datasets import DATASETS, dataset
    from headrace.models.example import seeded
    from headrace.models.gcn import GCN
    from headrace.models.graphs import as_torch

    statistics, graph = DATASETS[GRAPHS[data]], dataset(GRAPHS[data])
    sparse: Any = scipy.sparse
    adjacency: Any = graph.adjacency
    degrees = np.asarray(adjacency.sum(axis=1))
    scale = sparse.diags_array(1 / np.sqrt(np.maximum(degrees, 1)))
    widths = (statistics.features, statistics.hidden, statistics.classes)
    with seeded(0):
        model = GCN(widths, aggregate_first=True, log=False, density=DENSITY).double().eval()
    arguments = (
        as_torch(scale @ adjacency @ scale, torch.float64),
        as_torch(graph.features, torch.float64),
    )
    return model, arguments


def sampling(data: str) -> Example:
    """Two layers of GraphSAGE, whose adjacency averages over the neighbours."""
    import torch

    from headrace.models.datasets import DATASETS, dataset
    from headrace.models.graphsage import on_graph

    statistics, graph = DATASETS[GRAPHS[data]], dataset(GRAPHS[data])
    return on_graph(
        graph.adjacency,
        graph.features,
        statistics.classes,
        hidden=statistics.hidden,
        density=DENSITY,
        dtype=torch.float64,
    )


GRAPH_MODELS: Mapping[str, Callable[[str], Example]] = {
    "GCN": convolutional,
    "GraphSAGE": sampling,
}


def example(model: str, data: str, reduced: bool) -> Example:
    """The model and the arguments of one row."""
    return autoencoder(data, reduced) if model == "SAE" else GRAPH_MODELS[model](data)
