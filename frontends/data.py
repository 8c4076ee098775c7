"""
Tensors from files and from Python, checked, and stored in a wanted format.

Files: `.npz` with dense arrays by name and CSR matrices as `name.indptr`, `name.indices`,
`name.data`, `name.shape`; `.npz` as SciPy's `save_npz` writes it; `.npy`; Matrix Market (`.mtx`,
`.mtx.gz`). Values in Python: NumPy arrays, SciPy sparse matrices, torch tensors of every layout.
Whatever is wrong with them is one `InputError` that names the tensor.
"""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import scipy.io
import scipy.sparse

from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level, Storage

Array: TypeAlias = npt.NDArray[Any]

Tensor: TypeAlias = Array | Storage
"""A tensor read from a file: an array, or a sparse matrix as it was stored."""

_TRIPLE = ("indptr", "indices", "data")


def to_storage(value: Any, format: Format | None = None, name: str = "the tensor") -> Storage:
    """
    Store `value` in `format`, or in the format it comes in if none is given.

    `value` is a NumPy array or what `np.asarray` takes, a SciPy sparse matrix, a torch tensor of
    any layout, or a `Storage`. A value stored in the same format keeps its stored zeros.
    Raises `InputError`, naming `name`, for values that are not numbers or have another rank.
    """
    if type(value).__module__.partition(".")[0] == "torch":
        from headrace.frontends.torch_tensors import storage_of

        value = storage_of(value, name)
    elif _is_scipy(value):
        csr = Format.parse("csr", 2) if value.ndim == 2 else Format.compressed(value.ndim)
        _check_numbers(np.asarray(value.data), name)
        value = Storage.from_scipy(value, csr)
    if isinstance(value, Storage):
        value.validate(name)
        if format is not None and format.rank != value.format.rank:
            raise InputError(_wrong_rank(name, value.format.rank, format))
        return value if format is None else value.convert(format)
    array = np.asarray(value)
    _check_numbers(array, name)
    if format is not None and format.rank != array.ndim:
        raise InputError(_wrong_rank(name, array.ndim, format))
    return Storage.from_dense(array, format or Format.dense(array.ndim))


def _is_scipy(value: Any) -> bool:
    return isinstance(value, scipy.sparse.sparray | scipy.sparse.spmatrix)


def _wrong_rank(name: str, rank: int, format: Format) -> str:
    return (
        f"{name} has {rank} dimensions, but the program stores it as '{format}', which has "
        f"{format.rank}; pass a tensor of that rank"
    )


def _check_numbers(array: Array, name: str) -> None:
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} holds elements of type {array.dtype}; numbers are needed")


def csr_storage(
    indptr: Array, indices: Array, data: Array, shape: Sequence[int], name: str
) -> Storage:
    """
    A matrix of `shape` from the three arrays of the CSR layout, kept as they are.

    Raises `InputError` where the arrays do not fit each other: indices that are not integers, lie
    outside the shape, are not increasing in a row, or occur twice; row pointers that decrease.
    """
    for array, what in ((indptr, "indptr"), (indices, "indices")):
        if array.dtype.kind not in "iu":
            nan = array.dtype.kind == "f" and bool(np.isnan(array).any())
            found = f"{array.dtype}{' with NaN' if nan else ''}"
            raise InputError(f"{name}.{what} must be integers, not {found}")
    for array, what in ((indptr, "indptr"), (indices, "indices"), (data, "data")):
        if array.ndim != 1:
            raise InputError(f"{name}.{what} must be one-dimensional, not of shape {array.shape}")
    _check_numbers(data, f"{name}.data")
    if len(shape) != 2:
        raise InputError(f"{name} has shape {tuple(shape)}; a matrix needs two sizes")
    storage = Storage(
        (int(shape[0]), int(shape[1])),
        Format((Level.DENSE, Level.COMPRESSED), (0, 1)),
        (None, indptr.astype(np.int64)),
        (None, indices.astype(np.int64)),
        data,
    )
    storage.validate(name)
    return storage


def load(path: str | Path) -> dict[str, Tensor]:
    """
    The tensors of a file by name; a file of one tensor gives it the name of the file.

    Raises `InputError` for a file that is missing, truncated, or of no known kind.
    """
    path = Path(path)
    name = path.name.partition(".")[0]
    if path.name.endswith((".mtx", ".mtx.gz")):
        return {name: _load_matrix_market(path, name)}
    if path.suffix == ".npy":
        return {name: _load_npy(path)}
    if path.suffix != ".npz":
        raise InputError(f"{path} is of no known kind; use .npz, .npy, .mtx or .mtx.gz")
    arrays = load_arrays(path)
    if {"format", "shape", "data"} <= arrays.keys():
        return {name: _load_scipy(path, name)}
    return _assemble(arrays)


def load_arrays(path: Path) -> dict[str, Array]:
    """All arrays of an `.npz` file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: cast(Array, file[name]) for name in file.files}
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is not a complete .npz file ({error}); write it again") from None


def _assemble(arrays: Mapping[str, Array]) -> dict[str, Tensor]:
    """Join the arrays `x.indptr`, `x.indices`, `x.data`, `x.shape` to the matrix `x`."""
    tensors: dict[str, Tensor] = {}
    for key, array in arrays.items():
        name, dot, part = key.rpartition(".")
        if not dot or part not in (*_TRIPLE, "shape"):
            tensors[key] = array
        elif part == "indptr":
            missing = [p for p in (*_TRIPLE, "shape") if f"{name}.{p}" not in arrays]
            if missing:
                raise InputError(f"the sparse matrix {name} lacks the array {name}.{missing[0]}")
            indptr, indices, data = (arrays[f"{name}.{p}"] for p in _TRIPLE)
            shape = [int(size) for size in arrays[f"{name}.shape"]]
            tensors[name] = csr_storage(indptr, indices, data, shape, name)
        elif f"{name}.indptr" not in arrays:
            raise InputError(f"the sparse matrix {name} lacks the array {name}.indptr")
    return tensors


def _load_npy(path: Path) -> Array:
    try:
        return cast(Array, np.load(path, allow_pickle=False))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path} is not a complete .npy file ({error}); write it again") from None


def _load_scipy(path: Path, name: str) -> Storage:
    try:
        matrix: Any = cast(Any, scipy.sparse).load_npz(path)
        matrix.sum_duplicates()
    except (ValueError, KeyError, OSError, AttributeError) as error:
        raise InputError(f"{path} is not a sparse matrix that SciPy can read: {error}") from None
    return to_storage(matrix, name=name)


def _load_matrix_market(path: Path, name: str) -> Tensor:
    try:
        matrix: Any = cast(Any, scipy.io).mmread(path, spmatrix=False)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (ValueError, OSError, EOFError, OverflowError, zlib.error) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"{path} is not a complete Matrix Market file: {first}") from None
    if not _is_scipy(matrix):
        return np.asarray(matrix)
    csr = Format((Level.DENSE, Level.COMPRESSED), (0, 1))
    return Storage.from_coordinates(
        matrix.shape, csr, np.array(matrix.coords), np.asarray(matrix.data)
    )


@dataclass(frozen=True)
class CitationGraph:
    """A graph whose nodes have features and belong to classes."""

    adjacency: Storage
    """Nodes x nodes, CSR, as stored: no normalisation, no self loops added."""
    features: Storage
    """Nodes x features, CSR."""
    labels: Array
    """The class of each node."""
    classes: int


def load_graph(path: str | Path) -> CitationGraph:
    """
    A graph in the arrangement of the public GCN release of the Planetoid data sets.

    Arrays: `adj_indptr`, `adj_indices`, `adj_data` and `feat_*` (CSR), `labels`, and `shape`
    (nodes, features, classes). Raises `InputError` where one is missing or does not fit.
    """
    arrays = load_arrays(Path(path))
    wanted = [f"{part}_{array}" for part in ("adj", "feat") for array in _TRIPLE]
    missing = [key for key in (*wanted, "labels", "shape") if key not in arrays]
    if missing:
        raise InputError(f"{path} is not a graph file: the array {missing[0]} is missing")
    sizes = arrays["shape"]
    if sizes.shape != (3,) or sizes.dtype.kind not in "iu":
        raise InputError(f"{path}: shape must be three integers (nodes, features, classes)")
    nodes, features, classes = (int(size) for size in sizes)
    labels = arrays["labels"]
    if labels.shape != (nodes,) or labels.dtype.kind not in "iu":
        raise InputError(f"{path}: labels must be {nodes} integers, one a node")
    adjacency = _csr_of(arrays, "adj", (nodes, nodes))
    feature = _csr_of(arrays, "feat", (nodes, features))
    return CitationGraph(adjacency, feature, labels, classes)


def _csr_of(arrays: Mapping[str, Array], part: str, shape: tuple[int, int]) -> Storage:
    indptr, indices, data = (arrays[f"{part}_{array}"] for array in _TRIPLE)
    return csr_storage(indptr, indices, data, shape, part)
