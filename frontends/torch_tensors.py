"""
Torch tensors of every layout as `Storage`.

COO becomes one compressed level a sparse dimension; CSR and CSC a dense level above a
compressed one; BSR and BSC the same over blocks; batch and dense dimensions become dense levels.
Torch is imported by whoever made the tensor, so this module does not import it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level, Storage

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[Any]


def format_of_tensor(tensor: "torch.Tensor") -> Format:
    """The storage format that corresponds to the layout of `tensor`."""
    rank = tensor.ndim
    layout = str(tensor.layout).removeprefix("torch.")
    if layout == "strided":
        return Format.dense(rank)
    if layout == "sparse_coo":
        sparse = tensor.sparse_dim()
        levels = (Level.COMPRESSED,) * sparse + (Level.DENSE,) * (rank - sparse)
        return Format(levels, tuple(range(rank)))
    batch = _compressed_indices(tensor)[0].ndim - 1
    dense = tensor.dense_dim()
    order = list(range(rank))
    if layout in ("sparse_csc", "sparse_bsc"):
        order[batch], order[batch + 1] = order[batch + 1], order[batch]
    levels = [Level.DENSE] * rank
    levels[batch + 1] = Level.COMPRESSED
    block: tuple[int, ...] = ()
    if layout in ("sparse_bsr", "sparse_bsc"):
        if batch or dense:
            raise InputError(
                f"tensors of layout {layout} with batch or dense dimensions are not supported"
            )
        block = tuple(tensor.values().shape[1:])
    return Format(tuple(levels), tuple(order), block)


def storage_of(tensor: "torch.Tensor", name: str) -> Storage:
    """
    The tensor in the format of its layout; stored zeros are kept, duplicates of COO summed.

    Raises `InputError` for complex numbers, quantised tensors and the like.
    """
    tensor = tensor.detach().cpu()
    format = format_of_tensor(tensor)
    shape = tuple(tensor.shape)
    layout = str(tensor.layout).removeprefix("torch.")
    if layout == "strided":
        return Storage.from_dense(_array(tensor, name), format)
    if layout == "sparse_coo":
        tensor = tensor.coalesce()
        coordinates, values = _array(tensor.indices(), name), _array(tensor.values(), name)
    else:
        coordinates, values = _compressed_coordinates(tensor, format, name)
    inner = values.shape[1:] if not format.block else ()
    if inner:
        grid = np.indices(inner).reshape(len(inner), -1)
        count = grid.shape[1]
        coordinates = np.vstack(
            [np.repeat(coordinates, count, axis=1), np.tile(grid, coordinates.shape[1])]
        )
        values = values.reshape(-1)
    return Storage.from_coordinates(shape, format, coordinates, values)


def _compressed_coordinates(
    tensor: "torch.Tensor", format: Format, name: str
) -> tuple[Array, Array]:
    """Coordinates (in units of blocks) and values of CSR, CSC, BSR and BSC tensors."""
    pointers, indices = (_array(part, name) for part in _compressed_indices(tensor))
    values = _array(tensor.values(), name)
    batch_shape = pointers.shape[:-1]
    flat = pointers.reshape(-1, pointers.shape[-1])
    counts = np.diff(flat, axis=1)
    stored = indices.shape[-1]
    if (counts < 0).any() or (flat[:, 0] != 0).any() or (flat[:, -1] != stored).any():
        raise InputError(f"{name}: the compressed indices must rise from 0 to {stored}")
    outer = np.concatenate([np.repeat(np.arange(row.size), row) for row in counts])
    batches = np.repeat(np.arange(len(flat)), stored)
    leading = np.unravel_index(batches, batch_shape) if batch_shape else ()
    pair = [outer, indices.reshape(-1)]
    first = len(batch_shape)
    if format.order[first] > format.order[first + 1]:
        pair.reverse()
    kept = values.shape[len(batch_shape) + 1 :]
    return np.array([*leading, *pair], dtype=np.int64), values.reshape(-1, *kept)


def _compressed_indices(tensor: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    if str(tensor.layout) in ("torch.sparse_csr", "torch.sparse_bsr"):
        return tensor.crow_indices(), tensor.col_indices()
    return tensor.ccol_indices(), tensor.row_indices()


def _array(tensor: "torch.Tensor", name: str) -> Array:
    try:
        return tensor.numpy()
    except (TypeError, RuntimeError):
        raise InputError(
            f"{name} holds elements of type {tensor.dtype}, which NumPy does not have; convert "
            "it to float32"
        ) from None
