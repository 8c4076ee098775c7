"""Sizes of streams as SymPy expressions: equal values after substitution."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Symbol

from headrace.analyses.step_expression import expression
from headrace.dialects.step_dimension import Dimension

SYMBOLS: tuple[str, ...] = ("e0", "e1", "total(~r0)", "~r1")
SIZES = (
    "0",
    "7",
    "3*e0*e1 + 2",
    "ceil(e0, 4)*positive(e1)",
    "positive(e0 + e1)*ceil(e0*e1 - 1, 3)",
    "2*total(~r0) + ~r1",
)


@pytest.mark.parametrize("text", SIZES)
@given(st.tuples(*(st.integers(0, 20) for _ in range(4))))
def test_both_forms_have_one_value(text: str, numbers: tuple[int, ...]) -> None:
    values = dict(zip(SYMBOLS, numbers, strict=True))
    symbolic = expression(Dimension.of(text))
    substituted = symbolic.subs({symbol: values[symbol.name] for symbol in symbolic.free_symbols})
    assert int(substituted) == Dimension.of(text).substitute(values).value


def test_symbols_keep_their_names() -> None:
    symbolic = expression(Dimension.of("e0*~r1 + total(~r0)"))
    assert {symbol.name for symbol in symbolic.free_symbols} == {"e0", "~r1", "total(~r0)"}
    assert Symbol("e0", integer=True, nonnegative=True) in symbolic.free_symbols
