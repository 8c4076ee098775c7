"""Tensor files: what is read, what is refused, and that nothing is left half-written."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from headrace.storage.errors import InputError
from headrace.storage.files import StoredMatrix, read_arrays, read_tensors, write_arrays
from headrace.storage.levels import Storage

MATRIX: Any = scipy.sparse.csr_array(np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]]))


def dense(tensor: object, name: str = "A", shape: tuple[int | str, ...] = ()) -> Any:
    match tensor:
        case StoredMatrix():
            return tensor.storage(name, shape).to_dense()
        case Storage():
            return tensor.to_dense()
        case _:
            return tensor


def test_an_npz_holds_dense_arrays_and_csr_triples_in_order(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    triple = {"A_indptr": MATRIX.indptr, "A_indices": MATRIX.indices, "A_data": MATRIX.data}
    write_arrays(path, {"X": np.eye(3), **triple, "A_shape": np.array([2, 3]), "b": np.ones(2)})
    tensors = read_tensors(path)
    assert list(tensors) == ["X", "A", "b"]
    np.testing.assert_array_equal(dense(tensors["A"]), MATRIX.toarray())


def test_a_triple_may_use_dots_and_take_its_width_from_the_program(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_arrays(
        path, {"A.indptr": MATRIX.indptr, "A.indices": MATRIX.indices, "A.data": MATRIX.data}
    )
    matrix = read_tensors(path)["A"]
    np.testing.assert_array_equal(dense(matrix, "A", (2, 3)), MATRIX.toarray())
    with pytest.raises(InputError, match="A is a CSR matrix of unknown width; add an array"):
        dense(matrix)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr"])
def test_a_scipy_npz_is_one_matrix(tmp_path: Path, kind: str) -> None:
    scipy.sparse.save_npz(tmp_path / "adjacency.npz", MATRIX.asformat(kind))
    tensors = read_tensors(tmp_path / "adjacency.npz")
    np.testing.assert_array_equal(dense(tensors["adjacency"]), MATRIX.toarray())


def test_matrix_market_is_one_matrix(tmp_path: Path) -> None:
    scipy.io.mmwrite(tmp_path / "graph.mtx", MATRIX)
    np.testing.assert_array_equal(
        dense(read_tensors(tmp_path / "graph.mtx")["graph"]), MATRIX.toarray()
    )


def test_an_npy_is_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(2))
    np.testing.assert_array_equal(dense(read_tensors(tmp_path / "x.npy")["x"]), np.eye(2))


@pytest.mark.parametrize("kept", [0, 3, 200, -10])
def test_a_truncated_npz_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, {"A": np.arange(100.0), "B": np.arange(10.0)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="is not a complete npz file"):
        read_arrays(path)


def npy(array: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", b"", "is no tensor file"),
        ("x.npy", b"1 2 3", "is not a complete npy file"),
        ("x.npy", npy(np.array([None])), "'.*x.npy' holds Python objects, .* store numbers"),
        ("x.mtx", b"1 2 3", "is not a Matrix Market file"),
        ("x.mtx", b"%%MatrixMarket matrix coordinate real general\n2 2 5\n1 1 3\n", "is not a"),
    ],
)
def test_another_kind_of_file_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x.mtx"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}' cannot be read"):
        read_tensors(tmp_path / name)


def test_writing_replaces_the_old_file_or_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "y.npz"
    write_arrays(path, {"A": np.ones(2)})
    write_arrays(path, {"A": np.zeros(3)})
    np.testing.assert_array_equal(read_arrays(path)["A"], np.zeros(3))
    assert [file.name for file in tmp_path.iterdir()] == ["y.npz"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_arrays(tmp_path / "nowhere" / "y.npz", {})


def test_a_link_is_followed(tmp_path: Path):
    target, link = tmp_path / "target.npz", tmp_path / "link.npz"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_arrays(link, {"x": np.arange(3)})
    assert link.is_symlink()
    assert read_arrays(target)["x"].tolist() == [0, 1, 2]


def test_a_device_is_written_to_and_stays_a_device():
    before = os.stat(os.devnull)
    write_arrays(os.devnull, {"x": np.arange(3)})
    assert os.path.samestat(before, os.stat(os.devnull))
