"""What entry IR means: linalg, tensor, arith and math operations on dense arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from headrace.interpreters import linalg
from headrace.interpreters.linalg import interpret
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Storage
from headrace.tests.modules import parse
from headrace.tests.reference import reference_path

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4))
M = RNG.standard_normal((4, 5))

Dense = Any


def run(text: str, *args: Dense) -> Dense:
    (result,) = interpret(parse(text), args)
    return result


def generic(
    maps: str, iterators: str, ins: str, out: str, body: str, arguments: str, result: str = "f64"
) -> str:
    """A function of tensors with one `linalg.generic`; types are given for each operand."""
    types = [kind.strip() for kind in ins.split(";")]
    names = [f"%a{n}" for n in range(len(types))]
    pairs = ", ".join(f"{name}: {kind}" for name, kind in zip(names, types, strict=True))
    return f"""
func.func @main({pairs}, %o: {out}) -> {out} {{
  %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{iterators}]}}
    ins({", ".join(names)} : {", ".join(types)}) outs(%o : {out}) {{
  ^bb0({arguments}):
    {body}
    linalg.yield %y : {result}
  }} -> {out}
  func.return %r : {out}
}}
"""


MATRIX = "affine_map<(i, j) -> (i, j)>"
PARALLEL = '"parallel"'
REDUCTION = '"reduction"'


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("add", A + B),
        ("sub", A - B),
        ("mul", A * B),
        ("max", np.maximum(A, B)),
        ("min", np.minimum(A, B)),
    ],
)
def test_named_operations_of_two_tensors(name: str, meaning: Dense) -> None:
    kind = "tensor<3x4xf64>"
    text = f"""
func.func @main(%a: {kind}, %b: {kind}, %o: {kind}) -> {kind} {{
  %r = linalg.{name} ins(%a, %b : {kind}, {kind}) outs(%o : {kind}) -> {kind}
  func.return %r : {kind}
}}
"""
    np.testing.assert_allclose(run(text, A, B, np.full((3, 4), 9.0)), meaning)


@pytest.mark.parametrize(
    ("name", "meaning"), [("exp", np.exp(A)), ("log", np.log(abs(A))), ("sqrt", abs(A) ** 0.5)]
)
def test_named_operations_of_one_tensor(name: str, meaning: Dense) -> None:
    kind = "tensor<3x4xf64>"
    text = f"""
func.func @main(%a: {kind}, %o: {kind}) -> {kind} {{
  %r = linalg.{name} ins(%a : {kind}) outs(%o : {kind}) -> {kind}
  func.return %r : {kind}
}}
"""
    np.testing.assert_allclose(run(text, A if name == "exp" else np.abs(A), A), meaning)


def test_select_takes_from_either_tensor() -> None:
    text = """
func.func @main(%c: tensor<4xi1>, %a: tensor<4xf64>, %b: tensor<4xf64>) -> tensor<4xf64> {
  %r = linalg.select ins(%c, %a, %b : tensor<4xi1>, tensor<4xf64>, tensor<4xf64>)
    outs(%a : tensor<4xf64>) -> tensor<4xf64>
  func.return %r : tensor<4xf64>
}
"""
    condition = np.array([True, False, False, True])
    np.testing.assert_array_equal(
        run(text, condition, A[0], B[0]), [A[0, 0], B[0, 1], B[0, 2], A[0, 3]]
    )


def test_matmul_adds_to_what_its_result_starts_from() -> None:
    text = """
func.func @main(%a: tensor<3x4xf64>, %b: tensor<4x5xf64>, %c: tensor<3x5xf64>) -> tensor<3x5xf64> {
  %r = linalg.matmul ins(%a, %b : tensor<3x4xf64>, tensor<4x5xf64>)
    outs(%c : tensor<3x5xf64>) -> tensor<3x5xf64>
  func.return %r : tensor<3x5xf64>
}
"""
    start = RNG.standard_normal((3, 5))
    np.testing.assert_allclose(run(text, A, M, start), A @ M + start)


def test_fill_transpose_broadcast_and_reduce() -> None:
    text = """
func.func @main(%a: tensor<3x4xf64>) -> tensor<2x4xf64> {
  %z = arith.constant 1.5 : f64
  %e = tensor.empty() : tensor<4x3xf64>
  %t = linalg.transpose ins(%a : tensor<3x4xf64>) outs(%e : tensor<4x3xf64>) permutation = [1, 0]
  %e1 = tensor.empty() : tensor<4xf64>
  %f = linalg.fill ins(%z : f64) outs(%e1 : tensor<4xf64>) -> tensor<4xf64>
  %s = linalg.reduce ins(%t : tensor<4x3xf64>) outs(%f : tensor<4xf64>) dimensions = [1]
  (%x : f64, %acc : f64) {
    %y = arith.addf %x, %acc : f64
    linalg.yield %y : f64
  }
  %e2 = tensor.empty() : tensor<2x4xf64>
  %r = linalg.broadcast ins(%s : tensor<4xf64>) outs(%e2 : tensor<2x4xf64>) dimensions = [0]
  func.return %r : tensor<2x4xf64>
}
"""
    np.testing.assert_allclose(run(text, A), np.broadcast_to(A.sum(0) + 1.5, (2, 4)))


def test_a_map_without_a_loop_broadcasts_and_a_constant_map_reads_coordinate_zero() -> None:
    text = generic(
        f"{MATRIX}, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, 0)>, {MATRIX}",
        f"{PARALLEL}, {PARALLEL}",
        "tensor<3x4xf64>; tensor<4xf64>; tensor<3x1xf64>",
        "tensor<3x4xf64>",
        "%p = arith.mulf %x, %b : f64\n %y = arith.subf %p, %c : f64",
        "%x: f64, %b: f64, %c: f64, %o_: f64",
    )
    column = A[:, :1]
    np.testing.assert_allclose(run(text, B, A[0], column, A), B * A[0] - column)


def test_general_affine_maps() -> None:
    """A convolution of width 2 and a diagonal."""
    text = generic(
        "affine_map<(i, k) -> (i * 2 + k)>, affine_map<(i, k) -> (k)>, affine_map<(i, k) -> (i)>",
        f"{PARALLEL}, {REDUCTION}",
        "tensor<7xf64>; tensor<2xf64>",
        "tensor<3xf64>",
        "%p = arith.mulf %x, %w : f64\n %y = arith.addf %p, %acc : f64",
        "%x: f64, %w: f64, %acc: f64",
    )
    x, w = RNG.standard_normal(7), RNG.standard_normal(2)
    expected = [x[2 * i] * w[0] + x[2 * i + 1] * w[1] for i in range(3)]
    np.testing.assert_allclose(run(text, x, w, np.zeros(3)), expected)
    diagonal = generic(
        "affine_map<(i) -> (i, i)>, affine_map<(i) -> (i)>",
        PARALLEL,
        "tensor<3x3xf64>",
        "tensor<3xf64>",
        "%y = arith.negf %x : f64",
        "%x: f64, %o_: f64",
    )
    np.testing.assert_allclose(run(diagonal, A[:, :3], np.zeros(3)), -A[:, :3].diagonal())


def test_a_maximum_of_negative_rows_starts_from_what_it_is_given() -> None:
    text = generic(
        f"{MATRIX}, affine_map<(i, j) -> (i)>",
        f"{PARALLEL}, {REDUCTION}",
        "tensor<2x2xf64>",
        "tensor<2xf64>",
        "%y = arith.maximumf %acc, %x : f64",
        "%x: f64, %acc: f64",
    )
    rows = np.array([[-1.0, -5.0], [-3.0, -2.0]])
    np.testing.assert_array_equal(run(text, rows, [-np.inf, -np.inf]), [-1, -2])
    np.testing.assert_array_equal(run(text, rows, [0.0, -2.5]), [0, -2])


def test_a_reduction_that_is_not_associative_runs_in_order() -> None:
    """acc := 2 acc + x, a polynomial at 2."""
    text = generic(
        f"{MATRIX}, affine_map<(i, j) -> (i)>",
        f"{PARALLEL}, {REDUCTION}",
        "tensor<3x4xf64>",
        "tensor<3xf64>",
        """%t = arith.constant 2.0 : f64
           %d = arith.mulf %t, %acc : f64
           %y = arith.addf %d, %x : f64""",
        "%x: f64, %acc: f64",
    )
    np.testing.assert_allclose(run(text, A, np.zeros(3)), A @ [8, 4, 2, 1])


def test_the_output_may_be_read_without_a_reduction() -> None:
    text = generic(
        f"{MATRIX}, {MATRIX}",
        f"{PARALLEL}, {PARALLEL}",
        "tensor<3x4xf64>",
        "tensor<3x4xf64>",
        "%y = arith.divf %x, %o_ : f64",
        "%x: f64, %o_: f64",
    )
    np.testing.assert_allclose(run(text, A, B), A / B)


def test_linalg_index_is_the_coordinate_of_a_loop() -> None:
    text = generic(
        f"{MATRIX}, {MATRIX}",
        f"{PARALLEL}, {PARALLEL}",
        "tensor<3x4xf64>",
        "tensor<3x4xf64>",
        """%i = linalg.index 0 : index
           %j = linalg.index 1 : index
           %c = arith.cmpi sge, %i, %j : index
           %z = arith.constant 0.0 : f64
           %y = arith.select %c, %x, %z : f64""",
        "%x: f64, %o_: f64",
    )
    np.testing.assert_allclose(run(text, A, B), np.tril(A))


@pytest.mark.parametrize("limit", [1, 5, 7, 1000])
def test_chunks_of_the_iteration_space_do_not_change_the_result(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linalg, "CHUNK", limit)
    text = generic(
        "affine_map<(i, j, k) -> (i, k)>, affine_map<(i, j, k) -> (k, j)>, "
        "affine_map<(i, j, k) -> (i, j)>",
        f"{PARALLEL}, {PARALLEL}, {REDUCTION}",
        "tensor<3x4xf64>; tensor<4x5xf64>",
        "tensor<3x5xf64>",
        "%d = arith.subf %x, %w : f64\n%p = math.absf %d : f64\n%y = arith.addf %acc, %p : f64",
        "%x: f64, %w: f64, %acc: f64",
    )
    expected = abs(A[:, :, None] - M[None]).sum(1)
    np.testing.assert_allclose(run(text, A, M, np.zeros((3, 5))), expected)


def test_float32_is_computed_in_float64() -> None:
    text = """
func.func @main(%a: tensor<2xf32>) -> tensor<2xf32> {
  %r = linalg.exp ins(%a : tensor<2xf32>) outs(%a : tensor<2xf32>) -> tensor<2xf32>
  func.return %r : tensor<2xf32>
}
"""
    np.testing.assert_array_equal(run(text, [0.1, 0.7]), np.exp([0.1, 0.7]))


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("oeq", [1, 0, 0, 0]),
        ("one", [0, 1, 1, 0]),
        ("une", [0, 1, 1, 1]),
        ("ueq", [1, 0, 0, 1]),
        ("olt", [0, 1, 0, 0]),
        ("uge", [1, 0, 1, 1]),
        ("ord", [1, 1, 1, 0]),
        ("uno", [0, 0, 0, 1]),
        ("true", [1, 1, 1, 1]),
    ],
)
def test_comparisons_with_nan(predicate: str, expected: list[int]) -> None:
    text = generic(
        "affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>",
        PARALLEL,
        "tensor<4xf64>; tensor<4xf64>",
        "tensor<4xi1>",
        f"%y = arith.cmpf {predicate}, %x, %w : f64",
        "%x: f64, %w: f64, %o_: i1",
        "i1",
    )
    x, w = [1.0, 1.0, 2.0, np.nan], [1.0, 2.0, 1.0, 1.0]
    np.testing.assert_array_equal(run(text, x, w, np.zeros(4)), np.array(expected, dtype=bool))


def test_casts_between_booleans_integers_and_floats() -> None:
    text = generic(
        "affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>",
        PARALLEL,
        "tensor<2xi1>; tensor<2xf64>",
        "tensor<2xf64>",
        """%s = arith.extsi %b : i1 to i64
           %u = arith.uitofp %b : i1 to f64
           %n = arith.fptosi %x : f64 to i64
           %t = arith.addi %s, %n : i64
           %f = arith.sitofp %t : i64 to f64
           %h = arith.constant 0.25 : f64
           %m = arith.mulf %u, %h : f64
           %y = arith.addf %f, %m : f64""",
        "%b: i1, %x: f64, %o_: f64",
    )
    np.testing.assert_array_equal(run(text, [True, False], [-2.75, 3.5], [0, 0]), [-2.75, 3.0])


@pytest.mark.parametrize("width", [8, 32])
def test_integers_wrap_in_a_narrower_type(width: int) -> None:
    text = generic(
        "affine_map<(i) -> (i)>, affine_map<(i) -> (i)>",
        PARALLEL,
        "tensor<6xi64>",
        f"tensor<6xi{width}>",
        f"%y = arith.trunci %x : i64 to i{width}",
        f"%x: i64, %o_: i{width}",
        f"i{width}",
    )
    numbers = np.array([0, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**40 + 200])
    np.testing.assert_array_equal(run(text, numbers, np.zeros(6)), numbers.astype(f"i{width // 8}"))


def test_shapes_slices_and_concatenation() -> None:
    text = """
func.func @main(%a: tensor<3x4xf64>) -> tensor<2x2x3xf64> {
  %c = tensor.collapse_shape %a [[0 : i64, 1 : i64]] : tensor<3x4xf64> into tensor<12xf64>
  %e = tensor.expand_shape %c [[0 : i64, 1 : i64]] output_shape [4, 3]
    : tensor<12xf64> into tensor<4x3xf64>
  %s = tensor.extract_slice %e[1, 0] [2, 3] [2, 1] : tensor<4x3xf64> to tensor<2x3xf64>
  %t = tensor.extract_slice %e[0, 0] [2, 3] [1, 1] : tensor<4x3xf64> to tensor<2x3xf64>
  %j = tensor.concat dim(0) %s, %t : (tensor<2x3xf64>, tensor<2x3xf64>) -> tensor<4x3xf64>
  %n = arith.constant dense<[2, 2, 3]> : tensor<3xi64>
  %r = tensor.reshape %j(%n) : (tensor<4x3xf64>, tensor<3xi64>) -> tensor<2x2x3xf64>
  func.return %r : tensor<2x2x3xf64>
}
"""
    flat = A.reshape(4, 3)
    expected = np.concatenate([flat[1::2], flat[:2]]).reshape(2, 2, 3)
    np.testing.assert_array_equal(run(text, A), expected)


def test_a_slice_that_drops_a_dimension_and_one_that_leaves_the_tensor() -> None:
    text = """
func.func @main(%a: tensor<3x4xf64>) -> tensor<4xf64> {
  %i = arith.constant 2 : index
  %r = tensor.extract_slice %a[%i, 0] [1, 4] [1, 1] : tensor<3x4xf64> to tensor<4xf64>
  func.return %r : tensor<4xf64>
}
"""
    np.testing.assert_array_equal(run(text, A), A[2])
    with pytest.raises(InputError, match=r"reads 1 elements from 3 on .* of size 3"):
        run(text.replace("constant 2", "constant 3"), A)


@pytest.mark.parametrize("result", ["4", "1x4", "4x1", "1x4x1"])
def test_a_slice_drops_the_dimensions_that_its_type_lacks(result: str) -> None:
    text = f"""
func.func @main(%a: tensor<2x4x3xf64>) -> tensor<{result}xf64> {{
  %r = tensor.extract_slice %a[1, 0, 2] [1, 4, 1] [1, 1, 1]
    : tensor<2x4x3xf64> to tensor<{result}xf64>
  func.return %r : tensor<{result}xf64>
}}
"""
    a = RNG.standard_normal((2, 4, 3))
    shape = [int(size) for size in result.split("x")]
    np.testing.assert_array_equal(run(text, a), a[1, :, 2].reshape(shape))


def test_a_cast_to_another_size_is_refused() -> None:
    text = """
func.func @main(%a: tensor<?xf64>) -> tensor<7xf64> {
  %r = tensor.cast %a : tensor<?xf64> to tensor<7xf64>
  func.return %r : tensor<7xf64>
}
"""
    assert run(text, np.ones(7)).shape == (7,)
    with pytest.raises(InputError, match="has shape 4, but the program says 7"):
        run(text, np.ones(4))


def test_dynamic_sizes_come_from_the_arguments() -> None:
    text = """
func.func @main(%a: tensor<?x4xf64>) -> tensor<?xf64> {
  %0 = arith.constant 0 : index
  %n = tensor.dim %a, %0 : tensor<?x4xf64>
  %z = arith.constant 0.0 : f64
  %s = tensor.splat %z[%n] : tensor<?xf64>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
    iterator_types = ["parallel", "reduction"]}
    ins(%a : tensor<?x4xf64>) outs(%s : tensor<?xf64>) {
  ^bb0(%x: f64, %acc: f64):
    %y = arith.addf %acc, %x : f64
    linalg.yield %y : f64
  } -> tensor<?xf64>
  func.return %r : tensor<?xf64>
}
"""
    for rows in (1, 5):
        x = RNG.standard_normal((rows, 4))
        np.testing.assert_allclose(run(text, x), x.sum(1))


def test_formats_do_not_change_values() -> None:
    text = """
#CSR = #sparse_tensor.encoding<{ map = (d0, d1) -> (d0 : dense, d1 : compressed) }>
func.func @main(%a: tensor<3x4xf64, #CSR>) -> tensor<3x4xf64> {
  %r = sparse_tensor.convert %a : tensor<3x4xf64, #CSR> to tensor<3x4xf64>
  func.return %r : tensor<3x4xf64>
}
"""
    stored = Storage.from_dense(np.maximum(A, 0), Format.parse("csr", 2))
    np.testing.assert_array_equal(run(text, stored), np.maximum(A, 0))


@pytest.mark.parametrize(("type", "number"), [("i64", 0.5), ("i64", np.nan), ("i1", 2)])
def test_numbers_that_a_type_has_not(type: str, number: float) -> None:
    tensor = f"tensor<2x{type}>"
    text = f"func.func @main(%a: {tensor}) -> {tensor} {{ func.return %a : {tensor} }}"
    np.testing.assert_array_equal(run(text, np.array([0.0, 1.0])), [0, 1])
    with pytest.raises(InputError, match=f"holds numbers that {tensor} has not"):
        run(text, np.array([0, number]))


def test_arguments_that_do_not_fit() -> None:
    text = """
func.func @main(%a: tensor<3x?xf64>) -> tensor<3x?xf64> {
  func.return %a : tensor<3x?xf64>
}
"""
    module = parse(text)
    with pytest.raises(InputError, match="takes 1 arguments, not 2"):
        interpret(module, [A, A])
    with pytest.raises(InputError, match=r"argument 0 of @main has shape \(4, 3\)"):
        interpret(module, [A.T])
    with pytest.raises(InputError, match="no function"):
        interpret(ModuleOp([]), [])


def test_loops_of_disagreeing_sizes() -> None:
    text = generic(
        "affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> (i)>",
        PARALLEL,
        "tensor<?xf64>; tensor<?xf64>",
        "tensor<?xf64>",
        "%y = arith.addf %x, %w : f64",
        "%x: f64, %w: f64, %o_: f64",
    )
    with pytest.raises(InputError, match="a loop runs over 3 and 1 coordinates"):
        run(text, np.zeros(3), np.zeros(1), np.zeros(3))


def test_operations_outside_of_the_entry_ir() -> None:
    text = """
func.func @main(%a: tensor<3x4xf64>) -> tensor<3x4xf64> {
  %r = "test.op"(%a) : (tensor<3x4xf64>) -> tensor<3x4xf64>
  func.return %r : tensor<3x4xf64>
}
"""
    with pytest.raises(InputError, match=r"test\.op is not part of the entry IR"):
        run(text, A)


def sparse(*shape: int) -> Dense:
    return RNG.standard_normal(shape) * (RNG.random(shape) < 0.4)


def layer(a: Dense, x: Dense, w: Dense, b: Dense) -> Dense:
    return np.maximum(a @ (x @ w) + b, 0)


def diamond(a: Dense, x: Dense) -> Dense:
    return np.maximum(a @ x, 0) + a @ x


def sampled_rows(q: Dense, k: Dense, m: Dense) -> Dense:
    return (q @ k.T) * m


def sampled_columns(q: Dense, k: Dense, m: Dense) -> Dense:
    return (q @ k) * m


def plus(a: Dense, b: Dense, c: Dense) -> Dense:
    return a * b + c


def shared(a: Dense, b: Dense, c: Dense) -> Dense:
    return a * b + a * c


def transposed(a: Dense, b: Dense) -> Dense:
    return a * b.T


LAYER = ((34, 34), (34, 20), (20, 8), (8,))
SQUARE = (12, 12)
PROGRAMS: dict[str, tuple[Any, tuple[tuple[int, ...], ...]]] = {
    "axw_sp_sp": (layer, LAYER),
    "axw_sd_sp": (layer, LAYER),
    "axw_dn_dn": (layer, LAYER),
    "diamond": (diamond, ((34, 34), (34, 16))),
    "sddmm_jd": (sampled_rows, ((64, 8), (64, 8), (64, 64))),
    "sddmm_dj": (sampled_columns, ((64, 8), (8, 64), (64, 64))),
    "had_plus": (plus, (SQUARE,) * 3),
    "had_shared": (shared, (SQUARE,) * 3),
    "had_transposed": (transposed, (SQUARE,) * 2),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_recorded_programs(name: str) -> None:
    path: Path = reference_path("fusion") / f"{name}.mlir"
    meaning, shapes = PROGRAMS[name]
    args = [sparse(*shape) for shape in shapes]
    np.testing.assert_allclose(run(path.read_text(), *args), meaning(*args), atol=1e-12)
