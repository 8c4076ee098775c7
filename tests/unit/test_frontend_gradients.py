"""Models that take gradients in `forward` mean in entry IR what autograd computes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from xdsl.dialects.builtin import StringAttr

from headrace.frontends.torch_export import import_model
from headrace.models import graphs
from headrace.models.training import gcn_step
from headrace.storage.errors import InputError
from headrace.tests.imported import Lambda, check, compare, draw

T: Any = torch
F: Any = torch.nn.functional

Unary = Callable[[Any], Any]

X = draw(4, 3)
LABELS = torch.tensor([2, 0, 1, 2])
SOME_LABELS = torch.tensor([2, -100, 1, 1])


def gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """The derivative of the weighted sum of what `function` gives, by its first argument."""

    def run(x: torch.Tensor, *args: Any) -> Any:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            result = function(x, *args)
            weights = torch.arange(1.0, result.numel() + 1, dtype=x.dtype).reshape(result.shape)
            return torch.autograd.grad((result * weights).sum(), [x])

    return run


FUNCTIONS: dict[str, Unary] = {
    "relu": T.relu,
    "softmax": lambda x: T.softmax(x, 1),
    "softmax of columns": lambda x: T.softmax(x, 0),
    "log softmax": lambda x: F.log_softmax(x, -1),
    "product": lambda x: x @ x.T,
    "linear": lambda x: F.linear(x, x),
    "sums": lambda x: x.sum(0) * x.mean(),
    "division": lambda x: 1 / (1 + x * x),
    "exponential": lambda x: T.exp(x) * T.sin(x),
    "decomposed": lambda x: T.tanh(x) + T.sigmoid(x) + F.gelu(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradient_of(name: str) -> None:
    check(gradient(FUNCTIONS[name]), X)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("labels", [LABELS, SOME_LABELS], ids=["all rows", "some rows"])
def test_negative_log_likelihood(reduction: str, labels: torch.Tensor) -> None:
    def loss(x: torch.Tensor, labels: torch.Tensor) -> Any:
        return F.nll_loss(x, labels, reduction=reduction)

    def both(x: torch.Tensor, labels: torch.Tensor) -> Any:
        return (*gradient(loss)(x, labels), loss(x, labels))

    check(both, X, labels)


def test_a_class_may_be_ignored() -> None:
    def loss(x: Any, labels: Any) -> Any:
        return F.cross_entropy(x, labels, ignore_index=2)

    check(gradient(loss), X, LABELS)


def test_weights_of_classes_are_refused() -> None:
    def loss(x: Any, labels: Any, weight: Any) -> Any:
        return F.nll_loss(x, labels, weight=weight)

    with pytest.raises(InputError, match=r"nll_loss_forward.*weights of classes"):
        check(gradient(loss), X, LABELS, draw(3))


def test_a_gradient_of_a_gradient() -> None:
    def second(x: torch.Tensor) -> Any:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (first,) = torch.autograd.grad((x * x * x).sum(), [x], create_graph=True)
            return torch.autograd.grad((first * first).sum(), [x])

    check(second, X)


GRAPH = graphs.random_graph(12, 20, features=5, classes=3)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("aggregate_first", [False, True])
def test_a_training_step_equals_autograd(layers: int, aggregate_first: bool) -> None:
    step, args = gcn_step(
        GRAPH, hidden=4, layers=layers, aggregate_first=aggregate_first, dtype=torch.float64
    )
    compare(import_model(step, args), step, *args)
    model: Any = step.model
    loss = F.nll_loss(model(*args[:2]), args[2])
    loss.backward()
    expected = [loss, *(parameter.grad for parameter in model.parameters())]
    found = step(*args)
    for one, other in zip([found[0], *found[2:]], expected, strict=True):
        torch.testing.assert_close(one, other)


def test_the_arguments_and_parameters_keep_their_names() -> None:
    step, args = gcn_step(GRAPH, hidden=4)
    imported = import_model(step, args, formats={"x": "csr"})
    assert imported.inputs == ("adjacency", "x", "labels")
    names = [name for name in imported.constants if name.startswith("model.")]
    assert names == [f"model.conv{n}.{part}" for n in (1, 2) for part in ("weight", "bias")]


def test_operations_know_whose_gradient_they_compute() -> None:
    imported = import_model(*gcn_step(GRAPH, hidden=4))
    found: list[str] = []
    main: Any = imported.module.body.block.first_op
    for op in main.body.block.ops:
        if op.name == "linalg.generic":
            module, phase = (
                value.data if isinstance(value, StringAttr) else ""
                for value in map(op.attributes.get, ("headrace.module", "headrace.phase"))
            )
            if module.startswith("model."):
                found.append(f"{module.removeprefix('model.')} {phase}".strip())
    layers = ["conv1", "conv2", "conv2 backward", "conv1 backward"]
    assert list(dict.fromkeys(found)) == layers
    assert found == sorted(found, key=layers.index)


def test_sizes_of_a_training_step_may_be_named() -> None:
    sizes = {"adjacency": {0: "n", 1: "n"}, "x": {0: "n"}, "labels": {0: "n"}}
    step, args = gcn_step(GRAPH, hidden=4, dtype=torch.float64)
    imported = import_model(step, args, dynamic_shapes=sizes)
    other = graphs.random_graph(17, 30, features=5, classes=3)
    compare(imported, step, *gcn_step(other, hidden=4, dtype=torch.float64)[1])


def test_a_frozen_layer_has_no_gradient() -> None:
    step, args = gcn_step(GRAPH, hidden=4, dtype=torch.float64)
    model: Any = step.model

    def first_only(adjacency: Any, x: Any, labels: Any) -> Any:
        with torch.enable_grad():
            loss = F.nll_loss(model(adjacency, x), labels)
            return torch.autograd.grad(loss, [model.conv1.weight])

    class First(Lambda):
        def __init__(self) -> None:
            super().__init__(first_only)
            self.model = model

    compare(import_model(First(), args), First(), *args)


def test_a_gradient_without_an_operator_is_refused_by_name() -> None:
    def norm(x: Any) -> Any:
        return F.layer_norm(x, (3,))

    with pytest.raises(InputError, match=r"native_layer_norm.default is not supported"):
        check(gradient(norm), X)


def test_a_model_that_cannot_be_traced_is_still_refused() -> None:
    class Branch(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match=r"cannot trace Branch.*must not depend on the values"):
        import_model(Branch(), (X,))
