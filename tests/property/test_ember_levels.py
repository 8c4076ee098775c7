"""
Embedding bags at levels 0 to 4: the numbers of PyTorch, sums equal to the bit, counts as published.

Lengths of bags are ragged, rows are any multiple of the lanes, or not, and longer or shorter.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.frontends.torch_export import ImportedModel
from headrace.interpreters.dlc import QueueTraffic
from headrace.interpreters.nest_entry import interpret_nests
from headrace.tests.ember import copy_of, level, lower, run_decoupled, run_structured
from headrace.tests.nests import import_nests
from headrace.tests.unit.test_nests_embedding_bag import Bag

ROWS = 5


@st.composite
def bags(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices, and the offsets of 0 to 3 bags of 0 to 4 of them, with the last offset."""
    lengths = draw(st.lists(st.integers(0, 4), max_size=3))
    indices = draw(st.lists(st.integers(0, ROWS - 1), min_size=sum(lengths), max_size=sum(lengths)))
    return torch.tensor(indices, dtype=torch.int64), torch.tensor(
        [0, *np.cumsum(lengths, dtype=int)]
    )


MODES: dict[str, dict[str, Any]] = {
    "sum": {"mode": "sum"},
    "padded sum": {"mode": "sum", "padding_idx": 2},
    "mean": {"mode": "mean"},
    "padded mean": {"mode": "mean", "padding_idx": 2},
    "max": {"mode": "max"},
    "padded max": {"mode": "max", "padding_idx": 2},
    "weighted": {"mode": "sum"},
}


def program(
    mode: str, width: int, element: torch.dtype, indices: torch.Tensor, offsets: torch.Tensor
) -> tuple[Bag, tuple[torch.Tensor, ...]]:
    """A model and its arguments, of which all numbers in the table are negative."""
    random = torch.Generator().manual_seed(width)
    table = -torch.rand(ROWS, width, generator=random, dtype=torch.float64) - 0.1
    model = Bag(table.to(element), include_last_offset=True, **MODES[mode])
    args: tuple[torch.Tensor, ...] = (indices, offsets)
    if mode == "weighted":
        args += (torch.rand(len(indices), generator=random, dtype=torch.float64).to(element),)
    return model, args


def bag_words(lookups: int, width: int, lanes: int) -> list[int]:
    """Words of the sum at levels 0 to 3 (section 2 of the specification)."""
    vectors = -(-width // lanes)
    return [
        3 * lookups * width,
        lookups * vectors * (lanes + 2),
        lookups * (1 + vectors * lanes),
        lookups * vectors * lanes,
    ]


def bag_tokens(lookups: int, bags: int, width: int, lanes: int) -> list[int]:
    """Control tokens of the sum, with the last one."""
    vectors = -(-width // lanes)
    return [lookups * width + 1, lookups * vectors + 1, lookups + 1, lookups + bags + 1]


@settings(max_examples=8, deadline=None)
@example(
    bags=(torch.tensor([], dtype=torch.int64), torch.tensor([0])), mode="max", width=3, lanes=2
)
@given(
    bags=bags(),
    mode=st.sampled_from(sorted(MODES)),
    width=st.sampled_from([1, 3, 4, 7, 8]),
    lanes=st.sampled_from([2, 4, 8]),
)
def test_levels_compute_the_same_bits(
    bags: tuple[torch.Tensor, torch.Tensor], mode: str, width: int, lanes: int
) -> None:
    model, args = program(mode, width, torch.float64, *bags)
    imported = import_nests(model, *args)
    (expected,) = interpret_nests(imported.module, imported.bind(*args))
    np.testing.assert_allclose(expected, model(*args).detach().numpy(), rtol=1e-13, atol=1e-13)
    for number in range(5):
        lowered = copy_of(imported)
        lower(lowered, level(number, lanes, rows=2).removesuffix(",ember-to-dlc"))
        (found,) = run_structured(lowered, *args)
        np.testing.assert_array_equal(found, expected)
        lower(lowered, "ember-to-dlc")
        (found,), _ = run_decoupled(lowered, *args)
        np.testing.assert_array_equal(found, expected)


@cache
def three_bags(width: int) -> tuple[ImportedModel, tuple[torch.Tensor, ...]]:
    """Bags of 2, 0 and 3 rows."""
    indices, offsets = torch.tensor([1, 1, 4, 0, 2]), torch.tensor([0, 2, 2, 5])
    model, args = program("sum", width, torch.float64, indices, offsets)
    return import_nests(model, *args), args


def traffic_of(width: int, lanes: int, number: int) -> QueueTraffic:
    """The traffic of these bags at a level; the last has two rows a token."""
    imported, args = three_bags(width)
    lowered = copy_of(imported)
    lower(lowered, level(number, lanes, rows=2))
    (traffic,) = run_decoupled(lowered, *args)[1]
    return traffic


@pytest.mark.parametrize(
    ("width", "lanes"),
    [(1, 2), (1, 16), (7, 2), (7, 8), (20, 4), (32, 8), (32, 16), (100, 8), (128, 16)],
)
def test_sums_send_what_is_published(width: int, lanes: int) -> None:
    found = [traffic_of(width, lanes, number) for number in range(4)]
    assert [traffic.words for traffic in found] == bag_words(5, width, lanes)
    assert [traffic.tokens for traffic in found] == bag_tokens(5, 3, width, lanes)


@pytest.mark.parametrize(("width", "lanes"), [(1, 2), (7, 4), (32, 8)])
def test_batches_send_their_length_and_fewer_tokens(width: int, lanes: int) -> None:
    """Bags of 2, 0 and 3 rows are 1, 0 and 2 batches of two rows."""
    level_3, batched = (traffic_of(width, lanes, number) for number in (3, 4))
    assert batched.words == level_3.words + 3 * lanes
    assert batched.tokens == 3 + 3 + 1


def test_the_toy_sends_what_is_published() -> None:
    """Two bags of 2 and 1 rows of 4 numbers in vectors of 2 (section 6 of the specification)."""
    table = torch.arange(24, dtype=torch.float64).reshape(6, 4)
    args = (torch.tensor([3, 1, 5]), torch.tensor([0, 2, 3]))
    model = Bag(table, include_last_offset=True, mode="sum")
    imported = import_nests(model, *args)
    found: list[QueueTraffic] = []
    for number in range(4):
        lowered = copy_of(imported)
        lower(lowered, level(number, 2))
        (result,), (traffic,) = run_decoupled(lowered, *args)
        np.testing.assert_array_equal(result, model(*args).detach().numpy())
        found.append(traffic)
    assert [traffic.tokens for traffic in found] == [13, 7, 4, 6]
    assert [traffic.words for traffic in found] == [36, 24, 15, 12]
    assert found[3].control == (1, 1, 2, 1, 2, "done")


@pytest.mark.parametrize("element", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("mode", ["padded mean", "max", "weighted"])
def test_other_types_round_alike_at_all_levels(mode: str, element: torch.dtype) -> None:
    indices, offsets = torch.tensor([1, 2, 4, 0, 2, 2, 2]), torch.tensor([0, 3, 3, 5, 7])
    model, args = program(mode, 7, element, indices, offsets)
    imported = import_nests(model, *args)
    (expected,) = interpret_nests(imported.module, imported.bind(*args))
    for number in range(1, 5):
        lowered = copy_of(imported)
        lower(lowered, level(number, 4, rows=2))
        (found,), _ = run_decoupled(lowered, *args)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["weighted", "max", "padded mean"])
def test_rows_that_no_bag_has_do_not_matter(mode: str) -> None:
    """They hold NaN and infinities, as do padding rows; lanes without an element hold zeros."""
    indices, offsets = torch.tensor([1, 2, 4, 2, 1]), torch.tensor([0, 2, 2, 5])
    model, args = program(mode, 7, torch.float64, indices, offsets)
    clean = import_nests(model, *args)
    (expected,) = interpret_nests(clean.module, clean.bind(*args))
    assert np.isfinite(expected).all()
    with torch.no_grad():
        for row, value in (
            (0, torch.nan),
            (3, torch.inf),
            *([(2, torch.nan)] * ("padded" in mode)),
        ):
            model.table[row] = value
    imported = import_nests(model, *args)
    for number in range(5):
        lowered = copy_of(imported)
        lower(lowered, level(number, 4, rows=2))
        (found,), _ = run_decoupled(lowered, *args)
        np.testing.assert_array_equal(found, expected)


def test_bags_of_one_length_in_two_dimensions() -> None:
    args = (torch.tensor([[1, 4, 1], [0, 2, 2]]),)
    table = torch.rand(ROWS, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = Bag(table, mode="mean", padding_idx=2)
    imported = import_nests(model, *args)
    for number in range(5):
        lowered = copy_of(imported)
        lower(lowered, level(number, 4, rows=2))
        (found,), _ = run_decoupled(lowered, *args)
        np.testing.assert_allclose(found, model(*args).detach().numpy(), rtol=1e-13)
