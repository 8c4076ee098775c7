"""
Tensors in files: NumPy npy and npz, SciPy npz, Matrix Market.

In an npz file an array `A` is a dense tensor; three arrays `A_indptr`, `A_indices`, `A_data`
(or with dots), and `A_shape` where it is known, are a CSR matrix `A`.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import scipy.io
import scipy.sparse

from headrace.storage.atomic import check_replaceable, replace_file
from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Storage
from headrace.storage.values import CSR, from_compressed, storage_of

_PART = re.compile(r"(.+)([._])(indptr|indices|data|shape)")
_PARTS = ("indptr", "indices", "data")
_SCIPY_KEYS = {"format", "shape", "data"}


@dataclass(frozen=True)
class StoredMatrix:
    """The three arrays of a CSR matrix, and its shape if the file gives it."""

    pointers: Array
    indices: Array
    values: Array
    shape: tuple[int, ...] | None

    def storage(self, name: str, shape: tuple[int | str, ...] = ()) -> Storage:
        """
        Return the matrix in CSR; `shape` tells the columns if the file does not.

        A size that is a name is unknown. Raises `InputError` if the columns are, or if the arrays
        are no matrix.
        """
        sizes: tuple[int, ...] | None = self.shape
        if sizes is None and len(shape) == 2 and isinstance(shape[1], int):
            sizes = (len(self.pointers) - 1, shape[1])
        if sizes is None:
            raise InputError(f"{name} is a CSR matrix of unknown width; add an array {name}_shape")
        return storage_of(
            from_compressed(sizes, CSR, self.pointers, self.indices, self.values), name=name
        )


Stored = Array | Storage | StoredMatrix


def read_tensors(path: str | Path) -> dict[str, Stored]:
    """
    Return the tensors in a file by name, in the order of the file.

    A file that holds one unnamed matrix gives it the name of the file. Raises `InputError` for
    a file that is missing, of another kind, or incomplete.
    """
    path = Path(path)
    kind = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    match kind:
        case ".npz":
            return _named(read_arrays(path), path)
        case ".npy":
            return {path.stem: _read_array(path)}
        case ".mtx" | ".mtx.gz":
            return {path.name.split(".")[0]: _read_matrix_market(path)}
        case _:
            raise InputError(f"'{path}' is no tensor file; give .npz, .npy or .mtx")


def read_arrays(path: str | Path) -> dict[str, Array]:
    """Return the arrays of an npz file; raises `InputError` if it is missing or incomplete."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise InputError(f"'{path}' is no npz file; write it with numpy.savez")
            members = cast("Mapping[str, Array]", file)
            return {name: _member(members, name, path) for name in members}
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"'{path}' is not a complete npz file; write it again") from None


def write_arrays(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write an npz file; a reader sees the old file or the whole new one."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **cast("dict[str, Any]", dict(arrays)))
    write_bytes(path, content.getvalue())


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file at once: a reader sees the old file or the whole new one."""
    try:
        replace_file(path, content)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written: {error.strerror}") from None


def check_writable(path: str | Path) -> None:
    """Raise `InputError` if a file cannot be written there; nothing is left behind."""
    try:
        check_replaceable(path)
    except OSError as error:
        raise InputError(
            f"'{path}' cannot be written: {error.strerror}; give a file in a folder that exists "
            "and is writable"
        ) from None


def check_complete(names: Iterable[str]) -> None:
    """Raise `InputError` if arrays of these names are a CSR matrix but for one array."""
    matrices: dict[str, set[str]] = {}
    for match in filter(None, map(_PART.fullmatch, names)):
        matrices.setdefault(match[1] + match[2], set()).add(match[3])
    for prefix, found in matrices.items():
        missing = [part for part in _PARTS if part not in found]
        if len(missing) == 1:
            raise InputError(
                f"the CSR matrix {prefix[:-1]} lacks its array {prefix}{missing[0]}; add it"
            )


def _member(file: Mapping[str, Array], name: str, path: str | Path) -> Array:
    try:
        return file[name]
    except ValueError as error:
        _refuse_objects(error, f"array {name} of '{path}'")
        raise


def _refuse_objects(error: Exception, what: str) -> None:
    # NumPy has no class of its own for this error, and reads the type of an array with the array.
    if "Object arrays" in str(error):
        raise InputError(
            f"{what} holds Python objects, which may run code and are not read; store numbers"
        ) from None


def _read_array(path: Path) -> Array:
    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        _refuse_objects(error, f"'{path}'")
        raise InputError(f"'{path}' is not a complete npy file; write it again") from None


def _read_matrix_market(path: Path) -> Storage:
    try:
        matrix = cast("Callable[[Path], Any]", scipy.io.mmread)(path)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from None
    except (ValueError, OverflowError, EOFError, zlib.error) as error:
        raise InputError(f"'{path}' is not a Matrix Market file: {error}") from None
    return storage_of(matrix, name=f"'{path}'")


def _named(arrays: dict[str, Array], path: Path) -> dict[str, Stored]:
    if arrays.keys() >= _SCIPY_KEYS and arrays["format"].dtype.kind in "SU":
        return {path.stem: _scipy(path)}
    tensors: dict[str, Stored] = {}
    for name, array in arrays.items():
        match = _PART.fullmatch(name)
        matrix = _compressed(arrays, match[1] + match[2]) if match else None
        if match is None or matrix is None:
            tensors[name] = array
        else:
            tensors[match[1]] = matrix
    return tensors


def _compressed(arrays: dict[str, Array], prefix: str) -> StoredMatrix | None:
    if any(prefix + part not in arrays for part in _PARTS):
        return None
    pointers, indices, values = (arrays[prefix + part] for part in _PARTS)
    for part, array in zip(_PARTS, (pointers, indices, values), strict=True):
        if array.ndim != 1:
            raise InputError(
                f"array {prefix}{part} has shape {array.shape}; the arrays of a CSR matrix are "
                "vectors"
            )
    if not len(pointers):
        raise InputError(f"array {prefix}indptr is empty; a CSR matrix of n rows has n + 1 there")
    shape = arrays.get(prefix + "shape")
    if shape is None:
        return StoredMatrix(pointers, indices, values, None)
    if shape.shape != (2,) or shape.dtype.kind not in "iu" or (shape < 0).any():
        raise InputError(
            f"array {prefix}shape is {shape.tolist()!r}; give the numbers of rows and columns"
        )
    return StoredMatrix(pointers, indices, values, (int(shape[0]), int(shape[1])))


def _scipy(path: Path) -> Storage:
    try:
        matrix = cast("Callable[[Path], Any]", scipy.sparse.load_npz)(path)
    except (ValueError, KeyError) as error:
        raise InputError(f"'{path}' is not a complete SciPy matrix: {error}") from None
    return storage_of(matrix, name=f"'{path}'")
