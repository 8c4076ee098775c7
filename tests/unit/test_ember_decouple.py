"""`ember-decouple` computes what the nest computes, bit for bit, and sends the fewest words."""

import itertools
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.utils.exceptions import PassFailedException

from headrace.dialects import slc
from headrace.interpreters import dlc
from headrace.passes.ember.fewest_words import fewest
from headrace.tests.ember_nests import NESTS, Draw, function, lowered, parse, values
from headrace.tests.ember_random import random_nest

LEVELS = ["ember-decouple", "ember-decouple,ember-to-dlc"]


@pytest.mark.parametrize("pipeline", LEVELS)
@pytest.mark.parametrize("name", NESTS)
def test_values_are_those_of_the_nest(name: str, pipeline: str) -> None:
    text, arrays = NESTS[name]
    nest, decoupled = parse(text), lowered(text, pipeline)
    for seed in range(6):
        given = arrays(Draw(seed))
        for expected, found in zip(values(nest, given), values(decoupled, given), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "loops", "callbacks"),
    [
        ("embedding_bag", 3, [3]),
        ("sparse_matmul", 3, [4]),
        ("message_passing", 4, [2, 2, 0, 1]),
        ("edge_list", 2, [4]),
        ("knowledge_graph", 2, [4]),
        ("block_gather", 3, [3]),
        ("mean_of_lengths", 3, [3, 2]),
        ("padded_maximum", 3, [4]),
    ],
)
def test_callbacks_read_only_what_they_use(name: str, loops: int, callbacks: list[int]) -> None:
    """Level 0 of the table of traffic: words of each callback, in the order of the traversal."""
    module = lowered(NESTS[name][0], "ember-decouple")
    ops = list(module.walk())
    assert sum(isinstance(op, slc.ForOp) for op in ops) == loops
    assert [len(op.inputs) for op in ops if isinstance(op, slc.CallbackOp)] == callbacks


@pytest.mark.parametrize("element", ["f32", "f64"])
def test_embedding_bag_has_four_loads_and_one_sum(element: str) -> None:
    """D1: offsets twice, an index and a row; bag, column and value are sent, the result is not."""
    text = NESTS["embedding_bag"][0].replace("f32", element)
    ops = list(lowered(text, "ember-decouple").walk())
    loads = [op.memref.name_hint for op in ops if isinstance(op, slc.LoadOp)]
    assert loads == ["offsets", "offsets", "indices", "table"]
    assert sum(isinstance(op, slc.ArithmeticOperation) for op in ops) == 1
    (callback,) = (op for op in ops if isinstance(op, slc.CallbackOp))
    assert [value.name_hint for value in callback.inputs] == ["b", "e", "value"]


def test_lengths_and_offsets_give_one_program_but_for_the_bounds() -> None:
    """D12: the same tokens and words."""
    lengths = np.array([2, 0, 1])
    text = NESTS["embedding_bag"][0]
    by_offsets = lowered(text, "ember-decouple,ember-to-dlc")
    sums = text.replace("offsets", "lengths").replace(
        "scf.for %b = %c0 to %bags step %c1 {",
        "%n = scf.for %b = %c0 to %bags step %c1 iter_args(%lo = %c0) -> (index) {",
    )
    sums = sums.replace("%lo = arith.index_cast %first", "%length = arith.index_cast %first")
    head, _, tail = sums.partition("    %next = ")
    tail = tail.partition("i64 to index\n")[2].replace(
        "    }\n  }\n  func", "    }\n    scf.yield %hi : index\n  }\n  func"
    )
    by_lengths = lowered(
        head + "    %hi = arith.addi %lo, %length : index\n" + tail, "ember-decouple,ember-to-dlc"
    )
    draw = Draw(0)
    indices, table = np.array([4, 0, 4]), draw.floats(5, 3)
    traffic = []
    for module, bounds in ((by_offsets, np.array([0, 2, 2, 3])), (by_lengths, lengths)):
        out = draw.zeros(3, 3)
        traffic.append(dlc.run_function(function(module), [bounds, indices, table, out]))
        np.testing.assert_array_equal(out, [table[4] + table[0], np.zeros(3), table[4]])
    assert traffic[0] == traffic[1]
    assert (traffic[0].tokens, traffic[0].words) == (3 * 3 + 1, 3 * 3 * 3)


def test_a_sum_that_is_used_before_its_length_stays_with_the_core() -> None:
    """The access unit has not read the length when it needs what it has summed so far."""
    text = """
    func.func @f(%lengths: memref<3xindex>, %table: memref<9xf64>, %out: memref<9xf64>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %c3 = arith.constant 3 : index
      %all = scf.for %i = %c0 to %c3 step %c1 iter_args(%first = %c2) -> (index) {
        scf.for %p = %c0 to %c2 step %c1 {
          %v = memref.load %table[%p] : memref<9xf64>
          memref.store %v, %out[%first] : memref<9xf64>
        }
        %length = memref.load %lengths[%i] : memref<3xindex>
        %last = arith.addi %first, %length : index
        scf.yield %last : index
      }
      func.return
    }
    """
    arrays = [np.array([3, 1, 2]), np.arange(9.0), np.zeros(9)]
    for pipeline in LEVELS:
        found = values(lowered(text, pipeline), arrays)[2]
        np.testing.assert_array_equal(found, values(parse(text), arrays)[2])
    assert not any(isinstance(op, slc.AccumulateOp) for op in lowered(text, LEVELS[0]).walk())


def test_an_address_is_sent_in_place_of_what_it_is_made_of() -> None:
    """The row of a block's copy is one word, not the block and the row in it."""
    (callback,) = (
        op
        for op in lowered(NESTS["block_gather"][0], "ember-decouple").walk()
        if isinstance(op, slc.CallbackOp)
    )
    assert isinstance(callback.inputs[0].owner, slc.AddOp)


GRAPHS = st.integers(1, 7).flatmap(
    lambda count: st.tuples(
        *(
            st.sets(st.integers(0, max(node - 1, 0)), max_size=2 if node else 0)
            for node in range(count)
        )
    )
)


@settings(max_examples=100, deadline=None)
@given(GRAPHS, st.data())
def test_no_smaller_set_of_words_suffices(parts: Sequence[set[int]], data: st.DataObject) -> None:
    """Against all sets: `parts[n]` are the nodes of which node n is computed."""
    nodes = [str(node) for node in range(len(parts))]
    made_of = {str(node): [str(part) for part in sorted(parts[node])] for node in range(len(parts))}
    needed = data.draw(st.lists(st.sampled_from(nodes), unique=True, min_size=1))

    def suffices(sent: set[str]) -> bool:
        known: set[str] = set()
        for node in nodes:
            if node in sent or (made_of[node] and known.issuperset(made_of[node])):
                known.add(node)
        return known.issuperset(needed)

    found = set(fewest(needed, made_of.__getitem__))
    assert suffices(found)
    smaller = itertools.chain.from_iterable(
        itertools.combinations(nodes, size) for size in range(len(found))
    )
    assert not any(suffices(set(sent)) for sent in smaller)


def test_a_module_without_nests_is_refused() -> None:
    with pytest.raises(PassFailedException, match="ember-decouple: the module has no function"):
        lowered("func.func @f() { func.return }", "ember-decouple")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 20))
def test_random_nests_keep_their_values(seed: int) -> None:
    """Also counted; nests of which no loop moves say so."""
    text = random_nest(seed)
    random = np.random.default_rng(seed)
    arrays = [random.integers(0, 4, 4), random.standard_normal((4, 4)), np.zeros(4), np.zeros(4)]
    expected = values(parse(text), arrays)
    for pipeline in [*LEVELS, "ember-decouple,ember-align,ember-to-dlc"]:
        try:
            module = lowered(text, pipeline)
        except PassFailedException as refusal:
            if re.search("stays on the core|no function with an scf.for", str(refusal)):
                return
            raise
        for found, wanted in zip(values(module, arrays), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
