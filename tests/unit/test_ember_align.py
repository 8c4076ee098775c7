"""`ember-align` takes numbers out of the data queue, and counts what the nest counts."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import slc
from headrace.dialects.access_rules import constant
from headrace.dialects.dlc import AdvanceOp, CounterOp, ResetOp
from headrace.interpreters import dlc
from headrace.tests.ember_nests import NESTS, Array, Draw, function, lowered, parse, values

Found = TypeVar("Found", bound=Operation)

REORDERED = {"knowledge_graph", "message_passing", "scaled_by_sums"}
"""Nests that sum along a row, which vectors do in another order."""

LEVELS = [
    "ember-decouple",
    "ember-decouple,ember-vectorize{lanes=2}",
    "ember-decouple,ember-vectorize{lanes=2},ember-buffer",
    "ember-decouple,ember-vectorize{lanes=2},ember-buffer,ember-align",
]


def traffic(module: ModuleOp, arrays: list[Array]) -> dlc.QueueTraffic:
    return dlc.run_function(function(module), [array.copy() for array in arrays])


@pytest.mark.parametrize("options", ["", "{pad=false}", "{count=false}"])
@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("name", NESTS)
def test_values_are_those_of_the_nest(name: str, lanes: int, options: str) -> None:
    text, arrays = NESTS[name]
    level = LEVELS[2].replace("lanes=2", f"lanes={lanes}") if lanes > 1 else LEVELS[0]
    nest = parse(text)
    for pipeline in (f"{level},ember-align{options}", f"{level},ember-align{options},ember-to-dlc"):
        aligned = lowered(text, pipeline)
        for seed in range(3):
            given = arrays(Draw(seed))
            for expected, found in zip(values(nest, given), values(aligned, given), strict=True):
                if name in REORDERED and lanes > 1:
                    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
                else:
                    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("lanes", [2, 8])
@pytest.mark.parametrize(
    ("name", "per_bag"), [("embedding_bag", 0), ("sparse_matmul", 0), ("knowledge_graph", None)]
)
def test_traffic_of_level_three(name: str, per_bag: int | None, lanes: int) -> None:
    """Section 2: tokens N + B + 1, words N nv V; a weight is one more vector."""
    text, arrays = NESTS[name]
    pipeline = LEVELS[3].replace("lanes=2", f"lanes={lanes}")
    module = lowered(text, f"{pipeline},ember-to-dlc")
    for seed in range(6):
        draw = Draw(seed)
        found = traffic(module, arrays(draw))
        row = -(-draw.width // lanes) * lanes
        rows = {"embedding_bag": row, "sparse_matmul": row + lanes, "knowledge_graph": 3 * row}
        bags = 0 if per_bag is None else draw.bags
        assert found.tokens == draw.count + bags + 1
        assert found.words == draw.count * rows[name]


def test_a_weight_fills_the_lanes_that_multiply() -> None:
    """The core takes the vector as it comes: nothing broadcasts or extracts there."""
    text = str(lowered(NESTS["sparse_matmul"][0], LEVELS[3]))
    assert "slc.broadcast %12 lanes 2" in text
    assert "vector.extract" not in text


def test_other_numbers_are_the_first_lane() -> None:
    """The place of a sum is an address, which is a number."""
    text = str(lowered(NESTS["edge_list"][0], LEVELS[3]))
    assert text.count("slc.broadcast") == 2
    assert text.count("vector.extract") == 1


COUNTED = """
func.func @f(%index: memref<9xindex>, %table: memref<3x2xf64>, %out: memref<30x30x2xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c9 = arith.constant 9 : index
  %c5 = arith.constant 5 : index
  scf.for %i = %c1 to %c9 step %c3 {
    %r = memref.load %index[%i] : memref<9xindex>
    scf.for %j = %c2 to %c5 step %c2 {
      %next = arith.addi %i, %j : index
      scf.for %p = %c0 to %r step %c1 {
        scf.for %e = %c0 to %c2 step %c1 {
          %v = memref.load %table[%p, %e] : memref<3x2xf64>
          %s = memref.load %out[%i, %j, %e] : memref<30x30x2xf64>
          %t = arith.addf %s, %v : f64
          memref.store %t, %out[%i, %j, %e] : memref<30x30x2xf64>
        }
      }
    }
  }
  func.return
}
"""
"""Two loops to count, from other numbers than 0 and by other steps than 1; some rows have none."""


def counted_arrays() -> list[Array]:
    return [np.arange(9) % 3, np.arange(6.0).reshape(3, 2) + 1, np.zeros((30, 30, 2))]


def test_counters_start_at_the_bound_advance_by_the_step_and_start_again() -> None:
    module = lowered(COUNTED, LEVELS[3])
    ops = list(module.walk())
    assert sum(isinstance(op, CounterOp) for op in ops) == 2
    assert sum(isinstance(op, ResetOp) for op in ops) == 1
    callbacks = [op for op in ops if isinstance(op, slc.CallbackOp)]
    assert all(isinstance(value.type, slc.FifoType) for op in callbacks for value in op.inputs)
    expected = values(parse(COUNTED), counted_arrays())
    np.testing.assert_array_equal(values(module, counted_arrays())[2], expected[2])


def find(module: ModuleOp, kind: type[Found]) -> list[Found]:
    return [op for op in module.walk() if isinstance(op, kind)]


def number(module: ModuleOp, value: int) -> SSAValue:
    constants = {constant(op.result): op.result for op in find(module, ConstantOp)}
    return constants[value]


def without_reset(module: ModuleOp) -> None:
    for op in find(module, ResetOp):
        op.detach()


def from_zero(module: ModuleOp) -> None:
    for op in find(module, CounterOp):
        op.operands = [number(module, 0)]


def by_one(module: ModuleOp) -> None:
    for op in find(module, AdvanceOp):
        op.operands = [op.counter, number(module, 1)]


def only_with_rows(module: ModuleOp) -> None:
    """Advance where a row has been added, so never for a segment without rows."""
    rows = [op for op in find(module, slc.CallbackOp) if op.inputs]
    for op in find(module, AdvanceOp):
        op.detach()
        rows[0].body.block.add_op(op)


@pytest.mark.parametrize("mistake", [without_reset, from_zero, by_one, only_with_rows])
def test_each_rule_of_counting_matters(mistake: Callable[[ModuleOp], None]) -> None:
    """Without it, the counter is another number than the variable."""
    module = lowered(COUNTED, LEVELS[3])
    mistake(module)
    expected = values(parse(COUNTED), counted_arrays())[2]
    assert not np.array_equal(values(module, counted_arrays())[2], expected)


SLICED = """
func.func @f(%offsets: memref<3xindex>, %table: memref<9x2xf64>, %out: memref<9x2xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  scf.for %b = %c0 to %c2 step %c1 {
    %lo = memref.load %offsets[%b] : memref<3xindex>
    %next = arith.addi %b, %c1 : index
    %hi = memref.load %offsets[%next] : memref<3xindex>
    scf.for %p = %lo to %hi step %c1 {
      scf.for %e = %c0 to %c2 step %c1 {
        %v = memref.load %table[%p, %e] : memref<9x2xf64>
        memref.store %v, %out[%p, %e] : memref<9x2xf64>
      }
    }
  }
  func.return
}
"""
BY_HAND = """
func.func @f(%offsets: memref<3xindex>, %table: memref<9x2xf64>, %out: memref<9x2xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %counter = dlc.counter %c0
  slc.for %b = %c0 to %c2 step %c1 : index, index, index {
    %lo = slc.load %offsets, %b : memref<3xindex>, !slc.stream<index>
    %next = slc.add %b, %c1 : !slc.stream<index>, index
    %hi = slc.load %offsets, %next : memref<3xindex>, !slc.stream<index>
    slc.for %p = %lo to %hi step %c1 : !slc.stream<index>, !slc.stream<index>, index {
      slc.for %e = %c0 to %c2 step %c1 : index, index, index {
        %v = slc.load %table, %p, %e : memref<9x2xf64>, !slc.stream<index>, !slc.stream<index>
        slc.callback(%e, %v : !slc.stream<index>, !slc.stream<f64>) {
        ^bb0(%column: index, %x: f64):
          %n = dlc.read %counter
          memref.store %x, %out[%n, %column] : memref<9x2xf64>
        }
      }
      slc.callback() {
        dlc.advance %counter, %c1
      }
    }
  }
  func.return
}
"""


def refusals(module: ModuleOp) -> dict[str | None, str]:
    """The reasons on loops of the access unit, by variable."""
    return {
        op.variable.name_hint: reason.data
        for op in module.walk()
        if isinstance(op, slc.ForOp)
        and isinstance(reason := op.attributes.get("headrace.refused"), StringAttr)
    }


def test_segments_need_not_begin_at_zero() -> None:
    """Counted by hand, rows of sliced offsets go to the wrong places."""
    arrays = [np.array([3, 4, 6]), np.arange(18.0).reshape(9, 2), np.zeros((9, 2))]
    aligned = lowered(SLICED, LEVELS[3])
    assert refusals(aligned) == {
        "p": "ember-align: its lower bound is loaded, and segments need not follow each other"
    }
    expected = values(parse(SLICED), arrays)[2]
    np.testing.assert_array_equal(values(aligned, arrays)[2], expected)
    assert not np.array_equal(values(parse(BY_HAND), arrays)[2], expected)
    whole = [np.array([0, 1, 3]), *arrays[1:]]
    np.testing.assert_array_equal(values(parse(BY_HAND), whole)[2], values(parse(SLICED), whole)[2])


def test_loops_that_are_not_counted() -> None:
    unbuffered = lowered(NESTS["embedding_bag"][0], "ember-decouple,ember-align")
    assert refusals(unbuffered) == {
        "e": "ember-align: the core would be told of each iteration only to count it; "
        "buffer the row first"
    }
    blocks = lowered(NESTS["block_gather"][0], LEVELS[3])
    assert (
        refusals(blocks)["t"] == "ember-align: the core reads what 'slc.add' makes of its variable"
    )


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        (
            "ember-align",
            "ember-align: the module has no loop of the access unit; use ember-decouple",
        ),
        ("ember-decouple,ember-align{count=false pad=false}", "changes nothing; leave one of them"),
    ],
)
def test_refusals(pipeline: str, reason: str) -> None:
    with pytest.raises(PassFailedException, match=reason):
        lowered(NESTS["embedding_bag"][0], pipeline)
