"""Primitives make of random streams, empty lists among them, what the interpreter does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace.interpreters import step_compute, step_shape
from headrace.interpreters.step_network import Channel, Process, run, stream
from headrace.interpreters.step_tokens import encode, nested_map
from headrace.simulators.stream.primitives.step_word import BARE, LEVELS, PAYLOAD
from headrace.simulators.stream.program import ProgramBuilder, Stream
from headrace.simulators.stream.simulate import simulate
from headrace.simulators.stream.step_tokens import words
from headrace.tests.step_streams import nested


def lists(rank: int) -> st.SearchStrategy[Any]:
    """Ragged lists of small numbers, rank + 1 deep, empty ones among them."""
    items = st.integers(0, 3)
    for _ in range(rank + 1):
        items = st.lists(items, max_size=3)
    return items


@dataclass(frozen=True)
class Operator:
    """A primitive, and the process of the interpreter that says what it makes of a stream."""

    kind: str
    process: Callable[[Channel, Channel], Process]
    ranks: tuple[int, int]
    """Of the operand and the result."""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])

    def __repr__(self) -> str:
        return f"{self.kind} {self.ranks} {self.parameters}"


def flatten(rank: int, low: int, high: int) -> Operator:
    return Operator(
        "step_flatten",
        lambda source, result: step_shape.flatten(source, result, low, high),
        (rank, rank - high + low),
        {"minimum": low, "maximum": high},
    )


def promote(rank: int, unit: int) -> Operator:
    return Operator(
        "step_promote",
        lambda source, result: step_shape.promote(source, result, unit),
        (rank, rank + 1),
        {"unit": unit},
    )


def promote_outermost(rank: int) -> Operator:
    return Operator(
        "step_promote",
        lambda source, result: step_shape.promote_outermost(source, result, rank),
        (rank, rank + 1),
        {"unit": -1, "levels": rank},
    )


def reshape(rank: int, chunk: int, outer: bool) -> Operator:
    return Operator(
        "step_reshape",
        lambda source, result: step_shape.reshape(
            "here", source, result, Channel(), 0, chunk, outer=outer
        ),
        (rank, rank + 1 + outer),
        {"unit": 0, "chunk": chunk, "outer": int(outer), "levels": rank},
    )


def flat_map(rank: int, fn: str, depth: int, pieces: Callable[[int], list[Any]]) -> Operator:
    return Operator(
        "step_flat_map",
        lambda source, result: step_compute.flat_map("here", [source], result, depth, pieces),
        (rank, rank + depth),
        {"fn": fn},
    )


def repeat(rank: int, factor: int) -> Operator:
    def copies(value: int) -> list[int]:
        return [value] * factor

    return Operator(
        "step_repeat",
        lambda source, result: step_compute.nest("here", [source], result, 1, copies),
        (rank, rank + 1),
        {"factor": factor},
    )


def operators(rank: int) -> st.SearchStrategy[Operator]:
    bounds = [(low, high) for high in range(rank + 1) for low in range(high)]
    return st.sampled_from(
        [
            *(flatten(rank, low, high) for low, high in bounds),
            *(promote(rank, unit) for unit in range(rank + 1)),
            promote_outermost(rank),
            *(reshape(rank, chunk, outer) for chunk in (1, 2, 3) for outer in (False, rank == 0)),
            flat_map(rank, "copies", 0, lambda value: [value] * value),
            flat_map(rank, "range", 1, lambda value: [list(range(value))]),
            *(repeat(rank, factor) for factor in (1, 3)),
        ]
    )


cases = st.integers(0, 3).flatmap(lambda rank: st.tuples(operators(rank), lists(rank)))


def source(builder: ProgramBuilder, items: Any, rank: int) -> Stream:
    tokens = " ".join(map(str, encode(items, rank)[:-1]))
    return builder.node("step_words", words=tuple(words(tokens)))[0]


def recorded(builder: ProgramBuilder, stream: Stream) -> list[int]:
    """The words that the engine sends on a stream."""
    builder.node("step_record", stream, output="y")
    return simulate(builder.build(), {}).outputs["y.words"].tolist()


def simulated(operator: Operator, items: Any) -> list[int]:
    """The words that the engine makes of a stream."""
    builder = ProgramBuilder()
    x = source(builder, items, operator.ranks[0])
    return recorded(builder, builder.node(operator.kind, x, **operator.parameters)[0])


def decoded(stream: list[int], rank: int) -> Any:
    """The lists of a stream, in which a stop may also stand alone behind a lower one."""
    levels: list[list[Any]] = [[] for _ in range(rank + 1)]
    for word in stream:
        if not word & BARE:
            levels[0].append(word >> PAYLOAD)
        stop = word & LEVELS
        opened = [level for level in range(stop) if levels[level]]
        for level in range(min(opened, default=max(0, stop - 1)), stop):
            levels[level + 1].append(levels[level])
            levels[level] = []
    assert not any(levels[:rank]), "a list does not end"
    return levels[rank]


@given(cases)
def test_as_the_interpreter(case: tuple[Operator, Any]) -> None:
    operator, items = case
    result = Channel()
    run({"": operator.process(stream(items, operator.ranks[0]), result)})
    assert decoded(simulated(operator, items), operator.ranks[1]) == nested(
        result, operator.ranks[1]
    )


@given(st.integers(0, 2).flatmap(lambda rank: st.tuples(st.just(rank), lists(rank))), st.data())
def test_buffers_are_replayed_by_units_of_a_reference(
    case: tuple[int, Any], data: st.DataObject
) -> None:
    """The unit is the innermost list, or an element; a buffer may be empty, as a list may."""
    rank, reference = case
    unit = min(rank, 1)
    held: list[list[int]] = []

    def buffer(_: Any) -> list[int]:
        held.append(data.draw(lists(0)))
        return held[-1]

    buffers = nested_map(buffer, reference, rank + 1 - unit)
    turns = iter(held)

    def replay(list_of_one: Any) -> Any:
        content = next(turns)
        return [content] * len(list_of_one) if unit else content

    expected = nested_map(replay, reference, rank + 1 - unit)
    builder = ProgramBuilder()
    [x] = builder.node("step_bufferize", source(builder, buffers, rank - unit + 1), levels=1)
    ref = source(builder, reference, rank)
    [y] = builder.node("step_streamify_by", x, ref, levels=1, unit=unit)
    assert decoded(recorded(builder, y), rank + 1) == expected
