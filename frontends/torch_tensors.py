"""
The storage format that corresponds to the layout of a torch tensor.

COO becomes one compressed level a sparse dimension; CSR and CSC a dense level above a
compressed one; BSR and BSC the same over blocks; batch and dense dimensions become dense levels.
Fake tensors of a trace have layouts too.
"""

from typing import TYPE_CHECKING

from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level

if TYPE_CHECKING:
    import torch


def format_of_tensor(tensor: "torch.Tensor") -> Format:
    """
    The format of `tensor`.

    Raises `InputError` for blocks together with batch or dense dimensions.
    """
    rank = tensor.ndim
    layout = str(tensor.layout).removeprefix("torch.")
    if layout == "strided":
        return Format.dense(rank)
    if layout == "sparse_coo":
        sparse = tensor.sparse_dim()
        levels = (Level.COMPRESSED,) * sparse + (Level.DENSE,) * (rank - sparse)
        return Format(levels, tuple(range(rank)))
    by_rows = layout in ("sparse_csr", "sparse_bsr")
    batch = (tensor.crow_indices() if by_rows else tensor.ccol_indices()).ndim - 1
    order = list(range(rank))
    if not by_rows:
        order[batch], order[batch + 1] = order[batch + 1], order[batch]
    levels = [Level.DENSE] * rank
    levels[batch + 1] = Level.COMPRESSED
    block: tuple[int, ...] = ()
    if layout in ("sparse_bsr", "sparse_bsc"):
        if rank > 2:
            raise InputError(f"blocks in {rank} dimensions are not supported; use COO")
        block = tuple(tensor.values().shape[1:])
    return Format(tuple(levels), tuple(order), block)
