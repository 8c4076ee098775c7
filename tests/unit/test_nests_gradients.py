"""Gradients of embedding bags are loop nests that compute what autograd computes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import headrace
from headrace.interpreters.nest_entry import interpret_nests
from headrace.models.quantized_bag import QuantizedBag, quantize
from headrace.models.training import BagStep, bag_step
from headrace.storage.errors import InputError
from headrace.tests.nests import import_nests, nests

INDICES, OFFSETS = torch.tensor([2, 0, 2, 4, 5, 2]), torch.tensor([0, 1, 1, 4])
NAN = float("nan")


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


TABLE, WANTED, WEIGHTS = drawn(6, 5), drawn(4, 5, seed=1), drawn(6, seed=2)


def check(model: Callable[..., Any], *args: torch.Tensor) -> list[str]:
    """Import a step, compare the interpreted nests with autograd, and return their kinds."""
    program = import_nests(model, *args)
    found = interpret_nests(program.module, program.bind(*args))
    for result, expected in zip(found, model(*args), strict=True):
        torch.testing.assert_close(
            torch.as_tensor(result), expected, rtol=1e-12, atol=1e-12, equal_nan=True
        )
    return nests(program)


@pytest.mark.parametrize("padding", [None, 2])
@pytest.mark.parametrize(
    ("mode", "weights", "kinds"),
    [
        ("sum", [], ["bag_gradient"]),
        ("mean", [], ["bag_gradient"]),
        ("max", [], ["bag_max_gradient"]),
        ("sum", [WEIGHTS], ["weight_gradient", "bag_gradient"]),
    ],
)
def test_modes(mode: str, weights: Any, kinds: list[str], padding: int | None) -> None:
    step = BagStep(TABLE, mode=mode, padding_idx=padding)
    assert check(step, INDICES, OFFSETS, WANTED, *weights) == ["embedding_bag", *kinds]


@pytest.mark.parametrize(
    "offsets", [[0, 0, 0, 0], [0, 6, 6, 6], [0, 1, 2, 3]], ids=["last", "first", "single"]
)
@pytest.mark.parametrize("mode", ["mean", "max"])
def test_empty_bags_have_no_gradient(offsets: list[int], mode: str) -> None:
    check(BagStep(TABLE, mode=mode), INDICES, torch.tensor(offsets), WANTED)


def test_the_first_of_equal_maxima_gets_the_gradient() -> None:
    table = torch.tensor([[1.0, -torch.inf, NAN], [1.0, -torch.inf, 2.0], [0.0, -torch.inf, 3.0]])
    indices, offsets = torch.tensor([2, 1, 0, 0, 1]), torch.tensor([0, 3])
    step = BagStep(table.double(), mode="max")
    check(step, indices, offsets, torch.zeros(2, 3, dtype=torch.float64))


def test_bags_with_the_last_offset_or_by_lengths() -> None:
    step = BagStep(TABLE, mode="mean", include_last_offset=True)
    check(step, INDICES.int(), torch.tensor([0, 1, 1, 4, 6]).int(), WANTED)

    class ByLengths(BagStep):
        def forward(self, indices: Any, offsets: Any, wanted: Any, weights: Any = None) -> Any:
            bounds = torch.cat([torch.zeros(1, dtype=torch.int64), offsets.cumsum(0)])
            return super().forward(indices, bounds, wanted, weights)

    lengths = ByLengths(TABLE, mode="sum", include_last_offset=True)
    check(lengths, INDICES, torch.tensor([1, 0, 3, 2]), WANTED)


def test_weights_of_a_quantized_table() -> None:
    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag = QuantizedBag(*quantize(TABLE))

        def forward(self, indices: Any, offsets: Any, wanted: Any, weights: Any) -> Any:
            with torch.enable_grad():
                weights = weights.detach().requires_grad_()
                error = ((self.bag(indices, offsets, weights) - wanted) ** 2).sum()
                return torch.autograd.grad(error, [weights])

    assert check(Step(), INDICES, OFFSETS, WANTED, WEIGHTS) == ["embedding_bag", "weight_gradient"]


@pytest.mark.parametrize("padding", [None, 2])
def test_rows(padding: int | None) -> None:
    table = nn.Embedding(6, 5, padding_idx=padding, dtype=torch.float64)

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = table

        def forward(self, indices: torch.Tensor, wanted: torch.Tensor) -> Any:
            with torch.enable_grad():
                error = ((self.table(indices) - wanted) ** 2).sum()
                return torch.autograd.grad(error, [self.table.weight])

    kinds = check(Step(), INDICES.reshape(3, 2), drawn(3, 2, 5))
    assert kinds == ["embedding", "embedding_gradient"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale_grad_by_freq": True}, "leave scale_grad_by_freq out"),
        ({"sparse": True}, "leave sparse=True out"),
    ],
)
def test_refusals(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        import_nests(BagStep(TABLE, mode="sum", **options), INDICES, OFFSETS, WANTED)


@pytest.mark.parametrize(
    ("mode", "weighted"), [("sum", False), ("sum", True), ("mean", False), ("max", False)]
)
def test_every_level(mode: str, weighted: bool) -> None:
    step, args = bag_step(width=11, mode=mode, weighted=weighted)
    given: Any = args
    expected = step(*given)
    program = import_nests(step, *given)
    first: list[torch.Tensor] = []
    for level in range(5):
        function = headrace.compile(program.module, target="dae", opt=level)
        outputs = function.bind(program.constants).run(*given).outputs
        first = first or list(outputs)
        assert torch.equal(outputs[1], first[1])
        for output, wanted in zip(outputs, expected, strict=True):
            torch.testing.assert_close(output, wanted, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_a_bag_is_sent_once() -> None:
    step = BagStep(drawn(6, 16), mode="sum")
    args = (INDICES, OFFSETS, drawn(4, 16))
    _, gradient = headrace.compile(step, args, target="dae", opt=2).run(*args).operations
    # The row of each bag with its number, then the row of the table of each entry.
    assert gradient.words == 4 * 16 + 6
