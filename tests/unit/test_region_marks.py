"""Regions that a user marks in `forward`, and those of nested layers."""

from typing import Literal

import pytest
import torch
from xdsl.context import Context

import headrace
from headrace.dialects import sam
from headrace.frontends.torch_export import import_model
from headrace.passes.sam.sam_fuse import SamFusePass, is_fusible


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4, dtype=torch.float64)

    def forward(self, a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(a @ self.linear(x))


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Layer()
        self.second = Layer()

    def forward(self, a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.second(a, self.first(a, x)), 1)


class Marked(Network):
    def forward(self, a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        with headrace.region("both"):
            y = self.first(a, x)
            with headrace.region("inner"):
                y = torch.sigmoid(y)
            y = self.second(a, y)
        y = y * 2 + 1
        with headrace.region("last"):
            return torch.softmax(torch.nn.functional.hardswish(y), 1)


A = torch.eye(4, dtype=torch.float64).to_sparse_csr()
X = torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def regions(model: torch.nn.Module, how: Literal["layer", "marked"]) -> list[int]:
    """How many operations each region has."""
    module = import_model(model, (A, X)).module
    SamFusePass(how).apply(Context(), module)
    module.verify()
    found = [op for op in module.walk() if isinstance(op, sam.RegionOp)]
    return [sum(is_fusible(op) for op in region.body.block.ops) for region in found]


def test_nested_layers_are_regions_by_their_outermost_name():
    # Product, bias, product, relu; the softmax of the root goes with the layer before it.
    assert regions(Network(), "layer") == [4, 4 + 5]


def test_marks_are_regions_and_the_rest_is_alone():
    # An inner mark splits the outer one; sigmoid has four operations, hardswish is decomposed.
    both, inner, rest, double, one, last = regions(Marked(), "marked")
    assert (both, inner, rest, double, one) == (4, 4, 4, 1, 1)
    assert last > 5


@pytest.mark.parametrize("how", ["marked", "layer", "none", "all"])
def test_a_marked_model_computes_the_same(how: str):
    model = Marked()
    program = headrace.compile(model, (A, X), pipeline=f"sam-fuse{{regions={how}}},sam-lower")
    torch.testing.assert_close(program.run(A, X).outputs[0], model(A, X), rtol=0, atol=1e-9)


def test_a_mark_does_nothing_outside_of_the_compiler():
    assert Marked()(A, X).shape == (4, 4)


@pytest.mark.parametrize("name", ["", 3])
def test_a_mark_needs_a_name(name: str):
    with (
        pytest.raises(headrace.InputError, match="marked with a name, not with"),
        headrace.region(name),
    ):
        pass
