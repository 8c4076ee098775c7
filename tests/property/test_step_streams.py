"""Properties of `step` streams and of the routing of units, on random nested lists."""

from itertools import chain, pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.interpreters import step_routing as routing
from headrace.interpreters.step_network import Channel, run, stream
from headrace.interpreters.step_shape import flatten
from headrace.interpreters.step_tokens import Stop, decode, encode, fold, unfold
from headrace.tests.step_streams import nested


def lists(rank: int) -> st.SearchStrategy[Any]:
    """Ragged lists, rank + 1 deep, empty ones among them."""
    items = st.integers(0, 9)
    for _ in range(rank + 1):
        items = st.lists(items, max_size=3)
    return items


streams = st.integers(0, 4).flatmap(lambda rank: st.tuples(st.just(rank), lists(rank)))


@settings(max_examples=1000)
@given(streams)
def test_encoding_is_one_to_one(case: tuple[int, Any]) -> None:
    rank, items = case
    tokens = encode(items, rank)
    assert decode(tokens, rank) == items
    assert fold(unfold(tokens, rank)) == tokens


@given(streams)
def test_only_stops_of_empty_lists_are_written_below_another(case: tuple[int, Any]) -> None:
    rank, items = case
    tokens = encode(items, rank)
    for at, (before, after) in enumerate(pairwise(tokens)):
        if isinstance(before, Stop) and after == Stop(before.level + 1):
            # The lower stop ends an empty list, or one whose last item is empty.
            assert at == 0 or isinstance(tokens[at - 1], Stop)


@st.composite
def routed(draw: st.DrawFn, most: int) -> tuple[int, list[Any], list[frozenset[int]], int]:
    """Units of a rank, and a selector of 1 to `most` of n for each."""
    rank = draw(st.integers(0, 2))
    units = draw(lists(rank))
    count = draw(st.integers(most, 4))
    one = st.frozensets(st.integers(0, count - 1), min_size=1, max_size=most)
    return rank, units, [draw(one) for _ in units], count


def through(rank: int, units: list[Any], control: list[frozenset[int]], count: int) -> list[Any]:
    """Partition and Reassemble by the same selectors: for each a list of what was selected."""
    parts = [Channel(str(n)) for n in range(count)]
    result = Channel("result")
    there = routing.partition("there", stream(units, rank), stream(control, 0), parts, rank)
    back = routing.reassemble("back", parts, stream(control, 0), result, rank)
    run({"there": there, "back": back})
    return nested(result, rank + 1)


@given(routed(1))
def test_reassemble_undoes_partition(case: tuple[int, list[Any], Any, int]) -> None:
    rank, units, control, count = case
    back = through(rank, units, control, count)
    flat = Channel()
    run({"flatten": flatten(stream(back, rank + 1), flat, rank, rank + 1)})
    assert nested(flat, rank) == units


@given(routed(3))
def test_a_unit_comes_back_once_for_each_way_it_was_sent(
    case: tuple[int, list[Any], Any, int],
) -> None:
    rank, units, control, count = case
    expected = [[unit] * len(one) for unit, one in zip(units, control, strict=True)]
    assert through(rank, units, control, count) == expected


@st.composite
def arriving(draw: st.DrawFn) -> tuple[list[list[Any]], list[int]]:
    """Units of several sources, and an order in which they arrive."""
    sources = [draw(lists(1)) for _ in range(draw(st.integers(1, 4)))]
    numbers = chain.from_iterable([n] * len(units) for n, units in enumerate(sources))
    return sources, draw(st.permutations(list(numbers)))


@given(arriving())
def test_every_interleaving_is_accepted_and_reported(
    case: tuple[list[list[Any]], list[int]],
) -> None:
    sources, order = case
    data, control = Channel(), Channel()
    inputs = [stream(units, 1) for units in sources]
    run({"merge": routing.eager_merge("merge", inputs, data, control, 1, order)})
    assert nested(control, 0) == [{n} for n in order]
    parts = [Channel() for _ in sources]
    again = stream(nested(data, 1), 1), stream([frozenset({n}) for n in order], 0)
    run({"partition": routing.partition("partition", *again, parts, 1)})
    assert [nested(part, 1) for part in parts] == sources
