"""Graphs run on tensors: from scans to assembled results."""

import numpy as np
import pytest
from xdsl.dialects.builtin import IndexType, ModuleOp, f64
from xdsl.interpreter import Interpreter
from xdsl.ir import Block, Region
from xdsl.parser import Parser
from xdsl.utils.exceptions import InterpretationError, VerifyException
from xdsl.utils.test_value import create_ssa_value

from headrace.cli.driver import make_context
from headrace.dialects import sam
from headrace.interpreters.sam import interpret_graph, register_sam
from headrace.storage.levels import Format, Storage

ALIASES = """
#S = #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>
#SS = #sparse_tensor.encoding<{ map = (i, j) -> (i : compressed, j : compressed) }>
#DS = #sparse_tensor.encoding<{ map = (i, j) -> (i : dense, j : compressed) }>
#BLOCKS = #sparse_tensor.encoding<{ map = (i, j) ->
  (i floordiv 2 : dense, j floordiv 2 : compressed, i mod 2 : dense, j mod 2 : dense) }>
"""

ROWS = np.array([[0, 1, 0], [0, 0, 0], [2, 0, -3.0]])


def parse(text: str) -> ModuleOp:
    module = Parser(make_context(), ALIASES + text).parse_module()
    module.verify()
    return module


def graph_of(text: str) -> sam.GraphOp:
    return next(op for op in parse(text).walk() if isinstance(op, sam.GraphOp))


def scale(formats: str, written: str) -> str:
    """A matrix times two, by its levels i and j."""
    matrix = f"tensor<?x?xf64, #{formats}>"
    return f"""
%0 = "test.op"() : () -> {matrix}
%1 = sam.graph(%0) : ({matrix}) -> {matrix} {{
^bb0(%a: {matrix}):
  %root = sam.root
  %i, %ri = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, {matrix}
  %j, %rj = sam.scan %ri, %a level 1 axis j : !sam.stream<ref, index, [i]>, {matrix}
  %x = sam.array %rj, %a : !sam.stream<ref, index, [i, j]>, {matrix}
  %y = sam.alu %x op mul scalar 2.0 : f64 : !sam.stream<val, f64, [i, j]>
  %v = sam.write_values %y : !sam.stream<val, f64, [i, j]>
  %n = sam.extent %a dimension 0 : {matrix}
  %m = sam.extent %a dimension 1 : {matrix}
  {written}
  sam.yield %t : {matrix}
}}
"""


SPARSE = "!sam.values<f64> -> tensor<?x?xf64, #SS>"
OUTER, INNER = "!sam.stream<crd, index, [i]>", "!sam.stream<crd, index, [i, j]>"
KEEP = f"""
  %l0 = sam.write_coordinates %i mode keep : !sam.stream<crd, index, [i]>
  %l1 = sam.write_coordinates %j mode keep : !sam.stream<crd, index, [i, j]>
  %t = sam.assemble levels(%l0, %l1) values %v extents(%n, %m) : {SPARSE}
"""
DROP = f"""
  %k, %p = sam.coordinate_drop %i, %j : {OUTER}, {INNER}
  %l0 = sam.write_coordinates %k mode keep : !sam.stream<crd, index, [i]>
  %l1 = sam.write_coordinates %p mode drop : !sam.stream<crd, index, [i, j]>
  %t = sam.assemble levels(%l0, %l1) values %v extents(%n, %m) : {SPARSE}
"""
DENSE_ROWS = """
  %l1 = sam.write_coordinates %j mode keep : !sam.stream<crd, index, [i, j]>
  %t = sam.assemble levels(%l1) values %v extents(%n, %m) : !sam.values<f64> -> tensor<?x?xf64, #DS>
"""


@pytest.mark.parametrize(
    ("name", "format", "written"),
    [("SS", "dcsr", KEEP), ("SS", "dcsr", DROP), ("DS", "csr", DENSE_ROWS)],
)
@pytest.mark.parametrize("matrix", [ROWS, np.zeros((3, 3)), np.zeros((0, 2))])
def test_a_graph_keeps_the_format_of_its_tensors(
    name: str, format: str, written: str, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> None:
    stored = Storage.from_dense(matrix, Format.parse(format, 2))
    (result,) = interpret_graph(graph_of(scale(name, written)), [stored])
    np.testing.assert_array_equal(result.to_dense(), 2 * matrix)
    assert result.format == stored.format


def test_a_stored_row_without_entries_is_kept_or_dropped() -> None:
    segments, rows = np.array([0, 1, 1]), np.array([2, 5])
    stored = Storage(
        (6, 4),
        Format.parse("dcsr", 2),
        (np.array([0, 2]), segments),
        (rows, np.array([3])),
        np.array([1.5]),
    )
    (kept,) = interpret_graph(graph_of(scale("SS", KEEP)), [stored])
    (dropped,) = interpret_graph(graph_of(scale("SS", DROP)), [stored])
    assert [level.tolist() for level in kept.coordinates if level is not None] == [[2, 5], [3]]
    assert [level.tolist() for level in dropped.coordinates if level is not None] == [[2], [3]]
    np.testing.assert_array_equal(kept.to_dense(), dropped.to_dense())


BLOCKED = "tensor<4x?xf64, #BLOCKS>"
TILES = "!sam.stream<val, tensor<2x2xf64>, [i, j]>"
BLOCK_PRODUCT = f"""
%0 = "test.op"() : () -> {BLOCKED}
%1 = sam.graph(%0) : ({BLOCKED}) -> {BLOCKED} {{
^bb0(%a: {BLOCKED}):
  %root = sam.root
  %i, %ri = sam.scan %root, %a level 0 axis i : !sam.stream<ref, index, []>, {BLOCKED}
  %j, %rj = sam.scan %ri, %a level 1 axis j : !sam.stream<ref, index, [i]>, {BLOCKED}
  %x = sam.array %rj, %a : !sam.stream<ref, index, [i, j]>, {BLOCKED}
  %y = sam.alu %x, %x op matmul : {TILES}, {TILES}
  %v = sam.write_values %y : {TILES}
  %l = sam.write_coordinates %j mode keep : !sam.stream<crd, index, [i, j]>
  %one = arith.constant 1 : index
  %n = arith.constant 4 : index
  %m = tensor.dim %a, %one : {BLOCKED}
  %t = sam.assemble levels(%l) values %v extents(%n, %m) : !sam.values<tensor<2x2xf64>> -> {BLOCKED}
  sam.yield %t : {BLOCKED}
}}
"""


def test_blocks_are_values() -> None:
    graph = graph_of(BLOCK_PRODUCT)
    matrix = np.zeros((4, 6))
    matrix[0:2, 4:6] = [[1, 2], [3, 4]]
    stored = Storage.from_dense(matrix, Format(Format.parse("csr", 2).levels, (0, 1), (2, 2)))
    (result,) = interpret_graph(graph, [stored])
    expected = np.zeros((4, 6))
    expected[0:2, 4:6] = matrix[0:2, 4:6] @ matrix[0:2, 4:6]
    np.testing.assert_array_equal(result.to_dense(), expected)


def test_what_a_product_puts_beyond_the_shape_is_no_part_of_the_result() -> None:
    """0 * inf is NaN in the padding; column 4 is the first of its tile, and the last."""
    matrix = np.zeros((4, 5))
    matrix[0, 4] = np.inf
    stored = Storage.from_dense(matrix, Format(Format.parse("csr", 2).levels, (0, 1), (2, 2)))
    (result,) = interpret_graph(graph_of(BLOCK_PRODUCT), [stored])
    np.testing.assert_array_equal(result.values[:, :, 1], 0)
    assert result.to_dense()[0, 4] == np.inf
    assert result.shape == (4, 5)


FUNCTION = """
func.func @main(%A: tensor<3x3xf64, #DS>, %x: tensor<3xf64>) -> tensor<3xf64> {
  %B = sparse_tensor.convert %A : tensor<3x3xf64, #DS> to tensor<3x3xf64, #SS>
  %y = sam.graph(%B, %x) : (tensor<3x3xf64, #SS>, tensor<3xf64>) -> tensor<3xf64> {
  ^bb0(%b: tensor<3x3xf64, #SS>, %v: tensor<3xf64>):
    %root = sam.root
    %n = arith.constant 3 : index
    %i, %ri = sam.scan %root, %b level 0 axis i : !sam.stream<ref, index, []>, tensor<3x3xf64, #SS>
    %j, %rj = sam.scan %ri, %b level 1 axis j : !sam.stream<ref, index, [i]>, tensor<3x3xf64, #SS>
    %rv = sam.locate %j, %n : !sam.stream<crd, index, [i, j]>, index
    %bv = sam.array %rj, %b : !sam.stream<ref, index, [i, j]>, tensor<3x3xf64, #SS>
    %vv = sam.array %rv, %v : !sam.stream<ref, index, [i, j]>, tensor<3xf64>
    %p = sam.alu %bv, %vv op mul : !sam.stream<val, f64, [i, j]>, !sam.stream<val, f64, [i, j]>
    %s = sam.reduce %p op add : !sam.stream<val, f64, [i, j]>
    %ry = sam.locate %i, %n : !sam.stream<crd, index, [i]>, index
    %w = sam.store %ry, %s, %n : !sam.stream<ref, index, [i]>, !sam.stream<val, f64, [i]>, index
    %t = sam.assemble levels() values %w extents(%n) : !sam.values<f64> -> tensor<3xf64>
    sam.yield %t : tensor<3xf64>
  }
  func.return %y : tensor<3xf64>
}
"""


def test_a_module_runs_in_the_interpreter_of_xdsl() -> None:
    interpreter = Interpreter(parse(FUNCTION))
    register_sam(interpreter)
    (result,) = interpreter.call_op("main", (ROWS, np.array([1.0, 2.0, 3.0])))
    np.testing.assert_array_equal(result.to_dense(), ROWS @ [1, 2, 3])


def test_a_tensor_comes_in_the_format_of_its_type() -> None:
    graph = graph_of(scale("SS", KEEP))
    (result,) = interpret_graph(graph, [Storage.from_dense(ROWS, Format.parse("csc", 2))])
    assert result.format == Format.parse("dcsr", 2)


def test_a_cycle_cannot_be_interpreted() -> None:
    graph = graph_of("""
%1 = sam.graph() : () -> tensor<?xf64> {
  %n = arith.constant 2 : index
  %y = sam.alu %x, %x op add : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
  %x = sam.alu %y op neg : !sam.stream<val, f64, [i]>
  %v = sam.write_values %x : !sam.stream<val, f64, [i]>
  %t = sam.assemble levels() values %v extents(%n) : !sam.values<f64> -> tensor<?xf64>
  sam.yield %t : tensor<?xf64>
}
""")
    with pytest.raises(InterpretationError, match="a cycle of streams has no initial token"):
        interpret_graph(graph, [])


def test_operations_may_stand_in_any_order() -> None:
    text = scale("SS", KEEP)
    head, rest = text.split("  %root = sam.root\n")
    body, tail = rest.split("  sam.yield")
    lines = [line for line in body.strip("\n").split("\n") if line.strip()]
    backwards = "\n".join([*reversed(lines), "  %root = sam.root", "  sam.yield"])
    (result,) = interpret_graph(
        graph_of(head + backwards + tail), [Storage.from_dense(ROWS, Format.parse("dcsr", 2))]
    )
    np.testing.assert_array_equal(result.to_dense(), 2 * ROWS)


# Building operations in Python


def stream(kind: str, axes: str) -> sam.StreamType:
    element = f64 if kind == "val" else IndexType()
    return sam.StreamType(kind, element, list(axes))


def test_a_constructor_infers_its_results() -> None:
    ref, crd = (create_ssa_value(stream(kind, "ij")) for kind in ("ref", "crd"))
    intersect = sam.IntersectOp([crd, crd], [ref, ref])
    assert intersect.crd.type == crd.type
    assert [output.type for output in intersect.outputs] == [ref.type, ref.type]
    accumulate = sam.AccumulateOp(
        [create_ssa_value(stream("crd", "i")), crd], create_ssa_value(stream("val", "ij"))
    )
    assert accumulate.order == 1
    assert accumulate.out_val.type == stream("val", "j")


def test_a_constructor_refuses_operands_that_do_not_nest() -> None:
    with pytest.raises(VerifyException, match=r"'sam.repeat' needs one more axis inside \[i\]"):
        sam.RepeatOp(create_ssa_value(stream("ref", "i")), create_ssa_value(stream("sig", "kj")))


def test_a_stream_type_knows_its_axes() -> None:
    type = stream("ref", "ij")
    assert (type.depth, type.axis_names) == (2, ("i", "j"))
    assert type.push("k") == stream("ref", "ijk")
    assert type.pop() == stream("ref", "i")
    assert type.of(sam.Kind.CRD) == stream("crd", "ij")


def test_a_region_holds_its_order() -> None:
    block = Block()
    block.add_op(sam.YieldOp())
    region = sam.RegionOp([], [], Region(block), priority=[1, 0], copies="any")
    region.verify()
    assert region.priority is not None
    assert region.priority.get_values() == (1, 0)
