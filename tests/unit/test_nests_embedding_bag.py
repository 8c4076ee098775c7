"""Embedding bags as loop nests compute what PyTorch computes, and refuse what it refuses."""

import functools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.frontends.torch_export import ImportedModel, import_model
from headrace.storage.errors import InputError
from headrace.tests.nests import check, compare, import_nests, nests, run

TABLE = torch.tensor([[r + 1.0, -(r + 1.0), 10.0 * (r + 1)] for r in range(6)])
INDICES, OFFSETS = torch.tensor([2, 0, 2, 4]), torch.tensor([0, 1, 4])


class Bag(torch.nn.Module):
    """`embedding_bag` with its table, weights last where there are any."""

    def __init__(self, table: torch.Tensor, **options: Any):
        super().__init__()
        self.table = torch.nn.Parameter(table)
        self.options = options

    def forward(
        self,
        indices: torch.Tensor,
        offsets: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return torch.nn.functional.embedding_bag(
            indices, self.table, offsets, per_sample_weights=weights, **self.options
        )


@pytest.mark.parametrize(
    ("options", "weights", "expected"),
    [
        ({"mode": "sum"}, None, [[3, -3, 30], [9, -9, 90]]),
        ({"mode": "mean"}, None, [[3, -3, 30], [3, -3, 30]]),
        ({"mode": "max"}, None, [[3, -3, 30], [5, -1, 50]]),
        ({"mode": "sum"}, [2.0, 1.0, 0.5, -1.0], [[6, -6, 60], [-2.5, 2.5, -25]]),
        ({"mode": "sum", "padding_idx": 2}, None, [[0, 0, 0], [6, -6, 60]]),
    ],
)
def test_table_of_the_modes(options: Any, weights: Any, expected: Any) -> None:
    bag = Bag(TABLE, include_last_offset=True, **options)
    given_weights = [] if weights is None else [torch.tensor(weights)]
    args = (INDICES, OFFSETS, *given_weights)
    program = import_nests(bag, *args)
    assert run(program, *args).tolist() == expected
    compare(program, bag, *args)


@functools.cache
def imported(mode: str, padding: int | None, weighted: bool, element: torch.dtype) -> Any:
    """A bag and its import, for any number of indices and bags."""
    table = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 3))).to(element)
    bag = Bag(table, mode=mode, padding_idx=padding)
    weights = [torch.ones(4, dtype=element)] if weighted else []
    sizes = {"indices": {0: "n"}, "offsets": {0: "b"}, "weights": {0: "n"}}
    dynamic = {name: sizes[name] for name in [*sizes][: 2 + weighted]}
    args = (INDICES, OFFSETS[:2], *weights)
    return bag, import_nests(bag, *args, dynamic_shapes=dynamic)


@pytest.mark.parametrize("mode", ["sum", "mean", "max", "weighted"])
@pytest.mark.parametrize(("padding", "element"), [(None, torch.float64), (1, torch.float32)])
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(0, 4), max_size=4), data=st.data())
def test_bags_of_any_lengths(
    mode: str, padding: int | None, element: torch.dtype, lengths: list[int], data: st.DataObject
) -> None:
    weighted = mode == "weighted"
    bag, program = imported("sum" if weighted else mode, padding, weighted, element)
    count = sum(lengths)
    indices = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    offsets = np.cumsum([0, *lengths])[:-1]
    weights = [torch.arange(len(indices), dtype=element) - 1] if weighted else []
    args = (torch.tensor(indices, dtype=torch.int64), torch.from_numpy(offsets), *weights)
    compare(program, bag, *args)


@pytest.mark.parametrize("element", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_narrow_floats(element: torch.dtype, mode: str) -> None:
    check(Bag((TABLE / 7).to(element), mode=mode), INDICES, OFFSETS[:2])


def test_narrow_sums_round_once() -> None:
    """In f16, 2048 + 1 is 2048; in bf16, 256 + 1 is 256: rounding each row loses all 1s."""
    for element, large in ((torch.float16, 2048), (torch.bfloat16, 256)):
        table = torch.tensor([[large], [1]]).to(element)
        indices, offsets = torch.tensor([0, 1, 1]), torch.tensor([0])
        program = import_nests(Bag(table, mode="sum"), indices, offsets)
        assert run(program, indices, offsets).tolist() == [[large + 2]]


@pytest.mark.parametrize("element", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", ["sum", "mean", "weighted"])
def test_narrow_sums_of_many_rows(element: torch.dtype, mode: str) -> None:
    table = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)).to(element)
    indices, offsets = torch.arange(600) % 50, torch.tensor([0, 300])
    weights = [table[:, 0][indices]] if mode == "weighted" else []
    bag = Bag(table, mode="sum" if weights else mode)
    program = import_nests(bag, indices, offsets, *weights)
    compare(program, bag, indices, offsets, *weights)


@pytest.mark.parametrize("indices", [torch.int32, torch.int64])
@pytest.mark.parametrize("offsets", [torch.int32, torch.int64])
def test_both_integer_types_mixed(indices: torch.dtype, offsets: torch.dtype) -> None:
    check(Bag(TABLE, mode="sum"), INDICES.to(indices), OFFSETS[:2].to(offsets))


def test_two_dimensional_indices_have_bounds_without_memory() -> None:
    program = import_nests(Bag(TABLE, mode="mean"), INDICES.reshape(2, 2))
    assert "offsets" not in str(program.module)
    assert list(program.constants) == ["table"]
    for mode in ("sum", "mean", "max"):
        check(Bag(TABLE, mode=mode, padding_idx=2), INDICES.reshape(2, 2))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_indices_behind_the_last_offset_are_ignored(mode: str) -> None:
    program = import_nests(Bag(TABLE, mode=mode, include_last_offset=True), INDICES, OFFSETS)
    cut = torch.tensor([0, 1, 2])
    found = run(program, INDICES, cut)
    assert found[1].tolist() == TABLE[0].tolist()


def test_nan_and_infinities_in_a_maximum() -> None:
    nan, inf = float("nan"), float("inf")
    table = torch.tensor([[nan, 1.0], [2.0, nan], [-inf, -inf], [inf, 0.0]])
    bag = Bag(table, mode="max")
    indices, offsets = torch.tensor([0, 1, 1, 0, 2, 2, 2, 3, 2, 1]), torch.tensor([0, 2, 4, 5, 7])
    compare(import_nests(bag, indices, offsets), bag, indices, offsets)


def test_nan_behind_minus_infinities_only_is_kept() -> None:
    """PyTorch passes over it; a maximum that knows no first entry cannot (see the design)."""
    table = torch.tensor([[-float("inf")], [float("nan")]])
    indices, offsets = torch.tensor([0, 1]), torch.tensor([0])
    found = run(import_nests(Bag(table, mode="max"), indices, offsets), indices, offsets)
    assert np.isnan(found).all()


def test_nan_of_a_padding_row_does_not_matter() -> None:
    table = TABLE.clone()
    table[2] = float("nan")
    for mode in ("sum", "mean", "max"):
        check(Bag(table, mode=mode, padding_idx=2), INDICES, OFFSETS[:2])


class ByLengths(torch.nn.Module):
    """A bag whose offsets are running sums of lengths."""

    def __init__(self, mode: str, padded: bool):
        super().__init__()
        self.table = torch.nn.EmbeddingBag.from_pretrained(
            TABLE, mode=mode, include_last_offset=True
        )
        self.padded = padded

    def forward(self, indices: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        sums = torch.cumsum(lengths, 0)
        if self.padded:
            return self.table(indices, torch.nn.functional.pad(sums, (1, 0)))
        return self.table(indices, torch.cat([torch.zeros(1, dtype=torch.int64), sums]))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_lengths_are_summed_by_the_nest(mode: str, padded: bool) -> None:
    model, args = ByLengths(mode, padded), (INDICES, torch.tensor([1, 0, 3]))
    program = import_nests(model, *args)
    assert "%lengths: memref<3xi64>" in str(program.module)
    assert nests(program) == ["embedding_bag"]
    compare(program, model, *args)


def test_segments_of_rows_by_lengths() -> None:
    def sums(table: torch.Tensor, indices: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return torch.segment_reduce(table[indices], "sum", lengths=lengths, unsafe=True)

    assert check(sums, TABLE, INDICES, torch.tensor([0, 3, 1])) == ["embedding_bag"]


# --- errors --------------------------------------------------------------------------------


def refusal(program: ImportedModel, *args: torch.Tensor) -> str:
    with pytest.raises(InputError) as caught:
        run(program, *args)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("offsets", "said"),
    [
        ([1, 2], "must start at 0"),
        ([0, 5], "must not decrease, nor exceed the number of indices"),
    ],
)
def test_wrong_offsets(offsets: list[int], said: str) -> None:
    program = import_nests(Bag(TABLE, mode="sum"), INDICES, OFFSETS[:2])
    with pytest.raises(RuntimeError):
        Bag(TABLE, mode="sum")(INDICES, torch.tensor(offsets))
    assert said in refusal(program, INDICES, torch.tensor(offsets))


def test_offsets_that_decrease_or_end_behind_the_indices() -> None:
    bag = Bag(TABLE, mode="sum", include_last_offset=True)
    program = import_nests(bag, INDICES, OFFSETS)
    assert "must not decrease" in refusal(program, INDICES, torch.tensor([0, 3, 2]))
    assert "exceeds the number of indices" in refusal(program, INDICES, torch.tensor([0, 3, 5]))


def test_wrong_lengths() -> None:
    program = import_nests(ByLengths("sum", True), INDICES, torch.tensor([1, 3]))
    assert "must not be negative" in refusal(program, INDICES, torch.tensor([-1, 3]))
    assert "at most the number of indices" in refusal(program, INDICES, torch.tensor([2, 3]))


@pytest.mark.parametrize("index", [-1, 6])
def test_an_index_outside_of_the_table_is_named_with_its_loops(index: int) -> None:
    program = import_nests(Bag(TABLE, mode="sum"), INDICES, OFFSETS[:2])
    message = refusal(program, torch.tensor([2, 0, index, 4]), OFFSETS[:2])
    assert message == (
        f"index {index} lies outside of dimension 0 of size 6 of %table in loop %b = 1, %p = 2, "
        "%e = 0 of @embedding_bag_0"
    )


@pytest.mark.parametrize("mode", ["mean", "max"])
def test_weights_need_the_mode_sum(mode: str) -> None:
    with pytest.raises(InputError, match="per_sample_weights"):
        import_nests(Bag(TABLE, mode=mode), INDICES, OFFSETS[:2], torch.ones(4))


def test_other_targets_name_the_one_that_has_bags() -> None:
    with pytest.raises(InputError, match="is compiled for the target 'dae' only"):
        import_model(Bag(TABLE, mode="sum"), (INDICES, OFFSETS[:2]))
