"""The language of known constraints."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from headrace.autotune.constraint import Constraint, Kind
from headrace.storage.errors import InputError

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("a", "b", "c", "d", "x", "p_0", "p_i0"), "number"),
    "layout": "category",
}


def holds(text: str, **columns: Any) -> list[bool]:
    arrays: dict[str, npt.NDArray[Any]] = {
        name: np.array(values, object if isinstance(values[0], str | Fraction) else None)
        for name, values in columns.items()
    }
    return np.atleast_1d(Constraint.parse(text, KINDS).holds(arrays)).tolist()


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("a*b % c == 0", (3, 4, 6), True),
        ("a*(b % c) == 0", (3, 4, 6), False),
        ("a / b * c == 2", (1, 3, 6), True),
        ("a - b - c == 0", (9, 4, 5), True),
        ("a % b % c == 1", (17, 10, 3), True),
        ("-a % b == 1", (2, 3, 0), True),
        ("a < b and b < c or a == 9", (9, 0, 0), True),
        ("not a < b and a < c", (1, 2, 3), False),
        ("not (a < b and a < c)", (3, 2, 1), True),
        ("(a < b) & (b < c) | (a == 9)", (9, 0, 0), True),
        ("(a == 9) | (a < b) & (b < c)", (9, 0, 0), True),
        ("a in (1, 2, b + c)", (7, 3, 4), True),
        ("a not in [1, 2]", (2, 0, 0), False),
        ("1024*(1/(a)) >= 1", (49, 0, 0), True),
        ("49 * (1 / 49) >= 1", (0, 0, 0), True),
        ("a * (1 / a) >= 1", (49, 0, 0), True),
        ("1 / b + 1 / c == 5 / 6", (0, 2, 3), True),
        ("0.1 + 0.2 == 0.3", (0, 0, 0), True),
        (".5 == 5e-1", (0, 0, 0), True),
        ("2.5 % 1 == 1 / 2", (0, 0, 0), True),
        ("a - b == a + -b", (3, 4, 0), True),
    ],
)
def test_a_constraint_means_what_python_would_mean_but_exactly(
    text: str, values: tuple[int, int, int], expected: bool
) -> None:
    a, b, c = ([value] for value in values)
    assert holds(text, a=a, b=b, c=c) == [expected]


@pytest.mark.parametrize("text", ["1 / a > 0", "1 / a <= 0", "1 / a != 1", "b % a == 0"])
def test_a_comparison_with_a_quotient_by_zero_does_not_hold(text: str) -> None:
    assert holds(text, a=[0, 2], b=[4, 4])[0] is False


def test_large_numbers_are_exact() -> None:
    large = 2**60
    assert holds("a * b * c % 7 == d", a=[large], b=[large], c=[large], d=[large**3 % 7]) == [True]
    assert holds("1e30 * 3 > a", a=[large]) == [True]
    assert holds("1e400 * 1e400 < x", x=[1.5]) == [False]


def test_decimals_of_an_ordinal_are_the_decimals_of_a_text() -> None:
    tenth = Fraction("0.1")
    assert holds("a * 3 == 0.3", a=[tenth]) == [True]


def test_reals_are_floats() -> None:
    assert holds("x < a / 2", x=[0.4, 0.6], a=[1, 1]) == [True, False]
    assert holds("1 / x > 0", x=[0.0, 0.5]) == [False, True]


def test_categories_are_compared_with_strings() -> None:
    layouts = ["row", "column", "row"]
    assert holds("layout == 'row'", layout=layouts) == [True, False, True]
    assert holds('layout not in ("row", "tile")', layout=layouts) == [False, True, False]


def test_a_constraint_without_names_gives_one_truth() -> None:
    always = Constraint.parse("1024 >= 0", KINDS)
    assert always.names == frozenset()
    assert bool(always.holds({})) is True


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("a < b & c < d", "put each comparison in parentheses", 4),
        ("a < b | c < d", "put each comparison in parentheses", 4),
        ("a < b < c", "comparisons do not chain", 6),
        ("f(a) < 1", "has no functions", 0),
        ("__import__('os')", "has no functions", 0),
        ("q < 1", "there is no parameter 'q'; there are a, b, c", 0),
        ("p < 1", "'p_0' is the entry in slot 0 and 'p_i0' the slot of entry 0", 0),
        ("p_7 < 1", "'p_0' is the entry in slot 0 and 'p_i0' the slot of entry 0", 0),
        ("a.real < 1", "'.' is not part of the language", 1),
        ("a[0] < 1", "expected an operator or the end, but got '['", 1),
        ("a = b", "write '==' for equality", 2),
        ("a < ", "expected a value, but got the end", 4),
        ("(a < b", "expected ')', but got the end", 6),
        ("a + b", "a constraint is a comparison, but this is a number", 0),
        ("a and b < c", "'and' joins comparisons, but this is a number", 0),
        ("not a", "'not' takes a comparison", 4),
        ("(a < b) + 1 < 2", "'+' takes numbers, but this is a truth", 1),
        ("(a < b) == (c < d)", "'==' compares values", 8),
        ("layout == 1", "'==' compares a category with a number", 7),
        ("layout < 'row'", "categories have no order", 7),
        ("a in ()", "expected a value, but got ')'", 6),
        ("lambda: 1", "':' is not part of the language", 6),
        ("a < 'b", "is not part of the language", 4),
        ("", "expected a value, but got the end", 0),
        ("a\x00 < 1", "is not part of the language", 1),
    ],
)
def test_an_error_points_into_the_text(text: str, message: str, place: int) -> None:
    with pytest.raises(InputError) as caught:
        Constraint.parse(text, KINDS)
    said, shown, caret = str(caught.value).split("\n")
    assert message in said
    assert shown[2:] == text
    assert caret == " " * (2 + place) + "^"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000 + "a" + ")" * 5_000 + " < 1",
        "not " * 1_500 + "a < 1",
        "-" * 5_000 + "a < 1",
        "a+" * 3_900 + "a > 0",
        "a " * 50_000,
        "9" * 5_000 + " < a",
        "1e999999999 < a",
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Constraint.parse(text, KINDS)


def test_a_long_sum_is_evaluated() -> None:
    assert holds("a+" * 900 + "a == 901", a=[1, 2]) == [True, False]


def test_rules_of_order_are_recognised() -> None:
    def pairs(text: str) -> object:
        return Constraint.parse(text, KINDS).ordered_pairs

    assert pairs("a < b") == [("a", "b")]
    assert pairs("a >= b and (c < d)") == [("b", "a"), ("c", "d")]
    assert pairs("a < b or c < d") is None
    assert pairs("a < 1") is None
