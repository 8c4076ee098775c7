"""
Bags of categories whose table has 8 bits an element, and a scale and a bias for each row.

Source: "Post-Training 4-bit Quantization on Embedding Tables", arXiv 1911.02079 (row-wise).
"""

import torch
from torch import nn

from headrace.models.example import Example, seeded


class QuantizedBag(nn.Module):
    """
    An embedding bag of `rows * scale + bias`.

    `rows` are int8, categories x width; `scale` and, unless None, `bias` have one number for each
    category, of the type of the result.
    """

    def __init__(
        self,
        rows: torch.Tensor,
        scale: torch.Tensor,
        bias: torch.Tensor | None = None,
        mode: str = "sum",
        padding_index: int | None = None,
    ):
        super().__init__()
        self.rows: torch.Tensor
        self.scale: torch.Tensor
        self.bias: torch.Tensor | None
        self.register_buffer("rows", rows)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)
        self.mode = mode
        self.padding_index = padding_index

    def forward(
        self, indices: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Bags by their offsets; the result is bags x width."""
        table = self.rows.to(self.scale.dtype) * self.scale[:, None]
        if self.bias is not None:
            table = table + self.bias[:, None]
        return nn.functional.embedding_bag(
            indices,
            table,
            offsets,
            mode=self.mode,
            per_sample_weights=weights,
            padding_idx=self.padding_index,
        )


def quantize(table: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows, scale and bias of a matrix: its least element becomes -128, its greatest 127."""
    least, most = table.amin(1), table.amax(1)
    scale = (most - least).clamp_min(torch.finfo(table.dtype).tiny) / 255
    rows = ((table - least[:, None]) / scale[:, None]).round() - 128
    return rows.to(torch.int8), scale, least + 128 * scale


def quantized_bag(
    bags: int = 4,
    categories: int = 30,
    width: int = 16,
    longest: int = 5,
    mode: str = "sum",
    seed: int = 0,
) -> Example:
    """A bag with a random table, and bags of at most `longest` categories, some of them none."""
    with seeded(seed):
        model = QuantizedBag(*quantize(torch.randn(categories, width)), mode=mode)
        lengths = torch.randint(0, longest + 1, (bags,))
        indices = torch.randint(0, categories, (int(lengths.sum()),))
        return model, (indices, lengths.cumsum(0) - lengths)
