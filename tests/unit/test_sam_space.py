"""Where the coordinates of an axis come from, as the verifier of stream graphs knows it."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.parser import Parser
from xdsl.utils.exceptions import VerifyException

from headrace.cli.driver import make_context
from headrace.dialects import sam_presence
from headrace.dialects.sam_presence import FULL, NONE, Atoms, Presence

NAMES = "abcde"

Tree = str | tuple[str, list["Tree"]]
T = TypeVar("T")


def evaluated(
    tree: Tree,
    leaf: Callable[[str], T],
    both: Callable[[Iterable[T]], T],
    either: Callable[[Iterable[T]], T],
) -> T:
    if isinstance(tree, str):
        return leaf(tree)
    kind, parts = tree
    join = both if kind == "and" else either
    return join([evaluated(part, leaf, both, either) for part in parts])


def table(tree: Tree) -> list[bool]:
    """The tree at every choice of the sets that have a coordinate."""
    choices = (dict(zip(NAMES, bits, strict=True)) for bits in product((False, True), repeat=5))
    return [evaluated(tree, choice.__getitem__, all, any) for choice in choices]


def function(atoms: Atoms, tree: Tree) -> Presence:
    return evaluated(
        tree, lambda name: atoms.atom(name, name), atoms.conjunction, atoms.disjunction
    )


def joins(parts: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.tuples(st.sampled_from(["and", "or"]), st.lists(parts, min_size=1, max_size=3))


trees: st.SearchStrategy[Tree] = st.recursive(st.sampled_from(NAMES), joins, max_leaves=8)


@given(trees, trees)
def test_functions_are_equal_exactly_if_they_hold_at_the_same_coordinates(one: Tree, other: Tree):
    atoms = Atoms()
    assert (function(atoms, one) == function(atoms, other)) == (table(one) == table(other))


def test_every_coordinate_is_neutral_in_an_intersection_and_wins_in_a_union():
    atoms = Atoms()
    a = atoms.atom("a", "a")
    assert atoms.conjunction([FULL, a]) == a == atoms.disjunction([NONE, a])
    assert atoms.disjunction([FULL, a]) == FULL


def test_a_product_of_sums_needs_as_many_nodes_as_it_has_operands():
    atoms = Atoms()
    sums = [
        atoms.disjunction([atoms.atom("left", n, 0), atoms.atom("right", n, 1)]) for n in range(100)
    ]
    before = len(atoms.nodes)
    atoms.conjunction(sums)
    assert len(atoms.nodes) - before <= 200


def test_a_function_is_described_by_all_that_decides_it():
    atoms = Atoms()
    a, b, c = (atoms.atom(name, name) for name in "abc")
    absorbed = atoms.disjunction([a, atoms.conjunction([a, b]), c])
    assert atoms.describe(absorbed) == "the coordinates of a and c"


MISALIGNED = """
!S = tensor<4xf64, #sparse_tensor.encoding<{ map = (i) -> (i : compressed) }>>
%a, %b = "test.op"() : () -> (!S, !S)
sam.graph(%a, %b) : (!S, !S) -> () {
^bb0(%s: !S, %t: !S):
  %root = sam.root
  %i, %ri = sam.scan %root, %s level 0 axis i : !sam.stream<ref, index, []>, !S
  %j, %rj = sam.scan %root, %t level 0 axis i : !sam.stream<ref, index, []>, !S
  %v = sam.array %ri, %s : !sam.stream<ref, index, [i]>, !S
  %w = sam.array %rj, %t : !sam.stream<ref, index, [i]>, !S
  %x = sam.alu %v, %w op mul : !sam.stream<val, f64, [i]>, !sam.stream<val, f64, [i]>
  sam.yield
}
"""


def test_graphs_past_the_limit_are_not_refused(monkeypatch: pytest.MonkeyPatch):
    module = Parser(make_context(), MISALIGNED).parse_module()
    with pytest.raises(VerifyException, match="zips streams that do not line up"):
        module.verify()
    monkeypatch.setattr(sam_presence, "LIMIT", 3)
    module.verify()
