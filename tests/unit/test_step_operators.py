"""
What every operator of `step` makes of tokens, by the rules of its catalogue.

Rules and examples: "Streaming Tensor Programs", ASPLOS 2026, sections 3.1 and 3.2; empty lists are
ours (`interpreters/step_tokens.py`).
"""

from functools import partial
from typing import Any

import numpy as np
import pytest

from headrace.interpreters import step_shape as shape
from headrace.interpreters.step_compute import accumulate, flat_map, nest, scan
from headrace.interpreters.step_network import Channel, Process
from headrace.interpreters.step_sources import (
    cache_addresses,
    expert_addresses,
    filter_last,
    selectors,
)
from headrace.interpreters.step_tokens import decode, encode
from headrace.storage.errors import InputError
from headrace.tests.step_streams import apply, parse, show

WORKED: list[tuple[Any, int, str]] = [
    ([1, 2, 3], 0, "1 2 3 D"),
    ([], 0, "D"),
    ([[[1, 2], [3]], [[4], [5, 6, 7]]], 2, "1 2 S1 3 S2 4 S1 5 6 7 S2 D"),
    ([[1], [], [2, 3]], 1, "1 S1 S1 2 3 S1 D"),
    ([[]], 1, "S1 D"),
    ([], 1, "D"),
    ([[[1]], []], 2, "1 S2 S2 D"),
    ([[[1]], [[]]], 2, "1 S2 S1 S2 D"),
    ([[], [[]], [[], []]], 2, "S2 S1 S2 S1 S1 S2 D"),
    ([[[1], []]], 2, "1 S1 S1 S2 D"),
    ([[[[]]], [[], [[2]]], []], 3, "S1 S3 S2 2 S3 S3 D"),
]


@pytest.mark.parametrize(("nested", "rank", "text"), WORKED)
def test_a_list_and_its_tokens_are_one_to_one(nested: Any, rank: int, text: str) -> None:
    assert show(encode(nested, rank)) == text
    assert decode(parse(text), rank) == nested


@pytest.mark.parametrize(
    ("text", "rank", "message"),
    [
        ("1 S2 D", 1, "stop S2 in a stream of rank 1"),
        ("1 S1 2 D", 1, "not a stream of rank 1"),
        ("1 S1 S2 D", 2, "not a stream of rank 2"),
        ("1 S1", 1, "single D"),
        ("1 D D", 0, "single D"),
    ],
)
def test_tokens_that_are_no_stream_are_refused(text: str, rank: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode(parse(text), rank)


def one(operator: Any, *streams: tuple[str, int]) -> str:
    return apply(operator, *streams)[0]


# Shapes


@pytest.mark.parametrize(
    ("low", "high", "text", "rank", "result"),
    [
        (0, 1, "1 2 S1 3 S2 D", 2, "1 2 3 S1 D"),
        (1, 2, "1 2 S1 3 S2 4 S2 D", 2, "1 2 S1 3 S1 4 S1 D"),
        (0, 2, "1 2 S1 3 S2 4 S2 D", 2, "1 2 3 4 D"),
        (0, 1, "S1 S2 S2 1 S1 S1 S2 D", 2, "S1 S1 1 S1 D"),
        (1, 2, "S2 S1 S2 1 S2 D", 2, "S1 1 S1 D"),
        (1, 1, "1 2 S1 D", 1, "1 2 S1 D"),
    ],
)
def test_flatten_concatenates_lists(low: int, high: int, text: str, rank: int, result: str) -> None:
    assert one(partial(shape.flatten, low=low, high=high), (text, rank)) == result


@pytest.mark.parametrize(
    ("rank", "text", "result"),
    [
        (0, "0 1 S1 2 S1 D", "0 S1 1 S2 2 S2 D"),
        (1, "0 1 S1 2 S1 D", "0 1 S2 2 S2 D"),
        (0, "S1 D", "S2 D"),
        (1, "S1 1 S1 D", "S1 S2 1 S2 D"),
    ],
)
def test_promote_puts_every_unit_into_a_list(rank: int, text: str, result: str) -> None:
    assert one(partial(shape.promote, rank=rank), (text, 1)) == result


@pytest.mark.parametrize(
    ("text", "rank", "result"),
    [("1 2 3 D", 0, "1 2 3 S1 D"), ("D", 0, "D"), ("S1 D", 1, "S1 S2 D"), ("D", 1, "D")],
)
def test_promote_adds_an_outermost_list_to_what_is_not_empty(
    text: str, rank: int, result: str
) -> None:
    assert one(partial(shape.promote_outermost, rank=rank), (text, rank)) == result


@pytest.mark.parametrize(
    ("chunk", "text", "rank", "data", "padding"),
    [
        (
            3,
            "1 2 S1 3 4 5 6 S1 D",
            1,
            "1 2 0 S2 3 4 5 S1 6 0 0 S2 D",
            "0 0 1 S2 0 0 0 S1 0 1 1 S2 D",
        ),
        (4, "D", 0, "D", "D"),
        (2, "1 2 D", 0, "1 2 S1 D", "0 0 S1 D"),
        (2, "S1 1 S1 D", 1, "S2 1 0 S2 D", "S2 0 1 S2 D"),
    ],
)
def test_reshape_of_values_fills_the_last_chunk_of_every_list(
    chunk: int, text: str, rank: int, data: str, padding: str
) -> None:
    reshape = partial(shape.reshape, "reshape", rank=0, chunk=chunk)
    assert apply(reshape, (text, rank), results=2) == [data, padding]


@pytest.mark.parametrize(
    ("text", "result"), [("1 2 3 D", "1 2 S1 3 0 S2 D"), ("1 2 D", "1 2 S2 D"), ("D", "D")]
)
def test_reshape_may_promote(text: str, result: str) -> None:
    reshape = partial(shape.reshape, "op", rank=0, chunk=2, outer=True)
    assert apply(reshape, (text, 0), results=2)[0] == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("0 S1 1 S1 2 S1 3 S2 D", "0 S1 1 S2 2 S1 3 S3 D"),
        ("S2 D", "S3 D"),
        ("S1 S1 S2 D", "S1 S1 S3 D"),
    ],
)
def test_reshape_of_units_makes_lists_of_them(text: str, result: str) -> None:
    reshape = partial(shape.reshape, "reshape", rank=1, chunk=2)
    assert apply(reshape, (text, 2), results=2)[0] == result


def test_a_chunk_of_units_must_be_full() -> None:
    with pytest.raises(InputError, match="op: 1 units of rank 1 are left over"):
        apply(partial(shape.reshape, "op", rank=1, chunk=2), ("1 S1 2 S1 3 S1 D", 1), results=2)


@pytest.mark.parametrize(
    ("rank", "text", "reference", "of_rank", "result"),
    [
        (1, "1 S1 2 S1 D", "0 0 0 S1 0 S1 D", 1, "1 1 1 S1 2 S1 D"),
        (2, "5 S2 D", "0 S1 0 0 S2 D", 2, "5 S1 5 5 S2 D"),
        (1, "5 S2 6 S2 D", "0 0 S2 0 S2 D", 2, "5 5 S2 6 S2 D"),
        (0, "1 2 S1 D", "0 0 S1 D", 1, "1 2 S1 D"),
        (1, "1 S1 2 S1 D", "S1 0 S1 D", 1, "S1 2 S1 D"),
        (2, "5 S2 6 S2 D", "S2 0 S1 S1 S2 D", 2, "S2 6 S1 S1 S2 D"),
        (1, "D", "D", 1, "D"),
    ],
)
def test_expand_gives_a_value_the_shape_of_a_unit(
    rank: int, text: str, reference: str, of_rank: int, result: str
) -> None:
    expand = partial(shape.expand, "op", rank=rank)
    assert one(expand, (text, of_rank), (reference, of_rank)) == result


def test_expand_wants_lists_of_one() -> None:
    with pytest.raises(InputError, match="op: a value comes on the stream where S1 must come"):
        apply(partial(shape.expand, "op", rank=1), ("1 2 S1 D", 1), ("0 0 S1 D", 1))


# Functions


def total(state: Any, *values: Any) -> Any:
    return (state or 0) + sum(values)


def of_one(process: Any, **options: Any) -> Any:
    """A process of one source and one result from one of several sources."""

    def build(source: Channel, result: Channel) -> Process:
        return process("op", [source], result, **options)

    return build


def copies(n: int) -> list[int]:
    return [n] * n


def counted(n: int) -> list[list[int]]:
    return [list(range(n))]


def twice(n: int) -> int:
    return 2 * n


def three(n: int) -> list[int]:
    return [n] * 3


def experts(selector: frozenset[int]) -> list[list[int]]:
    return expert_addresses(selector, 2, 10)


def pair(x: Any, y: Any) -> tuple[Any, Any]:
    return x, y


@pytest.mark.parametrize(
    ("rank", "text", "of_rank", "result"),
    [
        (1, "1 2 S1 3 S2 4 S1 5 6 7 S2 D", 2, "3 3 S1 4 18 S1 D"),
        (2, "1 2 S1 3 S2 4 S1 5 6 7 S2 D", 2, "6 22 D"),
        (1, "S1 1 S1 D", 1, "0 1 D"),
        (2, "S2 S1 S2 D", 2, "0 0 D"),
        (1, "S2 S1 S2 D", 2, "S1 0 S1 D"),
        (1, "D", 1, "D"),
    ],
)
def test_accumulate_folds_units_and_an_empty_list_is_the_initial_value(
    rank: int, text: str, of_rank: int, result: str
) -> None:
    operator = of_one(accumulate, rank=rank, step=total, initial=int)
    assert one(operator, (text, of_rank)) == result


@pytest.mark.parametrize(
    ("rank", "exclusive", "text", "of_rank", "result"),
    [
        (1, False, "1 2 3 S1 4 5 S1 D", 1, "1 3 6 S1 4 9 S1 D"),
        (1, True, "1 2 3 S1 4 5 S1 D", 1, "0 1 3 S1 0 4 S1 D"),
        (2, False, "1 2 S1 3 S2 4 S2 D", 2, "1 3 S1 6 S2 4 S2 D"),
        (1, False, "S1 1 S1 D", 1, "S1 1 S1 D"),
    ],
)
def test_scan_emits_the_state_of_a_fold(
    rank: int, exclusive: bool, text: str, of_rank: int, result: str
) -> None:
    operator = of_one(scan, rank=rank, step=total, initial=int, exclusive=exclusive)
    assert one(operator, (text, of_rank)) == result


@pytest.mark.parametrize(
    ("rank", "function", "text", "result"),
    [
        (0, copies, "1 3 S1 2 S1 D", "1 3 3 3 S1 2 2 S1 D"),
        (1, counted, "2 1 S1 3 S1 D", "0 1 S1 0 S2 0 1 2 S2 D"),
        (0, copies, "0 S1 S1 D", "S1 S1 D"),
        (1, counted, "0 S1 S1 D", "S1 S2 S2 D"),
    ],
)
def test_flat_map_concatenates_what_values_become(
    rank: int, function: Any, text: str, result: str
) -> None:
    assert one(of_one(flat_map, rank=rank, function=function), (text, 1)) == result


@pytest.mark.parametrize(
    ("rank", "function", "text", "result"),
    [
        (0, twice, "1 S1 S1 D", "2 S1 S1 D"),
        (1, three, "1 2 S1 D", "1 1 1 S1 2 2 2 S2 D"),
        (1, copies, "0 S1 S1 D", "S1 S2 S2 D"),
        (2, experts, "{1} S1 D", "12 S1 13 S3 D"),
        (1, filter_last, "3 1 0 S1 D", "{1} {1} {0} S1 {0} S1 S1 S2 D"),
    ],
)
def test_nest_makes_a_list_of_a_value(rank: int, function: Any, text: str, result: str) -> None:
    assert one(of_one(nest, rank=rank, function=function), (text, 1)) == result


def test_values_of_several_streams_meet() -> None:
    def add(x: Channel, y: Channel, result: Channel) -> Process:
        return nest("op", [x, y], result, 0, pair)

    assert one(add, ("1 2 S1 3 S1 D", 1), ("5 6 S1 7 S1 D", 1)) == "(1,5) (2,6) S1 (3,7) S1 D"
    with pytest.raises(InputError, match="op: its streams differ in shape, S1 and a value meet"):
        apply(add, ("1 S1 D", 1), ("1 2 S1 D", 1))


# Sources


def test_selectors_come_from_a_tensor_of_zeros_and_ones() -> None:
    array = np.array([[1, 0, 1], [0, 0, 0]])
    assert selectors("op", array, None) == [{0, 2}, set()]
    with pytest.raises(
        InputError, match=r"op: selector 1 selects 0 of 3, but must select 2: .* 0 \.\. 2"
    ):
        selectors("op", array, 2)
    with pytest.raises(InputError, match="op: the tensor of selectors has numbers"):
        selectors("op", 2 * array, None)


def test_the_cache_of_a_request_is_read_from_its_first_tile() -> None:
    assert cache_addresses(2, 3, 8) == [16, 17, 18]
