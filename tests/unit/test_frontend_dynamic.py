"""Sizes that are known only at run time: one import serves them all."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType

from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.models import gcn, graphs, transformer
from headrace.storage.errors import InputError
from headrace.tests.imported import compare, draw

T: Any = torch
UNKNOWN = torch.export.Dim.DYNAMIC


def shapes(imported: ImportedModel) -> list[tuple[int | None, ...]]:
    main: Any = imported.module.body.block.first_op
    types = cast(list[TensorType], [*main.function_type.inputs, *main.function_type.outputs])
    return [
        tuple(None if size == DYNAMIC_INDEX else size for size in type.get_shape())
        for type in types
    ]


def graph_example(nodes: int, seed: int = 0) -> tuple[torch.nn.Module, tuple[torch.Tensor, ...]]:
    graph = graphs.random_graph(nodes, 2 * nodes, features=6, seed=seed)
    return gcn.on_graph(graph.adjacency, graph.features, 3, hidden=5, dtype=torch.float64)


def test_one_gcn_serves_every_number_of_nodes() -> None:
    model, args = graph_example(20)
    sizes = {"adjacency": {0: "n", 1: "n"}, "x": {0: "n"}}
    imported = import_model(model, args, dynamic_shapes=sizes)
    assert shapes(imported)[:2] == [(None, None), (None, 6)]
    assert shapes(imported)[-1] == (None, 3)
    for nodes in (20, 34, 61):
        compare(imported, model, *graph_example(nodes, seed=nodes)[1])


@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "strided"])
def test_every_layout_but_blocks_may_have_dynamic_sizes(layout: str) -> None:
    def arrange(x: torch.Tensor) -> torch.Tensor:
        return x if layout == "strided" else getattr(x, f"to_sparse_{layout}")()

    def model(a: Any, x: Any) -> Any:
        return T.softmax(a @ x, 0), (a @ x).mean(0), x.sum() / x.shape[0]

    args = arrange(torch.relu(draw(5, 4))), draw(4, 3)
    sizes = {"a": {0: "rows", 1: "columns"}, "x": {0: "columns"}}
    imported = import_model(Two(model), args, dynamic_shapes=sizes)
    assert shapes(imported) == [(None, None), (None, 3), (None, 3), (3,), ()]
    other = arrange(torch.relu(draw(7, 6))), draw(6, 3)
    compare(imported, model, *other)


class Two(torch.nn.Module):
    """A function of two tensors, as a module whose arguments have names."""

    def __init__(self, function: Any):
        super().__init__()
        self.function = function

    def forward(self, a: torch.Tensor, x: torch.Tensor) -> Any:
        return self.function(a, x)


def test_heads_of_a_dynamic_sequence_are_split_and_joined() -> None:
    model, args = transformer.decoder(length=8)
    sizes = {"x": {0: "batch", 1: "length"}, "mask": {0: "length", 1: "length"}}
    imported = import_model(model, args, dynamic_shapes=sizes)
    _, other = transformer.decoder(length=12, batch=3)
    compare(imported, model, *other)


def test_dimensions_of_torch_are_understood_for_dense_models() -> None:
    model, args = transformer.decoder(length=8, sparse=False)
    sizes = {"x": {1: UNKNOWN}, "mask": {0: UNKNOWN, 1: UNKNOWN}}
    imported = import_model(model, args, dynamic_shapes=sizes)
    compare(imported, model, *transformer.decoder(length=12, sparse=False)[1])


def test_a_size_used_as_a_number() -> None:
    def model(a: Any, x: Any) -> Any:
        return a / a.shape[0] + a.new_full((a.shape[0], 3), 2.0) * a.shape[0], x

    for size in ("n", UNKNOWN):
        imported = import_model(Two(model), (draw(4, 3), draw(2)), dynamic_shapes={"a": {0: size}})
        compare(imported, model, draw(9, 3), draw(2))


def test_a_model_that_depends_on_the_number_is_refused() -> None:
    def model(a: Any, x: Any) -> Any:
        return (a * 2 if a.shape[0] > 1500 else a), x

    with pytest.raises(InputError, match="make that size static"):
        import_model(Two(model), (draw(4, 3), draw(2)), dynamic_shapes={"a": {0: "n"}})


def test_a_constant_made_from_a_size() -> None:
    def model(a: Any, x: Any) -> Any:
        return a + torch.tensor(a.shape[0]), x

    args = draw(4, 3), draw(2)
    imported = import_model(Two(model), args, dynamic_shapes={"a": {0: UNKNOWN}})
    compare(imported, model, draw(9, 3), draw(2))
    with pytest.raises(InputError, match="from a size that is known only at run time"):
        import_model(Two(model), args, dynamic_shapes={"a": {0: "n"}})


def test_half_of_a_dynamic_size_is_refused() -> None:
    def model(a: Any, x: Any) -> Any:
        return a[: a.shape[0] // 2], x

    with pytest.raises(InputError, match="make that size static"):
        import_model(Two(model), (draw(4, 3), draw(2)), dynamic_shapes={"a": {0: "n"}})


def test_wrong_descriptions_of_dynamic_sizes() -> None:
    args = draw(4, 3).to_sparse_bsr((2, 3)), draw(3, 2)
    model = Two(T.matmul)
    with pytest.raises(InputError, match=r"names 'b', but the arguments are a, x"):
        import_model(model, args, dynamic_shapes={"b": {0: "n"}})
    with pytest.raises(InputError, match="beside sparse inputs; name the sizes instead"):
        import_model(model, args, dynamic_shapes={"x": {0: UNKNOWN}})
    with pytest.raises(InputError, match="x has no dimension 2"):
        import_model(model, args, dynamic_shapes={"x": {2: "n"}})
    with pytest.raises(InputError, match="use CSR"):
        import_model(model, args, dynamic_shapes={"a": {0: "n"}})
    many = {"a": {dimension: f"n{dimension}" for dimension in range(7)}}
    with pytest.raises(InputError, match="at most 6 names"):
        import_model(Two(T.add), (T.zeros((1,) * 7), draw(1)), dynamic_shapes=many)


def test_static_sizes_stay_checked() -> None:
    model, args = graph_example(20)
    sizes = {"adjacency": {0: "n", 1: "n"}, "x": {0: "n"}}
    imported = import_model(model, args, dynamic_shapes=sizes)
    with pytest.raises(InputError, match=r"x has shape \(20, 7\), but .* \? x 6"):
        imported.bind(args[0], np.zeros((20, 7)))
