"""Bags of several tables as one nest: the same numbers, fewer tokens, and what is not merged."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from xdsl.dialects import func
from xdsl.dialects.builtin import StringAttr

from headrace.interpreters.nest_entry import interpret_nests
from headrace.tests.ember import level, lower, run_decoupled
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
@pytest.mark.parametrize("number", [0, 2, 3, 4])
def test_two_tables_are_one_traversal(model: Callable[..., torch.Tensor], number: int) -> None:
    args = (A, B, INDICES, OTHERS, OFFSETS, OTHER_OFFSETS)
    imported = import_nests(model, *args)
    (expected,) = interpret_nests(imported.module, imported.bind(*args))
    lower(imported, f"ember-batch-tables,{level(number, 4, rows=2)}")
    (found,), traffic = run_decoupled(imported, *args)
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
