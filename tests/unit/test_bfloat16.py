"""bfloat16 on NumPy arrays rounds as PyTorch does."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headrace.storage.bfloat16 import bfloat16_bits, from_bfloat16_bits, round_to_bfloat16


def of_torch(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return torch.from_numpy(numbers).to(torch.bfloat16).float().numpy()


def test_all_bit_patterns_come_back():
    bits = np.arange(2**16, dtype=np.uint32).astype(np.uint16)
    numbers = from_bfloat16_bits(bits)
    known = ~np.isnan(numbers)
    np.testing.assert_array_equal(bfloat16_bits(numbers)[known], bits[known])
    assert np.isnan(round_to_bfloat16(numbers)[~known]).all()


@pytest.mark.parametrize(
    ("number", "nearest"),
    [
        (1.0 + 2**-8, 1.0),  # halfway: the even one is below
        (1.0 + 3 * 2**-8, 1.0 + 2**-6),  # halfway: the even one is above
        (1.0 + 2**-8 + 2**-20, 1.0 + 2**-7),
        (-0.0, -0.0),
        (3.4e38, np.inf),
        (1e300, np.inf),
        (1e-45, 0.0),
        (-np.inf, -np.inf),
    ],
)
def test_ties_go_to_the_even_one_and_what_is_too_large_is_infinite(number: float, nearest: float):
    rounded = round_to_bfloat16(np.array([number]))
    np.testing.assert_array_equal(rounded, np.array([nearest], dtype=np.float32))
    np.testing.assert_array_equal(
        np.signbit(rounded), np.signbit(np.array([nearest], dtype=np.float32))
    )


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_float32_rounds_as_in_torch(numbers: list[float]):
    given = np.array(numbers, dtype=np.float32)
    np.testing.assert_array_equal(round_to_bfloat16(given), of_torch(given))


@given(st.lists(st.floats(), min_size=1, max_size=20))
def test_float64_rounds_as_in_torch(numbers: list[float]):
    given = np.array(numbers, dtype=np.float64)
    np.testing.assert_array_equal(round_to_bfloat16(given), of_torch(given))


def test_shapes_stay():
    assert round_to_bfloat16(np.zeros((0, 3))).shape == (0, 3)
    assert round_to_bfloat16(np.array(2.5)).shape == ()
