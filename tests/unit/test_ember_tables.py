"""Bags of several tables as one nest: the same numbers, fewer tokens, and what is not merged."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr

from headrace.cli.driver import make_context
from headrace.cli.parsing import parse_text
from headrace.interpreters.nest_entry import interpret_nests
from headrace.passes.registry import get_all_passes, parse_passes
from headrace.tests.ember import copy_of, level, lower, run_decoupled
from headrace.tests.nests import import_nests

bag = torch.nn.functional.embedding_bag
A = torch.rand(6, 4, dtype=torch.float64)
B = torch.rand(9, 7, dtype=torch.float64)
INDICES, OTHERS = torch.tensor([2, 0, 2, 4]), torch.tensor([8, 8, 1])
OFFSETS, OTHER_OFFSETS = torch.tensor([0, 1]), torch.tensor([0, 3])


def two_tables(a: Any, b: Any, i: Any, j: Any, o: Any, p: Any) -> torch.Tensor:
    return torch.cat([bag(i, a, o, mode="sum"), bag(j, b, p, mode="mean")], dim=1)


def one_list_for_both(a: Any, b: Any, i: Any, j: Any, o: Any, p: Any) -> torch.Tensor:
    return torch.cat([bag(i, a, o, mode="max"), bag(i, b, o, mode="sum")], dim=1)


@pytest.mark.parametrize("model", [two_tables, one_list_for_both])
def test_two_tables_are_one_traversal(model: Callable[..., torch.Tensor]) -> None:
    args = (A, B, INDICES, OTHERS, OFFSETS, OTHER_OFFSETS)
    imported = import_nests(model, *args)
    (expected,) = interpret_nests(imported.module, imported.bind(*args))
    lower(imported, "ember-batch-tables")
    for number in (0, 2, 3, 4):
        lowered = copy_of(imported)
        lower(lowered, level(number, 4, rows=2))
        (found,), traffic = run_decoupled(lowered, *args)
        np.testing.assert_array_equal(found, expected)
        assert len(traffic) == 1


def reasons(model: Callable[..., torch.Tensor], *args: torch.Tensor) -> list[str]:
    """What keeps the second nest of a model apart; the model computes the same."""
    imported = import_nests(model, *args)
    (expected,) = interpret_nests(imported.module, imported.bind(*args))
    lower(imported, "ember-batch-tables")
    (found,) = interpret_nests(imported.module, imported.bind(*args))
    np.testing.assert_array_equal(found, expected)
    calls = [op for op in imported.module.walk() if isinstance(op, func.CallOp)]
    found_reasons = [op.attributes.get("headrace.refused") for op in calls]
    return [reason.data for reason in found_reasons if isinstance(reason, StringAttr)]


def test_a_bag_of_what_another_computes_waits() -> None:
    def chained(a: Any, i: Any, o: Any) -> torch.Tensor:
        return bag(torch.tensor([1, 0]), bag(i, a, o, mode="sum"), torch.tensor([0, 1]), mode="sum")

    assert reasons(chained, A, INDICES, OFFSETS) == [
        "ember-batch-tables: it reads what the call before computes"
    ]


def test_other_numbers_of_bags_stay_apart() -> None:
    def unequal(a: Any, b: Any, i: Any, o: Any, p: Any) -> torch.Tensor:
        return bag(i, a, o, mode="sum").sum() + bag(i, b, p, mode="sum").sum()

    assert reasons(unequal, A, B, INDICES, OFFSETS, torch.tensor([0, 1, 3])) == [
        "ember-batch-tables: its loop has other bounds than that of the call before"
    ]


COPIES = """
func.func private @first(%table: memref<3xf64>, %out: memref<3xf64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  scf.for %b = %c0 to %c3 step %c1 {
    %v = memref.load %table[%b] : memref<3xf64>
    memref.store %v, %out[%b] : memref<3xf64>
  }
  func.return
}
func.func private @from(%begin: index, %table: memref<3xf64>, %out: memref<3xf64>) {
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  scf.for %b = %begin to %c3 step %c1 {
    %v = memref.load %table[%b] : memref<3xf64>
    memref.store %v, %out[%b] : memref<3xf64>
  }
  func.return
}
func.func @main(%a: memref<3xf64>, %n: index, %m: index, %s: f64) {
  %x = memref.alloc() : memref<3xf64>
  %y = memref.alloc() : memref<3xf64>
  BODY
  func.return
}
func.func @other(%a: memref<3xf64>) {
  %x = memref.alloc() : memref<3xf64>
  %y = memref.alloc() : memref<3xf64>
  func.call @first(%a, %x) : (memref<3xf64>, memref<3xf64>) -> ()
  func.call @first(%a, %y) : (memref<3xf64>, memref<3xf64>) -> ()
  func.return
}
"""
CALL = "func.call @first(%a, %x) : (memref<3xf64>, memref<3xf64>) -> ()\n"


def batched(body: str) -> ModuleOp:
    """Functions with calls, of which those that may be have become one."""
    module = parse_text(make_context(), COPIES.replace("BODY", body), "test_ember_tables.py")
    parse_passes("ember-batch-tables", get_all_passes()).apply(make_context(), module)
    module.verify()
    return module


def test_memory_that_is_written_between_two_calls_keeps_them_apart() -> None:
    """Moved in front of the first call, the store would be seen by it."""
    write = "memref.store %s, %a[%n] : memref<3xf64>\n"
    assert "'memref.store' in front of it may write %a, which the calls may read" in str(
        batched(CALL + write + CALL.replace("%x", "%y"))
    )


def test_bounds_that_are_not_known_may_differ() -> None:
    call = "func.call @from(%n, %a, %x) : (index, memref<3xf64>, memref<3xf64>) -> ()\n"
    other = call.replace("%n", "%m").replace("%x", "%y")
    assert "@from is not one loop of constant bounds" in str(batched(call + other))


def test_two_callers_get_functions_of_their_own() -> None:
    module = batched(CALL + CALL.replace("%x", "%y"))
    names = [op.sym_name.data for op in module.ops if isinstance(op, func.FuncOp)]
    assert names == ["first_first", "first_first_", "from", "main", "other"]
