"""A linear layer whose weights may be pruned: the part that all models share."""

import torch
from torch import nn


def register_weights(module: nn.Module, inputs: int, outputs: int, density: float) -> None:
    """
    Give `module` a `weight`, inputs x outputs, and a `bias`.

    Below a `density` of 1 each weight is kept with that probability, drawn from torch's generator,
    and the weights are a CSR tensor in a buffer: they are not trained.
    """
    weight = torch.empty(inputs, outputs)
    nn.init.xavier_uniform_(weight)
    if density < 1:
        weight.mul_(torch.rand(inputs, outputs) < density)
        module.register_buffer("weight", weight.to_sparse_csr())
    else:
        module.register_parameter("weight", nn.Parameter(weight))
    module.register_parameter("bias", nn.Parameter(torch.empty(outputs).uniform_(-0.1, 0.1)))


class Linear(nn.Module):
    """`x W + b`, with `density` of the weights kept."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, inputs: int, outputs: int, density: float = 1.0):
        super().__init__()
        register_weights(self, inputs, outputs, density)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """
        `x` is .. x inputs, the result .. x outputs.

        Torch has no dense product of two sparse matrices; the compiler reads `x` as it is given.
        """
        return x.to_dense() @ self.weight + self.bias
