"""
The evaluated models at three granularities: as many graphs as published, and PyTorch's values.

Source: "FuseFlow", ASPLOS 2026, section 8.1.
"""

from collections.abc import Callable
from functools import partial

import pytest
import torch

import headrace
from headrace.models import autoencoder, datasets, gcn, graphs, graphsage, transformer
from headrace.models.example import Example

GRAPH = graphs.random_graph(30, 60, features=8, classes=3)

MODELS: dict[str, tuple[Callable[..., Example], tuple[int, int, int]]] = {
    "GCN": (partial(gcn.on_graph, log=False, aggregate_first=True), (8, 2, 1)),
    "GCN, weights first": (partial(gcn.on_graph), (8, 2, 1)),
    "GCN, pruned": (partial(gcn.on_graph, density=0.4, aggregate_first=True), (8, 2, 1)),
    "GCN of 5 layers": (partial(gcn.on_graph, layers=5, aggregate_first=True), (20, 5, 1)),
    "GraphSAGE": (partial(graphsage.on_graph, density=0.4), (14, 2, 1)),
    "autoencoder": (autoencoder.sparse_autoencoder, (5, 2, 1)),
    "autoencoder of compressed images": (
        partial(autoencoder.sparse_autoencoder, density=0.1, compressed=True),
        (5, 2, 1),
    ),
    "decoder": (transformer.decoder, (24, 3, 3)),
    "decoder of two layers": (partial(transformer.decoder, 16, layers=2), (48, 6, 5)),
}
"""A factory of each model, and its graphs at every granularity."""

REGIONS = ("none", "layer", "all")


def example(factory: Callable[..., Example], dtype: torch.dtype) -> Example:
    of_a_graph = getattr(factory, "func", factory).__name__ == "on_graph"
    arguments = (GRAPH.adjacency, GRAPH.features, GRAPH.classes) if of_a_graph else ()
    return factory(*arguments, dtype=dtype)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])
def test_a_model_equals_pytorch_at_every_granularity(name: str, dtype: torch.dtype) -> None:
    factory, graphs_of = MODELS[name]
    model, args = example(factory, dtype)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-4
    for regions, count in zip(REGIONS, graphs_of, strict=True):
        pipeline = f"sam-fuse{{regions={regions}}},sam-lower"
        program = headrace.compile(model, args, pipeline=pipeline)
        assert len(program.graphs) == count
        (output,) = program.run(*args).outputs
        torch.testing.assert_close(output, model(*args), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["cora", "ogb_mag"])
def test_a_scaled_data_set_runs(name: str) -> None:
    graph = datasets.dataset(name, scale=0.02 if name == "cora" else 2e-5)
    model, args = gcn.on_graph(
        graph.adjacency, graph.features, graph.classes, density=0.4, dtype=torch.float64
    )
    program = headrace.compile(model, args, pipeline="gcn-per-layer")
    (output,) = program.run(*args).outputs
    torch.testing.assert_close(output, model(*args), rtol=0, atol=1e-9)


def test_attention_is_computed_only_where_the_mask_is() -> None:
    """Per layer, the cycles of attention follow the entries of a CSR mask."""
    cycles: list[int] = []
    for sparse in (False, True):
        model, args = transformer.decoder(length=64, width=8, sparse=sparse, dtype=torch.float64)
        program = headrace.compile(model, args, pipeline="sam-fuse{regions=layer},sam-lower")
        result = program.run(*args)
        torch.testing.assert_close(result.outputs[0], model(*args), rtol=0, atol=1e-9)
        cycles.append(result.graphs[1].result.cycles)
    density = transformer.bigbird_mask(64, 4).double().mean().item()
    dense, sampled = cycles
    assert sampled < 1.2 * density * dense


def test_a_layer_norm_and_three_projections_are_one_region_without_recomputation() -> None:
    """Weights are stored inputs x outputs, so no order of axes repeats a product."""
    model, args = transformer.decoder(length=16, width=8, heads=2, hidden=32)
    program = headrace.compile(model, args, pipeline="sam-fuse{regions=layer},sam-lower")
    first, attention, last = (run.result.cycles for run in program.run(*args).graphs)
    assert first < 2 * 16 * 8 * (8 + 1)
    assert attention < 2 * 2 * 16 * 16 * (4 + 1)
    assert last < 4 * 16 * 8 * (32 + 1)
