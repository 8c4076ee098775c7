"""Operands stored in blocks: the values are those of dense arithmetic, however they are read."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from xdsl.parser import Parser

import headrace
from headrace.backends.compiled import Program
from headrace.backends.fusion_table import fusion_table
from headrace.backends.neutral_json import neutral_graph
from headrace.backends.steps import ConvertStep, FillStep
from headrace.cli.driver import lower, make_context
from headrace.dialects import sam
from headrace.frontends.einsum import FormatSpec, import_einsum
from headrace.storage.levels import Format, Level
from headrace.tests.fusion import lowered
from headrace.tests.oracles import softmax

Array = npt.NDArray[np.float64]

ROWS, COLUMNS = (Level.DENSE, Level.COMPRESSED), (Level.COMPRESSED, Level.DENSE)
BOTH = (Level.COMPRESSED, Level.COMPRESSED)


def blocks(rows: int, columns: int, levels: tuple[Level, ...] = ROWS) -> Format:
    return Format(levels, (0, 1), (rows, columns))


def sparse(seed: int, *shape: int) -> Array:
    """Half of the elements are zero, and so are rows 2 and 3 of a matrix."""
    rng = np.random.default_rng(seed)
    value = rng.random(shape) * (rng.random(shape) < 0.5)
    if len(shape) > 1:
        value[2:4] = 0
    return value


class Scaled(torch.nn.Module):
    def forward(self, matrix: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return matrix.to(x.dtype) @ x


@pytest.mark.parametrize("pipeline", ["gcn-unfused", "gcn-fused"])
@pytest.mark.parametrize("stored", [torch.int32, torch.bool, torch.float16, torch.float64])
def test_tiles_of_different_element_types_are_multiplied(stored: torch.dtype, pipeline: str):
    matrix = torch.tensor(sparse(0, 4, 4) > 0).to(stored).to_sparse_bsr((2, 2))
    x = torch.rand(4, 3)
    program = headrace.compile(Scaled(), (matrix, x), pipeline=pipeline)
    torch.testing.assert_close(program.run(matrix, x).outputs[0], Scaled()(matrix.to_dense(), x))


@pytest.mark.parametrize("levels", [ROWS, COLUMNS, BOTH])
@pytest.mark.parametrize("block", [(2, 3), (4, 1)])
def test_sizes_that_the_program_does_not_know_are_counted_in_blocks(
    levels: tuple[Level, ...], block: tuple[int, int]
):
    """The sizes are first met on X, which has no blocks of its own."""
    program = headrace.einsum("Y(i,k) = X(i,j) * A(j,k)", A=blocks(*block, levels))
    for shape in ((5, 7), (8, 2)):
        a, x = sparse(0, *shape), sparse(1, 6, shape[0])
        np.testing.assert_allclose(program.run(x, a).outputs[0], x @ a, atol=1e-12)


SYMMETRIC = """
#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (
    i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>

func.func @main(%A: tensor<6x6xf64, #BSR> {headrace.symmetric}, %X: tensor<6x3xf64>)
    -> tensor<6x3xf64> {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<6x3xf64>
  %f = linalg.fill ins(%z : f64) outs(%e : tensor<6x3xf64>) -> tensor<6x3xf64>
  %Y = linalg.matmul ins(%A, %X : tensor<6x6xf64, #BSR>, tensor<6x3xf64>)
      outs(%f : tensor<6x3xf64>) -> tensor<6x3xf64>
  func.return %Y : tensor<6x3xf64>
}
"""


def test_a_tile_of_a_symmetric_matrix_is_not_its_own_transpose():
    module = Parser(make_context(), SYMMETRIC).parse_module()
    order = "sam-fuse{regions=all},sam-order{priority=1,0,2 copies=any},sam-lower"
    half, x = sparse(0, 6, 6), sparse(1, 6, 3)
    a = half + half.T
    np.testing.assert_allclose(lower(module, order).run(a, x).outputs[0], a @ x, atol=1e-12)


class GCN(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(6, 5)
        self.second = torch.nn.Linear(5, 3)

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(adjacency @ self.first(x))
        return torch.log_softmax(adjacency @ self.second(hidden), dim=1)


class SageMean(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.neighbours = torch.nn.Linear(6, 5)
        self.own = torch.nn.Linear(6, 5)

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        degrees = (adjacency @ torch.ones(x.shape[0], 1, dtype=x.dtype)).clamp(min=1)
        return torch.relu(self.neighbours((adjacency @ x) / degrees) + self.own(x))


class MaskedAttention(torch.nn.Module):
    def forward(self, mask: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        scores = (x @ x.T).masked_fill(mask == 0, float("-inf"))
        return torch.softmax(scores, -1) @ x


class Symmetrised(torch.nn.Module):
    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return adjacency @ x + adjacency.T @ x


MODELS: dict[str, Callable[[], torch.nn.Module]] = {
    "gcn": GCN,
    "sage_mean": SageMean,
    "masked_attention": MaskedAttention,
    "symmetrised": Symmetrised,
}


@pytest.mark.parametrize("levels", ["unfused", "per-layer", "fused"])
@pytest.mark.parametrize("block", [(3, 3), (4, 3)])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_over_blocks_gives_the_values_of_torch(
    name: str, block: tuple[int, int], levels: str
):
    torch.manual_seed(0)
    model = MODELS[name]().double()
    dense = torch.from_numpy(sparse(0, 12, 12))
    dense[6:9] = 0  # A row of blocks of three, and no block of four.
    if name == "masked_attention":
        dense += torch.eye(12)  # PyTorch has NaN where a row is masked as a whole.
    x = torch.randn(12, 6, dtype=torch.float64)
    formats = {next(iter(inspect.signature(model.forward).parameters)): blocks(*block)}
    program = headrace.compile(model, (dense, x), pipeline=f"gcn-{levels}", formats=formats)
    result = program.run(dense.to_sparse_bsr(block), x)
    torch.testing.assert_close(result.outputs[0], model(dense, x).detach(), rtol=1e-9, atol=1e-9)


def test_torch_hands_blocks_to_the_machine():
    torch.manual_seed(0)
    model, x = GCN().double(), torch.randn(12, 6, dtype=torch.float64)
    dense = torch.from_numpy(sparse(0, 12, 12))
    adjacency = dense.to_sparse_bsr((4, 3))
    program = headrace.compile(model, (adjacency, x), pipeline="gcn-fused")
    assert program.arguments[0].format == blocks(4, 3)
    found = program.run(adjacency, x).outputs[0]
    torch.testing.assert_close(found, model(dense, x).detach(), rtol=1e-9, atol=1e-9)


def fused(text: str, formats: Mapping[str, FormatSpec]) -> Program:
    """The program as one region; `formats` may name tensors that it lacks."""
    named = {name: format for name, format in formats.items() if f"{name}(" in text}
    return lower(import_einsum(text, named), "sam-fuse{regions=all},sam-lower")


def layer_norm(x: Array) -> Array:
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


A, B, S, T, X, G = (
    sparse(seed, *shape)
    for seed, shape in enumerate([(6, 8), (6, 8), (6, 6), (6, 6), (8, 3), (6, 3)])
)
U, V, W, Z = sparse(5, 8), sparse(6, 8), sparse(7, 3), sparse(8, 6)
TENSORS = {"A": A, "B": B, "S": S, "T": T, "X": X, "G": G, "U": U, "V": V, "W": W, "Z": Z}

PROGRAMS: dict[str, Array] = {
    "Y(i,k) = A(i,j) * X(j,k)": A @ X,
    "Y(i,j) = A(i,j) + B(i,j)": A + B,
    "Y(i,j) = A(i,j) * B(i,j)": A * B,
    "Y(i,k) = X(j,k) * A(i,j)": A @ X,
    "Y(k,i) = X(j,k) * A(i,j)": (A @ X).T,
    "Y(j,i) = A(i,j) * 2": A.T * 2,
    "Y(i,j) = A(i,j) + U(j)": A + U,
    "Y(i,k) = relu(A(i,j) * X(j,k) + W(k))": np.maximum(A @ X + W, 0),
    "Y(i) = A(i,j) * V(j)": A @ V,
    "Y(j) = A(i,j) * Z(i)": Z @ A,
    "Y(i,j) = Z(i) * V(j) * A(i,j)": np.outer(Z, V) * A,
    "Y(i) = S(i,j) * T(j,i)": (S @ T).diagonal(),
    "Y(i,k) = A(j,i) * B(j,k)": A.T @ B,
    "Y(i,j) = S(i,j) - S(j,i)": S - S.T,
    "Y(i) = amax(j, A(i,j))": A.max(1),
    "Y(i) = amin(j, A(i,j) - 3)": A.min(1) - 3,
    "Y(j) = sum(i, exp(A(i,j)))": np.exp(A).sum(0),
    "Y = sum(i, sum(j, A(i,j)))": np.array(A.sum()),
    "Y(i,j) = A(i,j) + 1": A + 1,
    "Y(i,j) = softmax(A(i,j), j)": softmax(A, 1),
    "Y(i,j) = softmax(A(i,j), i)": softmax(A, 0),
    "Y(i,j) = log_softmax(A(i,j), j)": np.log(softmax(A, 1)),
    "Y(i,j) = layernorm(A(i,j), j)": layer_norm(A),
    "Y(i,j) = masked_softmax(B(i,j), A(i,j), j)": softmax(B, mask=A),
    "Y(i,k) = masked_softmax(A(i,j) * X(j,k), G(i,k), k)": softmax(A @ X, mask=G),
}
"""Programs by their text, with the dense result."""

SQUARE, THREES = blocks(2, 2), blocks(2, 3)


@pytest.mark.parametrize("text", PROGRAMS)
@pytest.mark.parametrize("beside", [SQUARE, "csr", "dense"], ids=str)
@pytest.mark.parametrize("block", [2, 3])
def test_a_program_over_blocks_is_computed_on_tiles(text: str, beside: Format | str, block: int):
    """`A` and `S` are stored in blocks, and `beside` is the format of another matrix."""
    stored = blocks(block, block)
    program = fused(text, {"A": stored, "S": stored, "B": beside, "T": beside, "G": beside})
    if isinstance(beside, Format) and block == 3:
        assert program.notes or all(one.format.block != SQUARE.block for one in program.arguments)
    else:
        assert program.notes == ()
    args = [TENSORS[argument.name] for argument in program.arguments]
    np.testing.assert_allclose(program.run(*args).outputs[0], PROGRAMS[text], atol=1e-12)


@pytest.mark.parametrize("text", PROGRAMS)
def test_a_program_with_sizes_that_blocks_divide_needs_no_vector_of_ones(text: str):
    """Rows of 6 and columns of 8 or 3: blocks of 2 leave padding only in X, W and G."""
    named: dict[str, FormatSpec] = {
        name: ("dense", value.shape) for name, value in TENSORS.items() if f"{name}(" in text
    }
    for name in named.keys() & {"A", "S"}:
        named[name] = (SQUARE, TENSORS[name].shape)
    program = lower(import_einsum(text, named), "sam-fuse{regions=all},sam-lower")
    args = [TENSORS[argument.name] for argument in program.arguments]
    np.testing.assert_allclose(program.run(*args).outputs[0], PROGRAMS[text], atol=1e-12)
    assert not any(isinstance(step, FillStep) for step in program.steps)


PRODUCTS = {
    "Y(i,m) = (A(i,j) * C(j,k)) * F(k,m)": ("A", "C"),
    "Y(i,m) = F(i,j) * (A(j,k) * C(k,m))": ("A", "C"),
    "Y(i,m) = relu(A(i,j) * C(j,k)) * F(k,m)": ("A", "C"),
    "Y(i,m) = (A(i,k) + A(i,j) * C(j,k)) * F(k,m)": ("A", "C"),
    "Y(i,m) = ((A(i,j) * C(j,k)) * F(k,l)) * F(l,m)": ("A", "C"),
    "Y(i,m) = (F(i,j) * F(j,k)) * (A(k,l) * C(l,m))": ("A", "C"),
}
"""Sums over an axis of a product, and the matrices in it with an infinity or huge elements."""


@pytest.mark.parametrize("text", PRODUCTS)
@pytest.mark.parametrize("value", [np.inf, 1e200])
@pytest.mark.parametrize(("size", "known"), [(1, True), (3, True), (3, False), (4, True)])
def test_padding_that_an_infinity_fills_is_masked(text: str, value: float, size: int, known: bool):
    """0 * inf is NaN, in the padding as anywhere: a vector of ones tells the elements from it."""
    formats: dict[str, FormatSpec] = {
        name: (SQUARE, (size, size)) if known else SQUARE for name in ("A", "C", "F", "Y")
    }
    program = fused(text, formats)
    ones = np.ones((size, size))
    args = [ones if one.name == "F" else value * ones for one in program.arguments]
    (output,) = program.run(*args).outputs
    np.testing.assert_array_equal(output, np.full((size, size), np.inf))
    assert program.notes == ()
    assert any(isinstance(step, FillStep) for step in program.steps) == (size != 4)


@pytest.mark.parametrize("size", [1, 3])
def test_stored_padding_meets_padding(size: int):
    """What is summed over padding are products of zeros where both factors are stored."""
    program = fused("Y(i,k) = relu(A(i,j)) * C(j,k)", {"A": SQUARE, "C": SQUARE, "Y": SQUARE})
    result = program.run(np.full((size, size), np.inf), np.full((size, size), 2.0))
    np.testing.assert_array_equal(result.outputs[0], np.full((size, size), np.inf))
    assert program.notes == ()
    np.testing.assert_array_equal(np.unique(result.storages[0].values), [0, np.inf])


TWO_GRAPHS = """
#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (
    i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>
!M = tensor<3x3xf64, #BSR>

func.func @main(%A: !M, %C: !M, %F: !M) -> !M {
  %z = arith.constant 0.0 : f64
  %e = tensor.empty() : !M
  %f = linalg.fill ins(%z : f64) outs(%e : !M) -> !M
  %P = linalg.matmul ins(%A, %C : !M, !M) outs(%f : !M) -> !M
  %Y = linalg.matmul ins(%P, %F : !M, !M) outs(%f : !M) -> !M
  func.return %Y : !M
}
"""


def test_a_result_in_blocks_has_zero_padding_when_it_is_read_again():
    """`P` is written in blocks by one graph, and summed over by the next."""
    module = Parser(make_context(), TWO_GRAPHS).parse_module()
    program = lower(module, "sam-fuse{regions=none},sam-lower")
    assert program.notes == ()
    ones = np.ones((3, 3))
    (output,) = program.run(np.inf * ones, ones, ones).outputs
    np.testing.assert_array_equal(output, np.full((3, 3), np.inf))


@pytest.mark.parametrize("levels", [ROWS, COLUMNS, BOTH, (Level.DENSE, Level.DENSE)])
@pytest.mark.parametrize("sizes", ["known", "unknown"])
def test_two_block_sizes_meet_on_one_axis(levels: tuple[Level, ...], sizes: str):
    formats = {"A": blocks(2, 3, levels), "C": blocks(4, 2, levels), "Y": blocks(2, 2, levels)}
    c = sparse(9, 8, 5)
    shapes = {"A": A.shape, "C": c.shape, "Y": (6, 5)}
    given: dict[str, FormatSpec] = {
        name: (format, shapes[name]) if sizes == "known" else format
        for name, format in formats.items()
    }
    program = fused("Y(i,k) = A(i,j) * C(j,k)", given)
    result = program.run(A, c)
    np.testing.assert_allclose(result.outputs[0], A @ c, atol=1e-12)
    assert result.storages[0].format == formats["Y"]
    assert [note.split(", ")[1] for note in program.notes] == [
        "because one axis in blocks of 3 and of 4 does not work tile by tile"
    ] * 2


TWO_SIZES = "Y(i,j) = relu(A(i,j) + A(j,i))"
"""Not computed on tiles where the blocks of `A` are no squares."""


def test_read_by_element_a_matrix_costs_what_it_costs_without_blocks():
    """Zeros inside a block are stored only because the block is: the copy leaves them out."""
    a = sparse(0, 20, 20)
    blocked, plain = (fused(TWO_SIZES, {"A": format}).run(a) for format in (blocks(4, 5), "csr"))
    np.testing.assert_allclose(blocked.outputs[0], a + a.T, atol=1e-12)
    assert (blocked.cycles, blocked.tokens) == (plain.cycles, plain.tokens)


def test_a_bias_keeps_the_tiles_of_a_product():
    """The figures of docs/design/fusion.md: about half of the 4 x 4 blocks are stored."""
    rng = np.random.default_rng(0)
    a = rng.random((64, 64)) * np.kron(rng.random((16, 16)) < 0.5, np.ones((4, 4)))
    x, bias = rng.random((64, 16)), rng.random(16)
    cycles: dict[str, int] = {}
    for name, format, blocking in (
        ("csr", "csr", ""),
        ("A in blocks", blocks(4, 4), ""),
        ("all in blocks", blocks(4, 4), "sam-block{axes=2 sizes=4},"),
    ):
        module = import_einsum("Y(i,k) = A(i,j) * X(j,k) + U(k)", {"A": format})
        program = lower(module, f"sam-fuse{{regions=all}},{blocking}sam-lower")
        result = program.run(a, x, bias)
        np.testing.assert_allclose(result.outputs[0], a @ x + bias)
        assert program.notes == ()
        cycles[name] = result.cycles
    assert cycles == {"csr": 32193, "A in blocks": 7784, "all in blocks": 7742}


def test_a_zero_inside_a_tile_is_multiplied_and_one_outside_is_skipped():
    a, x = np.array([[0.0, 1.0, 0.0, 0.0]]), np.array([[2.0], [3.0], [4.0], [np.inf]])
    program = headrace.einsum("Y(i,k) = A(i,j) * X(j,k)", A=blocks(1, 2))
    np.testing.assert_array_equal(program.run(a, x).outputs[0], [[3]])
    x[0] = np.inf
    np.testing.assert_array_equal(program.run(a, x).outputs[0], [[np.nan]])


def test_regions_share_the_copy_of_an_operand_with_the_reasons_of_each():
    text = "Y(i,j) = (S(i,j) + S(j,i)) * amax(k, S(i,j) * S(k,j))"
    program = lower(import_einsum(text, {"S": THREES}), "sam-fuse{regions=none},sam-lower")
    assert len(program.graphs) > 3
    copies = [step for step in program.steps if isinstance(step, ConvertStep) and step.reason]
    assert [copy.source for copy in copies] == ["S"]
    assert program.notes == (
        "S is read element by element, because one axis in blocks of 3 and of 2 does not work tile "
        "by tile and because a tensor with blocks on 3 axes does not work tile by tile",
    )
    expected = (S + S.T) * (S[:, None] * S[None]).max(1)
    np.testing.assert_allclose(program.run(S).outputs[0], expected, rtol=1e-12)


@pytest.mark.parametrize("graphs", ["all", "none"])
def test_what_is_read_of_a_copy_counts_for_the_operand(graphs: str, tmp_path: Path):
    blocked, plain = (
        lower(import_einsum(TWO_SIZES, {"A": format}), f"sam-fuse{{regions={graphs}}},sam-lower")
        for format in (THREES, "csr")
    )
    blocked.save(tmp_path / "program.npz")
    saved = headrace.load(tmp_path / "program.npz")
    for timing_only in (False, True):
        expected = plain.run(S, timing_only=timing_only)
        assert expected.memory["A"].read > 0
        for program in (blocked, saved):
            found = program.run(S, timing_only=timing_only)
            assert found.memory["A"] == expected.memory["A"]
            assert found.bytes == sum(t.read + t.written for t in found.memory.values())


NAMED = """
#A = #sparse_tensor.encoding<{ map = (i, j, k) -> (i : dense, j : compressed, k : compressed) }>
!A = tensor<4x4x4xf64, #A>

func.func @main(%A: !A {headrace.name = "layer.A"}) -> tensor<4x4x4xf64> {
  %one = arith.constant dense<1.0> : tensor<4x4x4xf64>
  %e = tensor.empty() : tensor<4x4x4xf64>
  %Y = linalg.add ins(%A, %one : !A, tensor<4x4x4xf64>)
      outs(%e : tensor<4x4x4xf64>) -> tensor<4x4x4xf64>
  func.return %Y : tensor<4x4x4xf64>
}
"""


def test_a_copy_is_printed_under_the_name_of_the_operand():
    """An argument of a model may have a name that is none in the IR."""
    outer = "i floordiv 2 : dense, j floordiv 2 : compressed, k floordiv 2 : compressed"
    blocked = f"({outer}, i mod 2 : dense, j mod 2 : dense, k mod 2 : dense)"
    tables: list[str] = []
    for text in (NAMED, NAMED.replace("(i : dense, j : compressed, k : compressed)", blocked)):
        module = lowered(Parser(make_context(), text).parse_module())
        (graph,) = (op for op in module.walk() if isinstance(op, sam.GraphOp))
        assert [column.title for column in fusion_table(graph).columns] == ["A"]
        assert "layer.A" in neutral_graph(graph).formats
        tables.append(fusion_table(graph).as_text())
    assert tables[0] == tables[1]


ONLY_SIZE = """
#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (
    i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>
#matrix = affine_map<(i, j) -> (i, j)>

func.func @main(%A: tensor<?x?xf64, #BSR>, %x: tensor<?xf64>) -> tensor<?x?xf64> {
  %zero = arith.constant 0 : index
  %m = tensor.dim %A, %zero : tensor<?x?xf64, #BSR>
  %n = tensor.dim %x, %zero : tensor<?xf64>
  %e = tensor.empty(%m, %n) : tensor<?x?xf64>
  %Y = linalg.generic {
    indexing_maps = [#matrix, affine_map<(i, j) -> (j)>, #matrix],
    iterator_types = ["parallel", "parallel"]
  } ins(%A, %x : tensor<?x?xf64, #BSR>, tensor<?xf64>) outs(%e : tensor<?x?xf64>) {
  ^bb0(%a: f64, %b: f64, %out: f64):
    %p = arith.addf %b, %b : f64
    linalg.yield %p : f64
  } -> tensor<?x?xf64>
  func.return %Y : tensor<?x?xf64>
}
"""


def test_the_size_of_a_blocked_operand_is_in_elements_where_nothing_else_of_it_is_read():
    program = lower(Parser(make_context(), ONLY_SIZE).parse_module())
    result = program.run(np.eye(5, 8), V)
    np.testing.assert_array_equal(result.outputs[0], np.broadcast_to(2 * V, (5, 8)))


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("size", [6, 7])
def test_a_vector_in_blocks_is_computed_on_tiles(level: Level, size: int):
    format = Format((level,), (0,), (3,))
    x, y = sparse(0, size), sparse(1, size)
    program = headrace.einsum("Z(i) = relu(X(i) - 2 * Y(i)) * X(i)", X=format, Z=format)
    result = program.run(x, y)
    np.testing.assert_allclose(result.outputs[0], np.maximum(x - 2 * y, 0) * x, atol=1e-12)
    assert result.storages[0].format == format
    assert program.notes == ()


def test_a_vector_in_blocks_times_a_matrix_is_computed_on_tiles():
    program = headrace.einsum("Y(i) = A(i,j) * X(j)", X=Format((Level.COMPRESSED,), (0,), (3,)))
    np.testing.assert_allclose(program.run(A, U).outputs[0], A @ U, atol=1e-12)
    assert program.notes == ()


UNKNOWN_RESULT = """
#BSR = #sparse_tensor.encoding<{ map = (i, j) -> (
    i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>
#matrix = affine_map<(i, j) -> (i, j)>

func.func @main(%A: tensor<7x?xf64, #BSR>) -> tensor<?x?xf64> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %m = tensor.dim %A, %zero : tensor<7x?xf64, #BSR>
  %n = tensor.dim %A, %one : tensor<7x?xf64, #BSR>
  %e = tensor.empty(%m, %n) : tensor<?x?xf64>
  %Y = linalg.generic {
    indexing_maps = [#matrix, #matrix], iterator_types = ["parallel", "parallel"]
  } ins(%A : tensor<7x?xf64, #BSR>) outs(%e : tensor<?x?xf64>) {
  ^bb0(%a: f64, %out: f64):
    %r = arith.addf %a, %a : f64
    linalg.yield %r : f64
  } -> tensor<?x?xf64>
  func.return %Y : tensor<?x?xf64>
}
"""


def test_a_result_that_ends_inside_a_block_has_the_size_of_its_operand():
    """Its type does not say the sizes; that of the operand says one."""
    program = lower(Parser(make_context(), UNKNOWN_RESULT).parse_module())
    a = sparse(0, 7, 5)
    np.testing.assert_array_equal(program.run(a).outputs[0], 2 * a)
    assert program.notes == ()


def test_three_dimensions_in_blocks_are_read_element_by_element():
    format = Format((Level.COMPRESSED,) * 3, (0, 1, 2), (2, 2, 2))
    tensor = sparse(0, 5, 4, 3)
    program = headrace.einsum("Y(i,j,k) = relu(T(i,j,k))", T=format)
    np.testing.assert_array_equal(program.run(tensor).outputs[0], tensor)
    assert "a tensor with blocks on 3 axes does not work" in program.notes[0]


def test_a_saved_program_keeps_its_notes(tmp_path: Path):
    program = lower(import_einsum(TWO_SIZES, {"A": THREES}))
    program.save(tmp_path / "program.npz")
    assert headrace.load(tmp_path / "program.npz").notes == program.notes != ()
