"""Models of bfloat16: computed in double precision, and what is stored is rounded."""

import copy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

import headrace
from headrace.cli.main import main
from headrace.frontends.torch_export import import_model
from headrace.models import moe
from headrace.storage.bfloat16 import round_to_bfloat16

SIZES = moe.Sizes(experts=4, chosen=2, width=16, hidden=32)
ROUTING = np.array([[0, 1], [2, 3], [1, 2], [3, 0], [1, 0]])

Target = Literal["sam", "step"]


class Normed(torch.nn.Module):
    """A norm, whose sum of squares PyTorch computes in float32, a product and a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.RMSNorm(16, eps=1e-6)
        self.linear = torch.nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.linear(self.norm(x)), -1)


def normed(dtype: torch.dtype) -> tuple[torch.nn.Module, tuple[torch.Tensor, ...]]:
    torch.manual_seed(0)
    return Normed().to(dtype).eval(), (torch.randn(3, 16).to(dtype),)


def layer(dtype: torch.dtype, form: moe.Form = "loop", values: bool = True) -> Any:
    return moe.layer(SIZES, form=form, routing=ROUTING, dtype=dtype, values=values)


def in_double(model: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """What the model gives of the same numbers without any rounding."""
    wide = [one.double() if one.is_floating_point() else one for one in args]
    return copy.deepcopy(model).double()(*wide)


@pytest.mark.parametrize("target", ["sam", "step"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("example", [normed, layer], ids=["norm", "experts"])
def test_results_are_those_of_double_precision_rounded_once(
    example: Any, dtype: torch.dtype, target: Target
) -> None:
    model, args = example(dtype)
    (result,) = headrace.compile(model, args, target=target).run(*args).outputs
    assert result.dtype == dtype
    torch.testing.assert_close(result, in_double(model, args).to(dtype), rtol=0, atol=0)
    torch.testing.assert_close(result, model(*args), rtol=2**-5, atol=2**-8)


def test_numbers_of_bfloat16_move_as_two_bytes() -> None:
    traffic: dict[torch.dtype, int | None] = {}
    for dtype in (torch.bfloat16, torch.float32):
        model, args = layer(dtype, "batched", values=False)
        function = headrace.compile(model, args, target="step")
        (use,) = function.run(*args, timing_only=True).uses
        traffic[dtype] = use.traffic
    assert traffic[torch.float32] == 2 * (traffic[torch.bfloat16] or 0)


def test_arrays_get_float32_that_bfloat16_has() -> None:
    model, (x,) = normed(torch.bfloat16)
    program = headrace.compile(model, x, target="sam")
    given = x.float().numpy()
    (result,) = program.run(given).outputs
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, round_to_bfloat16(result))
    np.testing.assert_array_equal(result, program.run(x).outputs[0].float().numpy())


@pytest.mark.parametrize("target", ["sam", "step"])
def test_a_file_of_bfloat16_runs(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, (x,) = normed(torch.bfloat16)
    imported = import_model(model, (x,))
    Path("model.mlir").write_text(str(imported.module))
    weights = {name: one.to_dense() for name, one in imported.constants.items()}
    np.savez("x.npz", **{"x": x.float().numpy(), **weights})  # pyright: ignore[reportArgumentType]
    arguments = ["--target", target, "--inputs", "x.npz", "--outputs", "y.npz"]
    assert main(["run", "model.mlir", *arguments]) == 0
    (expected,) = headrace.compile(model, x, target=target).run(x).outputs
    (written,) = np.load("y.npz").values()
    np.testing.assert_array_equal(written, expected.float().numpy())


def test_the_two_types_of_16_bits_convert_into_each_other() -> None:
    class Mixed(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x.to(torch.float16) + y

    x, y = torch.randn(3, 4).bfloat16(), torch.randn(3, 4).half()
    (result,) = headrace.compile(Mixed(), (x, y)).run(x, y).outputs
    torch.testing.assert_close(result, Mixed()(x, y))


def test_a_masked_softmax_of_bfloat16_has_its_own_lowest_number() -> None:
    class Masked(torch.nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            scores = x.masked_fill(mask, float("-inf"))
            return torch.softmax(scores, -1)

    x = torch.randn(3, 4).bfloat16()
    mask = torch.tensor([[True, False, False, True]]).expand(3, 4).contiguous()
    (result,) = headrace.compile(Masked(), (x, mask)).run(x, mask).outputs
    torch.testing.assert_close(result, Masked()(x, mask), rtol=2**-6, atol=0)
