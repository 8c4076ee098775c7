"""The models of `headrace.models` equal PyTorch; operations know where they come from."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation
from xdsl.parser import Parser

from headrace.cli.driver import make_context
from headrace.dialects.sparse_tensor import format_of
from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.models import autoencoder, gcn, graphs, graphsage, mlp, transformer
from headrace.models.example import Example
from headrace.storage.levels import Format
from headrace.tests.imported import compare

FACTORIES: list[Callable[[], Example]] = [
    gcn.karate,
    graphsage.karate,
    mlp.mlp,
    autoencoder.sparse_autoencoder,
    transformer.decoder,
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
    features = np.maximum(graph.features, 0)
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
    imported = import_model(*transformer.decoder())
    names = [attribute(op, "composite") for op in operations(imported)]
    found = dict.fromkeys(name for name in names if name)
    assert list(found) == ["layer_norm_1", "softmax_1", "layer_norm_2"]


def test_a_two_layer_gcn_has_one_operation_for_each_primitive() -> None:
    imported = import_model(*gcn.karate())
    per_layer = ["x weight", "adjacency (x weight)", "+ bias"]
    log_softmax = ["max", "subtract", "exp", "sum", "log", "subtract"]
    assert len(operations(imported)) == 2 * len(per_layer) + len(["relu"]) + len(log_softmax)


def test_pruned_weights_are_compressed_in_the_order_inputs_outputs() -> None:
    graph = graphs.karate_club()
    model, args = gcn.on_graph(graph.adjacency, graph.features, 2, density=0.4)
    constants = import_model(model, args).constants
    weight = constants["conv1.weight"]
    assert (weight.shape, weight.format) == ((16, 16), Format.parse("csr", 2))
    assert weight.stored < 0.6 * 16 * 16
    stored = import_model(model, args, formats={"conv1.weight": "dcsr"}).constants
    assert stored["conv1.weight"].format == Format.compressed(2)


def test_heads_are_stored_one_after_the_other() -> None:
    """Query, key and value: heads outside positions, though the model computes them inside."""
    main: Any = import_model(*transformer.decoder()).module.body.block.first_op
    converted = [op for op in main.body.block.ops if op.name == "sparse_tensor.convert"]
    orders = [format_of(op.results[0].type).order for op in converted]
    assert orders == [(1, 0, 2)] * 3


def test_transposes_and_heads_cost_no_operation() -> None:
    """Heads are split by reshapes; every transpose is an indexing map of its reader."""
    imported = import_model(*transformer.decoder())
    copies: list[Operation] = []
    for op in operations(imported):
        body: Any = op.regions[0].block
        if body.first_op.name == "linalg.yield":
            copies.append(op)
    assert len(copies) == 1, "only the mixed heads are copied, before they are joined"
