"""Chains of matrix products: which there are, how brackets are numbered, and equal values."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.utils.exceptions import PassFailedException

from headrace.frontends.einsum import import_einsum
from headrace.frontends.torch_export import import_model
from headrace.interpreters.linalg import interpret
from headrace.passes.sam.product_chains import (
    Chain,
    bracketings,
    chains,
    form_of,
    is_contraction,
    splits_of,
)
from headrace.passes.sam.sam_associate import SamAssociatePass
from headrace.tests.fusion import lowered, run


def chains_of(module: ModuleOp) -> list[Chain]:
    function = module.body.block.first_op
    assert isinstance(function, FuncOp)
    return chains(function)


def associated(module: ModuleOp, *forms: int) -> ModuleOp:
    module = module.clone()
    SamAssociatePass(forms).apply(Context(), module)
    module.verify()
    return module


def products(module: ModuleOp) -> list[LinalgStructuredOperation]:
    found = [op for op in module.walk() if isinstance(op, LinalgStructuredOperation)]
    return [op for op in found if is_contraction(op)]


def test_bracketings_are_numbered_by_their_outermost_split_then_left_then_right():
    (chain,) = chains_of(import_einsum("Y(i,l) = A(i,j) * B(j,k) * C(k,m) * D(m,l)"))
    assert [chain.text(form) for form in range(chain.bracketings)] == [
        "A (B (C D))",
        "A ((B C) D)",
        "(A B) (C D)",
        "(A (B C)) D",
        "((A B) C) D",
    ]
    assert chain.written == 4


@pytest.mark.parametrize("factors", range(2, 8))
def test_a_number_and_its_splits_determine_each_other(factors: int):
    count = bracketings(factors)
    assert [form_of(splits_of(form, factors), factors) for form in range(count)] == list(
        range(count)
    )


def test_a_chain_has_the_sizes_and_names_of_its_factors():
    module = import_einsum(
        "Y(i,h) = A(i,k) * (X(k,f) * W(h,f))", {"A": ("csr", (5, 4))}, sizes={"f": 3}
    )
    (chain,) = chains_of(module)
    assert chain.names == ("A", "X", "W'")
    assert chain.shapes == ((5, 4), (4, 3), (None, 3))
    assert (chain.written, chain.text(1)) == (0, "(A X) W'")


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("y(i) = A(i,k) * B(k,l) * x(l)", ["A", "B", "x"]),
        ("y(l) = x(i) * A(i,k) * B(k,l)", ["x", "A", "B"]),
        ("y() = x(i) * A(i,k) * z(k)", ["x", "A", "z"]),
        ("Y(b,i,j) = A(b,i,k) * B(b,k,l) * C(b,l,j)", ["A", "B", "C"]),
        ("Y(b,i,j) = A(i,k) * B(b,k,l) * C(l,j)", ["A", "B", "C"]),
        ("Y(j,i) = A(i,k) * B(k,l) * C(l,j)", ["C'", "B'", "A'"]),
        ("Y(i,j) = A(i,k,m) * B(k,m,l) * C(l,j)", ["A", "B", "C"]),
    ],
)
def test_vectors_batches_and_transposed_results_are_chains(text: str, factors: list[str]):
    (chain,) = chains_of(import_einsum(text))
    assert list(chain.names) == factors


@pytest.mark.parametrize(
    "text",
    [
        "Y(i,j) = relu(A(i,k) * B(k,l)) * C(l,j)",
        "Y(i,j) = A(i,k) * B(k,j) + C(i,l) * D(l,j)",
        "y() = A(i,k) * B(k,l) * C(l,i)",
        "y(i) = A(i,k) * B(i,k) * x(k)",
        "Y(i,j) = (A(i,k) * B(k,l) + C(i,l)) * D(l,j)",
    ],
)
def test_what_is_computed_between_products_or_in_a_ring_is_no_chain(text: str):
    assert chains_of(import_einsum(text)) == []


def test_a_product_that_is_read_twice_stays():
    class Twice(torch.nn.Module):
        def forward(self, a: torch.Tensor, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
            y = a @ x
            return y @ w + y

    eye = torch.eye(3, dtype=torch.float64)
    assert chains_of(import_model(Twice(), (eye, eye, eye)).module) == []


def test_chains_are_numbered_in_program_order():
    module = import_einsum("Y(i,j) = relu(A(i,k) * B(k,l) * C(l,m)) * D(m,n) * E(n,j)")
    first, second = chains_of(module)
    assert first.names == ("A", "B", "C")
    assert second.names == ("_0", "D", "E")
    other = associated(module, 0, -1)
    assert [chain.written for chain in chains_of(other)] == [0, 1]


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(
    ("text", "formats"),
    [
        ("Y(i,h) = relu(A(i,k) * X(k,f) * W(f,h) + b(h))", {"A": "ss", "W": "ss"}),
        ("Y(i,l) = A(i,j) * B(k,j) * C(k,m) * D(m,l)", {"A": "csr", "B": "csc", "D": "ss"}),
        ("Y(l,i) = A(i,j) * B(k,j) * C(k,m) * D(m,l)", {"A": "csr", "Y": "ss"}),
        ("y(i) = A(i,j) * B(j,k) * x(k)", {"A": "csr", "B": "csr"}),
        ("Y(b,i,j) = A(b,i,k) * B(b,k,l) * C(l,j)", {"A": "dss"}),
    ],
)
def test_every_bracketing_computes_the_same(text: str, formats: dict[str, Any], dynamic: bool):
    rng = np.random.default_rng(1)
    module = import_einsum(text, formats, sizes={} if dynamic else used_sizes(text))
    names = [name for name in "AXBCDWbx" if f"{name}(" in text.partition("=")[2]]
    inputs = {
        name: rng.standard_normal(shape) * (rng.random(shape) < 0.5)
        for name in names
        for shape in [shape_of(text, name)]
    }
    expected, _ = run(lowered(module, regions="none"), inputs)
    (chain,) = chains_of(module)
    for form, regions in itertools.product(range(chain.bracketings), ("none", "all")):
        changed = associated(module, form)
        assert [found.written for found in chains_of(changed)] == [form]
        found, _ = run(lowered(changed, regions=regions), inputs)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        ordered = [inputs[argument] for argument in arguments(changed)]
        np.testing.assert_allclose(interpret(changed, ordered)[0], expected, rtol=0, atol=1e-9)


SIZES = {index: size for size, index in enumerate("bfhijklm", start=2)}


def used_sizes(text: str) -> dict[str, int]:
    return {i: size for i, size in SIZES.items() if f"{i}," in text or f"{i})" in text}


def shape_of(text: str, name: str) -> tuple[int, ...]:
    inside = text.partition("=")[2].partition(f"{name}(")[2].partition(")")[0]
    return tuple(SIZES[index] for index in inside.split(","))


def arguments(module: ModuleOp) -> list[str]:
    function = module.body.block.first_op
    assert isinstance(function, FuncOp)
    assert function.arg_attrs is not None
    names = [attributes.data["headrace.name"] for attributes in function.arg_attrs.data]
    return [name.data for name in names if isinstance(name, StringAttr)]


def test_an_associated_program_takes_the_cycles_of_the_one_that_is_written_so():
    rng = np.random.default_rng(2)
    formats = {"A": "ss", "W": "ss"}
    left = import_einsum("Y(i,h) = relu((A(i,k) * X(k,f)) * W(f,h) + b(h))", formats)
    right = import_einsum("Y(i,h) = relu(A(i,k) * (X(k,f) * W(f,h)) + b(h))", formats)
    inputs = {
        name: rng.standard_normal(shape) * (rng.random(shape) < 0.4)
        for name, shape in {"A": (20, 20), "X": (20, 10), "W": (10, 4), "b": (4,)}.items()
    }
    as_written = [run(lowered(module), inputs)[1] for module in (right, left)]
    for module in (left, right):
        cycles = [run(lowered(associated(module, form)), inputs)[1] for form in (0, 1)]
        assert cycles == as_written
    assert as_written[0] != as_written[1]


def test_products_stay_in_the_layer_that_summed_over_the_same_loops():
    class Layers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 2, bias=False, dtype=torch.float64)

        def forward(self, a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return self.linear(a @ x)

    eye = torch.eye(4, dtype=torch.float64)
    module = import_model(Layers(), (eye.to_sparse_csr(), eye)).module
    (chain,) = chains_of(module)
    assert chain.text(chain.written) == "(a x) linear.weight'"
    layers = [op.attributes["headrace.module"] for op in products(associated(module, 0))]
    assert layers == [StringAttr("linear"), StringAttr("")]


@pytest.mark.parametrize(
    ("forms", "reason"),
    [
        ((), "forms has 0 numbers, but there are 1 chains of three or more factors: (A B) C"),
        ((2,), "forms=2 for chain 0, (A B) C, which has 2 forms, numbered from 0; -1 keeps"),
        ((-2,), "forms=-2 for chain 0"),
    ],
)
def test_numbers_that_name_no_bracketing_are_refused(forms: tuple[int, ...], reason: str):
    module = import_einsum("Y(i,j) = A(i,k) * B(k,l) * C(l,j)")
    with pytest.raises(PassFailedException) as error:
        associated(module, *forms)
    assert reason in str(error.value)


def test_a_form_that_is_there_changes_nothing():
    module = import_einsum("Y(i,j) = A(i,k) * B(k,l) * C(l,j)")
    assert str(associated(module, 1)) == str(module) == str(associated(module, -1))


def test_a_long_chain_is_not_enumerated():
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = letters.upper()[:24]
    row = " * ".join(f"{n}({i},{j})" for n, i, j in zip(names, letters, letters[1:], strict=False))
    (chain,) = chains_of(import_einsum(f"Z(a,y) = {row}"))
    assert chain.bracketings == 343059613650
    assert chain.written == chain.bracketings - 1
