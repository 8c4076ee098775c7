"""The models have the sparsity that they are asked for, and the shapes that were published."""

from typing import Any

import pytest
import torch

from headrace.models import autoencoder, gcn, graphs, graphsage, transformer
from headrace.models.linear import Linear
from headrace.tests.fusion import recorded_inputs

GRAPH = graphs.random_graph(20, 30, features=8, classes=3)


def test_pruned_weights_are_drawn_by_seed() -> None:
    def weights(seed: int) -> Any:
        model: Any = autoencoder.sparse_autoencoder(200, 50, density=0.3, seed=seed)[0]
        return model.encoder.weight

    one, two, other = (weights(seed).to_dense() for seed in (1, 1, 2))
    assert weights(1).layout == torch.sparse_csr
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert (one != 0).double().mean().item() == pytest.approx(0.3, abs=0.02)


def test_a_linear_layer_is_dense_or_pruned() -> None:
    x = torch.rand(4, 6)
    for density in (1.0, 0.5):
        layer: Any = Linear(6, 3, density)
        expected = x @ layer.weight.to_dense() + layer.bias
        torch.testing.assert_close(layer(x), expected)
        torch.testing.assert_close(layer(x.to_sparse_csr()), expected)
    assert sorted(dict(Linear(2, 2).named_parameters())) == ["bias", "weight"]


@pytest.mark.parametrize("layers", [2, 5])
@pytest.mark.parametrize("aggregate_first", [False, True])
def test_a_gcn_is_its_formula(layers: int, aggregate_first: bool) -> None:
    model, (adjacency, x) = gcn.on_graph(
        GRAPH.adjacency,
        GRAPH.features,
        3,
        layers=layers,
        density=0.5,
        aggregate_first=aggregate_first,
        log=False,
        dtype=torch.float64,
    )
    dense, hidden = adjacency.to_dense(), x
    convolutions: list[Any] = list(model.children())
    assert len(convolutions) == layers
    for number, layer in enumerate(convolutions):
        hidden = torch.relu(hidden) if number else hidden
        hidden = dense @ hidden @ layer.weight.to_dense() + layer.bias
    torch.testing.assert_close(model(adjacency, x), torch.softmax(hidden, 1))


def test_graphsage_is_its_formula() -> None:
    model: Any
    model, (adjacency, x) = graphsage.on_graph(
        GRAPH.adjacency, GRAPH.features, 3, density=0.4, dtype=torch.float64
    )
    for layer in (model.layer1, model.layer2):
        own = x @ layer.own.weight.to_dense() + layer.own.bias
        neighbour = (adjacency @ x) @ layer.neighbour.weight.to_dense() + layer.neighbour.bias
        x = torch.relu(own + neighbour)
    torch.testing.assert_close(model(adjacency, torch.as_tensor(GRAPH.features)), x)


def test_normalised_graphsage_has_hidden_features_of_length_one() -> None:
    model: Any
    model, args = graphsage.on_graph(GRAPH.adjacency, GRAPH.features, 3, normalize=True)
    lengths = model.layer1(*args).norm(dim=1)
    assert torch.all((lengths < 1e-6) | ((lengths - 1).abs() < 1e-6))


def test_the_autoencoder_takes_compressed_images() -> None:
    dense, (x,) = autoencoder.sparse_autoencoder()
    compressed, (y,) = autoencoder.sparse_autoencoder(compressed=True)
    assert y.layout == torch.sparse_csr
    torch.testing.assert_close(compressed(y), dense(x))


def test_the_published_sizes() -> None:
    assert autoencoder.SHAPES["imagenet"] == (50176, 256)
    assert autoencoder.SHAPES["nih_cxr"] == (1048576, 512)
    assert autoencoder.SHAPES["luna16"] == (262144, 512)
    _, (x,) = autoencoder.on_data_set("scaled", density=0.1)
    assert x.shape == (32, 1500)


@pytest.mark.parametrize(("block", "sparsity"), [(16, 86.5), (32, 73.9), (64, 51.6)])
def test_bigbird_masks_have_the_published_sparsity(block: int, sparsity: float) -> None:
    mask = transformer.bigbird_mask(1024, block)
    assert mask.shape == (1024, 1024)
    assert round(100 * (1 - mask.double().mean().item()), 1) == sparsity


def test_bigbird_masks_are_those_of_the_recipe() -> None:
    inputs = recorded_inputs()
    for block in (16, 32, 64):
        expected = inputs.bigbird_blocks(1024, block)
        assert (transformer.bigbird_blocks(1024 // block).numpy() == expected).all()


def test_a_mask_that_blocks_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks of 16 do not divide a sequence of 40"):
        transformer.bigbird_mask(40, 16)


def test_a_decoder_sees_what_its_mask_lets_through() -> None:
    """A change of position j changes only positions that see j."""
    model, (x, mask) = transformer.decoder(dtype=torch.float64)
    changed = x.clone()
    changed[0, 20, 0] += 1
    differs = ((model(x, mask) - model(changed, mask)).abs() > 1e-9).any(-1)[0]
    assert torch.equal(differs, mask.to_dense()[:, 20] | (torch.arange(32) == 20))


def test_gpt3_small_has_its_widths() -> None:
    model, (x, mask) = transformer.gpt3_small(layers=1, length=64)
    weights = sum(p.numel() for p in model.parameters())
    assert weights == 4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    assert (x.shape, mask.shape) == ((1, 64, 768), (64, 64))
