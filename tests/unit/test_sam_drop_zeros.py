"""Zeros that functions make are dropped: fewer cycles, equal values, refusals."""

from typing import Any

import numpy as np
import pytest
import torch
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

import headrace
from headrace.backends.sam import build
from headrace.dialects import sam
from headrace.frontends.einsum import import_einsum
from headrace.frontends.torch_export import import_model
from headrace.passes.sam.sam_drop_zeros import SamDropZerosPass, makes_zeros
from headrace.passes.sam.sam_fuse import is_fusible
from headrace.storage.levels import Format, Level
from headrace.tests.fusion import Array, all_orders, lowered, run


def sparse(seed: int, *shape: int) -> Array:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) * (rng.random(shape) < 0.6)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


X, W, B = sparse(1, 9, 7), sparse(2, 7, 8), sparse(3, 8)
X[2] = -np.abs(X[2])  # A row that relu empties.
X[4] = 0


def dropping(module: ModuleOp, *which: int, stored: bool = False) -> ModuleOp:
    module = module.clone()
    SamDropZerosPass(which, stored).apply(Context(), module)
    module.verify()
    return module


def drops(module: ModuleOp) -> int:
    return sum(isinstance(op, sam.ValueDropOp) for op in module.walk())


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("text", "formats", "expected"),
    [
        ("Y(i,j) = relu(X(i,k)) * W(k,j)", {"X": "ss"}, relu(X) @ W),
        ("Y(i,j) = relu(X(i,k)) * W(k,j)", {"X": "dd", "W": "ss"}, relu(X) @ W),
        ("Y(i,j) = relu(X(i,k) * W(k,j)) * V(j,l)", {}, relu(X @ W) @ W.T),
        ("Y(i,j) = relu(X(i,k) * W(k,j) + b(j)) * V(j,l)", {"X": "ss"}, relu(X @ W + B) @ W.T),
        ("Y(i,j) = relu(X(i,j)) + X(i,j)", {"X": "ss"}, relu(X) + X),
        ("Y(i,j) = exp(relu(X(i,j)))", {"X": "ss"}, np.exp(relu(X))),
        ("y(i) = amax(j, relu(X(i,j)) - 1)", {"X": "ss"}, (relu(X) - 1).max(1)),
        ("y(j) = sum(i, relu(X(i,j)))", {"X": "ss"}, relu(X).sum(0)),
        ("Y(i,j) = relu(X(i,k) + 1) * W(k,j)", {"X": "ss"}, relu(X + 1) @ W),
        ("Y(i,j) = X(i,j) / relu(X(i,j) * X(i,j))", {"X": "dd"}, None),
        ("Y(i,j) = softmax(relu(X(i,j)), j)", {"X": "ss"}, None),
    ],
)
def test_values_stay_in_every_order(
    text: str, formats: dict[str, str], expected: Array | None, stored: bool
):
    text = text.replace("Y(i,j) =", "Y(i,l) =") if "V(" in text else text
    module = import_einsum(text, formats)
    values = {"X": X, "W": W, "b": B, "V": W.T}
    inputs = {name: value for name, value in values.items() if f"{name}(" in text}
    result, _ = run(lowered(module), inputs)
    expected = result if expected is None else expected
    changed = dropping(module, stored=stored)
    variants = [lowered(changed, order=order, copies="any") for order in all_orders(changed, 6)]
    for variant in (*variants, lowered(changed), lowered(changed, regions="none")):
        result, _ = run(variant, inputs)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-9)


def test_a_product_has_less_work_behind_a_relu():
    module = import_einsum("Y(i,j) = relu(X(i,k)) * W(k,j)", {"X": "dd", "W": "ss"})
    inputs = {"X": np.random.default_rng(0).standard_normal((30, 20)), "W": sparse(1, 20, 40)}
    _, before = run(lowered(module), inputs)
    _, after = run(lowered(dropping(module)), inputs)
    assert after < 0.6 * before


def test_zeros_are_dropped_between_regions_where_they_are_stored():
    module = import_einsum("Y(i,l) = relu(X(i,k) * W(k,j)) * V(j,l)", {"X": "ss"})
    inputs = {"X": X, "W": W, "V": W.T}
    plain, stored = (
        lowered(dropping(module, stored=stored), regions="none") for stored in (False, True)
    )
    assert (drops(plain), drops(stored)) == (0, 1)
    assert run(stored, inputs)[1] < run(plain, inputs)[1]


def test_a_sparse_result_stores_no_zeros_if_they_are_dropped():
    module = import_einsum("Y(i,j) = relu(X(i,j))", {"X": "ss"})
    entries = [
        build(lowered(variant)).run(X).storages[0].stored for variant in (module, dropping(module))
    ]
    assert entries == [np.count_nonzero(X), np.count_nonzero(relu(X))]


def test_a_dense_result_keeps_its_zeros():
    assert drops(lowered(dropping(import_einsum("Y(i,j) = relu(X(i,j))")))) == 0


def test_a_mask_that_chooses_minus_infinity_is_refused():
    module = import_einsum("y(i) = sum(j, softmax(X(i,j) * M(i,j), j))", {"M": "ss"})
    masks = [number for number, op in enumerate(fusible(module)) if "select" in str(op)]
    with pytest.raises(PassFailedException) as error:
        lowered(dropping(module, masks[0]))
    assert "(einsum:" in str(error.value)
    assert "its zeros cannot be dropped: where nothing is stored it is -inf" in str(error.value)


def fusible(module: ModuleOp) -> list[Any]:
    return [op for op in module.walk() if is_fusible(op)]


def test_what_is_read_as_it_is_keeps_its_zeros_in_storage():
    module = import_einsum("Y(i,j) = relu(X(i,j))")
    assert "compressed" not in str(dropping(module, stored=True))
    with pytest.raises(PassFailedException) as error:
        dropping(module, 0, stored=True)
    assert "because 'func.return' reads it as it is; use stored=false" in str(error.value)


def test_a_number_that_names_no_operation_is_refused():
    with pytest.raises(PassFailedException, match="which=1 names no operation; there are 1"):
        dropping(import_einsum("Y(i,j) = relu(X(i,j))"), 1)


class Functions(torch.nn.Module):
    def forward(self, x: torch.Tensor, w: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        functional = torch.nn.functional
        total = torch.relu(x) @ w
        for made in (
            torch.where(mask, x, 0.0),
            x.masked_fill(mask, 0.0),
            x * mask,
            functional.threshold(x, 0.5, 0.0),
            functional.relu6(x),
            torch.clamp(x, max=0.0),
        ):
            total = total + made @ w
        return total


def test_relus_masks_and_thresholds_make_zeros_and_products_do_not():
    x = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    args = (x, torch.ones(5, 3, dtype=torch.float64), x > 0.2)
    module = import_model(Functions(), args).module
    assert sum(makes_zeros(op) for op in fusible(module)) == 7
    program = headrace.compile(
        Functions(), args, pipeline="sam-drop-zeros{stored=true},sam-fuse{regions=none},sam-lower"
    )
    np.testing.assert_allclose(program.run(*args).outputs[0], Functions()(*args), atol=1e-9)


def test_tiles_keep_their_zeros():
    blocks = Format((Level.DENSE, Level.COMPRESSED), (0, 1), (2, 2))
    module = import_einsum("Y(i,j) = relu(A(i,k)) * X(k,j)", {"A": (blocks, (8, 6))})
    inputs = {"A": sparse(0, 8, 6), "X": sparse(1, 6, 3)}
    changed = lowered(dropping(module))
    assert drops(changed) == 0
    result, _ = run(changed, inputs)
    np.testing.assert_allclose(result, relu(inputs["A"]) @ inputs["X"], atol=1e-9)
