"""Every operation of the core, on numbers at the edges, as the interpreter of loop nests has it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from headrace.backends.dae import build
from headrace.interpreters import nest
from headrace.simulators.dae.execute import execute
from headrace.simulators.dae.machine import DaeMachine
from headrace.storage.bfloat16 import round_to_bfloat16
from headrace.storage.errors import InputError
from headrace.tests import dae_programs

Array = npt.NDArray[Any]

BINARY_FLOAT = ["addf", "subf", "mulf", "divf", "maximumf", "minimumf", "maxnumf", "minnumf"]
UNARY_FLOAT = ["arith.negf", "math.absf", "math.sqrt", "math.floor", "math.ceil"]
FUNCTIONS = ["math.exp", "math.log", "math.sin", "math.cos", "math.tanh", "math.erf", "math.rsqrt"]
BINARY_INTEGER = ["addi", "subi", "muli", "maxsi", "minsi", "andi", "ori", "xori"]
DIVISIONS = ["divsi", "remsi", "floordivsi", "ceildivsi"]
FLOAT_PREDICATES = "oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true false".split()
INTEGER_PREDICATES = "eq ne slt sle sgt sge ult ule ugt uge".split()


def run(lines: list[str], x: Array, y: Array, element: str, result: str) -> tuple[Array, Array]:
    """[lines, numbers] What lines make of %x and %y: by the engine, and by the interpreter."""
    size, count = len(x), len(lines)
    stores = "\n".join(
        f"%k{k} = arith.constant {k} : index\n%z{k} = {line}\n"
        f"memref.store %z{k}, %out[%k{k}, %i] : memref<{count}x{size}x{result}>"
        for k, line in enumerate(lines)
    )
    function = dae_programs.parse(
        f"""
        func.func @all(%a: memref<{size}x{element}>, %b: memref<{size}x{element}>,
                       %out: memref<{count}x{size}x{result}>) {{
          %c0 = arith.constant 0 : index
          %c1 = arith.constant 1 : index
          %n = arith.constant {size} : index
          scf.for %i = %c0 to %n step %c1 {{
            %x = memref.load %a[%i] : memref<{size}x{element}>
            %y = memref.load %b[%i] : memref<{size}x{element}>
            {stores}
          }}
          func.return
        }}"""
    )
    kinds = {"f64": np.float64, "i64": np.int64, "i32": np.int32, "i8": np.int8, "i1": np.bool_}
    kind = kinds.get(result, np.float16 if result == "f16" else np.float32)
    found, expected = (np.zeros((count, size), kind) for _ in range(2))
    nest.run_function(function, [x, y, expected])
    execute(build(function), [x, y, found], DaeMachine())
    return found, expected


def pairs(values: list[Any], dtype: Any) -> tuple[Array, Array]:
    with np.errstate(over="ignore"):
        given = np.array(values).astype(dtype)
    x, y = np.meshgrid(given, given)
    return x.ravel(), y.ravel()


EDGES = [0.0, -0.0, 1.0, -1.5, 3.1415926, 1e-5, -6e-8, 65504.0, 1e30, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("element", ["f64", "f32", "f16", "bf16"])
def test_floats(element: str) -> None:
    dtype = {"f64": np.float64, "f16": np.float16}.get(element, np.float32)
    x, y = pairs(EDGES, dtype)
    if element == "bf16":
        x, y = round_to_bfloat16(x), round_to_bfloat16(y)
    lines = [f"arith.{op} %x, %y : {element}" for op in BINARY_FLOAT]
    lines += [f"{op} %x : {element}" for op in UNARY_FLOAT]
    found, expected = run(lines, x, y, element, element)
    np.testing.assert_array_equal(found, expected)
    lines = [f"{op} %x : {element}" for op in FUNCTIONS]
    found, expected = run(lines, x, y, element, element)
    digits = {"f64": 1e-15, "f32": 2e-7, "f16": 1e-3, "bf16": 8e-3}[element]
    np.testing.assert_allclose(found, expected, rtol=digits, atol=digits)


def test_comparisons_of_floats() -> None:
    lines = [f"arith.cmpf {one}, %x, %y : f64" for one in FLOAT_PREDICATES]
    found, expected = run(lines, *pairs(EDGES, np.float64), "f64", "i1")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("element", "dtype"), [("i64", np.int64), ("i32", np.int32)])
def test_integers(element: str, dtype: Any) -> None:
    most = int(np.iinfo(dtype).max)
    values = [0, 1, -1, 7, -8, 3, 1000, most, -most]
    x, y = pairs(values, dtype)
    lines = [f"arith.{op} %x, %y : {element}" for op in BINARY_INTEGER]
    found, expected = run(lines, x, y, element, element)
    np.testing.assert_array_equal(found, expected)
    lines = [f"arith.{op} %x, %y : {element}" for op in DIVISIONS]
    found, expected = run(lines, x[y != 0], y[y != 0], element, element)
    np.testing.assert_array_equal(found, expected)
    lines = [f"arith.cmpi {one}, %x, %y : {element}" for one in INTEGER_PREDICATES]
    found, expected = run(lines, x, y, element, "i1")
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(InputError, match="divided by zero"):
        execute_division(element, dtype)


def execute_division(element: str, dtype: Any) -> None:
    one, zero = np.ones(1, dtype), np.zeros(1, dtype)
    function = dae_programs.parse(
        f"""
        func.func @divide(%a: memref<1x{element}>, %b: memref<1x{element}>) {{
          %c0 = arith.constant 0 : index
          %x = memref.load %a[%c0] : memref<1x{element}>
          %y = memref.load %b[%c0] : memref<1x{element}>
          %z = arith.divsi %x, %y : {element}
          memref.store %z, %b[%c0] : memref<1x{element}>
          func.return
        }}"""
    )
    execute(build(function), [one, zero], DaeMachine())


def test_conversions() -> None:
    floats = [0.0, 1.5, -2.5, 100.25, -3.9]
    lines = ["arith.truncf %x : f64 to f32"]
    found, expected = run(lines, *pairs([*EDGES, *floats], np.float64), "f64", "f32")
    np.testing.assert_array_equal(found, expected)
    lines = ["arith.fptosi %x : f64 to i32"]
    found, expected = run(lines, *pairs(floats, np.float64), "f64", "i32")
    np.testing.assert_array_equal(found, expected)
    lines = ["arith.sitofp %x : i8 to f32", "arith.uitofp %x : i8 to f32"]
    found, expected = run(lines, *pairs([0, 5, -5, 127, -128], np.int8), "i8", "f32")
    np.testing.assert_array_equal(found, expected)
    lines = ["arith.extsi %x : i8 to i64", "arith.extui %x : i8 to i64"]
    found, expected = run(lines, *pairs([0, 5, -5, 127, -128], np.int8), "i8", "i64")
    np.testing.assert_array_equal(found, expected)
    lines = ["arith.trunci %x : i64 to i8"]
    found, expected = run(lines, *pairs([0, 5, -5, 127, 130, 1 << 40], np.int64), "i64", "i8")
    np.testing.assert_array_equal(found, expected)


def test_loops_with_values_branches_and_temporaries() -> None:
    """The alternating sum of a row, twice: by carried values, which also swap, and by memory."""
    function = dae_programs.parse(
        """
        func.func @alternate(%x: memref<3x5xf64>, %out: memref<3x2xf64>) {
          %c0 = arith.constant 0 : index
          %c1 = arith.constant 1 : index
          %c3 = arith.constant 3 : index
          %c5 = arith.constant 5 : index
          %zero = arith.constant 0.0 : f64
          %yes = arith.constant true
          %no = arith.constant false
          %sum = memref.alloc() : memref<1xf64>
          scf.for %i = %c0 to %c3 step %c1 {
            memref.store %zero, %sum[%c0] : memref<1xf64>
            %total, %a, %b = scf.for %j = %c0 to %c5 step %c1
                iter_args(%t = %zero, %p = %yes, %q = %no) -> (f64, i1, i1) {
              %v = memref.load %x[%i, %j] : memref<3x5xf64>
              %s = memref.load %sum[%c0] : memref<1xf64>
              %next = scf.if %p -> (f64) {
                %y = arith.addf %t, %v : f64
                scf.yield %y : f64
              } else {
                %y = arith.subf %t, %v : f64
                scf.yield %y : f64
              }
              scf.if %q {
                %m = arith.subf %s, %v : f64
                memref.store %m, %sum[%c0] : memref<1xf64>
              } else {
                %m = arith.addf %s, %v : f64
                memref.store %m, %sum[%c0] : memref<1xf64>
              }
              scf.yield %next, %q, %p : f64, i1, i1
            }
            %other = memref.load %sum[%c0] : memref<1xf64>
            memref.store %total, %out[%i, %c0] : memref<3x2xf64>
            memref.store %other, %out[%i, %c1] : memref<3x2xf64>
          }
          func.return
        }"""
    )
    x = np.random.default_rng(0).normal(size=(3, 5))
    found, expected = np.zeros((3, 2)), np.zeros((3, 2))
    execute(build(function), [x, found], DaeMachine())
    nest.run_function(function, [x, expected])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found[:, 0], x @ [1, -1, 1, -1, 1])


def test_vectors() -> None:
    function = dae_programs.parse(
        """
        func.func @vectors(%x: memref<2x6xf32>, %out: memref<2x6xf32>, %sums: memref<4xf32>) {
          %c0 = arith.constant 0 : index
          %c1 = arith.constant 1 : index
          %c2 = arith.constant 2 : index
          %c3 = arith.constant 3 : index
          %c4 = arith.constant 4 : index
          %start = arith.constant 0.5 : f32
          %rest = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : vector<4xf32>
          %v = vector.load %x[%c0, %c1] : memref<2x6xf32>, vector<4xf32>
          vector.store %v, %out[%c1, %c2] : memref<2x6xf32>, vector<4xf32>
          %m = vector.create_mask %c2 : vector<4xi1>
          %w = vector.maskedload %x[%c1, %c4], %m, %rest
            : memref<2x6xf32>, vector<4xi1>, vector<4xf32> into vector<4xf32>
          vector.maskedstore %out[%c0, %c4], %m, %w
            : memref<2x6xf32>, vector<4xi1>, vector<4xf32>
          %a = vector.reduction <add>, %w : vector<4xf32> into f32
          %b = vector.reduction <maximumf>, %v, %start : vector<4xf32> into f32
          %c = vector.extract %w[3] : f32 from vector<4xf32>
          %d = vector.insert %start, %v[1] : f32 into vector<4xf32>
          %e = vector.reduction <mul>, %d, %c : vector<4xf32> into f32
          memref.store %a, %sums[%c0] : memref<4xf32>
          memref.store %b, %sums[%c1] : memref<4xf32>
          memref.store %c, %sums[%c2] : memref<4xf32>
          memref.store %e, %sums[%c3] : memref<4xf32>
          func.return
        }"""
    )
    x = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    found = [x, np.zeros((2, 6), np.float32), np.zeros(4, np.float32)]
    expected = [np.array(one) for one in found]
    execute(build(function), found, DaeMachine())
    nest.run_function(function, expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_operation_that_the_core_has_not_is_named() -> None:
    function = dae_programs.parse(
        """
        func.func @fused(%x: memref<1xf64>) {
          %c0 = arith.constant 0 : index
          %v = memref.load %x[%c0] : memref<1xf64>
          %w = math.fma %v, %v, %v : f64
          memref.store %w, %x[%c0] : memref<1xf64>
          func.return
        }"""
    )
    with pytest.raises(InputError, match=r"@fused: the core .* has no 'math.fma'"):
        build(function)
