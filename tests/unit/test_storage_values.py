"""Tensors of NumPy, SciPy and torch become storage in any format, or are refused with a reason."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Storage
from headrace.storage.values import CSR, from_compressed, is_torch, storage_of, to_torch

DENSE = np.array([[0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, -3.0, 4.0]])
FORMATS = ["dense", "csr", "csc", "dcsr", "dcsc", "sd"]

scipy_matrices: dict[str, Any] = {
    name: scipy.sparse.coo_array(DENSE).asformat(name)
    for name in ("coo", "csr", "csc", "bsr", "lil", "dia", "dok")
}
torch_tensors: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "strided": torch.Tensor.clone,
    "parameter": torch.nn.Parameter,
    "coo": torch.Tensor.to_sparse,
    "csr": torch.Tensor.to_sparse_csr,
    "csc": torch.Tensor.to_sparse_csc,
    "bsr": lambda tensor: tensor.to_sparse_bsr((3, 2)),
    "bsc": lambda tensor: tensor.to_sparse_bsc((3, 2)),
    "batched csr": lambda tensor: tensor[None].to_sparse_csr(),
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("layout", scipy_matrices)
def test_every_scipy_layout_can_be_stored_in_every_format(layout: str, format: str) -> None:
    stored = storage_of(scipy_matrices[layout], Format.parse(format, 2))
    assert stored.format == Format.parse(format, 2)
    np.testing.assert_array_equal(stored.to_dense(), DENSE)


@pytest.mark.parametrize("layout", torch_tensors)
def test_every_torch_layout_is_read_without_loss(layout: str) -> None:
    tensor = torch_tensors[layout](torch.from_numpy(DENSE))
    expected = tensor.detach().to_dense().numpy()
    np.testing.assert_array_equal(storage_of(tensor).to_dense(), expected)


def test_a_torch_block_layout_keeps_its_blocks() -> None:
    stored = storage_of(torch_tensors["bsr"](torch.from_numpy(DENSE)))
    assert stored.format.block == (3, 2)
    assert stored.values.shape == (2, 3, 2)


def test_an_explicit_zero_stays_stored() -> None:
    matrix = scipy.sparse.csr_array((np.array([0.0, 5.0]), np.array([0, 2]), np.array([0, 2])))
    assert storage_of(matrix, Format.parse("csr", 2)).stored == 2


def test_a_result_for_torch_shares_the_memory_of_the_array() -> None:
    array = np.zeros((2, 2))
    tensor = to_torch(array)
    assert is_torch(tensor)
    tensor[0, 1] = 3
    assert array[0, 1] == 3


def csr(indices: list[float], pointers: list[int]) -> Storage:
    kind = np.int64 if all(float(index).is_integer() for index in indices) else np.float64
    values = np.ones(len(indices))
    return from_compressed((2, 3), CSR, np.array(pointers), np.array(indices, kind), values)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (csr([2, 0], [0, 2, 2]), "coordinates must increase inside a fiber"),
        (csr([1, 1], [0, 2, 2]), "coordinates must increase inside a fiber"),
        (csr([3], [0, 1, 1]), r"coordinates must lie in 0\.\.2"),
        (csr([-1], [0, 1, 1]), r"coordinates must lie in 0\.\.2"),
        (csr([float("nan")], [0, 1, 1]), "coordinates must be integers, not float64"),
        (csr([0], [0, 2, 1]), "segments must rise"),
        (csr([0], [0, 1]), "1 fibers|2 segments for 2 fibers"),
        (np.array(["a"]), "not real numbers"),
        (np.array([1j]), "not real numbers"),
        ([[1], [1, 2]], "give an array of numbers"),
    ],
)
def test_a_malformed_tensor_is_refused_by_name(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        storage_of(value, name="argument A")
    assert str(error.value).startswith("argument A")


def test_a_point_that_is_stored_twice_is_refused() -> None:
    points = scipy.sparse.coo_array((np.ones(2), ([0, 0], [1, 1])), shape=(2, 2))
    with pytest.raises(InputError, match=r"A: coordinate \(0, 1\) is stored twice; sum"):
        storage_of(points, name="A")


def test_a_format_of_another_rank_is_refused() -> None:
    with pytest.raises(InputError, match="A has 1 dimensions, but the format 'ds' has 2 levels"):
        storage_of(np.zeros(3), Format.parse("csr", 2), "A")
