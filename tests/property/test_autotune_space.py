"""Random spaces and constraints, against a listing of all settings with Python's own operators."""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from types import CodeType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.autotune.constraint import Constraint
from headrace.autotune.parameter import Categorical, Integer, Ordinal, Parameter, Permutation
from headrace.autotune.space import Space
from headrace.storage.errors import InputError
from headrace.tests.tuner_problems import PROBLEMS, evaluator, problem

WORDS = ("a", "b", "order_0", "order_i0", "order_i2")


def _quotient(dividend: Fraction, divisor: Fraction) -> Fraction:
    return dividend / divisor


def _remainder(dividend: Fraction, divisor: Fraction) -> Fraction:
    return dividend % divisor


QUOTIENTS = (_quotient, _remainder)


class Number:
    """A fraction, or None where a quotient by 0 took part: no comparison with that holds."""

    def __init__(self, value: Fraction | int | None):
        self.value = None if value is None else Fraction(value)

    def _with(self, other: Number, operate: Callable[[Any, Any], Any]) -> Number:
        if self.value is None or other.value is None or (operate in QUOTIENTS and not other.value):
            return Number(None)
        return Number(operate(self.value, other.value))

    def _compare(self, other: Number, operate: Callable[[Any, Any], bool]) -> bool:
        known = self.value is not None and other.value is not None
        return known and operate(self.value, other.value)

    def __add__(self, other: Number) -> Number:
        return self._with(other, operator.add)

    def __sub__(self, other: Number) -> Number:
        return self._with(other, operator.sub)

    def __mul__(self, other: Number) -> Number:
        return self._with(other, operator.mul)

    def __truediv__(self, other: Number) -> Number:
        return self._with(other, _quotient)

    def __mod__(self, other: Number) -> Number:
        return self._with(other, _remainder)

    def __neg__(self) -> Number:
        return Number(0) - self

    def __lt__(self, other: Number) -> bool:
        return self._compare(other, operator.lt)

    def __le__(self, other: Number) -> bool:
        return self._compare(other, operator.le)

    def __gt__(self, other: Number) -> bool:
        return self._compare(other, operator.gt)

    def __ge__(self, other: Number) -> bool:
        return self._compare(other, operator.ge)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and self._compare(other, operator.eq)

    def __ne__(self, other: object) -> bool:
        return isinstance(other, Number) and self._compare(other, operator.ne)


def python_says(text: str, configuration: dict[str, Any]) -> bool:
    """The constraint as Python's own parser reads it, over exact numbers."""
    order = configuration["order"]
    names: dict[str, Any] = {"layout": configuration["layout"]}
    names |= {name: Number(configuration.get(name)) for name in ("a", "b")}
    names |= {f"order_{k}": Number(order[k]) for k in range(3)}
    names |= {f"order_i{k}": Number(order.index(k)) for k in range(3)}
    return bool(eval(_compiled(text), {"Number": Number}, names))


@cache
def _compiled(text: str) -> CodeType:
    return compile(re.sub(r"(?<!\w)\d+", r"Number(\g<0>)", text), text, "eval")


@st.composite
def numbers(draw: st.DrawFn, depth: int = 3) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(WORDS) | st.integers(0, 9).map(str))
    if draw(st.integers(0, 5)) == 0:
        return f"-{draw(numbers(depth - 1))}"
    left, right = draw(numbers(depth - 1)), draw(numbers(depth - 1))
    text = f"{left} {draw(st.sampled_from('+-*/%'))} {right}"
    return f"({text})" if draw(st.booleans()) else text


@st.composite
def truths(draw: st.DrawFn, depth: int = 2) -> str:
    """Constraints whose `&` and `|` join parentheses, as the language wants it."""
    if depth == 0 or draw(st.booleans()):
        if draw(st.integers(0, 5)) == 0:
            return f"layout {draw(st.sampled_from(['==', '!=']))} 'row'"
        sign = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
        return f"{draw(numbers())} {sign} {draw(numbers())}"
    if draw(st.integers(0, 4)) == 0:
        return f"not ({draw(truths(depth - 1))})"
    word = draw(st.sampled_from(["and", "or", "&", "|"]))
    left, right = draw(truths(depth - 1)), draw(truths(depth - 1))
    return f"({left}) {word} ({right})" if word in "&|" else f"{left} {word} {right}"


@st.composite
def parameters(draw: st.DrawFn) -> list[Parameter]:
    low = draw(st.integers(-3, 2))
    values = draw(st.sets(st.integers(-4, 12), min_size=1, max_size=4))
    return draw(
        st.permutations(
            [
                Integer("a", low=low, high=low + draw(st.integers(0, 3))),
                Ordinal("b", values=tuple(sorted(values))),
                Categorical("layout", values=("row", "column")),
                Permutation("order", length=3),
            ]
        )
    )


def listed(space: Space) -> list[dict[str, Any]]:
    """Every setting of the product of the domains."""
    domains: list[list[Any]] = []
    for one in space.parameters:
        match one:
            case Integer():
                domains.append(list(range(one.low, one.high + 1)))
            case Ordinal() | Categorical():
                domains.append(list(one.values))
            case _:
                domains.append(list(itertools.permutations(range(3))))
    return [dict(zip(space.names, values, strict=True)) for values in itertools.product(*domains)]


@settings(max_examples=40, deadline=None)
@given(parameters(), st.lists(truths(), max_size=3))
def test_the_feasible_set_is_what_python_says(chosen: list[Parameter], texts: list[str]) -> None:
    every = listed(Space(chosen))
    legal = [one for one in every if all(python_says(text, one) for text in texts)]
    if not legal:
        with pytest.raises(InputError, match=r"never holds|satisfies"):
            Space(chosen, texts)
        return
    space = Space(chosen, texts)
    assert space.count == len(legal)
    points = np.stack([space.point(one) for one in every])
    assert space.contains(points).tolist() == [one in legal for one in every]
    random = np.random.default_rng(0)
    for drawn in (space.sample(30, random), space.walk(30, random)):
        assert all(one in legal for one in space.configurations(drawn))
    start = space.point(legal[-1])
    for near in (space.neighbours(start), space.coupled(start, 10, random)):
        assert all(one in legal for one in space.configurations(near))
    for near in space.neighbours(start):
        assert start.tolist() in space.neighbours(near).tolist()


@settings(max_examples=40, deadline=None)
@given(parameters(), truths(), truths())
def test_a_condition_decides_who_is_there(
    chosen: list[Parameter], condition: str, text: str
) -> None:
    """`a` is there where a condition on the others holds; a constraint on it holds elsewhere."""
    condition = re.sub(r"\ba\b", "1", condition)

    def is_legal(one: dict[str, Any]) -> bool:
        if ("a" in one) != python_says(condition, one):
            return False
        return ("a" not in one and bool(re.search(r"\ba\b", text))) or python_says(text, one)

    every = listed(Space(chosen))
    absent = [{name: value for name, value in one.items() if name != "a"} for one in every]
    every += [one for at, one in enumerate(absent) if one not in absent[:at]]
    legal = [one for one in every if is_legal(one)]
    if not legal:
        with pytest.raises(InputError, match=r"never holds|satisfies"):
            Space(chosen, [text], {"a": condition})
        return
    space = Space(chosen, [text], {"a": condition})
    assert space.count == len(legal)
    points = np.stack([space.point(one) for one in every])
    assert space.contains(points).tolist() == [one in legal for one in every]
    found = space.configurations(space.sample(40, np.random.default_rng(0)))
    assert all(one in legal for one in found)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab12 ()[]+-*/%<>=!&|.,'\"notandrilyuexé\n", max_size=40))
def test_any_text_is_a_constraint_or_an_error_of_input(text: str) -> None:
    try:
        constraint = Constraint.parse(text, {"a": "number", "b": "number", "layout": "category"})
    except InputError:
        return
    columns = {
        "a": np.array([0, 1, 2]),
        "b": np.array([3, 0, 2**40]),
        "layout": np.array(["x", "y", "x"], object),
    }
    assert constraint.holds(columns).shape in ((), (3,))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(PROBLEMS or ["none"]), st.integers(0, 2**32 - 1))
def test_the_evaluator_of_the_data_finds_our_points_feasible(name: str, seed: int) -> None:
    """And we find its draws feasible, of which the curves `random` of the data are made."""
    space, _ = problem(name)
    theirs = evaluator().load(name).space
    ours = [_as_written(one) for one in space.configurations(space.sample(60, _random(seed)))]
    assert theirs.feasible(ours).all()
    drawn = theirs.sample(np.random.RandomState(seed), 60)
    strings = {one.name for one in space.parameters if isinstance(one, Categorical)}
    points = np.stack(
        [space.point({k: str(v) if k in strings else v for k, v in one.items()}) for one in drawn]
    )
    assert space.contains(points).all()


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _as_written(configuration: dict[str, Any]) -> dict[str, Any]:
    """The evaluator takes categories that are numbers as numbers."""
    return {
        name: int(value) if isinstance(value, str) and value.isdigit() else value
        for name, value in configuration.items()
    }
