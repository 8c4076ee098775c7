"""A model that cannot be imported is refused in one line that says what, where, and the remedy."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.storage.errors import InputError
from headrace.tests.imported import Lambda, check, compare, draw

T: Any = torch
X = draw(3, 4)


def model(function: Callable[[Any], Any]) -> torch.nn.Module:
    """A function of one tensor as a module."""
    return Lambda(function)


def refusal(module: torch.nn.Module, *args: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        import_model(module, args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def line_of(function: Any) -> int:
    """The number of the last line of a function."""
    lines, first = inspect.getsourcelines(function)
    return first + len(lines) - 1


class RunningSum(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(x, 0)


class Branch(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def test_unknown_operator_names_node_operator_line_and_neighbours() -> None:
    message = refusal(RunningSum(), X)
    line = line_of(RunningSum.forward)
    assert f"node cumsum at test_frontend_errors.py:{line} `return torch.cumsum(x, 0)`" in message
    assert "aten.cumsum.default is not supported" in message
    assert "supported nearby: aten.sum.default" in message


class SparseRunningSum(torch.nn.Module):
    def forward(self, a: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(torch.relu(a).to_dense(), 0)


def test_unknown_operator_beside_sparse_operators_that_torch_cannot_decompose() -> None:
    message = refusal(SparseRunningSum(), X.to_sparse_csr())
    assert "node cumsum" in message
    assert "aten.cumsum.default is not supported" in message


def test_unknown_overload_names_the_known_ones() -> None:
    message = refusal(model(lambda x: T.div(x, 2, rounding_mode="floor")), X)
    assert "aten.div.Tensor_mode is not supported" in message or "div.Scalar_mode" in message
    assert "aten.div.Tensor, aten.div.Scalar" in message


def test_the_indices_of_a_maximum() -> None:
    message = refusal(model(lambda x: x.max(dim=1).indices), X)
    assert "result 1 of aten.max.dim is not supported" in message


def test_a_norm_of_another_order() -> None:
    message = refusal(model(lambda x: T.linalg.vector_norm(x, 3)), X)
    assert "the norm of order 3 is not supported; use 1, 2 or infinity" in message


def test_variance_of_one_element() -> None:
    assert "the variance of 1 elements is not defined" in refusal(
        model(lambda x: x[0].var()), X[:, :1]
    )


def test_bits_of_integers() -> None:
    integers = torch.arange(4)
    assert "use booleans" in refusal(Lambda(T.bitwise_not), integers)
    assert "'and' of operands of type i64 is not supported" in refusal(
        Lambda(T.bitwise_and), integers, integers
    )


def test_torch_prints_no_graph_of_what_it_cannot_trace(capsys: pytest.CaptureFixture[str]) -> None:
    class Chatty(Branch):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            print("what the model says", file=sys.stderr)
            return super().forward(x)

    refusal(Chatty(), X)
    assert set(capsys.readouterr().err.splitlines()) == {"what the model says"}


def test_control_flow_that_depends_on_values() -> None:
    message = refusal(Branch(), X)
    assert "data-dependent" in message
    assert f"test_frontend_errors.py:{line_of(Branch.forward)}" in message
    assert "use torch.where or a mask" in message


class Inverse(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * float(np.linalg.inv(np.zeros((2, 2)))[0, 0])


class OfInstalledPackage(torch.nn.Sequential):
    """Runs the forward of a class of torch."""


@pytest.mark.parametrize("module", [Inverse(), OfInstalledPackage(Inverse())])
def test_an_error_inside_a_package_is_placed_at_the_line_of_the_model(
    module: torch.nn.Module,
) -> None:
    place = f"test_frontend_errors.py:{line_of(Inverse.forward)}"
    assert f"Singular matrix (at {place})" in refusal(module, X)


def test_sizes_that_depend_on_values() -> None:
    assert "by a mask, is not supported" in refusal(model(lambda x: x[x > 0]), X)


def test_arguments_of_wrong_shape_and_number() -> None:
    assert "must have same reduction dim" in refusal(Lambda(T.matmul), X, X)
    assert "check the arguments" in refusal(Lambda(T.matmul), X, X)
    linear = torch.nn.Linear(4, 2)
    assert "cannot be called with these arguments: missing" in refusal(linear)
    assert "cannot be called with these arguments: too many" in refusal(linear, X, X)


def test_things_that_are_neither_models_nor_tensors() -> None:
    function: Any = T.relu
    assert "wrap it into a torch.nn.Module" in refusal(function, X)
    assert "Unsupported input type <class 'numpy.ndarray'>" in refusal(Lambda(T.neg), X.numpy())


def test_dropout_in_training_mode() -> None:
    message = refusal(torch.nn.Dropout(0.5).train(), X)
    assert "dropout" in message
    assert "call model.eval()" in message


def attend(q: Any, k: Any, v: Any) -> Any:
    return T.nn.functional.scaled_dot_product_attention(q, k, v)


def test_dropout_in_attention() -> None:
    dropout = model(lambda q: T.nn.functional.scaled_dot_product_attention(q, q, q, dropout_p=0.1))
    assert "dropout inside attention is random" in refusal(dropout, X[None])


def test_random_numbers_are_not_frozen_into_the_program() -> None:
    message = refusal(model(lambda x: x + T.rand(4)), X)
    assert "random" in message
    assert "pass what it draws as an argument" in message


def test_buffers_that_change() -> None:
    message = refusal(torch.nn.BatchNorm1d(4).double().train(), X)
    assert "the model changes running_mean while it runs" in message
    assert "call model.eval()" in message


def test_inputs_that_change() -> None:
    assert "the model changes args_0 while it runs" in refusal(model(lambda x: x.add_(1)), X)


def test_results_that_are_not_tensors() -> None:
    assert "result 1 of the model is 3" in refusal(model(lambda x: (x, 3)), X)
    assert "result 0 of the model is None" in refusal(model(lambda x: (None, x)), X)


def test_element_types_without_counterpart() -> None:
    message = refusal(Lambda(T.neg), X.to(torch.complex64))
    assert "args_0 has elements of type torch.complex64; supported are bool, int8" in message


def test_the_same_tensor_given_twice_stays_two_arguments() -> None:
    """torch.export would collapse them to one."""
    imported = import_model(Lambda(T.sub), (X, X))
    assert len(imported.inputs) == 2
    compare(imported, T.sub, X, X.exp())
    check(attend, *[X[None]] * 3)


class Tied(torch.nn.Module):
    """Two names for one parameter, and a buffer that is not saved."""

    shift: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(X[0].clone())
        self.other = self.weight
        self.register_buffer("shift", X[1].clone(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight + self.other * self.shift


def test_a_parameter_given_as_an_argument_stays_a_parameter() -> None:
    model = Tied()
    for example in (model.weight, model.shift):
        imported = import_model(model, (example,))
        assert imported.inputs == ("x",)
        assert "shift" in imported.constants
        compare(imported, model, X[2])


class Options(torch.nn.Module):
    """Arguments that are nested, optional, and not tensors."""

    def forward(self, pair: Any, scale: float = 1.0, *, extra: Any = None) -> Any:
        total = pair["left"] * scale + pair["right"][0]
        return total if extra is None else total + extra


@pytest.fixture
def nested() -> ImportedModel:
    args = {"left": X, "right": [X * 2]}, 3.0
    return import_model(Options(), args, {"extra": X - 1})


def test_nested_and_keyword_arguments(nested: ImportedModel) -> None:
    assert len(nested.inputs) == 3
    other = {"left": X.exp(), "right": [X]}
    bound = nested.bind(other, 3.0, extra=X)
    np.testing.assert_array_equal(bound[0].to_dense(), X.exp().numpy())


def test_calls_that_differ_from_the_import(nested: ImportedModel) -> None:
    pair = {"left": X, "right": [X]}
    with pytest.raises(InputError, match=r"was 3.0 at the import and is compiled in, but is 2.0"):
        nested.bind(pair, 2.0, extra=X)
    with pytest.raises(InputError, match="in another structure"):
        nested.bind({"left": X}, 3.0, extra=X)
    with pytest.raises(InputError, match="keyword arguments"):
        nested.bind(pair, 3.0)
    with pytest.raises(InputError, match=r"has shape \(4, 3\), but the program was made for 3 x 4"):
        nested.bind({"left": X.T, "right": [X]}, 3.0, extra=X)


def test_elements_of_another_kind() -> None:
    imported = import_model(Lambda(T.logical_not), (X > 0,))
    with pytest.raises(InputError, match=r"elements of type float64, but the program .* i1"):
        imported.bind(X)
