"""Presence formulas and their join trees."""

import itertools
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.passes.sam import presence
from headrace.passes.sam.presence import Formula, Join

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
