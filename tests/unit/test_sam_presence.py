"""Presence formulas and their join trees."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.passes.sam import presence
from headrace.passes.sam.presence import Formula, Join, Presence

RANK = {name: number for number, name in enumerate("abcdef")}
A, B, C, D = (presence.atom(name) for name in "abcd")


def holds(formula: Formula[str], present: frozenset[str]) -> bool:
    return any(term <= present for term in formula)


def visits(tree: Join[str] | str, present: frozenset[str]) -> bool:
    if isinstance(tree, str):
        return tree in present
    parts = [visits(part, present) for part in tree.parts]
    return all(parts) if tree.kind == "intersect" else any(parts)


def leaves(tree: Join[str] | str) -> list[str]:
    if isinstance(tree, str):
        return [tree]
    return [leaf for part in tree.parts for leaf in leaves(part)]


def every_subset() -> list[frozenset[str]]:
    names = list(RANK)
    sizes = range(len(names) + 1)
    return [frozenset(s) for n in sizes for s in itertools.combinations(names, n)]


def test_two_products_that_share_an_operand_read_it_once():
    formula = presence.union([presence.intersect([A, B]), presence.intersect([A, C])])
    assert presence.factor(formula, RANK) == Join("intersect", ("a", Join("union", ("b", "c"))))


def test_a_product_plus_an_operand_is_a_union_over_an_intersection():
    formula = presence.union([presence.intersect([A, B]), C])
    assert presence.factor(formula, RANK) == Join("union", (Join("intersect", ("a", "b")), "c"))


def test_adjacent_joiners_of_one_kind_are_one_joiner():
    formula = presence.union([presence.union([A, B]), presence.union([C, D])])
    assert presence.factor(formula, RANK) == Join("union", ("a", "b", "c", "d"))


def test_an_operand_absorbs_its_union_with_another():
    assert presence.intersect([A, presence.union([A, B])]) == A


def test_a_formula_without_a_form_that_reads_each_operand_once_visits_the_union():
    pairs = [presence.intersect(pair) for pair in ([A, B], [B, C], [C, A])]
    assert presence.factor(presence.union(pairs), RANK) == Join("union", ("a", "b", "c"))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (presence.intersect([A, B]), A, True),
        (A, presence.intersect([A, B]), False),
        (A, presence.union([A, B]), True),
        (presence.union([A, B]), A, False),
    ],
)
def test_implication_of_supports(left: Formula[str], right: Formula[str], expected: bool):
    assert presence.implies(left, right) is expected


formulas = st.recursive(
    st.sampled_from(list(RANK)).map(presence.atom),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(presence.union),
        st.lists(inner, min_size=2, max_size=3).map(presence.intersect),
    ),
    max_leaves=7,
)


@given(formulas)
def test_a_join_tree_visits_at_least_what_its_formula_asks_for(formula: Formula[str]):
    tree = presence.factor(formula, RANK)
    assert sorted(leaves(tree)) == sorted(presence.atoms_of(formula))
    for present in every_subset():
        assert visits(tree, present) or not holds(formula, present)


@given(st.lists(formulas, min_size=1, max_size=3))
def test_combining_formulas_is_boolean_algebra(parts: list[Formula[str]]):
    for present in every_subset():
        values = [holds(part, present) for part in parts]
        assert holds(presence.union(parts), present) == any(values)
        assert holds(presence.intersect(parts), present) == reduce(bool.__and__, values)


@dataclass(frozen=True)
class Sketch:
    """An expression with a value at one coordinate and the presence that a joiner uses."""

    presence: Presence[str]
    value: Callable[[frozenset[str]], int]


def read(name: str) -> Sketch:
    number = 3 + 2 * ord(name)
    return Sketch(Presence(presence.atom(name)), lambda present: number * (name in present))


def product(left: Sketch, right: Sketch) -> Sketch:
    return Sketch(
        presence.both([left.presence, right.presence]), lambda p: left.value(p) * right.value(p)
    )


def total(left: Sketch, right: Sketch) -> Sketch:
    return Sketch(
        presence.either([left.presence, right.presence]), lambda p: left.value(p) + right.value(p)
    )


def scaled(left: Sketch, right: Sketch) -> Sketch:
    """The left operand times a function of the right one that is not 0 at 0."""
    loose = right.presence.everywhere().loose
    where = Presence(left.presence.formula, left.presence.loose | loose)
    return Sketch(where, lambda p: left.value(p) * (1 + right.value(p)))


def carried(tree: Join[str] | str, present: frozenset[str]) -> frozenset[str]:
    """The operands that a join tree hands on at one coordinate."""
    if isinstance(tree, str):
        return present & {tree}
    parts = [carried(part, present) for part in tree.parts]
    if tree.kind == "intersect" and not all(parts):
        return frozenset()
    return frozenset[str]().union(*parts)


sketches = st.recursive(
    st.sampled_from(list(RANK)).map(read),
    lambda inner: st.one_of(
        st.builds(product, inner, inner),
        st.builds(total, inner, inner),
        st.builds(scaled, inner, inner),
    ),
    max_leaves=8,
)


@given(sketches)
def test_joiners_carry_every_operand_that_matters(sketch: Sketch):
    formula, beside = sketch.presence.formula, sketch.presence.beside
    tree = presence.factor(formula, RANK)
    for present in every_subset():
        if visits(tree, present):
            read = carried(tree, present) - beside | present & beside
            assert sketch.value(read) == sketch.value(present)
        else:
            assert sketch.value(present) == 0


def test_an_operand_used_beside_a_product_is_read_on_its_own():
    # cos(a) * (d + a * c): where d is present, a matters without c.
    where = scaled(total(read("d"), product(read("a"), read("c"))), read("a")).presence
    assert where.beside == {"a"}


def test_an_operand_present_wherever_the_row_is_needs_no_joiner_of_its_own():
    where = scaled(product(read("a"), read("c")), read("a")).presence
    assert where.beside == frozenset()
