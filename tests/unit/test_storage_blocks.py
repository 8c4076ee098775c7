"""Conversion between formats with and without blocks."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level, Storage
from headrace.storage.values import storage_of

BLOCKS = ((), (2, 3), (7, 9))
FORMATS = [
    Format(levels, order, block)
    for levels in product(Level, repeat=2)
    for order in ((0, 1), (1, 0))
    for block in BLOCKS
]


@pytest.mark.parametrize("shape", [(5, 7), (4, 6), (0, 3)])
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_a_converted_tensor_is_stored_as_if_it_came_dense(shape: tuple[int, int], density: float):
    rng = np.random.default_rng(0)
    dense = rng.random(shape) * (rng.random(shape) < density)
    for source, target in product(FORMATS, repeat=2):
        found = Storage.from_dense(dense, source).convert(target)
        expected = Storage.from_dense(dense, target)
        found.validate()
        assert found.format == target
        for ours, theirs in zip(
            (*found.segments, *found.coordinates, found.values),
            (*expected.segments, *expected.coordinates, expected.values),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_a_zero_is_kept_if_it_was_stored_alone_but_not_if_a_tile_had_it():
    csr, bsr = Format.parse("csr", 2), Format(Format.parse("csr", 2).levels, (0, 1), (2, 2))
    places, values = np.array([[0, 3], [1, 2]]), np.array([0.0, 5.0])
    stored = Storage.from_coordinates((4, 4), csr, places, values)
    blocked = stored.convert(bsr)
    assert blocked.stored == 2
    again = blocked.convert(csr)
    assert (again.stored, again.values.tolist()) == (1, [5.0])


def test_what_a_tile_holds_beyond_the_shape_is_dropped():
    bsr = Format(Format.parse("csr", 2).levels, (0, 1), (2, 2))
    stored = Storage.from_coordinates((3, 3), bsr, np.array([[1], [1]]), np.ones((1, 2, 2)))
    assert stored.convert(Format.parse("csr", 2)).to_coordinates()[0].tolist() == [[2], [2]]


def test_a_large_sparse_tensor_does_not_become_dense():
    size = 10**6
    csr = Format.parse("csr", 2)
    stored = Storage.from_coordinates(
        (size, size), csr, np.array([[0, size - 1], [7, size - 1]]), np.array([1.0, 2.0])
    )
    blocked = stored.convert(Format(csr.levels, csr.order, (8, 8)))
    assert blocked.stored == 2
    assert blocked.convert(csr).values.tolist() == [1.0, 2.0]


BSR = Format(Format.parse("csr", 2).levels, (0, 1), (2, 3))


@pytest.mark.parametrize("shape", [(3, 6), (4, 5), (3, 5)])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_lies_beyond_the_shape_is_not_zero_only_by_mistake(
    shape: tuple[int, int], order: tuple[int, int]
):
    bsr = replace(BSR, order=order)
    stored = Storage.from_dense(np.ones(shape), bsr)
    filled = replace(stored, values=np.full_like(stored.values, np.nan))
    filled.validate()
    dimension, cut = next((d, n) for d, n in enumerate(shape) if n % bsr.block[d])
    message = (
        f"matrix: tiles of {bsr.block[dimension]} are not zero beyond the {cut} elements of "
        f"dimension {dimension}; set them to zero there"
    )
    with pytest.raises(InputError) as error:
        storage_of(filled, name="matrix")
    assert str(error.value) == message
    cleared = replace(stored, values=stored.values + 6).without_padding()
    assert storage_of(cleared) is cleared
    np.testing.assert_array_equal(cleared.to_dense(), np.full(shape, 7))
    assert cleared.values.sum() == 7 * np.prod(shape)


def test_tiles_that_fill_the_shape_have_no_padding():
    stored = Storage.from_dense(np.ones((4, 6)), BSR)
    assert stored.without_padding() is stored
    assert storage_of(stored) is stored
