"""
Attention of one new position a request over a cache of keys and values of different lengths.

Queries share heads of keys and values in groups ("GQA", arXiv 2305.13245). Each request first
appends its new row to the cache, behind the rows that it has.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from headrace.models.example import Example, seeded
from headrace.storage.errors import InputError


class DecodeAttention(nn.Module):
    """Softmax over the rows of the cache that a request has, by plain masking."""

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        lengths: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """
        `query` is requests x queries x width, the new `key` and `value` requests x width, the
        caches `keys` and `values` requests x positions x width, `lengths` the rows that each
        request has in them, fewer than positions. The results are the attention, shaped as
        `query`, and the caches with the new rows.
        """
        positions = torch.arange(keys.shape[1])
        new = (positions == lengths[:, None])[:, :, None]
        keys = torch.where(new, key[:, None], keys)
        values = torch.where(new, value[:, None], values)
        scores = torch.einsum("bgd,bnd->bgn", query, keys) / query.shape[-1] ** 0.5
        seen = (positions <= lengths[:, None])[:, None]
        weights = torch.softmax(scores.masked_fill(~seen, -torch.inf), dim=-1)
        return torch.einsum("bgn,bnd->bgd", weights, values), keys, values


class GroupedAttention(nn.Module):
    """`DecodeAttention` for several heads of keys, each shared by a group of queries."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = DecodeAttention()

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        lengths: torch.Tensor,
    ) -> torch.Tensor:
        """
        `query` is requests x heads x width, `key` and `value` requests x groups x width, `keys`
        and `values` requests x groups x positions x width, `lengths` one a request. The result is
        shaped as `query`; consecutive heads share a group.
        """
        batch, groups, positions, width = keys.shape
        outputs = self.attention(
            query.reshape(batch * groups, -1, width),
            key.reshape(batch * groups, width),
            value.reshape(batch * groups, width),
            keys.reshape(batch * groups, positions, width),
            values.reshape(batch * groups, positions, width),
            lengths[:, None].expand(batch, groups).reshape(batch * groups),
        )
        return outputs[0].reshape(query.shape)


def decode_attention(
    lengths: Sequence[int] | np.ndarray = (5, 0, 11, 7),
    *,
    queries: int = 8,
    width: int = 64,
    positions: int | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """
    One head of keys and `queries` that share it, for requests with these `lengths` of cache.

    The defaults are those of the evaluation of STeP under the name Qwen3-30B. A cache holds
    `positions` rows, by default the largest length and the new row, rounded up to 32.
    """
    rows = np.asarray(lengths, dtype=np.int64)
    needed = int(rows.max(initial=0)) + 1
    held = -(-needed // 32) * 32 if positions is None else positions
    if held < needed or rows.min(initial=0) < 0:
        raise InputError(f"a cache of {held} positions has no place for lengths up to {needed - 1}")
    with seeded(seed):
        query = torch.randn(len(rows), queries, width, dtype=dtype)
        key, value = (torch.randn(len(rows), width, dtype=dtype) for _ in range(2))
        keys, values = (torch.randn(len(rows), held, width, dtype=dtype) for _ in range(2))
    return DecodeAttention(), (query, key, value, keys, values, torch.as_tensor(rows))


def grouped_attention(
    lengths: Sequence[int] | np.ndarray = (5, 0, 11),
    *,
    groups: int = 4,
    queries: int = 8,
    width: int = 64,
    positions: int = 32,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Example:
    """Attention of `groups` heads of keys with `queries` sharing each; see `decode_attention`."""
    rows = torch.as_tensor(np.asarray(lengths, dtype=np.int64))
    batch = len(rows)
    with seeded(seed):
        query = torch.randn(batch, groups * queries, width, dtype=dtype)
        key, value = (torch.randn(batch, groups, width, dtype=dtype) for _ in range(2))
        keys, values = (torch.randn(batch, groups, positions, width, dtype=dtype) for _ in range(2))
    return GroupedAttention(), (query, key, value, keys, values, rows)
