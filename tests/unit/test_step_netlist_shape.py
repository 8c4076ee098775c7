"""Recorded shapes of netlists as dimensions."""

import pytest

from headrace.backends.step_netlist_shape import recorded_size, symbol_text
from headrace.dialects.step_dimension import Dimension


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16", "16"),
        ("floor(x/16 + 15/16)", "ceil(x, 16)"),
        ("floor((x + 3)/4)", "ceil(x, 4)"),
        ("ceiling(x/4)", "ceil(x, 4)"),
        ("Piecewise((1, x >= 1), (0, True))", "positive(x)"),
        ("Piecewise((1, x >= 1), (0, True))*floor(x/16 + 15/16)", "ceil(x, 16)"),
        ("x + 2*y - 1", "x + 2*y - 1"),
        ("Merge_46 (0 D, 1 D)_000", "Merge_46__0_D__1_D__000"),
    ],
)
def test_recorded_sizes_are_read(text: str, size: str) -> None:
    assert recorded_size(text, Dimension.of) == Dimension.of(size)


@pytest.mark.parametrize(
    "text", ["x/2", "x**2", "sin(x)", "x +", "Piecewise((1, x >= 2), (0, True))", "x/y"]
)
def test_other_expressions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no sum of products"):
        recorded_size(text, Dimension.of)


def test_one_symbol_is_told_from_expressions() -> None:
    assert symbol_text("FlatReassemble_308 (0 D)_dyn") == "FlatReassemble_308__0_D__dyn"
    assert symbol_text("e0") == "e0"
    assert symbol_text("16") is None
    assert symbol_text("e0 + e1") is None
