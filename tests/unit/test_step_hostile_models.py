"""Models with the target `step` on hostile arguments: PyTorch's result, or one sentence."""

from typing import Any

import numpy as np
import pytest
import torch

import headrace
from headrace.models import moe
from headrace.models.decode_attention import decode_attention
from headrace.storage.errors import InputError
from headrace.tests.imported import Lambda

T: Any = torch
SIZES = moe.Sizes(experts=4, chosen=2, width=8, hidden=6)
TILINGS = (
    "step-lower",
    "step-lower{rows=2},step-dynamic-tile",
    "step-lower{rows=2 columns=3},step-tile{rows=3}",
    "step-lower{rows=2},step-dynamic-tile,step-time-multiplex{regions=1}",
)
INFINITE = torch.tensor([[torch.inf, -torch.inf, -1000.0, 1000.0], [0.0, 1.0, torch.nan, 2.0]])


def check(model: torch.nn.Module, args: Any, pipeline: str = "step-lower") -> None:
    """What PyTorch computes, NaN included, at depth 64."""
    result = headrace.compile(model, args, target="step", pipeline=pipeline).run(*args, depth=64)
    assert result.deadlock is None
    (found,) = result.outputs
    torch.testing.assert_close(found, model(*args).detach(), equal_nan=True)


def refused(model: torch.nn.Module, args: Any, given: Any, pipeline: str = "step-lower") -> str:
    function = headrace.compile(model, args, target="step", pipeline=pipeline)
    with pytest.raises(InputError) as error:
        function.run(*given)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize("pipeline", TILINGS)
@pytest.mark.parametrize(
    ("sizes", "routing"),
    [
        (SIZES, [[1, 2]]),
        (SIZES, [[0, 1]] * 5),
        (moe.Sizes(1, 1, 8, 6), [[0]] * 3),
        (moe.Sizes(2, 2, 8, 6), [[1, 0]] * 3),
        (moe.Sizes(4, 1, 8, 6), [[3]] * 5),
    ],
    ids=["one row", "experts without rows", "one expert", "every expert", "all to one"],
)
def test_routing_at_its_limits(sizes: moe.Sizes, routing: list[list[int]], pipeline: str) -> None:
    model, args = moe.layer(sizes, routing=np.array(routing))
    check(model, args, pipeline)


@pytest.mark.parametrize("function", ["softmax", "relu", "silu", "exp", "sigmoid"])
def test_what_is_not_finite_is_as_in_pytorch(function: str) -> None:
    functional = getattr(torch.nn.functional, function, None) or getattr(torch, function)

    def rows(x: torch.Tensor) -> torch.Tensor:
        return functional(x, -1) if function == "softmax" else functional(x)

    check(Lambda(rows), (INFINITE,))


def test_a_batch_of_zero() -> None:
    check(torch.nn.Linear(5, 7), (torch.zeros(0, 5),))
    check(*moe.layer(SIZES, form="batched", routing=np.zeros((0, 2), dtype=np.int64)))


@pytest.mark.parametrize("indices", [[0, 4], [0, -1], [2**40, 0], [0, 0]])
@pytest.mark.parametrize("pipeline", [TILINGS[0], TILINGS[3]])
def test_experts_that_are_not_there(indices: list[int], pipeline: str) -> None:
    model, args = moe.layer(SIZES, routing=np.array([[0, 3]]))
    x, _, weights = args
    message = refused(model, args, (x, torch.tensor([indices]), weights), pipeline)
    assert "select" in message


@pytest.mark.parametrize("lengths", [[-1, 0], [-9, 3], [8, 0], [9, 1], [2**40, 0]])
def test_lengths_that_no_cache_has(lengths: list[int]) -> None:
    model, args = decode_attention((5, 0), positions=8)
    message = refused(model, args, (*args[:5], torch.tensor(lengths)))
    assert "length" in message


def test_arguments_that_are_no_tensors_of_numbers() -> None:
    model, args = torch.nn.Linear(2, 2), (torch.zeros(3, 2),)
    assert "must have (3, 2)" in refused(model, args, (torch.zeros(2, 2),))
    assert "not real numbers" in refused(model, args, (torch.zeros(3, 2) + 1j,))
    assert "not real numbers" in refused(model, args, (np.full((3, 2), None),))
    assert "different lengths" in refused(model, args, ([[1, 2], [3]],))
    assert "takes 1 arguments" in refused(model, args, args * 2)
    assert "needs the values" in refused(model, args, (None,))


def test_a_machine_file_that_is_not_there() -> None:
    function = headrace.compile(torch.nn.Linear(2, 2), (torch.zeros(3, 2),), target="step")
    with pytest.raises(
        InputError, match=r"machine file .nowhere.toml. cannot be read: No such file"
    ):
        function.run(torch.zeros(3, 2), machine="nowhere.toml")
