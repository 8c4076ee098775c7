"""Sparse layouts of torch become formats of the entry IR, and keep their values."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from xdsl.dialects.builtin import TensorType

from headrace.dialects.sparse_tensor import format_of
from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.storage.errors import InputError
from headrace.storage.levels import Format
from headrace.tests.imported import Lambda, check, compare, draw

T: Any = torch


def sparse(rows: int, columns: int, density: float = 0.4, seed: int = 0) -> torch.Tensor:
    keep = torch.from_numpy(np.random.default_rng(seed).random((rows, columns)) < density)
    keep[1] = False
    return draw(rows, columns, seed=seed) * keep


def coo(x: torch.Tensor) -> torch.Tensor:
    return x.to_sparse_coo()


def csr(x: torch.Tensor) -> torch.Tensor:
    return x.to_sparse_csr()


def csc(x: torch.Tensor) -> torch.Tensor:
    return x.to_sparse_csc()


def bsr(x: torch.Tensor) -> torch.Tensor:
    return x.to_sparse_bsr((2, 3))


def bsc(x: torch.Tensor) -> torch.Tensor:
    return x.to_sparse_bsc((2, 3))


def dense(x: torch.Tensor) -> torch.Tensor:
    return x


LAYOUTS: dict[Callable[[torch.Tensor], torch.Tensor], Format] = {
    dense: Format.parse("dense", 2),
    coo: Format.parse("coo", 2),
    csr: Format.parse("csr", 2),
    csc: Format.parse("csc", 2),
    bsr: Format(Format.parse("csr", 2).levels, (0, 1), (2, 3)),
    bsc: Format(Format.parse("csc", 2).levels, (1, 0), (2, 3)),
}


def product(a: Any, x: Any) -> Any:
    return a @ x


def product_of_values(a: Any, x: Any) -> Any:
    """For layouts whose product torch can trace but not compute."""
    return a.to_dense() @ x


A, X = sparse(6, 6), draw(6, 4)


def argument_formats(imported: ImportedModel) -> list[Format]:
    main: Any = imported.module.body.block.first_op
    return [format_of(type) for type in main.function_type.inputs]


def result_formats(imported: ImportedModel) -> list[Format]:
    main: Any = imported.module.body.block.first_op
    return [format_of(type) for type in main.function_type.outputs]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_layout_becomes_the_format_of_the_argument(layout: Any) -> None:
    imported = import_model(Lambda(product), (layout(A), X))
    assert argument_formats(imported) == [LAYOUTS[layout], Format.dense(2)]
    compare(imported, product_of_values, layout(A), X)


@pytest.mark.parametrize("layout", [coo, csr, csc, bsr], ids=lambda layout: layout.__name__)
def test_an_import_serves_tensors_with_other_nonzeros(layout: Any) -> None:
    imported = import_model(Lambda(product), (layout(A), X))
    other = layout(sparse(6, 6, density=0.9, seed=7))
    compare(imported, product_of_values, other, X)


def test_products_and_sums_of_sparse_tensors_keep_their_layout() -> None:
    def model(a: Any, b: Any) -> Any:
        return a @ b, a * b, a + b, T.relu(a), -a, a * 2

    args = csr(A), csr(sparse(6, 6, seed=3))
    imported = import_model(Lambda(model), args)
    assert result_formats(imported) == [Format.parse("csr", 2)] * 6
    compare(imported, model, *args)


def sums_with_dense(a: Any, x: Any) -> Any:
    return a * x, x * a, a.to_dense() + x, a.sum()


def products_of_transposes(a: Any, x: Any) -> Any:
    return a.t() @ x, a.transpose(0, 1) @ x, x.t() @ a


def sparse_mm(a: Any, x: Any) -> Any:
    return T.sparse.mm(a, x), T.addmm(x, a, x)


@pytest.mark.parametrize("layout", [coo, csr], ids=lambda layout: layout.__name__)
def test_operations_with_dense_tensors(layout: Any) -> None:
    check(sums_with_dense, layout(A), draw(6, 6))
    check(products_of_transposes, layout(A), X)
    check(sparse_mm, layout(A), X)


def test_models_that_change_results_in_place_take_sparse_inputs() -> None:
    def model(a: Any, x: Any) -> Any:
        return (a @ x).add_(1).relu_()

    check(model, csr(A), X)


@pytest.mark.parametrize("factors", [(1.0, 1.0), (2.0, 0.0), (0.5, 3.0)])
def test_sampled_product_computes_the_nonzeros_of_its_pattern(
    factors: tuple[float, float],
) -> None:
    alpha, beta = factors

    def model(a: Any, x: Any, y: Any) -> Any:
        return T.sparse.sampled_addmm(a, x, y, alpha=alpha, beta=beta)

    args = csr(A), X, X.T.exp()
    imported = import_model(Lambda(model), args)
    assert result_formats(imported) == [Format.parse("csr", 2)]
    compare(imported, model, *args)


class Pruned(torch.nn.Module):
    """A layer with a sparse weight."""

    weight: torch.Tensor

    def __init__(self, weight: torch.Tensor):
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight @ x


def square_bsr(x: torch.Tensor) -> torch.Tensor:
    return x.to_sparse_bsr((2, 2))


@pytest.mark.parametrize("layout", [coo, csr, csc, square_bsr], ids=lambda layout: layout.__name__)
def test_a_sparse_buffer_is_a_constant_in_its_format(layout: Any) -> None:
    model = Pruned(layout(A))
    imported = import_model(model, (X,))
    assert imported.inputs == ("x",)
    expected = LAYOUTS.get(layout, Format(Format.parse("csr", 2).levels, (0, 1), (2, 2)))
    assert imported.constants["weight"].format == expected
    assert argument_formats(imported) == [Format.dense(2), expected]
    compare(imported, model, X)


def test_annotations_override_the_formats_of_inputs_and_buffers() -> None:
    model = Pruned(A)
    formats = {"x": "ss10", "weight": Format.parse("dcsr", 2)}
    imported = import_model(model, (X,), formats=formats)
    assert argument_formats(imported) == [Format.parse("ss10", 2), Format.parse("dcsr", 2)]
    compare(imported, model, X)


def test_an_input_and_a_parameter_of_one_name_stay_apart() -> None:
    class Scale(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(draw(3))

        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return weight * self.weight

    imported = import_model(Scale(), (draw(3),))
    main: Any = imported.module.body.block.first_op
    names = [entry.data["headrace.name"].data for entry in main.arg_attrs]
    assert names == ["weight", "weight_2"]
    assert list(imported.constants) == ["weight_2"]


def test_stored_zeros_stay_stored() -> None:
    pointers, columns = torch.tensor([0, 2, 3]), torch.tensor([0, 1, 1])
    a = T.sparse_csr_tensor(pointers, columns, torch.tensor([1.0, 0.0, 2.0]), (2, 2))
    imported = import_model(Lambda(product), (a, torch.ones(2, 2)))
    assert imported.bind(a, torch.ones(2, 2))[0].stored == 3


def test_a_batch_of_csr_matrices() -> None:
    batch = torch.stack([A, A.flip(0) * 2])
    values: Any = batch.to_sparse_csr()
    imported = import_model(Lambda(T.neg), (values,))
    assert str(argument_formats(imported)[0]) == "dds"
    np.testing.assert_array_equal(imported.bind(values)[0].to_dense(), batch.numpy())


def test_annotations_of_unknown_tensors_and_other_ranks_are_refused() -> None:
    with pytest.raises(InputError, match="formats names 'w', but the tensors are x, weight"):
        import_model(Pruned(A), (X,), formats={"w": "csr"})
    with pytest.raises(InputError, match="rank 2"):
        import_model(Pruned(A), (X,), formats={"x": "sss"})
    with pytest.raises(InputError, match="rank 1, but its rank is 2"):
        import_model(Pruned(A), (X,), formats={"x": Format.dense(1)})


def test_weights_are_not_part_of_the_text() -> None:
    imported = import_model(torch.nn.Linear(500, 500), (torch.ones(1, 500),))
    assert len(str(imported.module)) < 4000


def element_types(imported: ImportedModel) -> list[str]:
    main: Any = imported.module.body.block.first_op
    types = cast(list[TensorType], [*main.function_type.inputs, *main.function_type.outputs])
    return [str(type.element_type) for type in types]


def test_element_types_are_those_of_torch() -> None:
    def mask(m: Any, x: Any) -> Any:
        return x.masked_fill(m, 0)

    imported = import_model(Lambda(mask), (A > 0, A.float()))
    assert element_types(imported) == ["i1", "f32", "f32"]
    imported = import_model(Lambda(product), (csr(A), X))
    assert element_types(imported) == ["f64", "f64", "f64"]
