"""The models of `headrace.models` equal PyTorch; operations know where they come from."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation
from xdsl.parser import Parser

from headrace.cli.driver import make_context
from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.models import gcn, graphs, graphsage, mlp, transformer
from headrace.models.example import Example
from headrace.tests.imported import compare

FACTORIES: list[Callable[[], Example]] = [
    gcn.karate,
    graphsage.karate,
    mlp.mlp,
    mlp.sparse_autoencoder,
    transformer.block,
]


def double(example: Example) -> Example:
    model, args = example
    return model.double(), tuple(x.double() if x.is_floating_point() else x for x in args)


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda f: f"{f.__module__.split('.')[-1]}")
def test_model_equals_pytorch(factory: Callable[[], Example]) -> None:
    model, args = double(factory())
    compare(import_model(model, args), model, *args)


def test_gcn_in_float32_with_sparse_features_and_either_association() -> None:
    graph = graphs.random_graph(20, 30, features=6)
    features = torch.relu(torch.from_numpy(graph.features)).numpy()
    for first in (False, True):
        sparse = graphs.as_matrix(features)
        model, args = gcn.on_graph(graph.adjacency, sparse, 3, aggregate_first=first, log=first)
        compare(import_model(model, args), model, *args)


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda f: f"{f.__module__.split('.')[-1]}")
def test_text_of_the_entry_ir_parses_back(factory: Callable[[], Example]) -> None:
    text = str(import_model(*factory()).module)
    module = Parser(make_context(), text).parse_module()
    module.verify()
    assert str(module) == text


def operations(imported: ImportedModel) -> list[Operation]:
    main: Any = imported.module.body.block.first_op
    return [op for op in main.body.block.ops if op.name == "linalg.generic"]


def attribute(op: Operation, name: str) -> str | None:
    value = op.attributes.get(f"headrace.{name}")
    return value.data if isinstance(value, StringAttr) else None


def test_operations_know_their_module_and_source_line() -> None:
    imported = import_model(*gcn.karate())
    ops = operations(imported)
    modules = [attribute(op, "module") for op in ops]
    assert [key for key, _ in itertools.groupby(modules)] == ["conv1", "", "conv2", ""]
    assert all((attribute(op, "source") or "").startswith("gcn.py:") for op in ops)


def test_operations_of_one_composed_operator_share_a_name() -> None:
    imported = import_model(*transformer.block())
    names = [attribute(op, "composite") for op in operations(imported)]
    found = dict.fromkeys(name for name in names if name)
    assert list(found) == ["layer_norm_1", "softmax_1", "layer_norm_2", "gelu_1"]


def test_a_two_layer_gcn_has_one_operation_for_each_primitive() -> None:
    imported = import_model(*gcn.karate())
    per_layer = ["x weight", "adjacency (x weight)", "+ bias"]
    log_softmax = ["max", "subtract", "exp", "sum", "log", "subtract"]
    assert len(operations(imported)) == 2 * len(per_layer) + len(["relu"]) + len(log_softmax)


def test_transposes_and_heads_cost_no_operation() -> None:
    """Heads are split by reshapes; every transpose is an indexing map of its reader."""
    imported = import_model(*transformer.block())
    copies: list[Operation] = []
    for op in operations(imported):
        body: Any = op.regions[0].block
        if body.first_op.name == "linalg.yield":
            copies.append(op)
    assert len(copies) == 1, "only the mixed heads are copied, before they are joined"


def test_random_graphs_are_symmetric_and_reproducible() -> None:
    one, two = (graphs.random_graph(30, 50, seed=4) for _ in range(2))
    dense: Any = one.adjacency.toarray()
    assert dense.sum() == 100
    assert (dense == dense.T).all()
    assert (dense.diagonal() == 0).all()
    assert (dense == two.adjacency.toarray()).all()
    with pytest.raises(ValueError, match="no room for 11 edges"):
        graphs.random_graph(5, 11)


def test_normalized_adjacency_has_eigenvalue_one() -> None:
    """`D^1/2 1` is an eigenvector of `D^-1/2 (A + I) D^-1/2` with eigenvalue 1."""
    graph = graphs.karate_club()
    assert graph.adjacency.nnz == 2 * 78
    adjacency: Any = graph.adjacency
    dense: Any = adjacency.toarray()
    root: Any = (dense.sum(1) + 1) ** 0.5
    normalized: Any = graphs.normalized(adjacency)
    assert abs(normalized @ root - root).max() < 1e-12


def test_averaging_leaves_isolated_nodes_empty() -> None:
    adjacency = graphs.as_matrix([[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    averaged: Any = graphs.averaging(adjacency)
    assert averaged.toarray().sum(1).tolist() == [1, 1, 1, 0]


def test_bigbird_mask_has_the_published_sparsity() -> None:
    """Sequence 1024, blocks of 64: 51.6 % of the positions are masked."""
    mask = transformer.bigbird_mask(16, 64)
    assert mask.shape == (1024, 1024)
    assert 0.50 < 1 - mask.double().mean().item() < 0.56
