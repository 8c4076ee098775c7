"""How operators of `step` route units, and how processes wait for each other."""

from typing import Any

import pytest

from headrace.interpreters import step_routing as routing
from headrace.interpreters import step_shape as shape
from headrace.interpreters.step_compute import nest
from headrace.interpreters.step_network import Channel, Process, run, stream
from headrace.storage.errors import InputError
from headrace.tests.step_streams import apply, nested


def one(operator: Any, *streams: tuple[str, int]) -> str:
    return apply(operator, *streams)[0]


def to_two(function: Any, rank: int) -> Any:
    def build(source: Channel, control: Channel, *results: Channel) -> Process:
        return function("op", source, control, results, rank)

    return build


@pytest.mark.parametrize(
    ("rank", "data", "of_rank", "control", "sel_rank", "results"),
    [
        (0, "10 11 12 13 14 D", 0, "{0} {1} {0,1} {} {1} D", 0, ["10 12 D", "11 12 14 D"]),
        (1, "1 S1 2 3 S2 4 S2 D", 2, "{1} {0} S1 {1} S1 D", 1, ["2 3 S1 D", "1 S1 4 S1 D"]),
        (1, "S1 1 S1 D", 1, "{1} {0} D", 0, ["1 S1 D", "S1 D"]),
        (1, "S2 1 S2 D", 2, "S1 {0} S1 D", 1, ["1 S1 D", "D"]),
        (0, "D", 0, "D", 0, ["D", "D"]),
    ],
)
def test_partition_copies_units_to_what_is_selected(
    rank: int, data: str, of_rank: int, control: str, sel_rank: int, results: list[str]
) -> None:
    operator = to_two(routing.partition, rank)
    assert apply(operator, (data, of_rank), (control, sel_rank), results=2) == results


@pytest.mark.parametrize(
    ("data", "control", "message"),
    [
        ("1 D", "{2} D", "op: a selector selects 2, but there are 2 streams"),
        ("1 2 D", "{0} D", "op: a value comes on the stream where D must come"),
        ("1 D", "{0} {0} D", "op: D comes on the stream before the end of a unit"),
    ],
)
def test_partition_refuses_selectors_that_do_not_fit(data: str, control: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply(to_two(routing.partition, 0), (data, 0), (control, 0), results=2)


def reassembled(
    rank: int, control: tuple[str, int], *inputs: str, arrivals: routing.Arrivals | None = None
) -> str:
    def build(selector: Channel, *channels: Channel) -> Process:
        return routing.reassemble("op", channels[:-1], selector, channels[-1], rank, arrivals)

    return one(build, control, *((text, rank) for text in inputs))


def test_reassemble_takes_whole_units_in_order_of_arrival() -> None:
    inputs = ("W W W S1 Z Z S1 D", "X S1 D", "Y Y S1 D")
    control = ("{0,1} {0,2} D", 0)
    by_number = "W W W S1 X S2 Z Z S1 Y Y S2 D"
    recorded = "W W W S1 X S2 Y Y S1 Z Z S2 D"
    assert reassembled(1, control, *inputs) == by_number
    assert reassembled(1, control, *inputs, arrivals=[0, 1, 2, 0]) == recorded


def test_reassemble_has_an_empty_list_where_nothing_is_selected() -> None:
    assert reassembled(0, ("{0} {} S1 S1 {1} S1 D", 1), "1 D", "2 D") == "1 S1 S1 S2 S2 2 S2 D"


@pytest.mark.parametrize(
    ("control", "arrivals", "message"),
    [
        ("{0,1} D", [0, 0], r"arrive where the selector selects \[0, 1\]"),
        ("{0,1} D", [], r"\[\] arrive"),
        ("{0,1} D", [0, 1, 0], "more units"),
        ("{0} D", None, "a value comes on the stream where D must come"),
    ],
)
def test_reassemble_refuses_a_record_that_does_not_fit(
    control: str, arrivals: routing.Arrivals | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        reassembled(0, (control, 0), "1 D", "2 D", arrivals=arrivals)


def merged(*inputs: str, arrivals: routing.Arrivals | None = None) -> list[str]:
    def build(*channels: Channel) -> Process:
        *sources, data, control = channels
        return routing.eager_merge("op", sources, data, control, 1, arrivals)

    return apply(build, *((text, 1) for text in inputs), results=2)


def test_eager_merge_reports_where_units_come_from() -> None:
    inputs = ("W W W S1 Z Z S1 D", "X S1 D", "S1 D")
    assert merged(*inputs) == ["W W W S1 Z Z S1 X S1 S1 D", "{0} {0} {1} {2} D"]
    assert merged(*inputs, arrivals=[0, 2, 1, 0]) == [
        "W W W S1 S1 X S1 Z Z S1 D",
        "{0} {2} {1} {0} D",
    ]


@pytest.mark.parametrize(
    ("arrivals", "message"),
    [([0, 1, 1], "D comes on the stream before"), ([0], "where D must come"), ([2], "is none")],
)
def test_eager_merge_refuses_a_record_that_does_not_fit(arrivals: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        merged("1 S1 D", "2 S1 D", arrivals=arrivals)


@pytest.mark.parametrize(
    ("rank", "text", "of_rank", "results"),
    [
        (0, "0 1 2 3 4 D", 0, ["0 2 4 D", "1 3 D"]),
        (1, "0 1 S1 2 S1 S1 D", 1, ["0 1 S1 S1 D", "2 S1 D"]),
        (0, "D", 0, ["D", "D"]),
    ],
)
def test_deal_sends_units_in_turn(rank: int, text: str, of_rank: int, results: list[str]) -> None:
    def build(source: Channel, *targets: Channel) -> Process:
        return routing.deal("op", source, targets, rank)

    assert apply(build, (text, of_rank), results=2) == results


def test_broadcast_copies() -> None:
    def build(source: Channel, *targets: Channel) -> Process:
        return routing.broadcast(source, targets)

    assert apply(build, ("1 S1 S1 D", 1), results=2) == ["1 S1 S1 D"] * 2


# Networks


def twice(n: int) -> int:
    return 2 * n


def test_a_cycle_runs_as_far_as_its_initial_values_reach() -> None:
    first, again, out = Channel("first"), Channel("again"), Channel("out")
    control = stream([{0}, {1}, {1}, {1}], 0)
    start = stream([1], 0)
    numbers = Channel("numbers")
    loop = routing.reassemble("loop", [start, again], control, first, 0)
    double = nest("double", [out], numbers, 0, twice)
    keep = routing.partition(
        "keep", numbers, stream([{0}, {0}, {0}, {1}], 0), [again, Channel("end")], 0
    )
    run({"loop": loop, "flat": shape.flatten(first, out, 0, 1), "double": double, "keep": keep})
    assert not any(channel.tokens for channel in (first, out, again, numbers))


def test_a_cycle_without_initial_values_is_a_deadlock() -> None:
    a, b = Channel("a"), Channel("b")
    with pytest.raises(InputError, match="deadlock, since these wait for ever: x for a, y for b"):
        run({"x": shape.promote(a, b, 0), "y": shape.flatten(b, a, 0, 1)})


def test_by_default_a_merge_waits_until_nothing_else_can_run() -> None:
    late, data, control = Channel("late"), Channel("data"), Channel("control")
    merge = routing.eager_merge("merge", [late, stream([1], 0)], data, control, 0)
    run({"merge": merge, "late": nest("late", [stream([0], 0)], late, 0, int)})
    assert nested(data, 0) == [0, 1]
