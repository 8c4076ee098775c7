"""Sizes of streams: equal sizes have one form, and a form keeps the value of what made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.dialects.step_dimension import Dimension, product, symbol

REGULAR = ("e0", "e1")
RAGGED = ("~r0", "~r1")
Values = Mapping[str, int]


@dataclass(frozen=True)
class Written:
    """A size as it was written, beside its value: at one sibling, among all of them."""

    size: Dimension
    value: Callable[[Values, Sequence[Values]], int]


def leaf(name: str) -> Written:
    return Written(Dimension.of(name), lambda at, _: at[name])


def constant(number: int) -> Written:
    return Written(Dimension.of(number), lambda _, __: number)


def added(left: Written, right: Written) -> Written:
    return Written(
        left.size + right.size, lambda at, among: left.value(at, among) + right.value(at, among)
    )


def multiplied(left: Written, right: Written) -> Written:
    return Written(
        left.size * right.size, lambda at, among: left.value(at, among) * right.value(at, among)
    )


def dealt(inner: Written, divisor: int, less: int) -> Written:
    """What consumer `less` of `divisor` gets when units are dealt in turn."""
    less %= divisor
    return Written(
        (inner.size - less).ceil_divide(divisor),
        lambda at, among: -(-(inner.value(at, among) - less) // divisor),
    )


def guarded(inner: Written) -> Written:
    return Written(inner.size.positive(), lambda at, among: int(inner.value(at, among) > 0))


def totalled(inner: Written) -> Written:
    if not inner.size.is_ragged:
        return constant(2)
    return Written(inner.size.total(), lambda _, among: sum(inner.value(at, among) for at in among))


def grown(parts: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
    return st.one_of(
        st.builds(added, parts, parts),
        st.builds(multiplied, parts, parts),
        st.builds(dealt, parts, st.integers(1, 6), st.integers(0, 5)),
        st.builds(guarded, parts),
    )


CONSTANTS = st.integers(0, 7).map(constant)
AT_A_SIBLING = st.recursive(
    st.sampled_from(REGULAR + RAGGED).map(leaf) | CONSTANTS, grown, max_leaves=8
)
AMONG_SIBLINGS = st.recursive(
    st.sampled_from(REGULAR).map(leaf) | CONSTANTS | AT_A_SIBLING.map(totalled),
    grown,
    max_leaves=6,
)
NUMBERS = st.integers(0, 9)


@given(AT_A_SIBLING, st.fixed_dictionaries({name: NUMBERS for name in REGULAR + RAGGED}))
def test_a_size_keeps_its_value(written: Written, values: dict[str, int]) -> None:
    assert written.size.substitute(values).value == written.value(values, ())


@given(
    AMONG_SIBLINGS,
    st.fixed_dictionaries({name: NUMBERS for name in REGULAR}),
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4),
)
def test_a_total_keeps_its_value(
    written: Written, values: dict[str, int], siblings: list[tuple[int, int]]
) -> None:
    among = [{**values, **dict(zip(RAGGED, sizes, strict=True))} for sizes in siblings]
    lists = {name: [at[name] for at in among] for name in RAGGED}
    assert written.size.substitute({**values, **lists}).value == written.value(values, among)


@given(
    AT_A_SIBLING,
    st.fixed_dictionaries({name: NUMBERS for name in REGULAR}),
    st.fixed_dictionaries({name: NUMBERS for name in RAGGED}),
)
def test_substitution_may_go_in_steps(
    written: Written, regular: dict[str, int], ragged: dict[str, int]
) -> None:
    in_steps = written.size.substitute(regular).substitute(ragged)
    assert in_steps == written.size.substitute({**regular, **ragged})


@given(AT_A_SIBLING | AMONG_SIBLINGS)
def test_text_reads_back(written: Written) -> None:
    assert Dimension.of(str(written.size)) == written.size


@given(AMONG_SIBLINGS, AMONG_SIBLINGS, AMONG_SIBLINGS)
def test_sums_and_products_have_one_form(a: Written, b: Written, c: Written) -> None:
    x, y, z = a.size, b.size, c.size
    assert x + y == y + x
    assert x * y == y * x
    assert (x + y) + z == x + (y + z)
    assert x - x == 0
    assert hash(x + y) == hash(y + x)


@given(AT_A_SIBLING | AMONG_SIBLINGS)
def test_guards_are_absorbed(written: Written) -> None:
    guard = written.size.positive()
    assert guard * written.size == written.size
    assert guard * guard == guard
    assert guard.positive() == guard


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ceil(e0, 1)", "e0"),
        ("ceil(8, 3)", "3"),
        ("ceil(4*e0 + e1, 4)", "e0 + ceil(e1, 4)"),
        ("ceil(6*e0, 4)", "e0 + ceil(e0, 2)"),
        ("ceil(e0 + 9, 4)", "ceil(e0 - 3, 4) + 3"),
        ("ceil(ceil(e0, 2) + 1, 3)", "ceil(e0 + 2, 6)"),
        ("ceil(2*e0 + 1, 2)", "e0 + 1"),
        ("positive(e0)*ceil(e0, 4)", "ceil(e0, 4)"),
        ("positive(ceil(e0, 4))", "positive(e0)"),
        ("positive(3*e0*e1*e1)", "positive(e0)*positive(e1)"),
        ("positive(e0 + 1)", "1"),
        ("positive(e0 + 2*e1)*e0", "e0"),
        ("positive(e0 + e1)*positive(e0)", "positive(e0)"),
        ("positive(e0 + e1 + e0*e0)*ceil(e0 + e1, 2)", "ceil(e0 + e1, 2)"),
        ("positive(0)", "0"),
        ("total(2*e0*~r0 + ~r1)", "2*e0*total(~r0) + total(~r1)"),
        ("(e0 + 2)*(e0 - 2)", "e0*e0 - 4"),
    ],
)
def test_equal_sizes_are_equal(one: str, other: str) -> None:
    assert Dimension.of(one) == Dimension.of(other)
    assert str(Dimension.of(one)) == str(Dimension.of(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("e0", "~e0"),
        ("ceil(e0, 4)", "ceil(e0, 8)"),
        ("positive(e0)", "1"),
        ("positive(e0)*e1", "e1"),
        ("positive(e0 + e1)*e0*positive(e1)", "e0"),
        ("ceil(e0 + e1, 2)", "ceil(e0, 2) + ceil(e1, 2)"),
        ("total(~r0*~r1)", "total(~r0)*total(~r1)"),
        ("total(~r0 + 1)", "total(~r0) + 1"),
    ],
)
def test_different_sizes_are_different(one: str, other: str) -> None:
    assert Dimension.of(one) != Dimension.of(other)


def test_packs_of_four_rows() -> None:
    packs = symbol("e0").ceil_divide(4)
    assert str(packs * 3 * symbol("e1") + 2) == "3*ceil(e0, 4)*e1 + 2"
    assert packs.substitute({"e0": 9}).value == 3
    assert packs.substitute({"e0": "4*e1"}) == symbol("e1")
    assert product((2, "e0", packs)) == Dimension.of("2*e0*ceil(e0, 4)")


def test_kinds_of_sizes() -> None:
    size = Dimension.of("e0*ceil(~r0, 2) + total(~r1)")
    assert size.is_ragged
    assert size.symbols == {"e0", "~r0", "~r1"}
    assert not Dimension.of("total(~r0)").is_ragged
    assert Dimension.of("e0 - e0 + 3").is_static
    assert Dimension.of(3) == 3
    assert hash(Dimension.of(3)) == hash(3)


def test_a_total_takes_the_value_of_each_sibling() -> None:
    total = Dimension.of("total(ceil(~r0, 2)*~r1)")
    assert total.substitute({"~r0": [3, 0, 4], "~r1": [1, 5, 2]}).value == 6
    assert total.substitute({str(total): 11}).value == 11
    assert total.substitute({"~r0": "~r5"}) == Dimension.of("total(ceil(~r5, 2)*~r1)")
    assert Dimension.of("total(~r0)").substitute({"~r0": []}).value == 0


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ({"~r0": [1, 2], "~r1": [1]}, "differ in number"),
        ({"~r0": [1, 2]}, "or none"),
        ({"~r0": 2, "~r1": 2}, "equal for all siblings"),
        ({"e0": -1}, "a size is 0 or more"),
        ({"e0": [1]}, "only its total"),
    ],
)
def test_wrong_values_are_refused(mapping: dict[str, int | Sequence[int]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Dimension.of("e0*total(~r0*~r1)").substitute(mapping)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a size, found the end"),
        ("3 *", "a size, found the end"),
        ("e0 e1", "expected the end, found 'e1'"),
        ("ceil(e0)", "expected ','"),
        ("ceil(e0, e1)", "a number to divide by"),
        ("ceil(e0, 0)", "a chunk holds one or more"),
        ("(e0", r"expected '\)'"),
        ("e0 / 2", "cannot read '/ 2'"),
        ("total(e0)", "equal for all siblings"),
        ("~ceil", "cannot name a dimension"),
    ],
)
def test_what_is_no_size_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Dimension.of(text)


@pytest.mark.parametrize("name", ["", "0a", "a b", "ceil", "é", "a-b"])
def test_names_that_cannot_be_read_back_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a dimension"):
        symbol(name)


def test_a_dynamic_size_has_no_value() -> None:
    with pytest.raises(ValueError, match="substitute its symbols first"):
        _ = Dimension.of("e0").value
