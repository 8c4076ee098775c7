"""
Training steps compiled like any model: loss and gradients equal autograd's at every granularity.

For `Y = relu(A X W + b)` and G the gradient before the relu: the columns of G add up to db, and
`dW = (A X)^T G`, `dX = A^T (G W^T)`.
"""

from typing import Any

import pytest
import torch

import headrace
from headrace.cli.driver import lower
from headrace.frontends.torch_export import import_model
from headrace.models import graphs, graphsage
from headrace.models.training import TrainingStep, gcn_step

GRAPH = graphs.random_graph(20, 40, features=6, classes=3)
DIRECTED = graphs.with_random_features(
    graphs.as_matrix([[0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]), 3, 2
)

GRANULARITIES = {
    "regions=none": 20,
    "regions=layer depth=2": 4,
    "regions=layer": 2,
    "regions=all": 1,
}
"""Options of `sam-fuse`, and the graphs that a training step of two layers becomes."""


def check(step: Any, args: tuple[torch.Tensor, ...], options: str, tolerance: float) -> Any:
    program = headrace.compile(step, args, pipeline=f"sam-fuse{{{options}}},sam-lower")
    result = program.run(*args)
    for output, expected in zip(result.outputs, step(*args), strict=True):
        torch.testing.assert_close(output, expected, rtol=0, atol=tolerance)
    return program


@pytest.mark.parametrize("options", GRANULARITIES)
@pytest.mark.parametrize("graph", [GRAPH, DIRECTED], ids=["symmetric", "directed"])
def test_a_training_step_equals_autograd(graph: graphs.Graph, options: str) -> None:
    step, args = gcn_step(graph, hidden=4, dtype=torch.float64)
    program = check(step, args, options, 1e-9)
    assert len(program.graphs) == GRANULARITIES[options]


@pytest.mark.parametrize("options", ["regions=none", "regions=all"])
def test_a_training_step_in_single_precision(options: str) -> None:
    step, args = gcn_step(GRAPH, hidden=4, aggregate_first=False)
    check(step, args, options, 1e-4)


def test_a_training_step_gains_from_fusion_where_no_gradient_is_computed_for_each_edge() -> None:
    """Cuts before the two products with the transposed adjacency, operations 30 and 35."""
    step, args = gcn_step(graphs.random_graph(100, 250, features=16, classes=4))
    cycles = [
        check(step, args, options, 1e-4).run(*args).cycles
        for options in ("regions=none", "regions=layer depth=2 cuts=30,35", "regions=layer depth=2")
    ]
    unfused, cut, per_layer = cycles
    assert unfused > 1.4 * cut
    assert per_layer > unfused


def test_nodes_without_a_label_do_not_count() -> None:
    step, (adjacency, x, labels) = gcn_step(GRAPH, hidden=4, dtype=torch.float64)
    labels[::3] = -100
    check(step, (adjacency, x, labels), "regions=layer depth=2", 1e-9)


def test_a_training_step_of_graphsage() -> None:
    model, (adjacency, x) = graphsage.on_graph(
        GRAPH.adjacency, GRAPH.features, 3, hidden=4, dtype=torch.float64
    )
    step = TrainingStep(model, torch.nn.functional.cross_entropy)
    check(step, (adjacency, x, torch.as_tensor(GRAPH.labels)), "regions=layer depth=2", 1e-9)


def test_steps_of_gradient_descent_are_those_of_pytorch() -> None:
    """One compiled program serves every step, bound to the weights of the step."""
    step, args = gcn_step(GRAPH, hidden=8, dtype=torch.float64)
    imported = import_model(step, args)
    program = lower(imported.module, "sam-fuse{regions=layer depth=2},sam-lower")
    weights = {name: value.detach().clone() for name, value in step.named_parameters()}
    optimizer: Any = torch.optim.SGD(step.parameters(), lr=0.5)
    losses: list[float] = []
    for _ in range(4):
        loss, _, *gradients = program.bind({**imported.constants, **weights}).run(*args).outputs
        for name, gradient in zip(weights, gradients, strict=True):
            weights[name] = weights[name] - 0.5 * gradient
        expected, _, *gradients = step(*args)
        for parameter, gradient in zip(step.parameters(), gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        losses.append(float(loss))
        assert losses[-1] == pytest.approx(float(expected), abs=1e-9)
    assert losses == sorted(losses, reverse=True)
    for name, parameter in step.named_parameters():
        torch.testing.assert_close(weights[name], parameter.detach(), rtol=0, atol=1e-9)
