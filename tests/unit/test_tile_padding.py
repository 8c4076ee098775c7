"""What is known of the elements of tiles beyond the end of an axis."""

from math import exp, inf

import pytest

from headrace.passes.sam.expression import Expressions, Map
from headrace.passes.sam.tile_padding import Padding, of_map

ROW, COLUMN = 0, 1
"""Two axes with padding."""


@pytest.mark.parametrize(
    ("op", "scalar", "operands", "expected"),
    [
        ("exp", None, [{ROW: 0.0, COLUMN: 1.0}], {ROW: 1.0, COLUMN: exp(1)}),
        ("add", None, [{ROW: 0.0, COLUMN: 0.0}, {COLUMN: 2.0}], {COLUMN: 2.0}),
        ("mul", None, [{ROW: 0.0}, {}], {}),
        ("div", None, [{ROW: 0.0}, {ROW: 0.0}], {}),
        ("max", 3.0, [{ROW: 0.0}], {ROW: 3.0}),
        ("mask", -inf, [{}, {ROW: 0.0, COLUMN: 1.0}], {ROW: -inf}),
        ("mask", -inf, [{COLUMN: 5.0}, {COLUMN: 1.0}], {COLUMN: 5.0}),
        ("fill", 7.0, [{ROW: 2.0}, {ROW: 0.0, COLUMN: 1.0}], {ROW: 2.0, COLUMN: 7.0}),
        (
            "where",
            None,
            [{ROW: 0.0, COLUMN: 1.0}, {COLUMN: 4.0}, {ROW: 5.0}],
            {ROW: 5.0, COLUMN: 4.0},
        ),
    ],
)
def test_padding_of_a_function(
    op: str, scalar: float | None, operands: list[Padding], expected: Padding
):
    """A product with something unknown may be NaN, and so may a quotient of zeros."""
    expressions = Expressions()
    inputs = [expressions.input(number, (ROW, COLUMN)) for number in range(len(operands))]
    function = expressions.map(op, inputs, scalar)
    assert isinstance(function, Map)
    assert of_map(function, [ROW, COLUMN], operands) == expected
