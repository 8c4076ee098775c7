"""Training steps: the loss of a model, and its gradients."""

from collections.abc import Callable

import torch
from torch import nn

from headrace.models import gcn
from headrace.models.example import Example, seeded
from headrace.models.graphs import Graph

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class TrainingStep(nn.Module):
    """
    The loss of a graph network, and the gradients of the features and of each parameter.

    `loss` takes the results of the model and the labels; negative log-likelihood by default, for a
    model that gives logarithms of probabilities. Parameters come in the order of
    `model.named_parameters()`.
    """

    def __init__(self, model: nn.Module, loss: Loss = nn.functional.nll_loss):
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(
        self, adjacency: torch.Tensor, x: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """
        `adjacency` is nodes x nodes, `x` nodes x features, `labels` one integer a node.

        A node that is labelled -100 does not count. Returns the loss (a scalar), the gradient of
        `x`, and those of the parameters.
        """
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            loss = self.loss(self.model(adjacency, x), labels)
            gradients = torch.autograd.grad(loss, [x, *self.model.parameters()])
        return loss.detach(), *gradients


def gcn_step(
    graph: Graph,
    *,
    hidden: int = 16,
    layers: int = 2,
    aggregate_first: bool = True,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """A training step of a GCN with random weights, and its arguments for `graph`."""
    model, (adjacency, x) = gcn.on_graph(
        graph.adjacency,
        graph.features,
        graph.classes,
        hidden=hidden,
        layers=layers,
        aggregate_first=aggregate_first,
        dtype=dtype,
        seed=seed,
    )
    return TrainingStep(model), (adjacency, x, torch.as_tensor(graph.labels))


class BagStep(nn.Module):
    """
    The squared error of embedding bags, and its gradients.

    `table` is categories x width; `options` are those of `embedding_bag`.
    """

    def __init__(self, table: torch.Tensor, **options: object):
        super().__init__()
        self.table = nn.Parameter(table)
        self.options = options

    def forward(
        self,
        indices: torch.Tensor,
        offsets: torch.Tensor,
        wanted: torch.Tensor,
        weights: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """
        Bags by their offsets; `wanted` is bags x width.

        Returns the error, its gradient for the table and, with weights of the samples, theirs.
        """
        bag: Callable[..., torch.Tensor] = nn.functional.embedding_bag
        with torch.enable_grad():
            sources: list[torch.Tensor] = [self.table]
            if weights is not None:
                weights = weights.detach().requires_grad_()
                sources.append(weights)
            options = self.options
            found = bag(indices, self.table, offsets, per_sample_weights=weights, **options)
            error = ((found - wanted) ** 2).sum()
            gradients = torch.autograd.grad(error, sources)
        return error.detach(), *gradients


def bag_step(
    bags: int = 4,
    categories: int = 30,
    width: int = 8,
    longest: int = 5,
    mode: str = "sum",
    weighted: bool = False,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Example:
    """A step with a random table, and bags of at most `longest` categories, some of them none."""
    with seeded(seed):
        model = BagStep(torch.randn(categories, width, dtype=dtype), mode=mode)
        lengths = torch.randint(0, longest + 1, (bags,))
        indices = torch.randint(0, categories, (int(lengths.sum()),))
        weights = [torch.randn(len(indices), dtype=dtype)] if weighted else []
        wanted = torch.randn(bags, width, dtype=dtype)
        return model, (indices, lengths.cumsum(0) - lengths, wanted, *weights)
