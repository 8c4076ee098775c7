"""Traces of indices with a given locality."""

from pathlib import Path

import numpy as np
import pytest

from headrace.simulators.dae.locality import (
    DistanceLaw,
    locality_indices,
    recorded_indices,
    zipf_indices,
)
from headrace.storage.errors import InputError


def test_zipf_draws_follow_their_law() -> None:
    rows = zipf_indices(100, 200_000, 1.0)
    shares = np.sort(np.bincount(rows, minlength=100))[::-1] / 200_000
    law = 1 / np.arange(1, 101)
    np.testing.assert_allclose(shares[:10], (law / law.sum())[:10], rtol=0.05)


def test_exponent_0_is_uniform() -> None:
    counts = np.bincount(zipf_indices(10, 100_000, 0.0), minlength=10)
    np.testing.assert_allclose(counts, 10_000, rtol=0.05)


def test_a_seed_gives_one_trace() -> None:
    np.testing.assert_array_equal(locality_indices("L1"), locality_indices("L1"))
    assert (locality_indices("L1", seed=1) != locality_indices("L1", seed=2)).any()


def brute_force(distances: list[int], new: list[int]) -> list[int]:
    """By the definition, with the rows used so far, the last first."""
    stack, unused = list[int](), list(new)
    rows = list[int]()
    for distance in distances:
        if distance in range(1, len(stack) + 1):
            row = stack.pop(distance - 1)
        else:
            row = unused.pop(0) if unused else stack.pop()
        stack.insert(0, row)
        rows.append(row)
    return rows


@pytest.mark.parametrize("rows", [1, 3, 20, 1000])
def test_rows_lie_at_the_distances_drawn(rows: int) -> None:
    law = DistanceLaw(np.array([0, 1, 2, 5, 17]), np.array([0.3, 0.2, 0.2, 0.2, 0.1]))
    random = np.random.default_rng(7)
    drawn = random.choice(law.distances, 300, p=law.probabilities)
    expected = brute_force(drawn.tolist(), random.permutation(rows).tolist())
    assert law.indices(rows, 300, seed=7).tolist() == expected


def test_a_law_is_that_of_the_traces_that_it_gives() -> None:
    law = DistanceLaw(np.array([0, 1, 4, 50]), np.array([0.5, 0.2, 0.2, 0.1]))
    found = DistanceLaw.of(law.indices(100_000, 50_000))
    assert found.distances.tolist() == law.distances.tolist()
    np.testing.assert_allclose(found.probabilities, law.probabilities, atol=0.01)


def test_the_law_of_a_small_trace() -> None:
    """New 5, new 6, 5 after one other, 5 at once."""
    law = DistanceLaw.of(np.array([5, 6, 5, 5]))
    assert dict(zip(law.distances.tolist(), law.probabilities.tolist(), strict=True)) == {
        0: 0.5,
        1: 0.25,
        2: 0.25,
    }


def test_recorded_indices_are_read(tmp_path: Path) -> None:
    path = tmp_path / "indices.npy"
    np.save(path, np.array([3, 0, 3], np.int32))
    assert recorded_indices(path, 4).tolist() == [3, 0, 3]
    with pytest.raises(InputError, match="indices from 0 to 3, but the table has 3 rows"):
        recorded_indices(path, 3)
    np.save(path, np.ones(3))
    with pytest.raises(InputError, match="is not a vector of integers"):
        recorded_indices(path, 4)
    path.write_text("1 2 3")
    with pytest.raises(InputError, match="cannot read the indices"):
        recorded_indices(path, 4)


@pytest.mark.parametrize(
    ("distances", "probabilities", "reason"),
    [
        ([], [], "as many probabilities as distances"),
        ([0, 1], [1.0], "as many probabilities as distances"),
        ([-1], [1.0], "a stack distance is negative"),
        ([0, 1], [0.5, 0.4], "add up to 0.9"),
        ([0, 1], [1.5, -0.5], "numbers of 0 or more"),
    ],
)
def test_a_law_that_is_none_is_refused(
    distances: list[int], probabilities: list[float], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        DistanceLaw(np.array(distances, np.int64), np.array(probabilities))


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="there is no locality 'L3'; choose from L0, L1, L2"):
        locality_indices("L3")
    with pytest.raises(InputError, match="a table of 0 rows"):
        zipf_indices(0, 3, 0.5)
    with pytest.raises(InputError, match="the exponent of a Zipf law is -1"):
        zipf_indices(3, 3, -1)
    with pytest.raises(InputError, match="an empty trace"):
        DistanceLaw.of(np.array([], np.int64))
