"""What a region may contain: reductions, maps with constants, results that are one number."""

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from headrace.backends.sam import build
from headrace.interpreters.linalg import interpret
from headrace.tests.fusion import lowered
from headrace.tests.modules import parse

Array = NDArray[np.float64]
MATRIX: Array = np.array([[1.0, -2, 0, 4], [0, 0, 0, 0], [-3, 5, -1, -6]])


def reduction(body: str, start: str = "0.0", type: str = "f64", size: str = "4") -> ModuleOp:
    """Rows of `%x` reduced by `body` into `%o`, from `start`."""
    return parse(f"""
func.func @main(%a: tensor<3x{size}x{type}>) -> tensor<3x{type}> {{
  %c = arith.constant {start} : {type}
  %e = tensor.empty() : tensor<3x{type}>
  %f = linalg.fill ins(%c : {type}) outs(%e : tensor<3x{type}>) -> tensor<3x{type}>
  %r = linalg.generic {{
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]
  }} ins(%a : tensor<3x{size}x{type}>) outs(%f : tensor<3x{type}>) {{
  ^bb0(%x: {type}, %o: {type}):
    {body}
    linalg.yield %y : {type}
  }} -> tensor<3x{type}>
  func.return %r : tensor<3x{type}>
}}""")


def check(module: ModuleOp, *arguments: Array) -> None:
    results = build(lowered(module)).run(*arguments).outputs
    for result, wanted in zip(results, interpret(module, arguments), strict=True):
        np.testing.assert_allclose(result, wanted)


def refused(module: ModuleOp) -> str:
    with pytest.raises(PassFailedException) as caught:
        lowered(module)
    return str(caught.value)


@pytest.mark.parametrize("operands", ["%o, %x", "%x, %o"])
@pytest.mark.parametrize("kind", ["addf", "maximumf", "minimumf"])
def test_a_reduction_combines_its_output_with_a_value(kind: str, operands: str):
    check(reduction(f"%y = arith.{kind} {operands} : f64"), MATRIX)


@pytest.mark.parametrize("kind", ["addi", "maxsi", "minsi"])
def test_integers_are_reduced_as_well(kind: str):
    check(reduction(f"%y = arith.{kind} %o, %x : i64", start="-1", type="i64"), MATRIX)


@pytest.mark.parametrize(
    "body",
    [
        "%q = arith.mulf %x, %o : f64\n %y = arith.addf %o, %q : f64",
        "%y = arith.addf %o, %o : f64",
        "%q = arith.negf %o : f64\n %p = arith.addf %x, %q : f64\n %y = arith.addf %p, %o : f64",
    ],
)
def test_a_reduction_that_reads_its_output_twice_is_refused(body: str):
    assert "its output is read in more than the last step" in refused(reduction(body))


def test_a_named_reduction_that_reads_its_output_twice_is_refused():
    module = parse("""
func.func @main(%a: tensor<3x4xf64>) -> tensor<3xf64> {
  %c = arith.constant 1.0 : f64
  %e = tensor.empty() : tensor<3xf64>
  %f = linalg.fill ins(%c : f64) outs(%e : tensor<3xf64>) -> tensor<3xf64>
  %r = linalg.reduce ins(%a : tensor<3x4xf64>) outs(%f : tensor<3xf64>) dimensions = [1]
  (%in: f64, %acc: f64) {
    %q = arith.mulf %in, %acc : f64
    %s = arith.addf %acc, %q : f64
    linalg.yield %s : f64
  }
  func.return %r : tensor<3xf64>
}""")
    assert "its output is read in more than the last step" in refused(module)


def test_a_reduction_that_reads_the_output_of_another_is_refused():
    module = parse("""
func.func @main(%a: tensor<3x4xf64>) -> (tensor<3xf64>, tensor<3xf64>) {
  %c = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<3xf64>
  %f = linalg.fill ins(%c : f64) outs(%e : tensor<3xf64>) -> tensor<3xf64>
  %r, %s = linalg.generic {
      indexing_maps = [
        affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"]
  } ins(%a : tensor<3x4xf64>) outs(%f, %f : tensor<3xf64>, tensor<3xf64>) {
  ^bb0(%x: f64, %o: f64, %p: f64):
    %q = arith.addf %x, %o : f64
    %t = arith.addf %p, %q : f64
    linalg.yield %q, %t : f64, f64
  } -> tensor<3xf64>, tensor<3xf64>
  func.return %r, %s : tensor<3xf64>, tensor<3xf64>
}""")
    assert "its output is read in more than the last step" in refused(module)


@pytest.mark.parametrize("kind", ["mulf", "maxnumf", "subf"])
def test_other_reductions_are_refused(kind: str):
    message = refused(reduction(f"%y = arith.{kind} %o, %x : f64"))
    assert "must add to, or take the maximum or minimum with, its output" in message


def test_a_maximum_of_doubles_starts_from_the_number_that_is_written():
    module = reduction("%y = arith.maximumf %o, %x : f64", start="-3.4e38", size="0")
    check(module, np.zeros((3, 0)))
    module = reduction("%y = arith.maximumf %o, %x : f64", start="-3.4e38")
    check(module, np.full((3, 4), -1e300))


def test_a_maximum_of_singles_from_their_lowest_number_starts_from_minus_infinity():
    text = "%y = arith.maximumf %o, %x : f32"
    module = lowered(reduction(text, start="-3.40282347E+38", type="f32"))
    assert not [op for op in module.walk() if op.name == "sam.alu"]


def copied(source: str, result: str, maps: str, loops: str) -> ModuleOp:
    return parse(f"""
func.func @main(%a: {source}, %b: {result}) -> {result} {{
  %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{loops}]}}
      ins(%a : {source}) outs(%b : {result}) {{
  ^bb0(%x: f64, %o: f64):
    %y = arith.addf %x, %o : f64
    linalg.yield %y : f64
  }} -> {result}
  func.return %r : {result}
}}""")


TWO_LOOPS = '"parallel", "parallel"'
SUM = '"parallel", "reduction"'


@pytest.mark.parametrize("size", ["3", "?"])
def test_a_result_map_that_writes_one_coordinate_of_many_is_refused(size: str):
    maps = "affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, 0)>"
    module = copied("tensor<4x5xf64>", f"tensor<4x{size}xf64>", maps, SUM)
    assert "writes only coordinate 0 of a dimension of" in refused(module)


def test_a_result_map_may_be_constant_in_a_dimension_of_size_1():
    maps = "affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, 0)>"
    module = copied("tensor<3x4xf64>", "tensor<3x1xf64>", maps, SUM)
    check(module, MATRIX, np.ones((3, 1)))


def test_an_operand_of_which_one_coordinate_is_read_is_refused():
    maps = "affine_map<(i, j) -> (i, 0)>, affine_map<(i, j) -> (i, j)>"
    module = copied("tensor<4x3xf64>", "tensor<4x5xf64>", maps, TWO_LOOPS)
    assert "reads only coordinate 0 of a dimension of size 3" in refused(module)


def test_an_operand_of_size_1_is_broadcast():
    maps = "affine_map<(i, j) -> (i, 0)>, affine_map<(i, j) -> (i, j)>"
    module = copied("tensor<3x1xf64>", "tensor<3x4xf64>", maps, TWO_LOOPS)
    check(module, np.array([[1.0], [0], [2]]), MATRIX)


def constant_beside(shape: str, element: str, value: str, size: str) -> ModuleOp:
    """Twice the argument, and `value` at every coordinate of it."""
    tensor = f"tensor<{shape}x{element}>"
    return parse(f"""
#id = affine_map<(d0) -> (d0)>
func.func @main(%a: {tensor}) -> ({tensor}, {tensor}) {{
  %zero = arith.constant 0 : index
  %n = tensor.dim %a, %zero : {tensor}
  %e = tensor.empty({size}) : {tensor}
  %r, %s = linalg.generic {{indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}}
      ins(%a : {tensor}) outs(%e, %e : {tensor}, {tensor}) {{
  ^bb0(%x: {element}, %o: {element}, %p: {element}):
    %c = arith.constant {value} : {element}
    %y = arith.addf %x, %x : {element}
    linalg.yield %c, %y : {element}, {element}
  }} -> {tensor}, {tensor}
  func.return %s, %r : {tensor}, {tensor}
}}""")


@pytest.mark.parametrize(("shape", "size"), [("3", ""), ("?", "%n")])
def test_a_result_that_is_one_number_is_filled_beside_the_graph(shape: str, size: str):
    streams = lowered(constant_beside(shape, "f64", "-2.5", size))
    twice, constant = build(streams).run(np.array([1.0, 0, 3])).outputs
    assert twice.tolist() == [2, 0, 6]
    assert constant.tolist() == [-2.5] * 3
    (graph,) = (op for op in streams.walk() if op.name == "sam.graph")
    assert len(graph.results) == 1


def test_a_region_with_constant_results_only_leaves_no_graph():
    body = "%one = arith.constant 1.0 : f64\n %y = arith.addf %o, %one : f64"
    streams = lowered(reduction(body))
    assert not [op for op in streams.walk() if op.name in ("sam.graph", "sam.region")]
    assert build(streams).run(MATRIX).outputs[0].tolist() == [4.0] * 3


def test_a_long_diamond_of_squares_is_read_in_linear_time():
    squares = 60
    steps = "".join(
        f"""
  %v{k + 1}x = linalg.generic {{indexing_maps = [#m, #m, #m], iterator_types = ["parallel",
      "parallel"]}} ins(%v{k}x, %v{k}x : !t, !t) outs(%e : !t) {{
  ^bb0(%x: f64, %z: f64, %o: f64):
    %y = arith.mulf %x, %z : f64
    linalg.yield %y : f64
  }} -> !t"""
        for k in range(squares)
    )
    module = parse(f"""
!t = tensor<2x3xf64>
#m = affine_map<(i, j) -> (i, j)>
func.func @main(%v0x: !t) -> tensor<2xf64> {{
  %c = arith.constant 0.0 : f64
  %e = tensor.empty() : !t{steps}
  %g = tensor.empty() : tensor<2xf64>
  %f = linalg.fill ins(%c : f64) outs(%g : tensor<2xf64>) -> tensor<2xf64>
  %r = linalg.reduce ins(%v{squares}x : !t) outs(%f : tensor<2xf64>) dimensions = [1]
  (%in: f64, %acc: f64) {{
    %s = arith.addf %in, %acc : f64
    linalg.yield %s : f64
  }}
  func.return %r : tensor<2xf64>
}}""")
    x = np.array([[1.0, -1, 0], [0.5, 1, 1]])
    np.testing.assert_allclose(build(lowered(module)).run(x).outputs[0], [2, 2])
