"""
Scalar bodies mean the same in `arith`, on the stream engine and in the stream interpreter.

One table: every operation, cast and predicate that is compiled, on every type where it is legal,
against NumPy on the dense tensors (`interpreters/linalg.py`).
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreter import Interpreter
from xdsl.utils.exceptions import PassFailedException

from headrace.backends.sam import build
from headrace.dialects import sam
from headrace.interpreters.linalg import interpret
from headrace.interpreters.sam import register_sam
from headrace.passes.sam.scalar_body import (
    ALU_OF,
    BOOLEAN_PREDICATES,
    FLOAT_PREDICATES,
    INTEGER_PREDICATES,
    NUMBER_OF,
)
from headrace.tests.fusion import lowered
from headrace.tests.modules import parse

nan, inf = np.nan, np.inf
FLOATS = [-2.0, -0.5, 0.0, 0.0, 0.25, 1.0, 2.5, nan, 0.0, -inf, inf, 3.0]
OTHERS = [0.0, 2.0, 0.0, 3.0, -1.0, 1.0, nan, 1.0, inf, 2.0, inf, 0.0]
INPUTS: dict[str, tuple[list[Any], list[Any]]] = {
    "f64": (FLOATS, OTHERS),
    "f32": (FLOATS, OTHERS),
    "i64": ([-3, 0, 3, 2, 0, 7, -1, 0], [3, 0, 0, 2, -5, -7, -3, 1]),
    "i32": ([-3, 0, 3, 2, 0, 7, -1, 0], [3, 0, 0, 2, -5, -7, -3, 1]),
    "i1": ([True, True, False, False], [True, False, True, False]),
}
SPARSE = ", #sparse_tensor.encoding<{ map = (d0) -> (d0 : compressed) }>"
CONSTANTS = {
    "f64": "%c = arith.constant -1.5 : f64",
    "f32": "%c = arith.constant -1.5 : f32",
    "i64": "%c = arith.constant -2 : i64",
    "i32": "%c = arith.constant -2 : i32",
    "i1": "%c = arith.constant true",
}


def program(body: str, source: str, target: str, encoding: str) -> ModuleOp:
    """`%y : target` of `%x` and `%z : source`, element by element; `%c` is a constant."""
    size = len(INPUTS[source][0])
    text = f"""
#id = affine_map<(d0) -> (d0)>
!in = tensor<{size}x{source}{encoding}>
!out = tensor<{size}x{target}>
func.func @main(%a: !in, %b: !in) -> !out {{
  %e = tensor.empty() : !out
  %r = linalg.generic {{indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}}
      ins(%a, %b : !in, !in) outs(%e : !out) {{
  ^bb0(%x: {source}, %z: {source}, %o: {target}):
    {CONSTANTS[source]}
    {body}
    linalg.yield %y : {target}
  }} -> !out
  func.return %r : !out
}}"""
    return parse(text)


def check(
    body: str, source: str, target: str, encoding: str = "", *, finite: bool = False
) -> NDArray[Any]:
    """The values of a body, after comparing engine and stream interpreter with NumPy."""
    module = program(body, source, target, encoding)
    kind = {"f": np.float64, "i": np.int64}[source[0]] if source != "i1" else np.bool_
    arguments = [np.array(values, kind) for values in INPUTS[source]]
    if finite:
        arguments = [np.nan_to_num(values, posinf=9, neginf=-9) for values in arguments]
    (wanted,) = interpret(module, arguments)
    streams = lowered(module)
    (engine,) = build(streams).run(*arguments).outputs
    rtol = 1e-6 if target == "f32" else 1e-12
    np.testing.assert_allclose(engine, wanted, rtol=rtol)
    if any(isinstance(op, sam.GraphOp) for op in streams.walk()):
        interpreter = Interpreter(streams)
        register_sam(interpreter)
        (stored,) = interpreter.call_op("main", tuple(arguments))
        np.testing.assert_allclose(stored.to_dense(), wanted, rtol=rtol)
    return wanted


def refused(body: str, source: str, target: str) -> str:
    with pytest.raises(PassFailedException) as caught:
        lowered(program(body, source, target, ""))
    return str(caught.value)


BINARY = (
    "arith.addf arith.subf arith.mulf arith.divf arith.maximumf arith.minimumf arith.maxnumf "
    "arith.minnumf math.powf arith.addi arith.subi arith.muli arith.maxsi arith.minsi"
).split()
OPERATIONS = sorted(kind.name for kind in (*ALU_OF, *NUMBER_OF))


def types_of(name: str) -> list[str]:
    return ["i64", "i32"] if name.endswith("i") else ["f64", "f32"]


@pytest.mark.parametrize("encoding", ["", SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize(
    ("name", "type"), [(name, type) for name in OPERATIONS for type in types_of(name)]
)
def test_an_operation_of_two_streams_or_a_stream_and_a_constant(
    name: str, type: str, encoding: str
):
    if name not in BINARY:
        check(f"%y = {name} %x : {type}", type, type, encoding)
        return
    # What is skipped is zero times an infinity, and zero divided by itself: see `fill_values`.
    finite = name == "arith.mulf" and encoding == SPARSE
    for operands in ("%x, %z", "%x, %c", "%c, %x", "%c, %c", "%x, %x"):
        if not (name == "arith.divf" and encoding == SPARSE and operands == "%x, %x"):
            check(f"%y = {name} {operands} : {type}", type, type, encoding, finite=finite)


@pytest.mark.parametrize("encoding", ["", SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("base", ["-2.0", "0.0", "-0.0", "1.0", "0.5", "3.0"])
def test_any_constant_to_the_power_of_a_stream(base: str, encoding: str):
    check(f"%k = arith.constant {base} : f64\n %y = math.powf %k, %x : f64", "f64", "f64", encoding)


CMPF = "oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno".split()
CMPI = "eq ne slt sle sgt sge ult ule ugt uge".split()


@pytest.mark.parametrize("predicate", CMPF)
def test_a_comparison_of_floats_is_right_or_refused(predicate: str):
    body = f"%y = arith.cmpf {predicate}, %x, %z : f64"
    if predicate in FLOAT_PREDICATES:
        check(body, "f64", "i1")
        check(body, "f64", "i1", SPARSE)
    else:
        assert f"the comparison '{predicate}' of f64" in refused(body, "f64", "i1")


@pytest.mark.parametrize("type", ["i64", "i32", "i1"])
@pytest.mark.parametrize("predicate", CMPI)
def test_a_comparison_of_integers_is_right_or_refused(predicate: str, type: str):
    body = f"%y = arith.cmpi {predicate}, %x, %z : {type}"
    if predicate in (BOOLEAN_PREDICATES if type == "i1" else INTEGER_PREDICATES):
        check(body, type, "i1")
        check(body, type, "i1", SPARSE)
    else:
        assert f"the comparison '{predicate}' of {type}" in refused(body, type, "i1")


@pytest.mark.parametrize("predicate", sorted(FLOAT_PREDICATES))
@pytest.mark.parametrize("choice", ["%x, %zero", "%zero, %x", "%x, %z", "%zero, %c"])
def test_a_choice_by_a_comparison_with_zero(predicate: str, choice: str):
    body = f"""%zero = arith.constant 0.0 : f64
    %p = arith.cmpf {predicate}, %x, %zero : f64
    %y = arith.select %p, {choice} : f64"""
    check(body, "f64", "f64")
    check(body, "f64", "f64", SPARSE)


@pytest.mark.parametrize(
    ("cast", "source", "target"),
    [
        ("arith.extf", "f32", "f64"),
        ("arith.extsi", "i32", "i64"),
        ("arith.extsi", "i1", "i64"),
        ("arith.extui", "i1", "i64"),
        ("arith.sitofp", "i64", "f64"),
        ("arith.sitofp", "i1", "f64"),
        ("arith.uitofp", "i1", "f64"),
    ],
)
def test_a_cast_that_keeps_the_number(cast: str, source: str, target: str):
    check(f"%y = {cast} %x : {source} to {target}", source, target)
    check(f"%y = {cast} %x : {source} to {target}", source, target, SPARSE)


@pytest.mark.parametrize(
    ("cast", "source", "target"),
    [
        ("arith.extui", "i32", "i64"),
        ("arith.uitofp", "i64", "f64"),
        ("arith.fptosi", "f64", "i64"),
        ("arith.trunci", "i64", "i32"),
        ("arith.trunci", "i64", "i1"),
    ],
)
def test_a_cast_that_may_change_the_number_is_refused(cast: str, source: str, target: str):
    assert cast in refused(f"%y = {cast} %x : {source} to {target}", source, target)


def test_truncf_does_not_round():
    body = "%t = arith.truncf %x : f64 to f32\n %y = arith.extf %t : f32 to f64"
    check(body, "f64", "f64")


@pytest.mark.parametrize("name", ["arith.andi", "arith.ori", "arith.xori"])
def test_bit_operations_are_those_of_booleans(name: str):
    check(f"%y = {name} %x, %z : i1", "i1", "i1")
    check(f"%y = {name} %x, %c : i1", "i1", "i1", SPARSE)
    assert "bits of integers" in refused(f"%y = {name} %x, %z : i64", "i64", "i64")


@pytest.mark.parametrize("name", ["addi", "subi", "muli", "maxsi", "minsi"])
def test_arithmetic_modulo_2_is_refused(name: str):
    message = refused(f"%y = arith.{name} %x, %z : i1", "i1", "i1")
    assert "not modulo 2; use andi, ori or xori" in message


@pytest.mark.parametrize(
    ("scalar", "value"),
    [("divf %one, %zero", inf), ("divf %zero, %zero", nan), ("divf %one, %minus", -inf)],
)
def test_constants_are_folded_as_in_ieee_754(scalar: str, value: float):
    body = f"""%one = arith.constant 1.0 : f64
    %zero = arith.constant 0.0 : f64
    %minus = arith.constant -0.0 : f64
    %q = arith.{scalar} : f64
    %y = arith.maximumf %x, %q : f64"""
    np.testing.assert_array_equal(check(body, "f64", "f64"), np.maximum(FLOATS, value))


@pytest.mark.parametrize(
    ("function", "at", "value"),
    [("exp", "1000.0", inf), ("log", "0.0", -inf), ("log", "-1.0", nan)],
)
def test_functions_of_constants_are_folded_as_in_ieee_754(function: str, at: str, value: float):
    body = f"""%k = arith.constant {at} : f64
    %q = math.{function} %k : f64
    %y = arith.maximumf %q, %x : f64"""
    np.testing.assert_array_equal(check(body, "f64", "f64"), np.maximum(FLOATS, value))


def test_zeros_of_both_signs_are_two_constants():
    body = """%plus = arith.constant 0.0 : f64
    %minus = arith.constant -0.0 : f64
    %p = arith.divf %x, %plus : f64
    %q = arith.divf %x, %minus : f64
    %y = arith.subf %p, %q : f64"""
    assert check(body, "f64", "f64")[-1] == inf


@pytest.mark.parametrize(
    "body",
    [
        "%k = arith.constant 2.0 : f64\n %y = arith.divf %f, %k : f64",
        "%k = arith.constant 2.0 : f64\n %y = arith.divf %k, %f : f64",
        "%k = arith.constant 0.5 : f64\n %y = arith.addf %f, %k : f64",
        "%k = arith.constant 0.5 : f64\n %y = arith.maximumf %f, %k : f64",
        "%k = arith.constant 1.0 : f64\n %y = arith.divf %f, %k : f64",
        "%y = math.exp %f : f64",
        "%y = math.powf %f, %f : f64",
    ],
)
def test_integers_that_became_floats_are_not_rounded(body: str):
    check(f"%f = arith.sitofp %x : i64 to f64\n {body}", "i64", "f64")


@pytest.mark.parametrize("compare", ["olt", "ogt", "une"])
def test_a_choice_by_an_infinity_that_arithmetic_makes(compare: str):
    body = f"""%one = arith.constant 1.0 : f64
    %zero = arith.constant 0.0 : f64
    %five = arith.constant 5.0 : f64
    %q = arith.divf %one, %x : f64
    %p = arith.cmpf {compare}, %q, %zero : f64
    %y = arith.select %p, %zero, %five : f64"""
    check(body, "f64", "f64", SPARSE)


def test_a_difference_of_infinities_is_nan_where_nothing_is_stored():
    body = """%p = math.log %x : f64
    %q = math.log %z : f64
    %d = arith.subf %p, %q : f64
    %y = math.exp %d : f64"""
    check(body, "f64", "f64", SPARSE)
