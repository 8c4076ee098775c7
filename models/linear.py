"""A linear layer whose weights may be pruned: the part that all models share."""

import torch
from torch import nn


class Linear(nn.Module):
    """
    `x W + b`, with W inputs x outputs: dense, or a CSR tensor with `density` of its weights.

    Which weights are kept is drawn from torch's generator, each with probability `density`.
    Pruned weights are a buffer: they are not trained.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, inputs: int, outputs: int, density: float = 1.0, bias: bool = True):
        super().__init__()
        weight = torch.empty(inputs, outputs)
        nn.init.xavier_uniform_(weight)
        if density < 1:
            weight.mul_(torch.rand(inputs, outputs) < density)
            self.register_buffer("weight", weight.to_sparse_csr())
        else:
            self.weight = nn.Parameter(weight)
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(outputs).uniform_(-0.1, 0.1)) if bias else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """
        `x` is rows x inputs, the result rows x outputs.

        Torch has no dense product of two sparse matrices; the compiler reads `x` as it is given.
        """
        product = x.to_dense() @ self.weight
        return product if self.bias is None else product + self.bias
