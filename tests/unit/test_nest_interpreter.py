"""The interpreter of loop nests: numbers of exactly their types, memory with bounds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from headrace.cli.driver import parse_module
from headrace.interpreters.nest import run_function
from headrace.storage.errors import InputError

FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
INTEGERS = {"i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64}
EXTREMES = [0, 1, -1, 2, -7, 100, 127, -128]


def function(text: str, tmp_path: Any) -> FuncOp:
    file = tmp_path / "nest.mlir"
    file.write_text(text)
    module: ModuleOp = parse_module(file)
    op = module.body.block.first_op
    assert isinstance(op, FuncOp)
    return op


def apply(line: str, types: list[str], result: str, tmp_path: Any, *args: Any) -> Any:
    """The value `%r` that `line` computes of `%x0`, `%x1`, .., the elements of buffers."""
    arguments = ", ".join(f"%a{n}: memref<{type}>" for n, type in enumerate(types))
    loads = "\n".join(f"%x{n} = memref.load %a{n}[] : memref<{t}>" for n, t in enumerate(types))
    text = (
        f"func.func @f({arguments}, %out: memref<{result}>) {{\n{loads}\n{line}\n"
        f"memref.store %r, %out[] : memref<{result}>\nfunc.return\n}}"
    )
    kinds = FLOATS | INTEGERS | {"i1": np.bool_, "bf16": np.float32}
    out = np.zeros((), kinds[result])
    buffers = [np.array(arg, kinds[type]) for arg, type in zip(args, types, strict=True)]
    run_function(function(text, tmp_path), [*buffers, out])
    return out[()]


@pytest.mark.parametrize("type", FLOATS)
@pytest.mark.parametrize("op", ["addf", "subf", "mulf", "divf"])
def test_floats_round_to_their_type(op: str, type: str, tmp_path: Any) -> None:
    kind = FLOATS[type]
    x, y = kind(1.1), kind(3.3)
    expected = {"addf": x + y, "subf": x - y, "mulf": x * y, "divf": x / y}[op]
    found = apply(f"%r = arith.{op} %x0, %x1 : {type}", [type, type], type, tmp_path, x, y)
    assert found == expected
    assert found.dtype == kind


def test_bfloat16_rounds_after_each_operation(tmp_path: Any) -> None:
    line = "%s = arith.addf %x0, %x1 : bf16\n%r = arith.addf %s, %x1 : bf16"
    assert apply(line, ["bf16", "bf16"], "bf16", tmp_path, 256, 1) == 256


@pytest.mark.parametrize("type", ["f32", "f64"])
@pytest.mark.parametrize(
    ("op", "with_nan"), [("maximumf", True), ("minimumf", True), ("maxnumf", False)]
)
def test_maximum_of_nan(op: str, with_nan: bool, type: str, tmp_path: Any) -> None:
    for pair in ((np.nan, 1.0), (1.0, np.nan)):
        found = apply(f"%r = arith.{op} %x0, %x1 : {type}", [type, type], type, tmp_path, *pair)
        assert np.isnan(found) == with_nan


@pytest.mark.parametrize("type", INTEGERS)
def test_integers_wrap_around(type: str, tmp_path: Any) -> None:
    largest = np.iinfo(INTEGERS[type]).max
    found = apply(f"%r = arith.addi %x0, %x1 : {type}", [type] * 2, type, tmp_path, largest, 1)
    assert found == np.iinfo(INTEGERS[type]).min


QUOTIENTS: dict[str, Callable[[int, int], int]] = {
    "divsi": lambda x, y: int(x / y),
    "remsi": lambda x, y: x - int(x / y) * y,
    "floordivsi": lambda x, y: x // y,
    "ceildivsi": lambda x, y: -(-x // y),
    "divui": lambda x, y: (x % 256) // (y % 256),
    "remui": lambda x, y: (x % 256) % (y % 256),
    "ceildivui": lambda x, y: -(-(x % 256) // (y % 256)),
    "maxui": lambda x, y: max(x % 256, y % 256),
    "minui": lambda x, y: min(x % 256, y % 256),
}


@pytest.mark.parametrize("op", QUOTIENTS)
def test_integer_quotients(op: str, tmp_path: Any) -> None:
    expected = QUOTIENTS[op]
    for x in EXTREMES:
        for y in (1, 2, -3, 100):
            found = apply(f"%r = arith.{op} %x0, %x1 : i8", ["i8", "i8"], "i8", tmp_path, x, y)
            assert int(found) % 256 == expected(x, y) % 256, (x, y)


@pytest.mark.parametrize("op", ["divsi", "remui", "ceildivsi"])
def test_division_by_zero_is_an_error(op: str, tmp_path: Any) -> None:
    with pytest.raises(InputError, match="divides an integer by zero"):
        apply(f"%r = arith.{op} %x0, %x1 : i32", ["i32", "i32"], "i32", tmp_path, 1, 0)


def test_shifts(tmp_path: Any) -> None:
    for op, expected in (("shli", -4), ("shrsi", -1), ("shrui", 127)):
        found = apply(f"%r = arith.{op} %x0, %x1 : i8", ["i8", "i8"], "i8", tmp_path, -2, 1)
        assert found == expected
    with pytest.raises(InputError, match="shifts an integer of 8 bits by 8"):
        apply("%r = arith.shli %x0, %x1 : i8", ["i8", "i8"], "i8", tmp_path, 1, 8)


@pytest.mark.parametrize(
    ("line", "types", "result", "args", "expected"),
    [
        ("%r = arith.extf %x0 : f16 to f64", ["f16"], "f64", [0.1], float(np.float16(0.1))),
        ("%r = arith.truncf %x0 : f64 to f32", ["f64"], "f32", [0.1], np.float32(0.1)),
        ("%r = arith.truncf %x0 : f32 to bf16", ["f32"], "bf16", [257.0], 256.0),
        ("%r = arith.sitofp %x0 : i32 to f32", ["i32"], "f32", [-3], -3.0),
        ("%r = arith.uitofp %x0 : i8 to f32", ["i8"], "f32", [-1], 255.0),
        ("%r = arith.trunci %x0 : i32 to i8", ["i32"], "i8", [257], 1),
        ("%r = arith.extui %x0 : i8 to i32", ["i8"], "i32", [-1], 255),
        ("%r = arith.extsi %x0 : i8 to i32", ["i8"], "i32", [-1], -1),
        ("%r = arith.cmpi ult, %x0, %x1 : i8", ["i8", "i8"], "i1", [1, -1], True),
        ("%r = arith.cmpi slt, %x0, %x1 : i8", ["i8", "i8"], "i1", [1, -1], False),
        ("%r = arith.cmpf ult, %x0, %x1 : f32", ["f32", "f32"], "i1", [np.nan, 0], True),
        ("%r = arith.cmpf olt, %x0, %x1 : f32", ["f32", "f32"], "i1", [np.nan, 0], False),
        ("%r = arith.select %x0, %x1, %x2 : f32", ["i1", "f32", "f32"], "f32", [True, 1, 2], 1),
        ("%r = math.sqrt %x0 : f32", ["f32"], "f32", [2.0], np.sqrt(np.float32(2))),
        ("%r = math.absf %x0 : f16", ["f16"], "f16", [-2.0], 2.0),
    ],
)
def test_casts_comparisons_and_functions(
    line: str, types: list[str], result: str, args: list[Any], expected: Any, tmp_path: Any
) -> None:
    assert apply(line, types, result, tmp_path, *args) == expected


def test_fused_multiply_add_rounds_once(tmp_path: Any) -> None:
    x = 1 + 2.0**-30
    line = "%r = math.fma %x0, %x1, %x2 : f64"
    found = apply(line, ["f64"] * 3, "f64", tmp_path, x, x, -(1 + 2.0**-29))
    assert found == 2.0**-60


VECTORS = """
func.func @f(%in: memref<6xf32>, %out: memref<6xf32>, %sum: memref<f32>) {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %c6 = arith.constant 6 : index
  %zero = arith.constant 0.0 : f32
  scf.for %e = %c0 to %c6 step %c4 {
    %left = arith.subi %c6, %e : index
    %mask = vector.create_mask %left : vector<4xi1>
    %zeros = vector.broadcast %zero : f32 to vector<4xf32>
    %v = vector.maskedload %in[%e], %mask, %zeros
      : memref<6xf32>, vector<4xi1>, vector<4xf32> into vector<4xf32>
    %w = arith.addf %v, %v : vector<4xf32>
    vector.maskedstore %out[%e], %mask, %w : memref<6xf32>, vector<4xi1>, vector<4xf32>
    %before = memref.load %sum[] : memref<f32>
    %total = vector.reduction <add>, %v, %before : vector<4xf32> into f32
    memref.store %total, %sum[] : memref<f32>
  }
  func.return
}
"""


def test_masked_lanes_touch_no_memory(tmp_path: Any) -> None:
    numbers = np.arange(6, dtype=np.float32)
    out, total = np.full(6, np.nan, np.float32), np.zeros((), np.float32)
    run_function(function(VECTORS, tmp_path), [numbers, out, total])
    assert out.tolist() == (2 * numbers).tolist()
    assert total == 15


def test_a_whole_vector_must_lie_inside(tmp_path: Any) -> None:
    text = """
func.func @f(%in: memref<6xf32>) {
  %c4 = arith.constant 4 : index
  %v = vector.load %in[%c4] : memref<6xf32>, vector<4xf32>
  vector.store %v, %in[%c4] : memref<6xf32>, vector<4xf32>
  func.return
}"""
    with pytest.raises(InputError, match="index 7 lies outside of dimension 0 of size 6 of %in"):
        run_function(function(text, tmp_path), [np.zeros(6, np.float32)])


def test_loops_carry_values_and_branches_choose(tmp_path: Any) -> None:
    text = """
func.func @f(%in: memref<?xi64>, %out: memref<i64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i64
  %n = memref.dim %in, %c0 : memref<?xi64>
  %sum = scf.for %i = %c0 to %n step %c1 iter_args(%s = %zero) -> (i64) {
    %x = memref.load %in[%i] : memref<?xi64>
    %positive = arith.cmpi sgt, %x, %zero : i64
    %added = scf.if %positive -> (i64) {
      %t = arith.addi %s, %x : i64
      scf.yield %t : i64
    } else {
      scf.yield %s : i64
    }
    scf.yield %added : i64
  }
  memref.store %sum, %out[] : memref<i64>
  func.return
}"""
    out = np.zeros((), np.int64)
    run_function(function(text, tmp_path), [np.array([3, -1, 4]), out])
    assert out == 7


def test_wrong_buffers_and_failed_assertions(tmp_path: Any) -> None:
    text = """
func.func @f(%in: memref<3xf32>, %ok: memref<i1>) {
  %x = memref.load %ok[] : memref<i1>
  cf.assert %x, "it is not so"
  func.return
}"""
    nest = function(text, tmp_path)
    run_function(nest, [np.zeros(3, np.float32), np.array(True)])
    with pytest.raises(InputError, match="it is not so"):
        run_function(nest, [np.zeros(3, np.float32), np.array(False)])
    with pytest.raises(InputError, match="argument %in of @f is an array of float64 of shape"):
        run_function(nest, [np.zeros(3), np.array(True)])
    with pytest.raises(InputError, match="takes 2 arguments, not 1"):
        run_function(nest, [np.zeros(3, np.float32)])


def test_a_step_must_be_positive(tmp_path: Any) -> None:
    text = """
func.func @f(%in: memref<3xf32>) {
  %c0 = arith.constant 0 : index
  scf.for %i = %c0 to %c0 step %c0 {
  }
  func.return
}"""
    with pytest.raises(InputError, match="the loop %i has step 0; it must be positive"):
        run_function(function(text, tmp_path), [np.zeros(3, np.float32)])
