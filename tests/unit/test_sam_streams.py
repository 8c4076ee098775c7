"""
The worked streams of the algebra of stops, by rule.

Rules: "The Sparse Abstract Machine", ASPLOS 2023, sections 3 and 4; the mark of hollow stops
(`S1~1`: no fiber here) and the closed algebra of absent tokens are described in
docs/design/streams.md.
"""

import math
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, f64, i64
from xdsl.utils.exceptions import InterpretationError

from headrace.dialects import sam
from headrace.interpreters.sam_nested import decode, encode
from headrace.interpreters.sam_tokens import DONE, format_tokens, parse_tokens
from headrace.storage.errors import InputError
from headrace.tests.sam_operations import (
    Operand,
    accumulate,
    alu,
    bv,
    compressed,
    concat,
    crd,
    evaluate,
    extent,
    gather,
    intersect,
    locate,
    ref,
    run,
    sig,
    store,
    stream,
    union,
    val,
    values,
)

# Tokens and nesting


def test_the_text_form_reads_back() -> None:
    text = "0 2 S0 S1~1 2.5 -1 N R S D"
    assert format_tokens(parse_tokens(text)) == text


def test_a_word_that_is_no_token_is_named() -> None:
    with pytest.raises(InputError, match="'S1x' is not a token"):
        parse_tokens("0 S1x D")


WORKED: list[tuple[Any, int, str]] = [
    (7, 0, "7 D"),
    ([0, 2], 1, "0 2 S0 D"),
    ([], 1, "S0 D"),
    ([[0, 2], [], [3]], 2, "0 2 S0 S0 3 S1 D"),
    ([[], []], 2, "S0 S1 D"),
    ([], 2, "S1~1 D"),
    ([[[3], [], [2]], [], [[1]]], 3, "3 S0 S0 2 S1 S1~1 1 S2 D"),
    ([[]], 3, "S2~1 D"),
    ([], 3, "S2~2 D"),
]


@pytest.mark.parametrize(("nested", "depth", "text"), WORKED)
def test_a_fiber_ends_in_one_stop_and_ends_merge(nested: Any, depth: int, text: str) -> None:
    assert format_tokens(encode(nested, depth)) == text
    assert decode(parse_tokens(text), depth, "here") == nested


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("0 S0", 1),
        ("0 D", 1),
        ("0 S0 S0 D", 1),
        ("0 S1 D", 1),
        ("0 S0 D", 2),
        ("1 S1~1 D", 2),
        ("S1~2 D", 2),
        ("1 2 D", 0),
        ("D", 0),
        ("0 S0 D D", 1),
    ],
)
def test_a_malformed_stream_is_refused(text: str, depth: int) -> None:
    with pytest.raises(InterpretationError, match="here: "):
        decode(parse_tokens(text), depth, "here")


def test_a_stream_without_any_fiber_is_done_at_once() -> None:
    assert decode((DONE,), 2, "here") == []


# Scan, range, locate


def test_two_rows_with_an_empty_fiber_differ_from_one_row_and_none() -> None:
    matrix = compressed([0, 1, 1], [1])
    assert run(sam.ScanOp, ref("0 S0 1 S1 D"), matrix, level=1, axis="z")[0] == "1 S1 S2 D"
    assert run(sam.ScanOp, ref("0 S0 S1 D"), matrix, level=1, axis="z")[0] == "1 S1 S2~1 D"
    assert run(sam.ReduceOp, val("1 S1 S2 D")) == ["1 S0 0 S1 D"]
    assert run(sam.ReduceOp, val("1 S1 S2~1 D")) == ["1 S0 S1 D"]


def test_a_tensor_without_entries_gives_hollow_stops() -> None:
    empty = compressed([0, 0], [])
    assert run(sam.ScanOp, ref("0 D"), empty, level=1, axis="i") == ["S0 D", "S0 D"]
    assert run(sam.ScanOp, ref("S0 D"), empty, level=1, axis="j") == ["S1~1 D", "S1~1 D"]
    assert run(sam.ReduceOp, val("S1~1 D")) == ["S0 D"]


def test_a_reference_outside_the_level_is_an_error() -> None:
    with pytest.raises(InterpretationError, match="reference 2 lies outside the 2 fibers"):
        run(sam.ScanOp, ref("2 D"), compressed([0, 1, 2], [4, 4]), level=1, axis="i")


def test_a_dense_level_of_size_zero_has_empty_fibers() -> None:
    assert run(sam.RangeOp, ref("0 1 S0 D"), extent(0), axis="z") == ["S0 S1 D", "S0 S1 D"]


def test_an_absent_reference_opens_an_empty_range() -> None:
    assert run(sam.RangeOp, ref("N 1 S0 D"), extent(2), axis="z") == ["S0 0 1 S1 D", "S0 2 3 S1 D"]


def test_a_range_below_coordinates_numbers_positions() -> None:
    assert run(sam.RangeOp, crd("1 S0 D"), extent(2), axis="z") == ["0 1 S1 D", "2 3 S1 D"]


def test_locate_adds_the_outer_reference_times_the_extent() -> None:
    located = run(locate, crd("1 S0 0 2 S1 D"), ref("2 5 S0 D"), extent(4))
    assert located == ["9 S0 20 22 S1 D"]


def test_locate_without_outer_references_addresses_the_outermost_level() -> None:
    assert run(sam.LocateOp, crd("1 3 S0 D"), extent(4)) == ["1 3 S0 D"]


def test_locate_below_an_absent_reference_is_absent() -> None:
    located = run(locate, crd("1 3 S0 2 S1 D"), ref("N 0 S0 D"), extent(4))
    assert located == ["N N S0 2 S1 D"]


def test_locate_checks_bounds() -> None:
    with pytest.raises(InterpretationError, match=r"coordinate 4 lies outside 0\.\.3"):
        run(sam.LocateOp, crd("4 S0 D"), extent(4))


# Repeat


def test_a_root_is_repeated_for_each_coordinate() -> None:
    assert run(sam.RepeatOp, ref("0 D"), sig("R R S D", "i")) == ["0 0 S0 D"]


def test_values_are_repeated_like_references() -> None:
    assert run(sam.RepeatOp, val("2.5 S0 D"), sig("R R S D", "ij")) == ["2.5 2.5 S1 D"]


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        ("R S S D", "more signals than tokens"),
        ("D", "more tokens than signals"),
        ("R D", "no stream of signals"),
        ("S0 D", "no stream of signals"),
    ],
)
def test_signals_that_do_not_fit_are_an_error(signals: str, message: str) -> None:
    with pytest.raises(InterpretationError, match=message):
        run(sam.RepeatOp, ref("0 D"), sig(signals, "i"))


# Joins


def test_an_empty_fiber_of_one_operand_is_absent_in_the_union() -> None:
    operands = crd("S0 3 S1 D"), crd("2 9 S0 S1 D"), ref("S0 0 S1 D"), ref("0 1 S0 S1 D")
    assert run(union, *operands) == ["2 9 S0 3 S1 D", "N N S0 0 S1 D", "0 1 S0 N S1 D"]


def test_the_smaller_coordinate_of_the_second_operand_goes_first() -> None:
    operands = crd("5 S0 D"), crd("2 5 S0 D"), ref("0 S0 D"), ref("0 1 S0 D")
    assert run(union, *operands) == ["2 5 S0 D", "N 0 S0 D", "0 1 S0 D"]


def test_a_joiner_carries_values_as_well_as_references() -> None:
    operands = crd("1 S0 D"), crd("2 S0 D"), val("1.5 S0 D"), ref("7 S0 D")
    assert run(union, *operands) == ["1 2 S0 D", "1.5 N S0 D", "N 7 S0 D"]


def test_three_operands_join_like_two_and_one() -> None:
    crds = [crd("0 2 5 S0 D"), crd("2 5 S0 D"), crd("2 4 S0 D")]
    refs = [ref("0 1 2 S0 D"), ref("0 1 S0 D"), ref("0 1 S0 D")]
    assert run(intersect, *crds, *refs) == ["2 S0 D", "1 S0 D", "0 S0 D", "0 S0 D"]
    assert run(union, *crds, *refs) == [
        "0 2 4 5 S0 D",
        "0 1 N 2 S0 D",
        "N 0 N 1 S0 D",
        "N 0 1 N S0 D",
    ]


def test_streams_of_a_joiner_line_up() -> None:
    with pytest.raises(InterpretationError, match="do not line up"):
        run(intersect, crd("0 S0 S1 D"), crd("0 S1 D"), ref("0 S0 S1 D"), ref("0 S1 D"))


def test_coordinates_increase_inside_a_fiber() -> None:
    with pytest.raises(InterpretationError, match="coordinate 1 follows 2 inside a fiber"):
        run(intersect, crd("2 1 S0 D"), ref("0 1 S0 D"))


def test_coordinates_are_never_absent() -> None:
    with pytest.raises(InterpretationError, match="an absent token in a coordinate stream"):
        run(union, crd("N S0 D"), ref("0 S0 D"))


# Arithmetic


def test_operands_are_taken_in_their_order() -> None:
    assert run(alu, val("5 S0 D"), val("2 S0 D"), op="sub") == ["3 S0 D"]
    assert run(alu, val("5 S0 D"), val("2 S0 D"), op="pow") == ["25 S0 D"]
    assert run(alu, val("5 S0 D"), op="rsub", scalar=2.0) == ["-3 S0 D"]
    assert run(alu, val("5 S0 D"), op="rdiv", scalar=2.0) == ["0.4 S0 D"]


@pytest.mark.parametrize("op", ["add", "sub", "mul", "max", "min", "ne"])
def test_an_absent_operand_counts_as_zero(op: str) -> None:
    absent, zero = val("N N S0 D"), val("0 0 S0 D")
    assert run(alu, absent, val("3 N S0 D"), op=op) == run(alu, zero, val("3 0 S0 D"), op=op)


def test_a_value_against_a_stop_is_an_error() -> None:
    with pytest.raises(InterpretationError, match=r"fiber \[\] has 1 and 2 items"):
        run(alu, val("3 S0 D"), val("4 6 S0 D"), op="add")


@pytest.mark.parametrize(
    ("op", "x", "result"),
    [
        ("neg", 2.0, -2.0),
        ("abs", -2.0, 2.0),
        ("exp", 1.0, math.e),
        ("log", math.e, 1.0),
        ("sqrt", 9.0, 3.0),
        ("rsqrt", 4.0, 0.5),
        ("sin", 1.0, math.sin(1.0)),
        ("cos", 1.0, math.cos(1.0)),
        ("tanh", 1.0, math.tanh(1.0)),
        ("sigmoid", 1.0, 1 / (1 + math.exp(-1))),
        ("erf", 0.5, math.erf(0.5)),
    ],
)
def test_unary_functions(op: str, x: float, result: float) -> None:
    (text,) = run(alu, val(f"{x!r} S0 D"), op=op)
    assert float(text.split()[0]) == pytest.approx(result, rel=1e-15)


@pytest.mark.parametrize(
    ("op", "result"),
    [
        ("gt", "0 0 1 S0 D"),
        ("ge", "0 1 1 S0 D"),
        ("lt", "1 0 0 S0 D"),
        ("le", "1 1 0 S0 D"),
        ("eq", "0 1 0 S0 D"),
        ("ne", "1 0 1 S0 D"),
    ],
)
def test_comparisons_give_one_or_zero(op: str, result: str) -> None:
    assert run(alu, val("1 2 3 S0 D"), op=op, scalar=2.0) == [result]


def test_choices() -> None:
    x, m = val("1 2 S0 D"), val("0 5 S0 D")
    assert run(alu, x, m, op="mask", scalar=-math.inf) == ["-inf 2 S0 D"]
    assert run(alu, x, m, op="fill", scalar=-math.inf) == ["1 -inf S0 D"]
    assert run(alu, m, x, val("7 8 S0 D"), op="where") == ["7 2 S0 D"]


def test_division_by_zero_is_that_of_floats() -> None:
    assert run(alu, val("1 -1 0 S0 D"), op="div", scalar=0.0) == ["inf -inf nan S0 D"]


def test_integers_stay_exact() -> None:
    large = stream("val", f"{2**53 + 1} S0 D", element=i64)
    assert run(alu, large, large, op="add") == [f"{2**54 + 2} S0 D"]


# Reduce and accumulate


def test_a_full_reduction_ends_in_one_value() -> None:
    assert run(sam.ReduceOp, val("1 2 3 S0 D")) == ["6 D"]


def test_the_maximum_of_nothing_is_minus_infinity() -> None:
    assert run(sam.ReduceOp, val("-1 S0 S0 -3 -2 S1 D"), op="max") == ["-1 -inf -2 S0 D"]
    assert run(sam.ReduceOp, val("1 S0 S0 3 2 S1 D"), op="min") == ["1 inf 2 S0 D"]


def test_an_accumulator_of_order_three_nests_its_sums() -> None:
    crds = [crd("0 1 S0 D"), crd("4 S0 4 5 S1 D"), crd("2 S1 2 S0 3 S2 D")]
    innermost = crd("7 S2 7 8 S1 9 S3 D")
    results = run(accumulate, *crds, innermost, val("1 S2 10 20 S1 30 S3 D"))
    assert results == ["4 5 S0 D", "2 S0 3 S1 D", "7 8 S1 9 S2 D", "11 20 S1 30 S2 D"]


def test_a_coordinate_without_values_is_not_accumulated() -> None:
    crds = crd("0 S0 D"), crd("4 5 S1 D"), crd("S0 2 S2 D")
    results = run(accumulate, *crds, val("S0 1 S2 D"))
    assert results == ["5 S0 D", "2 S1 D", "1 S1 D"]


def test_an_accumulator_keeps_the_largest() -> None:
    operands = crd("0 1 S0 D"), crd("3 S0 3 S1 D"), val("-5 S0 -2 S1 D")
    assert run(accumulate, *operands, op="max") == ["3 S0 D", "-2 S0 D"]


def tiles(axes: str, *tokens: Any) -> Operand:
    """A stream of tiles; the tokens between them as text."""
    shape = np.shape(tokens[0])
    parsed = [token if np.ndim(token) else parse_tokens(token)[0] for token in tokens]
    return Operand(sam.StreamType("val", TensorType(f64, shape), list(axes)), (*parsed, DONE))


def test_an_accumulated_tile_is_the_sum_of_tiles() -> None:
    one, other = np.eye(2), np.full((2, 2), 3.0)
    operands = crd("0 1 S0 D"), crd("5 S0 5 S1 D"), tiles("ij", one, "S0", other, "S1")
    _, (_, values) = evaluate(accumulate, *operands)
    np.testing.assert_array_equal(values[0], one + other)


def test_tiles_are_multiplied_as_matrices() -> None:
    left, right = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    operands = tiles("i", left, "S0"), tiles("i", right, "S0")
    _, (product,) = evaluate(alu, *operands, op="matmul")
    np.testing.assert_array_equal(product[0], left @ right)


# Droppers


def value_drop(values: str, crds: str, empty: str) -> list[str]:
    return run(sam.ValueDropOp, val(values), crd(crds), empty=empty)


def test_zeros_are_dropped_with_their_coordinates() -> None:
    values, crds = "0 5 S0 0 S0 7 S1 D", "1 2 S0 4 S0 3 S1 D"
    assert value_drop(values, crds, "keep") == ["5 S0 S0 7 S1 D", "2 S0 S0 3 S1 D"]
    assert value_drop(values, crds, "drop") == ["5 S0 7 S1 D", "2 S0 3 S1 D"]


def test_fibers_that_are_not_empty_are_not_dropped() -> None:
    values, crds = "7 S0 8 S0 9 S0 6 S1 D", "0 S0 0 S0 0 S0 0 S1 D"
    assert value_drop(values, crds, "drop") == [values, crds]


def test_where_every_fiber_is_dropped_no_stop_is_left() -> None:
    assert value_drop("0 S0 0 S1 D", "1 S0 2 S1 D", "drop") == ["D", "D"]
    assert run(sam.StopDropOp, crd("S0 S1 D"), mode="empty") == ["D"]


def test_a_run_of_stops_becomes_its_largest() -> None:
    assert run(sam.StopDropOp, crd("4 S0 S2 D"), mode="empty") == ["4 S2 D"]


def test_a_fully_masked_fiber_takes_its_outer_coordinate_along() -> None:
    operands = crd("2 9 S0 D"), crd("1 3 S0 4 5 S1 D"), ref("0 1 S0 2 3 S1 D")
    results = run(sam.MaskOp, *operands, predicate="gt")
    assert results == ["2 S0 D", "3 S1 D", "1 S1 D"]


def test_a_drop_needs_one_fiber_for_each_coordinate() -> None:
    with pytest.raises(InterpretationError, match="do not line up"):
        run(sam.CoordinateDropOp, crd("0 1 S0 D"), crd("3 S1 D"))


# Shapes and bit vectors


def test_chunks_count_the_bits_before_them_in_their_fiber() -> None:
    results = run(sam.BitvectorChunkOp, bv(f"{0b10100011} S0 {0b10000} S1 D"), width=4, size=8)
    assert results == [f"{0b11} {0b1010} S0 0 1 S1 D", "0 2 S0 0 0 S1 D"]


def test_bits_above_empty_words_are_cleared() -> None:
    results = run(sam.BitvectorDropOp, bv(f"{0b111} S0 D"), bv(f"{0b10} S0 S0 1 S1 D"))
    assert results == [f"{0b101} S0 D", "2 S0 1 S1 D"]


# Lanes


@pytest.mark.parametrize("text", ["0 1 2 S0 0 1 2 S1 D", "0 S0 S0 1 2 3 4 S1 D", "S1~1 D", "S0 D"])
@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_a_gather_undoes_the_fork(text: str, lanes: int) -> None:
    *dealt, order = run(sam.ForkOp, ref(text), lanes=lanes)
    axes = "ij"[: 2 if "S1" in text else 1]
    operands = [ref(lane, axes) for lane in (*dealt, order)]
    assert run(gather, *operands) == [text]


def test_a_gather_collects_fibers_that_were_opened_in_the_lanes() -> None:
    matrix = compressed([0, 2, 2, 3], [1, 3, 0])
    *dealt, order = run(sam.ForkOp, ref("0 1 2 S0 2 S1 D"), lanes=2)
    opened = [run(sam.ScanOp, ref(lane), matrix, level=1, axis="k")[0] for lane in dealt]
    assert opened == ["1 3 S0 0 S1 S2~1 D", "S1 0 S2 D"]
    lanes = [crd(lane, "ijk") for lane in opened]
    gathered = run(gather, *lanes, ref(order))
    assert gathered == run(sam.ScanOp, ref("0 1 2 S0 2 S1 D"), matrix, level=1, axis="k")[:1]


def test_a_fiber_goes_to_the_lane_with_the_fewest_entries_so_far() -> None:
    """Fibers of 4, 1, 0 and 2 entries, each counted with its stop; of equal lanes the first."""
    matrix = compressed([0, 4, 5, 5, 7], [0, 1, 2, 3, 0, 1, 2])
    (order,) = run(sam.BalanceOp, ref("0 1 2 S0 3 2 S1 D"), matrix, level=1, among=2)
    assert order == "0 1 1 S0 1 0 S1 D"


def test_an_absent_fiber_is_balanced_as_an_empty_one() -> None:
    matrix = compressed([0, 2, 3], [0, 1, 0])
    (order,) = run(sam.BalanceOp, ref("0 N N N 1 S0 D"), matrix, level=1, among=2)
    assert order == "0 1 1 1 0 S0 D"


def test_streams_are_dealt_as_the_order_says() -> None:
    dealt = run(sam.DealOp, crd("3 5 7 S0 S0 1 S1 D"), ref("1 0 1 S0 S0 0 S1 D"), lanes=2)
    assert dealt == ["5 S0 S0 1 S1 D", "3 7 S0 S0 S1 D"]


def test_an_order_names_lanes_that_exist() -> None:
    with pytest.raises(InterpretationError, match=r"lanes \[2\], but there are 2"):
        run(sam.DealOp, ref("4 S0 D"), ref("2 S0 D"), lanes=2)


def test_lanes_hold_what_the_fork_dealt() -> None:
    with pytest.raises(InterpretationError, match=r"lanes hold \[2, 0\] tokens"):
        run(gather, ref("4 5 S0 D"), ref("S0 D"), ref("0 1 S0 D"))


def test_concatenated_coordinates_are_shifted() -> None:
    streams = crd("0 2 S0 S1 D"), crd("1 S0 0 S1 D")
    results = run(concat, *streams, extent(3), extent(2))
    assert results == ["0 2 4 S0 3 S1 D"]


def test_concatenated_values_are_not() -> None:
    assert run(concat, val("0 2 S0 D"), val("1 S0 D")) == ["0 2 1 S0 D"]


# Streams read like memory


def test_numbers_count_over_the_whole_stream() -> None:
    assert run(sam.NumberOp, crd("4 7 S0 S0 4 S1 D")) == ["0 1 S0 S0 2 S1 D"]


def test_selected_fibers_keep_the_numbers_of_their_coordinates() -> None:
    results = run(sam.SelectFibersOp, ref("1 S0 N 3 S1 D"), crd("7 S0 2 4 S0 S0 9 S1 D", "xy"))
    assert results == ["2 4 S1 S0 9 S2 D", "1 2 S1 S0 3 S2 D"]


def test_selected_values_may_repeat_and_be_absent() -> None:
    results = run(sam.SelectValuesOp, ref("0 N 2 2 S0 D"), val("1.5 2.5 S0 3.5 S1 D", "xy"))
    assert results == ["1.5 0 3.5 3.5 S0 D"]


@pytest.mark.parametrize(
    ("refs", "message"),
    [
        ("1 0 S0 D", "reference 0 follows 1"),
        ("1 1 S0 D", "reference 1 follows 1"),
        ("2 S0 D", "reference 2, but only 2"),
    ],
)
def test_fibers_are_selected_in_order(refs: str, message: str) -> None:
    with pytest.raises(InterpretationError, match=message):
        run(sam.SelectFibersOp, ref(refs), crd("7 S0 2 S1 D", "xy"))


# Writers


@pytest.mark.parametrize(
    ("text", "mode", "segments"),
    [
        ("1 2 S0 S0 4 S1 D", "keep", [0, 2, 2, 3]),
        ("1 2 S0 S0 4 S1 D", "drop", [0, 2, 3]),
        ("S0 6 S0 3 8 S1 D", "keep", [0, 0, 1, 3]),
        ("S0 6 S0 3 8 S1 D", "drop", [0, 1, 3]),
        ("1 S0 S1 S1~1 S1 2 S2 D", "keep", [0, 1, 1, 1, 2]),
        ("1 S0 S1 S1~1 S1 2 S2 D", "drop", [0, 1, 2]),
    ],
)
def test_segments(text: str, mode: str, segments: list[int]) -> None:
    ((written, _),) = run(sam.WriteCoordinatesOp, crd(text), mode=mode)
    assert written.tolist() == segments


def test_the_dense_writer_fills_with_zero() -> None:
    operands = ref("4 S0 0 S1 D"), val("2 S0 3 S1 D"), extent(2), extent(3)
    (written,) = run(store, *operands)
    assert written.tolist() == [3, 0, 0, 0, 2, 0]


def test_an_absent_value_is_not_written() -> None:
    with pytest.raises(InterpretationError, match="an absent token reached a writer"):
        run(sam.WriteValuesOp, val("N S0 D"))


def test_a_reference_outside_the_values_is_an_error() -> None:
    with pytest.raises(InterpretationError, match="reference 3 lies outside the 3 values"):
        run(sam.ArrayOp, ref("3 S0 D"), values([1, 2, 3]))
