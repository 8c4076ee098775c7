"""
One layer of a decoder that generates: attention over caches, then a network or routed experts.

The layer of Mixtral and Qwen3: normalisation first, rotary positions, groups of queries that share
keys. Sources: "Mixtral of Experts", arXiv 2401.04088; "Qwen3 Technical Report", arXiv 2505.09388.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from headrace.models.blocks import RMSNorm, SwiGLU, rotate, rotation
from headrace.models.decode_attention import GroupedAttention
from headrace.models.example import Example, seeded
from headrace.models.moe import ExpertLoop, MoELayer, Router


class DecoderLayer(nn.Module):
    """`x + attention(norm(x))`, then `x + network(norm(x))`, for one new row a request."""

    def __init__(self, width: int, groups: int, queries: int, head: int, network: nn.Module):
        super().__init__()
        self.head = head
        self.norm1 = RMSNorm(width)
        self.query = nn.Linear(width, groups * queries * head, bias=False)
        self.key = nn.Linear(width, groups * head, bias=False)
        self.value = nn.Linear(width, groups * head, bias=False)
        self.attention = GroupedAttention()
        self.output = nn.Linear(groups * queries * head, width, bias=False)
        self.norm2 = RMSNorm(width)
        self.network = network

    def forward(
        self,
        x: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        lengths: torch.Tensor,
        cosine: torch.Tensor,
        sine: torch.Tensor,
    ) -> torch.Tensor:
        """
        `x` is requests x width, and so is the result; `keys` and `values` are requests x groups x
        positions x head, `lengths` one a request, `cosine` and `sine` requests x head.
        """
        y = self.norm1(x)
        query, key, value = (
            part(y).reshape(len(x), -1, self.head) for part in (self.query, self.key, self.value)
        )
        cosine, sine = cosine[:, None], sine[:, None]
        seen = self.attention(
            rotate(query, cosine, sine), rotate(key, cosine, sine), value, keys, values, lengths
        )
        x = x + self.output(seen.reshape(len(x), -1))
        return x + self.network(self.norm2(x))


def decoder_layer(
    lengths: Sequence[int] | np.ndarray = (5, 0, 11, 7),
    *,
    width: int = 16,
    groups: int = 2,
    queries: int = 2,
    head: int = 8,
    hidden: int = 16,
    experts: int = 4,
    positions: int = 32,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """
    A layer with random weights and caches. Of `experts` two are chosen; with 1 there is no router.
    """
    rows = torch.as_tensor(np.asarray(lengths, dtype=np.int64))
    angles = rotation(rows, head)
    with seeded(seed):
        network: nn.Module = SwiGLU(width, hidden)
        if experts > 1:
            network = MoELayer(Router(width, experts, 2), ExpertLoop(experts, width, hidden))
        model = DecoderLayer(width, groups, queries, head, network).to(dtype).eval()
        x = torch.randn(len(rows), width, dtype=dtype)
        keys, values = (
            torch.randn(len(rows), groups, positions, head, dtype=dtype) for _ in range(2)
        )
    return model, (x, keys, values, rows, angles.cos().to(dtype), angles.sin().to(dtype))
