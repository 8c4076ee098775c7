"""
Tensors of NumPy, SciPy and torch as storage, and dense results back.

torch is never imported here: its tensors are recognised by their module and read through
their own methods, so that a saved program runs where torch is not installed.
"""

import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import scipy.sparse

from headrace.storage.bfloat16 import BFLOAT16
from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Format, Level, Storage

CSR = Format((Level.DENSE, Level.COMPRESSED), (0, 1))
CSC = Format((Level.DENSE, Level.COMPRESSED), (1, 0))


def storage_of(value: object, format: Format | None = None, name: str = "tensor") -> Storage:
    """
    Store a `Storage`, a SciPy sparse matrix, a torch tensor of any layout, or anything that
    NumPy reads as an array, in `format`; by default in the layout that the value has.

    Raises `InputError` naming the tensor for coordinates that are not integers, not sorted,
    stored twice or outside the shape, for elements that are not numbers, and for tiles that are
    not zero beyond the shape.
    """
    if isinstance(value, Storage):
        stored = value
    elif isinstance(value, scipy.sparse.sparray | scipy.sparse.spmatrix):
        stored = _of_scipy(value, name)
    elif is_torch(value):
        stored = _of_torch(cast(Any, value), name)
    else:
        stored = _of_array(_as_array(value, name), format, name)
    if stored.values.dtype.kind not in "biuf":
        raise InputError(
            f"{name} has elements of type {stored.values.dtype}, which are not real numbers"
        )
    stored.validate(name)
    stored.expect_zero_padding(name)
    if format is None:
        return stored
    if format.rank != len(stored.shape):
        raise InputError(
            f"{name} has {len(stored.shape)} dimensions, but the format '{format}' "
            f"has {format.rank} levels"
        )
    return in_format(stored, format)


def _as_array(value: object, name: str) -> Array:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise InputError(f"{name}: {error}; give an array of numbers") from None


def in_format(stored: Storage, format: Format) -> Storage:
    """Return the tensor in another format; zeros of a dense tensor are not stored as explicit."""
    if stored.format.is_dense and not stored.format.block:
        return Storage.from_dense(stored.to_dense(), format)
    return stored.convert(format)


def from_compressed(
    shape: tuple[int, ...], format: Format, pointers: Array, indices: Array, values: Array
) -> Storage:
    """Wrap the three arrays of a CSR, CSC or BSR matrix (`format` says which); not yet checked."""
    return Storage(shape, format, (None, pointers), (None, indices), values)


def from_points(
    shape: tuple[int, ...], coordinates: Array, values: Array, name: str = "tensor"
) -> Storage:
    """Store a list of points (rank x entries), every level compressed."""
    if coordinates.dtype.kind not in "iu":
        raise InputError(f"{name}: coordinates must be integers, not {coordinates.dtype}")
    try:
        return Storage.from_coordinates(shape, Format.compressed(len(shape)), coordinates, values)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def is_torch(value: object) -> bool:
    """Whether the value is a torch tensor (or parameter)."""
    return any(kind.__module__.split(".")[0] == "torch" for kind in type(value).__mro__)


def to_torch(array: Array, dtype: str = "") -> Any:
    """
    The array as a torch tensor that shares its memory; the caller has imported torch.

    With the `dtype` bfloat16, which arrays have not, it is a copy in that type.
    """
    from_numpy = cast("Callable[[Array], Any]", vars(sys.modules["torch"])["from_numpy"])
    tensor = from_numpy(np.ascontiguousarray(array).reshape(array.shape))
    return tensor.bfloat16() if dtype == BFLOAT16 else tensor


def _of_array(array: Array, format: Format | None, name: str) -> Storage:
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} has elements of type {array.dtype}, which are not real numbers")
    if format is None or format.rank != array.ndim:
        format = Format.dense(array.ndim)
    return Storage.from_dense(array, format)


def _of_scipy(matrix: Any, name: str) -> Storage:
    shape = tuple(int(size) for size in matrix.shape)
    if matrix.format in ("csr", "csc"):
        if len(shape) != 2:
            return from_points(shape, np.array(matrix.tocoo().coords), matrix.data, name)
        format = CSR if matrix.format == "csr" else CSC
        return from_compressed(shape, format, matrix.indptr, matrix.indices, matrix.data)
    if matrix.format == "bsr":
        format = Format(CSR.levels, CSR.order, tuple(matrix.blocksize))
        return from_compressed(shape, format, matrix.indptr, matrix.indices, matrix.data)
    points = matrix.tocoo()
    return from_points(shape, np.array(points.coords), np.asarray(points.data), name)


def _widened(tensor: Any) -> Any:
    """A tensor of bfloat16 in float32; one number in all places needs no memory for each."""
    if str(tensor.layout) == "torch.strided" and not any(tensor.stride()) and tensor.numel():
        return tensor[(0,) * tensor.ndim].float().expand(tensor.shape)
    return tensor.float()


def _of_torch(tensor: Any, name: str) -> Storage:
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) == f"torch.{BFLOAT16}":
        tensor = _widened(tensor)
    shape = tuple(int(size) for size in tensor.shape)
    match str(tensor.layout):
        case "torch.sparse_coo" if tensor.dense_dim() == 0:
            return from_points(shape, tensor._indices().numpy(), tensor._values().numpy(), name)
        case "torch.sparse_csr" | "torch.sparse_bsr" as layout if len(shape) == 2:
            pointers, indices, format = tensor.crow_indices(), tensor.col_indices(), CSR
        case "torch.sparse_csc" | "torch.sparse_bsc" as layout if len(shape) == 2:
            pointers, indices, format = tensor.ccol_indices(), tensor.row_indices(), CSC
        case "torch.strided":
            return _of_array(tensor.numpy(), None, name)
        case _:
            return _of_array(tensor.to_dense().numpy(), None, name)
    values = tensor.values().numpy()
    if layout.endswith(("bsr", "bsc")):
        format = Format(format.levels, format.order, values.shape[1:])
    return from_compressed(shape, format, pointers.numpy(), indices.numpy(), values)
