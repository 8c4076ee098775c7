"""
What a compiler of fused sparse programs must get right, each as the smallest example.

Every example is one that the reference compiler gets wrong, refuses or is slow on. All results are
compared with dense float64 arithmetic, fused and operation by operation. Source: the
defects found in the released compiler of "FuseFlow", ASPLOS 2026.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from headrace.cli.driver import compile, einsum, lower
from headrace.dialects import sam
from headrace.frontends.einsum import import_einsum
from headrace.tests.fusion import lowered
from headrace.tests.imported import Lambda

FUSED, UNFUSED = "sam-fuse{regions=all},sam-lower", "sam-fuse{regions=none},sam-lower"

pipelines = pytest.mark.parametrize("pipeline", [FUSED, UNFUSED], ids=["fused", "unfused"])


def check(
    pipeline: str,
    text: str,
    formats: dict[str, str],
    inputs: dict[str, Any],
    expected: Any,
) -> None:
    arrays = {name: np.asarray(value, dtype=float) for name, value in inputs.items()}
    program = lower(import_einsum(text, formats), pipeline)
    result = program.run(*(arrays[argument.name] for argument in program.arguments))
    np.testing.assert_allclose(np.asarray(result.outputs[0]), expected, rtol=0, atol=1e-9)


def check_torch(
    pipeline: str,
    function: Callable[..., Any],
    args: Sequence[torch.Tensor],
    expected: Sequence[torch.Tensor],
) -> None:
    result = compile(Lambda(function), tuple(args), pipeline=pipeline).run(*args)
    for output, wanted in zip(result.outputs, expected, strict=True):
        np.testing.assert_allclose(np.asarray(output), wanted.numpy(), rtol=0, atol=1e-9)


def sparse(seed: int, *shape: int, density: float = 0.5) -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) * (rng.random(shape) < density)


@pipelines
def test_a_dense_level_is_addressed_below_its_parent(pipeline: str) -> None:
    inputs = {"X": [[1, 2], [3, 4]], "W": [[1, 0], [0, 1]]}
    formats = {"X": "dd", "W": "ss"}
    check(pipeline, "Y(i,j) = X(i,k) * W(k,j)", formats, inputs, [[1, 2], [3, 4]])


@pipelines
def test_two_products_on_one_axis_are_not_pooled(pipeline: str) -> None:
    inputs = {"A": [1, 1, 1, 0], "B": [1, 1, 0, 0], "C": [0, 1, 1, 0]}
    formats = {"A": "s", "B": "s", "C": "s"}
    check(pipeline, "Y(i) = A(i) * B(i) + A(i) * C(i)", formats, inputs, [1, 2, 1, 0])


@pipelines
def test_a_row_without_entries_gets_the_bias(pipeline: str) -> None:
    inputs = {"A": [[0, 0], [1, 0]], "X": [[5], [7]], "b": [1]}
    formats = {"A": "ss", "X": "dd", "b": "d", "Y": "ss"}
    check(pipeline, "Y(i,h) = relu(A(i,j) * X(j,h) + b(h))", formats, inputs, [[1], [6]])


@pipelines
@pytest.mark.parametrize("format", ["ss", "dd"])
def test_an_absent_operand_of_a_union_is_an_empty_fiber(pipeline: str, format: str) -> None:
    """GraphSAGE with two isolated nodes: their rows of A X are absent, those of X are not."""
    a, x = sparse(0, 6, 6), sparse(1, 6, 4)
    a[[1, 4]] = 0
    w, v = sparse(2, 4, 3), sparse(3, 4, 3)
    text = "Y(i,h) = relu(X(i,f) * W(f,h) + A(i,j) * X(j,g) * V(g,h))"
    formats = {"A": "ss", "X": format, "W": "ss", "V": "ss", "Y": "ss"}
    inputs = {"A": a, "X": x, "W": w, "V": v}
    check(pipeline, text, formats, inputs, np.maximum(x @ w + a @ x @ v, 0))


@pipelines
def test_a_cycle_of_storage_orders_is_broken(pipeline: str) -> None:
    a, b = sparse(0, 5, 5), sparse(1, 5, 5)
    formats = {"A": "ss", "B": "ss"}
    check(pipeline, "Y(i,j) = A(i,j) * B(j,i)", formats, {"A": a, "B": b}, a * b.T)


@pipelines
@pytest.mark.parametrize("format", ["dd", "ds", "ss"])
def test_a_maximum_starts_anew_in_every_fiber(pipeline: str, format: str) -> None:
    inputs = {"X": [[-1, -1], [-3, -2]]}
    check(pipeline, "Y(i) = amax(j, X(i,j))", {"X": format}, inputs, [-1, -2])


@pipelines
@pytest.mark.parametrize("format", ["dd", "ss"])
def test_softmax_of_negative_rows(pipeline: str, format: str) -> None:
    x = -1 - np.abs(sparse(0, 4, 3, density=1))
    expected = torch.softmax(torch.from_numpy(x), dim=1).numpy()
    check(pipeline, "Y(i,j) = softmax(X(i,j), j)", {"X": format}, {"X": x}, expected)


@pipelines
def test_a_difference_is_a_union(pipeline: str) -> None:
    a, b = sparse(0, 5, 4), sparse(1, 5, 4)
    formats = {"A": "ss", "B": "ss", "Y": "ss"}
    check(pipeline, "Y(i,j) = A(i,j) - B(i,j)", formats, {"A": a, "B": b}, a - b)


@pipelines
def test_a_quotient_by_a_dense_operand_keeps_the_support_of_its_numerator(
    pipeline: str,
) -> None:
    a, d = sparse(0, 5, 4), sparse(1, 5, density=1)
    formats = {"A": "ss", "D": "d", "Y": "ss"}
    check(pipeline, "Y(i,j) = A(i,j) / D(i)", formats, {"A": a, "D": d}, a / d[:, None])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pipelines
def test_a_quotient_by_a_sparse_operand_is_dense(pipeline: str) -> None:
    a, b = np.array([1.0, 0, 0, 2]), np.array([2.0, 0, 4, 0])
    check(pipeline, "Y(i) = A(i) / B(i)", {"A": "s", "B": "s"}, {"A": a, "B": b}, a / b)


def test_a_diamond_has_no_joiner_of_one_operand() -> None:
    x = torch.from_numpy(sparse(0, 4, 5)).to_sparse_csr()
    y = torch.from_numpy(sparse(1, 5, 3)).to_sparse_csr()

    def diamond(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        product = a @ b
        return torch.relu(product) + product

    dense = x.to_dense() @ y.to_dense()
    check_torch(FUSED, diamond, (x, y), [torch.relu(dense) + dense])
    text = "Y(i,j) = A(i,j) + relu(A(i,j))"
    graph = lowered(import_einsum(text, {"A": "ss", "Y": "ss"}))
    assert not [op for op in graph.walk() if isinstance(op, sam.UnionOp | sam.IntersectOp)]


def test_a_sampled_product_reads_the_second_factor_where_the_mask_is() -> None:
    """With d innermost, for which K stored (d, j) is converted, less than half of every other."""
    q, k = sparse(0, 12, 4, density=1), sparse(1, 4, 12, density=1)
    mask = (np.random.default_rng(2).random((12, 12)) < 0.3) * 1.0
    text = "Y(i,j) = (Q(i,d) * K(d,j)) * M(i,j)"
    taken: dict[str, int] = {}
    for order in ("0,1,2", "0,2,1", "1,0,2", "1,2,0", "2,0,1", "2,1,0"):
        spec = f"sam-fuse{{regions=all}},sam-order{{priority={order} copies=any}},sam-lower"
        program = einsum(text, pipeline=spec, Q="dd", K="dd", M="ss", Y="ss")
        result = program.run(q, k, mask)
        np.testing.assert_allclose(np.asarray(result.outputs[0]), (q @ k) * mask, atol=1e-9)
        taken[order] = result.cycles
    d_innermost = [taken.pop("0,2,1"), taken.pop("2,0,1")]
    assert 2 * max(d_innermost) < min(taken.values())


@pipelines
def test_several_results_of_one_region(pipeline: str) -> None:
    a, x = torch.from_numpy(sparse(0, 5, 5)), torch.from_numpy(sparse(1, 5, 3))

    def both(a: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        product = a @ x
        return product, torch.relu(product).sum(dim=1)

    check_torch(pipeline, both, (a.to_sparse_csr(), x), (a @ x, torch.relu(a @ x).sum(dim=1)))


def test_one_program_serves_every_size() -> None:
    program = einsum("Y(i,h) = relu(A(i,j) * X(j,h) + b(h))", pipeline=FUSED, A="ss", X="dd", b="d")
    for size in (3, 8, 21):
        a, x, b = sparse(0, size, size), sparse(1, size, 4), sparse(2, 4)
        result = np.asarray(program.run(a, x, b).outputs[0])
        np.testing.assert_allclose(result, np.maximum(a @ x + b, 0), atol=1e-9)


@pipelines
@pytest.mark.parametrize("dim", [0, 1])
def test_operands_are_concatenated(pipeline: str, dim: int) -> None:
    x, y, w = (torch.from_numpy(sparse(seed, 4, 4)) for seed in range(3))

    def joined(x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.cat([x @ w, y], dim=dim) + 1)

    check_torch(pipeline, joined, (x, y, w), [joined(x, y, w)])


@pipelines
@pytest.mark.parametrize("vector", ["d", "s"])
@pytest.mark.parametrize("matrix", ["ss", "ds", "dd"])
def test_vectors(pipeline: str, matrix: str, vector: str) -> None:
    a, x, y = sparse(0, 5, 4), sparse(1, 4), sparse(2, 5)
    check(pipeline, "Y(i) = A(i,j) * x(j)", {"A": matrix, "x": vector}, {"A": a, "x": x}, a @ x)
    text, formats = "Y(j) = y(i) * A(i,j)", {"A": matrix, "y": vector}
    check(pipeline, text, formats, {"A": a, "y": y}, y @ a)


@pipelines
def test_one_tensor_used_under_two_axes(pipeline: str) -> None:
    a = sparse(0, 5, 5)
    check(pipeline, "Y(i,l) = A(i,k) * A(k,l)", {"A": "ss"}, {"A": a}, a @ a)


def test_accumulators_of_order_three() -> None:
    a, b, c = sparse(0, 6, 3), sparse(1, 6, 4), sparse(2, 6, 5)
    text, formats = "Y(j,k,l) = A(i,j) * B(i,k) * C(i,l)", {"A": "ss", "B": "ss", "C": "ss"}
    graph = lowered(import_einsum(text, formats))
    inputs = [len(op.crds) for op in graph.walk() if isinstance(op, sam.AccumulateOp)]
    assert max(inputs) == 4
    expected = np.einsum("ij,ik,il->jkl", a, b, c)
    check(FUSED, text, formats, {"A": a, "B": b, "C": c}, expected)


def test_lowering_is_a_function_of_program_and_schedule(tmp_path: Path) -> None:
    """Equal in two processes, whatever the order of their sets; nothing is printed beside it."""
    source = tmp_path / "layer.mlir"
    formats = {"A": "ss", "b": "d"}
    source.write_text(str(import_einsum("Y(i,h) = relu(A(i,j) * X(j,h) + b(h))", formats)))
    command = [Path(sys.executable).with_name("headrace-opt"), source, "-p", FUSED]
    runs = [
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != b""
    assert {run.stderr for run in runs} == {b""}


@pipelines
@pytest.mark.parametrize("format", ["dd", "ss"])
@pytest.mark.parametrize("density", [0.5, 1.0])
def test_softmax_after_a_mask_is_that_of_minus_infinity_elsewhere(
    pipeline: str, format: str, density: float
) -> None:
    """Of a full mask it is the dense one."""
    x, mask = sparse(0, 4, 5), (np.random.default_rng(1).random((4, 5)) < density) * 1.0
    mask[:, 0] = 1
    scores = torch.from_numpy(np.where(mask > 0, x, -np.inf))
    text, formats = "Y(i,j) = masked_softmax(X(i,j), M(i,j), j)", {"X": format, "M": "ss"}
    expected = torch.softmax(scores, dim=1).numpy()
    check(pipeline, text, formats, {"X": x, "M": mask}, expected)


@pipelines
def test_softmax_of_a_product_takes_what_both_factors_store(pipeline: str) -> None:
    x, mask = sparse(0, 4, 5), (np.random.default_rng(1).random((4, 5)) < 0.5) * 1.0
    x[:, 0], mask[:, 0] = 1, 1
    scores = torch.from_numpy(np.where(x * mask != 0, x, -np.inf))
    text, formats = "Y(i,j) = softmax(X(i,j) * M(i,j), j)", {"X": "ss", "M": "ss"}
    expected = torch.softmax(scores, dim=1).numpy()
    check(pipeline, text, formats, {"X": x, "M": mask}, expected)
