"""What passes on lanes and on batches of rows refuse, each with its reason, and leave unchanged."""

import pytest
from xdsl.dialects.builtin import ModuleOp, StringAttr

from headrace.cli.driver import make_context
from headrace.cli.parsing import parse_text
from headrace.dialects import slc
from headrace.passes.registry import get_all_passes, parse_passes

NEST = """
func.func @f(%idx: memref<9xindex>, %tab: memref<9x8xf32>, %out: memref<9x9xf32>,
    %sum: memref<9xf32>, %wide: memref<8x8xf32, strided<[16, 2]>>, %n: memref<9xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c7 = arith.constant 7 : index
  %one = arith.constant 1.0 : f32
  slc.for %p = %c0 to %c7 step %c1 : index, index, index {
    %r = slc.load %idx, %p : memref<9xindex>, !slc.stream<index>
    BEFORE
    slc.for %e = %c0 to %c7 step STEP : index, index, index {
      %v = slc.load %tab, %r, %e : memref<9x8xf32>, !slc.stream<index>, !slc.stream<index>
      STREAM
      slc.callback(%r, %e, %v : !slc.stream<index>, !slc.stream<index>, !slc.stream<f32>) {
      ^bb0(%i: index, %j: index, %x: f32):
        CODE
      }
    }
  }
  func.return
}
"""
ADD = """
%a = memref.load %out[%i, %j] : memref<9x9xf32>
%s = arith.addf %a, %x : f32
memref.store %s, %out[%i, %j] : memref<9x9xf32>
"""


def parse(code: str = ADD, stream: str = "", step: str = "%c1", before: str = "") -> ModuleOp:
    text = NEST
    for word, value in (("CODE", code), ("STREAM", stream), ("STEP", step), ("BEFORE", before)):
        text = text.replace(word, value)
    module = parse_text(make_context(), text, "test_ember_lanes.py")
    assert isinstance(module, ModuleOp)
    return module


def refused(module: ModuleOp, passes: str) -> list[str]:
    """The reasons of what the last of `passes` refuses; the rest of the module stays."""
    *earlier, last = passes.split(",")
    if earlier:
        parse_passes(",".join(earlier), get_all_passes()).apply(make_context(), module)
    take_reasons(module)
    before = module.clone()
    parse_passes(last, get_all_passes()).apply(make_context(), module)
    module.verify()
    reasons = take_reasons(module)
    assert module.is_structurally_equivalent(before)
    return reasons


def take_reasons(module: ModuleOp) -> list[str]:
    """The reasons in a module, which has none then."""
    reasons = [op.attributes.pop("headrace.refused", None) for op in module.walk()]
    return [reason.data for reason in reasons if isinstance(reason, StringAttr)]


def test_a_sum_of_rows_takes_lanes() -> None:
    module = parse()
    parse_passes("ember-vectorize{lanes=2}", get_all_passes()).apply(make_context(), module)
    assert [op.lane_count for op in module.walk() if isinstance(op, slc.ForOp)] == [1, 2]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "memref.store %x, %out[%j, %j] : memref<9x9xf32>",
            "'memref.store' of %out has the loop's variable in an index that is not the last",
        ),
        (
            "memref.store %x, %out[%j, %i] : memref<9x9xf32>",
            "'memref.store' of %out has the loop's variable in an index that is not the last",
        ),
        (
            "%y = memref.load %wide[%i, %j] : memref<8x8xf32, strided<[16, 2]>>\n"
            "%s = arith.addf %x, %y : f32\nmemref.store %s, %out[%i, %j] : memref<9x9xf32>",
            "%wide has a layout, by which rows may not be contiguous",
        ),
        (
            "%k = arith.addi %j, %c1 : index\nmemref.store %x, %out[%i, %k] : memref<9x9xf32>",
            "'arith.addi' computes with the loop's variable",
        ),
        (
            "memref.store %x, %sum[%i] : memref<9xf32>",
            "all iterations store to one element of %sum, which no sum, product, maximum or "
            "minimum of what was there explains",
        ),
        (
            "%s = memref.load %sum[%i] : memref<9xf32>\n%t = arith.subf %s, %x : f32\n"
            "memref.store %t, %sum[%i] : memref<9xf32>",
            "all iterations store to one element of %sum, which no sum, product, maximum or "
            "minimum of what was there explains",
        ),
        (
            "%s = memref.load %sum[%i] : memref<9xf32>\n%t = arith.addf %s, %x : f32\n"
            "memref.store %t, %sum[%i] : memref<9xf32>\n%u = memref.load %sum[%j] : memref<9xf32>\n"
            "memref.store %u, %out[%i, %j] : memref<9x9xf32>",
            "'memref.load' of %sum may be where another iteration stores to %sum",
        ),
        (
            "%a = memref.load %out[%c0, %j] : memref<9x9xf32>\n%s = arith.addf %a, %x : f32\n"
            "memref.store %s, %out[%i, %j] : memref<9x9xf32>",
            "'memref.load' of %out may be where another iteration stores to %out",
        ),
        (
            "%positive = arith.cmpf ogt, %x, %one : f32\nscf.if %positive {"
            "memref.store %x, %out[%i, %j] : memref<9x9xf32> }",
            "whether 'scf.if' holds differs between iterations",
        ),
        (
            "%k = memref.load %n[%j] : memref<9xi32>\n%q = arith.divsi %k, %k : i32\n"
            "memref.store %q, %n[%j] : memref<9xi32>",
            "'arith.divsi' would divide by zero in lanes without an iteration",
        ),
        (
            "scf.for %k = %c0 to %c7 step %c1 { memref.store %x, %sum[%i] : memref<9xf32> }",
            "'scf.for' runs once in each iteration",
        ),
        (
            "%y = scf.if %c -> (f32) { scf.yield %one : f32 } else { scf.yield %one : f32 }\n"
            "memref.store %y, %out[%i, %j] : memref<9x9xf32>",
            "'scf.if' has results, which have no form on lanes",
        ),
    ],
)
def test_code_without_lanes(code: str, reason: str) -> None:
    if "%c " in code:
        code = f"%c = arith.cmpi eq, %i, %c0 : index\n{code}"
    assert f"ember-vectorize: {reason}" in refused(parse(code), "ember-vectorize")


@pytest.mark.parametrize(
    ("stream", "step", "reason"),
    [
        ("", "%c2", "its step is not 1"),
        (
            "%w = slc.load %tab, %e, %e : memref<9x8xf32>, !slc.stream<index>, !slc.stream<index>",
            "%c1",
            "'slc.load' has more than the loop's variable as last index",
        ),
        (
            "%w = slc.add %e, %c1 : !slc.stream<index>, index",
            "%c1",
            "'slc.add' has no form on lanes",
        ),
        (
            "%k = slc.load %n, %e : memref<9xi32>, !slc.stream<index>\n"
            "%w = slc.index_cast %k : !slc.stream<i32>",
            "%c1",
            "'slc.index_cast' has no form on lanes",
        ),
    ],
)
def test_streams_without_lanes(stream: str, step: str, reason: str) -> None:
    found = refused(parse(stream=stream, step=step), "ember-vectorize")
    assert found == [f"ember-vectorize: {reason}"]


def test_a_number_that_is_carried_must_be_a_sum() -> None:
    code = """
    %t = scf.for %k = %c0 to %c7 step %c1 iter_args(%s = %one) -> (f32) {
      %y = memref.load %sum[%k] : memref<9xf32>
      %u = arith.subf %y, %s : f32
      scf.yield %u : f32
    }
    memref.store %t, %out[%i, %j] : memref<9x9xf32>
    """
    assert (
        "ember-vectorize: %s goes from iteration to iteration, and is no sum, product, maximum or "
        "minimum"
    ) in refused(parse(code), "ember-vectorize")


def test_batches_need_one_loop_a_row_and_room() -> None:
    second = (
        "slc.for %e = %c0 to %c7 step %c1 : index, index, index { slc.callback() {"
        "memref.store %one, %sum[%c0] : memref<9xf32> } }"
    )
    buffered = "ember-vectorize{lanes=2},ember-buffer,ember-batch-rows"
    assert refused(parse(before=second), buffered) == [
        "ember-batch-rows: its rows are not one loop without callbacks"
    ]
    assert refused(parse(), f"{buffered}{{rows=5 queue=45}}") == [
        "ember-batch-rows: 5 rows are 46 words, which do not fit into a queue of 45; "
        "take fewer rows"
    ]
