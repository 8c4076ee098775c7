"""
What must not move to the access unit: each rule refuses, and a move against it gives wrong values.

A move is made with the rule switched off, or written by hand. The interpreter of `dlc` runs the
access unit to its end before the core, which is as far ahead as it may run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException, VerifyException

from headrace.cli.driver import make_context
from headrace.cli.parsing import parse_text
from headrace.dialects import access_rules
from headrace.dialects.memory_writes import Writes
from headrace.interpreters import dlc, nest
from headrace.passes.ember import candidates, ember_decouple
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.storage.errors import InputError
from headrace.tests.ember_nests import Array, function, parse

BOTH = "ember-decouple,ember-to-dlc"

ROWS = """
func.func @f(%index: memref<3xindex>, %table: memref<2x2xf64>, %out: memref<3x2xf64>) {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  {before}
  scf.for %i = %c0 to %c3 step %c1 {{
    %r = memref.load %index[%i] : memref<3xindex>
    scf.for %e = %c0 to %c2 step %c1 {{
      %v = memref.load %table[%r, %e] : memref<2x2xf64>
      memref.store %v, %out[%i, %e] : memref<3x2xf64>
      %w = arith.addf %v, %v : f64
      {write}
    }}
  }}
  func.return
}}
{after}
"""
"""Copies rows; `write` doubles what it has read, so that a row that comes twice has grown."""


def rows(write: str, before: str = "", after: str = "") -> str:
    return ROWS.format(write=write, before=before, after=after)


def row_arrays() -> list[Array]:
    return [np.array([1, 0, 1]), np.arange(4.0).reshape(2, 2) + 1, np.zeros((3, 2))]


TOUCH = """
func.func private @double(%place: memref<2x2xf64>, %r: index, %e: index, %w: f64) {
  memref.store %w, %place[%r, %e] : memref<2x2xf64>
  func.return
}
"""


@dataclass(frozen=True)
class Written:
    """A nest that writes what it reads, and what the refusal says of it."""

    text: str
    reason: str


WRITTEN = {
    "store": Written(
        rows("memref.store %w, %table[%r, %e] : memref<2x2xf64>"),
        "%table is written by 'memref.store'",
    ),
    "view": Written(
        rows(
            "memref.store %w, %view[%r, %e] : memref<?x2xf64>",
            before='%view = "memref.cast"(%table) : (memref<2x2xf64>) -> memref<?x2xf64>',
        ),
        "%table is written by 'memref.store' through 'memref.cast'",
    ),
    "call": Written(
        rows(
            "func.call @double(%table, %r, %e, %w) : (memref<2x2xf64>, index, index, f64) -> ()",
            after=TOUCH,
        ),
        "%table may be written by 'func.call' of @double",
    ),
    "branch": Written(
        rows(
            "%yes = arith.cmpi eq, %e, %e : index scf.if %yes { "
            "memref.store %w, %table[%r, %e] : memref<2x2xf64> }"
        ),
        "%table is written by 'memref.store'",
    ),
}


def refusals(module: ModuleOp) -> list[str]:
    """The reasons on loops that stayed."""
    found = [op.attributes.get("headrace.refused") for op in module.walk()]
    reasons = [reason.data for reason in found if isinstance(reason, StringAttr)]
    assert all(reason.startswith("ember-decouple: ") for reason in reasons)
    return [reason.removeprefix("ember-decouple: ") for reason in reasons]


def decoupled(text: str, pipeline: str = BOTH) -> ModuleOp:
    """The program of both units."""
    module = parse_text(make_context(), text, "nest.mlir")
    parse_passes(pipeline, get_all_passes()).apply(Context(), module)
    return module


def run(module: ModuleOp, arrays: Sequence[Array]) -> list[Array]:
    """The arrays after a run; calls run what they call."""
    functions = {op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)}

    def call(op: Operation, values: Any) -> Sequence[Any]:
        assert isinstance(op, func.CallOp)
        callee = functions[op.callee.string_value()]
        return nest.run_function(callee, [values[operand] for operand in op.operands])

    others: dict[type[Operation], nest.Meaning] = {func.CallOp: call}
    copies = {id(array): array.copy() for array in arrays}
    ran = [copies[id(array)] for array in arrays]
    if any(op.name == "dlc.access" for op in module.walk()):
        machine = dlc._Decoupled()  # pyright: ignore[reportPrivateUsage]
        machine.meanings.update(others)
        nest.run_function(function(module), ran, machine.meanings)
    else:
        nest.run_function(function(module), ran, others)
    return ran


def expect_wrong_if_moved(text: str, arrays: Sequence[Array], moved: ModuleOp) -> None:
    """The pass keeps the values of the nest, and `moved` does not."""
    expected = run(parse(text), arrays)
    for found, wanted in zip(run(decoupled(text), arrays), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    wrong = run(moved, arrays)
    assert not all(map(np.array_equal, wrong, expected))


def never_written(_: func.FuncOp) -> Writes:
    return Writes({})


def moved_against_the_rule(
    text: str, monkeypatch: pytest.MonkeyPatch, pipeline: str = BOTH
) -> ModuleOp:
    """The program of both units, as if nothing were written; the verifier knows the rule too."""
    with monkeypatch.context() as patch:
        for place in (ember_decouple, access_rules):
            patch.setattr(place, "writes_of", never_written)
        return decoupled(text, pipeline)


@pytest.mark.parametrize("case", WRITTEN)
def test_a_table_that_is_written(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, reason = WRITTEN[case].text, WRITTEN[case].reason
    (refused,) = refusals(decoupled(text))
    assert refused == f"it reads nothing for the access unit to send: {reason}"
    moved = moved_against_the_rule(text, monkeypatch)
    expect_wrong_if_moved(text, row_arrays(), moved)


SHARED = """
func.func @f(%table: memref<2x2xf64>, %out: memref<2x2xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  scf.for %i = %c0 to %c2 step %c1 {
    scf.for %e = %c0 to %c2 step %c1 {
      %r = arith.subi %c1, %i : index
      %v = memref.load %table[%i, %e] : memref<2x2xf64>
      memref.store %v, %out[%r, %e] : memref<2x2xf64>
    }
  }
  func.return
}
func.func @caller(%a: memref<2x2xf64>, %b: memref<2x2xf64>) {
  func.call @f(%a, %b) : (memref<2x2xf64>, memref<2x2xf64>) -> ()
  func.return
}
"""
TWICE = """
func.func @main(%x: memref<2x2xf64>) {
  func.call @caller(%x, %x) : (memref<2x2xf64>, memref<2x2xf64>) -> ()
  func.return
}
"""


def test_a_result_that_is_passed_as_table_too() -> None:
    """Also where a caller of the caller does it. Alone, arguments are different memories."""
    reason = (
        "%table may be the same memory as %out, which is written by 'memref.store': "
        "@caller passes one for both"
    )
    with pytest.raises(PassFailedException, match=f"^ember-decouple: 'scf.for': .*{reason}"):
        decoupled(SHARED + TWICE)
    moved = decoupled(SHARED)
    memory = np.arange(4.0).reshape(2, 2)
    expected = run(parse(SHARED), [memory, memory])
    assert not np.array_equal(run(moved, [memory, memory])[0], expected[0])
    apart = [memory, np.zeros((2, 2))]
    np.testing.assert_array_equal(run(moved, apart)[1], run(parse(SHARED), apart)[1])


def test_a_buffer_of_a_tensor_that_is_written() -> None:
    """Two buffers of tensors may be one memory; one that is allocated is another."""
    text = (
        SHARED.partition("func.func @caller")[0]
        + """
    func.func @main(%x: tensor<2x2xf64>) {
      %a = bufferization.to_buffer %x : tensor<2x2xf64> to memref<2x2xf64>
      %b = OUT
      func.call @f(%a, %b) : (memref<2x2xf64>, memref<2x2xf64>) -> ()
      func.return
    }
    """
    )
    written = "bufferization.to_buffer %x : tensor<2x2xf64> to memref<2x2xf64>"
    with pytest.raises(PassFailedException, match="%table may be the same memory as %out"):
        decoupled(text.replace("OUT", written))
    assert not refusals(decoupled(text.replace("OUT", "memref.alloc() : memref<2x2xf64>")))


GLOBAL = """
"memref.global"() <{
  sym_name = "memory", sym_visibility = "private", type = memref<2x2xf64>, initial_value
}> : () -> ()
"""
MEMORY = '"memref.get_global"() <{name = @memory}> : () -> memref<2x2xf64>'


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ("func.call @unknown() : () -> ()", "%table may be written by 'func.call' of @unknown"),
        ('llvm.inline_asm "x", "" : () -> ()', "%table may be written by 'llvm.inline_asm'"),
        ("func.call @global() : () -> ()", "%table may be written by 'func.call' of @global"),
        (
            '"memref.dealloc"(%table) : (memref<2x2xf64>) -> ()',
            "%table is written by 'memref.dealloc'",
        ),
        (
            '"memref.copy"(%out, %other) : (memref<2x2xf64>, memref<2x2xf64>) -> ()',
            "%table is written by 'memref.copy' through 'arith.select'",
        ),
    ],
)
def test_what_may_write_any_memory(operation: str, reason: str) -> None:
    text = SHARED.partition("func.func @caller")[0].replace(
        "    scf.for %e",
        "    %yes = arith.cmpi eq, %i, %i : index\n"
        "    %other = arith.select %yes, %table, %out : memref<2x2xf64>\n"
        f"    {operation}\n    scf.for %e",
    )
    text += (
        GLOBAL
        + """
    func.func private @unknown() -> ()
    func.func @global() {
      %m = "memref.get_global"() <{name = @memory}> : () -> memref<2x2xf64>
      func.return
    }
    """
    )
    with pytest.raises(PassFailedException, match=reason):
        decoupled(text)


def test_a_global_that_is_written_under_another_name() -> None:
    text = SHARED.partition("func.func @caller")[0].replace(
        "  scf.for %i",
        f"  %g = {MEMORY}\n  %h = {MEMORY}\n  scf.for %i",
    )
    text = text.replace("%table[", "%g[").replace("%out[", "%h[")
    text += GLOBAL
    with pytest.raises(PassFailedException, match=r"%g is written by 'memref.store'"):
        decoupled(text)


BOUND = """
func.func @f(%lengths: memref<4xindex>, %floats: memref<3xf64>, %table: memref<9xf64>,
             %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  BEFORE
  scf.for %i = %c0 to %c3 step %c1 {
    %next = arith.addi %i, %c1 : index
    %x = memref.load %floats[%i] : memref<3xf64>
    BOUND
    scf.for %p = %c0 to %n step %c1 {
      %v = memref.load %table[%p] : memref<9xf64>
      %s = memref.load %out[%i] : memref<3xf64>
      %t = arith.addf %s, %v : f64
      memref.store %t, %out[%i] : memref<3xf64>
      INSIDE
    }
  }
  func.return
}
"""
"""The bound %n of the inner loop is made in several ways."""


def bound(how: str, before: str = "", inside: str = "") -> str:
    return BOUND.replace("BOUND", how).replace("BEFORE", before).replace("INSIDE", inside)


def bound_arrays() -> list[Array]:
    return [np.array([1, 0, 0, 0]), np.array([1.0, 3.0, 2.0]), np.arange(9.0) + 1, np.zeros(3)]


def test_a_bound_that_the_loop_itself_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = bound(
        "%n = memref.load %lengths[%i] : memref<4xindex>",
        inside="%m = arith.addi %n, %c1 : index memref.store %m, %lengths[%next] : memref<4xindex>",
    )
    (refused,) = refusals(decoupled(text))
    assert refused == ("its upper bound is read from memory: %lengths is written by 'memref.store'")
    moved = moved_against_the_rule(text, monkeypatch)
    expect_wrong_if_moved(text, bound_arrays(), moved)


THROUGH_MEMORY = "%memory = memref.alloca() : memref<1xindex>"
KEPT = "memref.store %n, %memory[%c0] : memref<1xindex>"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("%j = arith.fptosi %x : f64 to i64 %n = arith.index_cast %j : i64 to index", "fptosi"),
        ("%n = arith.maxsi %i, %c2 : index", "maxsi"),
        ("%n = arith.remui %c2, %next : index", "remui"),
    ],
)
def test_a_bound_that_the_core_computes(
    how: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved, the access unit reads the bound from memory before the core has put it there."""
    (refused,) = refusals(decoupled(bound(how)))
    assert refused == f"its upper bound is computed by the core (arith.{reason})"
    computed = how.replace("%n =", "%made =")
    early = bound(
        f"%n = memref.load %memory[%z] : memref<1xindex> {computed} " + KEPT.replace("%n", "%made"),
        before=THROUGH_MEMORY,
    ).replace("    %x =", "    %z = arith.muli %i, %c0 : index\n    %x =")
    moved = moved_against_the_rule(early, monkeypatch)
    expect_wrong_if_moved(bound(how), bound_arrays(), moved)


CARRIED = """
func.func @f(%index: memref<3xindex>, %table: memref<9xf64>, %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %last = scf.for %i = %c0 to %c3 step %c1 iter_args(%n = %c1) -> (index) {
    %r = memref.load %index[%i] : memref<3xindex>
    scf.for %p = %c0 to %n step %c1 {
      %v = memref.load %table[%p] : memref<9xf64>
      %s = memref.load %out[%r] : memref<3xf64>
      %t = arith.addf %s, %v : f64
      memref.store %t, %out[%r] : memref<3xf64>
    }
    %m = arith.muli %n, %c2 : index
    scf.yield %m : index
  }
  func.return
}
"""
CARRIED_BY_HAND = """
func.func @f(%index: memref<3xindex>, %table: memref<9xf64>, %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %slot = memref.alloca() : memref<1xindex>
  memref.store %c1, %slot[%c0] : memref<1xindex>
  slc.for %i = %c0 to %c3 step %c1 : index, index, index {
    %r = slc.load %index, %i : memref<3xindex>, !slc.stream<index>
    %z = slc.mul %i, %c0 : !slc.stream<index>, index
    %n = slc.load %slot, %z : memref<1xindex>, !slc.stream<index>
    slc.for %p = %c0 to %n step %c1 : index, !slc.stream<index>, index {
      %v = slc.load %table, %p : memref<9xf64>, !slc.stream<index>
      slc.callback(%r, %v : !slc.stream<index>, !slc.stream<f64>) {
      ^bb0(%row: index, %x: f64):
        %s = memref.load %out[%row] : memref<3xf64>
        %t = arith.addf %s, %x : f64
        memref.store %t, %out[%row] : memref<3xf64>
      }
    }
    slc.callback() {
      %k = memref.load %slot[%c0] : memref<1xindex>
      %m = arith.muli %k, %c2 : index
      memref.store %m, %slot[%c0] : memref<1xindex>
    }
  }
  func.return
}
"""


def test_a_bound_that_the_core_carries_between_iterations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (refused,) = refusals(decoupled(CARRIED))
    assert refused == "its upper bound depends on %n, which the core carries between iterations"
    arrays = [np.array([2, 0, 1]), np.arange(9.0) + 1, np.zeros(3)]
    moved = moved_against_the_rule(CARRIED_BY_HAND, monkeypatch, "ember-to-dlc")
    expect_wrong_if_moved(CARRIED, arrays, moved)


WORKSPACE = """
func.func @f(%index: memref<3xindex>, %table: memref<2x2xf64>, %out: memref<3x2xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %row = memref.alloca() : memref<2xf64>
  scf.for %i = %c0 to %c3 step %c1 {
    %r = memref.load %index[%i] : memref<3xindex>
    scf.for %e = %c0 to %c2 step %c1 {
      %v = memref.load %table[%r, %e] : memref<2x2xf64>
      memref.store %v, %row[%e] : memref<2xf64>
    }
    scf.for %e = %c0 to %c2 step %c1 {
      %v = memref.load %row[%e] : memref<2xf64>
      memref.store %v, %out[%i, %e] : memref<3x2xf64>
    }
  }
  func.return
}
"""


def test_a_loop_over_temporaries(monkeypatch: pytest.MonkeyPatch) -> None:
    (refused,) = refusals(decoupled(WORKSPACE))
    assert refused == (
        "it reads nothing for the access unit to send: %row is written by 'memref.store'"
    )
    moved = moved_against_the_rule(WORKSPACE, monkeypatch)
    expect_wrong_if_moved(WORKSPACE, row_arrays(), moved)


NEW = {
    "nothing": ("", "it reads no memory, so there is nothing to send"),
    "parent": (
        "%again = memref.load %index[%i] : memref<3xindex>",
        "%index is read at one place in all iterations of a loop; read it before that loop",
    ),
    "one place": (
        "%same = memref.load %index[%c0] : memref<3xindex>",
        "%index is read at one place only; read it before all loops",
    ),
    "branch": (
        "%yes = arith.cmpi eq, %e, %c0 : index scf.if %yes { "
        "%v = memref.load %table[%c0, %e] : memref<2x2xf64> }",
        "%table is read only in some iterations",
    ),
    "made inside": (
        '%view = "memref.cast"(%table) : (memref<2x2xf64>) -> memref<?x2xf64> '
        "%v = memref.load %view[%c0, %e] : memref<?x2xf64>",
        "%view is made in the loop; make it before all loops",
    ),
    "index of the core": (
        "%k = arith.remui %e, %c2 : index %v = memref.load %table[%c0, %k] : memref<2x2xf64>",
        "the index into %table is computed by the core (arith.remui)",
    ),
}


@pytest.mark.parametrize("case", NEW)
def test_a_loop_that_reads_nothing_new(case: str) -> None:
    body, reason = NEW[case]
    text = rows("").replace("      %v = memref.load %table[%r, %e] : memref<2x2xf64>\n", "")
    text = text.replace("      %w = arith.addf %v, %v : f64\n", "").replace(
        "memref.store %v,",
        f"{body}\n      %one = arith.constant 1.0 : f64\n      memref.store %one,",
    )
    (refused,) = refusals(decoupled(text))
    assert refused.endswith(reason)


GUARDED = """
func.func @f(%index: memref<3xindex>, %table: memref<2xf64>, %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  scf.for %i = %c0 to %c3 step %c1 {
    %r = memref.load %index[%i] : memref<3xindex>
    %inside = arith.cmpi ult, %r, %c2 : index
    scf.if %inside {
      %v = memref.load %table[%r] : memref<2xf64>
      memref.store %v, %out[%i] : memref<3xf64>
    }
  }
  func.return
}
"""


def test_a_load_in_a_branch_stays_in_it() -> None:
    """Moved in front of its condition, it reads outside of the table."""
    arrays = [np.array([1, 7, 0]), np.array([3.0, 4.0]), np.zeros(3)]
    expected = run(parse(GUARDED), arrays)
    np.testing.assert_array_equal(run(decoupled(GUARDED), arrays)[2], expected[2])
    load = "      %v = memref.load %table[%r] : memref<2xf64>\n"
    moved = GUARDED.replace(load, "").replace("    %inside", load + "    %inside")
    with pytest.raises(InputError, match="index 7 lies outside"):
        run(decoupled(moved), arrays)


BEHIND_THE_LAST = """
func.func @f(%offsets: memref<4xindex>, %index: memref<3xindex>, %table: memref<3xf64>,
             %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  scf.for %b = %c0 to %c3 step %c1 {
    %lo = memref.load %offsets[%b] : memref<4xindex>
    %next = arith.addi %b, %c1 : index
    %hi = memref.load %offsets[%next] : memref<4xindex>
    scf.for %p = %lo to %hi step %c1 {
      %first = memref.load %index[%lo] : memref<3xindex>
      %v = memref.load %table[%p] : memref<3xf64>
      memref.store %v, %out[%first] : memref<3xf64>
    }
  }
  func.return
}
"""


def test_a_load_that_is_the_same_in_all_iterations_needs_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of an empty last bag, the first entry lies outside; the access unit would read it once."""
    arrays = [np.array([0, 2, 3, 3]), np.array([2, 1, 0]), np.arange(3.0) + 1, np.zeros(3)]
    expected = run(parse(BEHIND_THE_LAST), arrays)
    np.testing.assert_array_equal(run(decoupled(BEHIND_THE_LAST), arrays)[3], expected[3])
    loads = candidates._Chooser._loads  # pyright: ignore[reportPrivateUsage]

    def anywhere(chooser: Any, op: memref.LoadOp, own: set[SSAValue]) -> bool:
        return loads(chooser, op, chooser.choice.streams)

    monkeypatch.setattr(candidates._Chooser, "_loads", anywhere)  # pyright: ignore[reportPrivateUsage]
    moved = decoupled(BEHIND_THE_LAST)
    with pytest.raises(InputError, match="index 3 lies outside"):
        run(moved, arrays)
    with pytest.raises(VerifyException, match=r"'slc.load' takes no stream of the loop"):
        decoupled(BEHIND_THE_LAST, "ember-decouple").verify()


DIVIDED = """
func.func @f(%index: memref<3xindex>, %table: memref<4xf64>, %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  scf.for %i = %c0 to %c3 step %c1 {
    %r = memref.load %index[%i] : memref<3xindex>
    %half = arith.divsi %r, %c2 : index
    %at = arith.addi %half, %c1 : index
    %v = memref.load %table[%at] : memref<4xf64>
    memref.store %v, %out[%i] : memref<3xf64>
  }
  func.return
}
"""


def anything(_: SSAValue) -> bool:
    return True


def test_a_division_of_what_may_be_negative(monkeypatch: pytest.MonkeyPatch) -> None:
    """The access unit rounds down and divides no negative numbers; -1 / 2 is 0 in the nest."""
    arrays = [np.array([-1, 3, 0]), np.arange(4.0), np.zeros(3)]
    expected = run(parse(DIVIDED), arrays)
    np.testing.assert_array_equal(run(decoupled(DIVIDED), arrays)[2], expected[2])
    monkeypatch.setattr(candidates, "not_negative", anything)
    with pytest.raises(InputError, match="divides -1 by 2"):
        run(decoupled(DIVIDED), arrays)


def test_a_loop_of_other_integers_and_one_that_carries_memory() -> None:
    integers = rows("").replace("step %c1 {\n    %r", "step %c1 {\n    %r")
    integers = integers.replace("%c0 to %c3 step %c1", "%k0 to %k3 step %k1 : i32").replace(
        "  scf.for %i",
        "  %k0 = arith.constant 0 : i32\n  %k1 = arith.constant 1 : i32\n"
        "  %k3 = arith.constant 3 : i32\n  scf.for %i",
    )
    integers = integers.replace("    %r =", "    %j = arith.index_cast %i : i32 to index\n    %r =")
    integers = integers.replace("[%i", "[%j")
    with pytest.raises(PassFailedException, match=r"over %i .*: its variable is of type i32, and"):
        decoupled(integers)
    memory = WORKSPACE.replace(
        "scf.for %i = %c0 to %c3 step %c1 {",
        "%kept = scf.for %i = %c0 to %c3 step %c1 iter_args(%w = %row) -> (memref<2xf64>) {",
    ).replace("    }\n  }\n  func", "    }\n    scf.yield %w : memref<2xf64>\n  }\n  func")
    with pytest.raises(PassFailedException, match="it carries memref<2xf64> from iteration to"):
        decoupled(memory)


def test_memory_of_an_iteration_on_both_sides_of_a_loop() -> None:
    text = WORKSPACE.replace("  %row = memref.alloca() : memref<2xf64>\n", "").replace(
        "    %r =", "    %row = memref.alloca() : memref<2xf64>\n    %r ="
    )
    with pytest.raises(PassFailedException, match="%row of type memref<2xf64> is used before and"):
        decoupled(text)


def test_loops_that_need_not_run() -> None:
    text = SHARED.partition("func.func @caller")[0]
    branch = text.replace(
        "  scf.for %i", "  %yes = arith.cmpi eq, %c0, %c1 : index scf.if %yes {\n  scf.for %i"
    )
    branch = branch.replace("  }\n  func.return", "  }\n  }\n  func.return")
    with pytest.raises(PassFailedException, match=r"'scf.for': it stands in 'scf.if'; the access"):
        decoupled(branch)
    blocks = text.replace("  func.return", "  cf.br ^bb1\n^bb1:\n  func.return")
    with pytest.raises(PassFailedException, match=r"'scf.for': it stands in 'func.func'; the acc"):
        decoupled(blocks)
