"""The public API: what `import headrace` offers, and what its functions promise."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import scipy.sparse
import torch
from xdsl.dialects.builtin import ModuleOp

import headrace
from headrace.backends.shapes import argument_shapes
from headrace.cli.driver import parse_module
from headrace.dialects.functions import main_function
from headrace.frontends.einsum import import_einsum


def test_every_public_name_can_be_had() -> None:
    for name in dir(headrace):
        assert getattr(headrace, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'compyle'"):
        _ = headrace.compyle  # pyright: ignore[reportAttributeAccessIssue]


class Scaled(torch.nn.Module):
    """Scales the rows of a matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(6.0).reshape(3, 2))

    def forward(self, tensors: dict[str, torch.Tensor], factor: float) -> torch.Tensor:
        return factor * (tensors["a"] @ self.weight)


def test_a_model_takes_nested_arguments_and_keeps_its_weights() -> None:
    a = torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0]])
    program = headrace.compile(Scaled(), ({"a": a}, 2.0))
    assert [argument.name for argument in program.arguments] == ["tensors_a"]
    assert "weight" in program.constants
    expected = Scaled()({"a": a}, 2.0)
    torch.testing.assert_close(program.run({"a": a}).outputs[0], expected)
    torch.testing.assert_close(program.run({"a": a}, 2.0).outputs[0], expected)
    with pytest.raises(headrace.InputError, match=r"argument 1 was 2\.0 .* cannot be 3\.0"):
        program.run({"a": a}, 3.0)


def test_one_argument_needs_no_tuple() -> None:
    program = headrace.compile(torch.nn.ReLU(), torch.eye(3))
    torch.testing.assert_close(program.run(torch.eye(3)).outputs[0], torch.eye(3))


def test_the_layout_of_an_argument_is_its_format() -> None:
    model = torch.nn.Linear(3, 2)
    for tensor, format in (
        (torch.eye(3), "dd"),
        (torch.eye(3).to_sparse_csr(), "ds"),
        (torch.eye(3).to_sparse(), "ss"),
    ):
        program = headrace.compile(model, (tensor,))
        assert str(program.arguments[0].format) == format
        torch.testing.assert_close(program.run(tensor).outputs[0], model(torch.eye(3)))


def test_formats_override_the_layout() -> None:
    program = headrace.compile(torch.nn.ReLU(), (torch.eye(3),), formats={"input": "dcsr"})
    assert str(program.arguments[0].format) == "ss"


def test_a_named_size_is_known_when_the_program_runs() -> None:
    model = torch.nn.Linear(3, 2).double()
    x = torch.rand(7, 3, dtype=torch.float64)
    program = headrace.compile(model, (x,), dynamic_shapes={"input": {0: "n"}})
    for rows in (1, 7, 12):
        x = torch.rand(rows, 3, dtype=torch.float64)
        torch.testing.assert_close(program.run(x).outputs[0], model(x))


def test_a_module_of_ir_stays_as_it_was(tmp_path: Path) -> None:
    module = import_einsum("y(i) = A(i,j) * x(j)", {"A": "csr"})
    before = str(module)
    headrace.compile(module)
    assert str(module) == before
    (tmp_path / "spmv.mlir").write_text(before)
    assert headrace.compile(tmp_path / "spmv.mlir").arguments[0].name == "A"
    assert isinstance(parse_module(tmp_path / "spmv.mlir"), ModuleOp)


def test_parameters_fill_a_pipeline_file(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.toml"
    path.write_text('[pipeline]\npasses = ["sam-fuse{regions=$regions}", "sam-lower"]\n')
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2))
    counts: list[int] = []
    for regions in ("none", "layer", "all"):
        program = headrace.compile(
            model, (torch.eye(3),), pipeline=path, parameters={"regions": regions}
        )
        counts.append(len(program.graphs))
    assert counts[0] > counts[1] > counts[2] == 1


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(headrace.InputError, match="no target 'gpu'; choose from sam"):
        headrace.compile(torch.nn.ReLU(), (torch.eye(3),), target=cast(Any, "gpu"))


# Index notation

ROWS, INNER, COLUMNS = 6, 5, 4


def operands() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    sparse = scipy.sparse.random_array((ROWS, INNER), density=0.3, format="csr", rng=0)
    return {
        "A": sparse,
        "X": draw.random((INNER, COLUMNS)),
        "W": draw.random((COLUMNS, 3)),
        "b": draw.random(3) - 0.5,
    }


@pytest.mark.parametrize("format", ["csr", "csc", "dcsr", "dense"])
@pytest.mark.parametrize("regions", ["none", "all"])
def test_index_notation_equals_numpy(format: str, regions: str) -> None:
    given = operands()
    program = headrace.einsum(
        "Y(i,h) = relu(A(i,j) * X(j,f) * W(f,h) + b(h))",
        A=format,
        pipeline=f"sam-fuse{{regions={regions}}},sam-lower",
    )
    assert [argument.name for argument in program.arguments] == ["A", "X", "W", "b"]
    expected = np.maximum(given["A"].toarray() @ given["X"] @ given["W"] + given["b"], 0)
    np.testing.assert_allclose(program.run(*given.values()).outputs[0], expected, rtol=1e-12)


def test_sizes_that_share_an_index_must_agree() -> None:
    program = headrace.einsum("Y(i,f) = A(i,j) * X(j,f)", A="csr")
    with pytest.raises(
        headrace.InputError,
        match="dimension 0 of argument X is 4, but dimension 1 of argument A is 5",
    ):
        program.run(np.eye(3, 5), np.eye(4))


def test_shapes_follow_from_the_loops_of_the_entry_ir() -> None:
    module = import_einsum("Y(i,h) = A(i,j) * X(j,f) * W(f,h)", sizes={"h": 7})
    (a0, a1), (x0, x1), (w0, w1) = argument_shapes(main_function(module))
    assert a1 == x0
    assert x1 == w0
    assert w1 == 7
    assert len({a0, a1, x1}) == 3


def test_wrong_index_notation_shows_its_place() -> None:
    with pytest.raises(headrace.InputError, match=r"index 'k'"):
        headrace.einsum("Y(i,k) = A(i,j)")
