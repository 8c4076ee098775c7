"""The programs on which the cost model is compared with the simulation."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from headrace.models import autoencoder, gcn, graphsage, transformer
from headrace.models.example import Example
from headrace.models.graphs import random_graph

REGIONS = ("none", "layer", "all")

LANES = (
    "sam-fuse{regions=layer},sam-parallelize{region=0 axis=0 factor=4},sam-lower",
    "sam-fuse{regions=layer},sam-parallelize{region=0 axis=0 factor=4 balance=nonzeros},sam-lower",
)
DROPPED = ("sam-drop-zeros{stored=true},sam-fuse{regions=layer},sam-lower",)


@dataclass(frozen=True)
class Case:
    """A model with its arguments, and the pass specs that it is compiled with."""

    name: str
    make: Callable[[], Example]
    schedules: tuple[str, ...] = tuple(f"sam-fuse{{regions={r}}},sam-lower" for r in REGIONS)


def random_matrix(rows: int, columns: int, density: float, seed: int = 0) -> Any:
    """A CSR matrix with entries at uniformly random places."""
    draw = np.random.default_rng(seed)
    return scipy.sparse.csr_array(
        draw.standard_normal((rows, columns)) * (draw.random((rows, columns)) < density)
    )


def block_matrix(rows: int, columns: int, density: float, block: int = 8, seed: int = 0) -> Any:
    """A CSR matrix with full blocks at random places."""
    draw = np.random.default_rng(seed)
    kept = draw.random((-(-rows // block), -(-columns // block))) < density
    mask = np.kron(kept, np.ones((block, block)))[:rows, :columns]
    return scipy.sparse.csr_array(draw.standard_normal((rows, columns)) * mask)


def small_cases() -> Iterator[Case]:
    """Cases that are simulated in a second or two."""
    yield Case("GCN, karate", gcn.karate)
    yield Case("GraphSAGE, karate", graphsage.karate)
    for sparsity in (0.5, 0.7, 0.9, 0.95):
        for name, matrix in (("uniform", random_matrix), ("block", block_matrix)):
            features = matrix(64, 32, 1 - sparsity, seed=1)
            adjacency = abs(matrix(64, 64, (1 - sparsity) / 2, seed=2))
            make = partial(gcn.on_graph, adjacency + adjacency.T, features, 4, hidden=8)
            yield Case(f"GCN, {name} {sparsity:.0%}", make)
    for density in (0.5, 0.1):
        small = partial(autoencoder.sparse_autoencoder, 100, 16, 8, density)
        yield Case(f"SAE 8 x 100 x 16, density {density}", small)
    yield Case("decoder, BigBird", partial(transformer.decoder, 32, 8, 2))
    graph = random_graph(120, 300, 16, skew=0.8)
    skewed = partial(gcn.on_graph, graph.adjacency, graph.features, 4, hidden=8)
    yield Case("GCN, 120 skewed, schedules", skewed, (*LANES, *DROPPED))


def large_cases() -> Iterator[Case]:
    """Cases whose simulation takes up to a minute together."""
    graph = random_graph(500, 1250, 64)
    yield Case("GCN, 500 skewed", partial(gcn.on_graph, graph.adjacency, graph.features, 7))
    yield Case(
        "GCN, 500 skewed, sparse",
        partial(gcn.on_graph, graph.adjacency, random_matrix(500, 64, 0.1), 7, density=0.4),
    )
    yield Case("GraphSAGE, 500", partial(graphsage.on_graph, graph.adjacency, graph.features, 7))
    for density in (0.5, 0.1):
        large = partial(autoencoder.sparse_autoencoder, 1500, 32, 32, density)
        yield Case(f"SAE 32 x 1500 x 32, density {density}", large)
    yield Case("decoder, BigBird, 64", partial(transformer.decoder, 64, 16, 2, None, 1, 8))
    folder = os.environ.get("HEADRACE_REFERENCE_DATA")
    if folder and (Path(folder) / "graphs" / "cora.npz").exists():
        yield Case("GCN, Cora", partial(_cora, Path(folder) / "graphs" / "cora.npz"))


def _cora(path: Path) -> Example:
    from headrace.models.graph_files import load_graph

    graph = load_graph(path)
    return gcn.on_graph(graph.adjacency, graph.features, graph.classes, density=0.4)
