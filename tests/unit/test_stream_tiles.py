"""Value streams of dense tiles: values as in dense arithmetic, block timing, flat memory."""

from typing import Any

import numpy as np
import pytest

from headrace.simulators.stream import tokens
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot
from headrace.simulators.stream.schedule import Run
from headrace.simulators.stream.simulate import simulate

ROWS, INNER, COLUMNS = 4, 6, 5


def block_matrix(random: Any, rows: int, columns: int, block: tuple[int, int]) -> dict[str, Any]:
    """A random blocked matrix in CSR order, and the same dense."""
    stored = random.random((rows, columns)) < 0.4
    values = random.standard_normal((int(stored.sum()), *block))
    tiles = np.zeros((rows, columns, *block))
    tiles[stored] = values
    return {
        "segments": np.concatenate([[0], np.cumsum(stored.sum(axis=1))]),
        "coordinates": np.nonzero(stored)[1],
        "values": values,
        "dense": tiles.transpose(0, 2, 1, 3).reshape(rows * block[0], columns * block[1]),
    }


def product(order: int, extent: int) -> Program:
    """X = B C by rows (accumulator of order 1), or by outer products (order 2)."""
    builder = ProgramBuilder()

    def scan(ref: Any, tensor: str) -> Any:
        return builder.node(
            "scan_compressed",
            ref,
            segments=Slot(f"{tensor}.segments"),
            coordinates=Slot(f"{tensor}.coordinates"),
        )

    outer, ref = builder.node("scan_dense", *builder.node("root"), extent=extent)
    middle, left = scan(ref, "B")
    inner, right = scan(
        middle
        if order == 1
        else builder.node("repeat", ref, builder.node("repeat_signal", left)[0])[0],
        "C",
    )
    (signal,) = builder.node("repeat_signal", right)
    (repeated,) = builder.node("repeat", left, signal)
    (b,) = builder.node("array", repeated, values=Slot("B.values"), rows=ROWS, columns=INNER)
    (c,) = builder.node("array", right, values=Slot("C.values"), rows=INNER, columns=COLUMNS)
    tile: dict[str, Any] = {"rows": ROWS, "columns": COLUMNS}
    (val,) = builder.node("alu", b, c, op="matmul", inner=INNER, **tile)
    if order == 1:
        inner, val = builder.node("accumulate", middle, inner, val, **tile)
    else:
        middle, inner, val = builder.node("accumulate", outer, middle, inner, val, **tile)
        builder.node("write_coordinates", middle, output="X.0")
    builder.node("write_coordinates", inner, output="X.1")
    builder.node("write_values", val, output="X", **tile)
    return builder.build()


@pytest.mark.parametrize("depth", [None, 4])
def test_rows_of_tiles_add_up_behind_an_accumulator(depth: int | None) -> None:
    random = np.random.default_rng(1)
    b = block_matrix(random, 7, 9, (ROWS, INNER))
    c = block_matrix(random, 9, 8, (INNER, COLUMNS))
    arrays = {f"B.{k}": v for k, v in b.items()} | {f"C.{k}": v for k, v in c.items()}
    result = simulate(product(1, 7), arrays, depth=depth)
    found = np.zeros((7, 8, ROWS, COLUMNS))
    rows = np.repeat(np.arange(7), np.diff(result.outputs["X.1.segments"]))
    found[rows, result.outputs["X.1.coordinates"]] = result.outputs["X.values"].reshape(
        -1, ROWS, COLUMNS
    )
    dense = found.transpose(0, 2, 1, 3).reshape(7 * ROWS, 8 * COLUMNS)
    np.testing.assert_allclose(dense, b["dense"] @ c["dense"], atol=1e-12)


def test_outer_products_of_tiles_add_up_in_an_accumulator_of_order_two() -> None:
    random = np.random.default_rng(2)
    b = block_matrix(random, 6, 5, (ROWS, INNER))
    c = block_matrix(random, 6, 70, (INNER, COLUMNS))
    arrays = {f"B.{k}": v for k, v in b.items()} | {f"C.{k}": v for k, v in c.items()}
    result = simulate(product(2, 6), arrays)
    found = np.zeros((5, 70, ROWS, COLUMNS))
    rows = np.repeat(result.outputs["X.0.coordinates"], np.diff(result.outputs["X.1.segments"]))
    found[rows, result.outputs["X.1.coordinates"]] = result.outputs["X.values"].reshape(
        -1, ROWS, COLUMNS
    )
    left = b["dense"].reshape(6, ROWS, 5, INNER)
    right = c["dense"].reshape(6, INNER, 70, COLUMNS)
    np.testing.assert_allclose(found, np.einsum("kaib,kbjc->ijac", left, right), atol=1e-12)


def run_stream(kinds: list[tuple[str, dict[str, Any]]], refs: str, values: Any) -> Any:
    """A stream of references to tiles through some nodes; the words that come out."""
    builder = ProgramBuilder()
    (stream,) = builder.node("source", tokens=Slot("refs"))
    for kind, parameters in kinds:
        (stream,) = builder.node(kind, stream, rows=2, columns=2, **parameters)
    builder.node("write_values", stream, output="X", rows=2, columns=2)
    arrays = {"refs": np.array(tokens.parse(refs)), "values": values}
    return simulate(builder.build(), arrays)


def test_reduce_adds_tiles_and_an_empty_fiber_is_zero() -> None:
    values = np.arange(12.0).reshape(3, 2, 2)
    result = run_stream(
        [("array", {"values": Slot("values")}), ("reduce", {})], "0 2 S0 S0 1 S1 D", values
    )
    expected = [values[0] + values[2], np.zeros((2, 2)), values[1]]
    np.testing.assert_array_equal(result.outputs["X.values"].reshape(3, 2, 2), expected)


def test_absent_tile_is_zero() -> None:
    values = np.ones((1, 2, 2))
    steps = [("array", {"values": Slot("values")}), ("alu", {"op": "add", "scalar": 2.0})]
    result = run_stream(steps, "N 0 S0 D", values)
    np.testing.assert_array_equal(result.outputs["X.values"], [2.0] * 4 + [3.0] * 4)


def test_latency_and_interval_of_a_tile_operation() -> None:
    """
    Tile k leaves the array at 2 + k. The ALU takes it when its interval of 4 is over and sends
    it 10 cycles later: at 12, 16, 20; then the writer needs one cycle for the last, one for D.
    """
    values = np.ones((3, 2, 2))
    steps = [
        ("array", {"values": Slot("values")}),
        ("alu", {"op": "exp", "latency": 10, "interval": 4}),
    ]
    assert run_stream(steps, "0 1 2 D", values).cycles == 20 + 1 + 1


def test_every_tile_takes_its_interval_and_every_control_token_a_cycle() -> None:
    """
    References come at 1, 2; tiles leave the array at 4 and 7, its stop, taken at 7, at 8. The
    reduction takes tiles at 4 and 8, the stop at 12, so that the sum comes at 13; then as above.
    """
    values = np.ones((2, 2, 2))
    steps = [
        ("array", {"values": Slot("values"), "latency": 3, "interval": 3}),
        ("reduce", {"interval": 4}),
    ]
    result = run_stream(steps, "0 1 S0 D", values)
    np.testing.assert_array_equal(result.outputs["X.values"], [2.0] * 4)
    assert result.cycles == 13 + 1 + 1


SHAPES = {"full": (2, 3), "row": (1, 3), "column": (2, 1), "one": (1, 1)}


@pytest.mark.parametrize("left", SHAPES)
@pytest.mark.parametrize("right", SHAPES)
def test_tiles_of_one_row_or_column_are_repeated(left: str, right: str) -> None:
    random = np.random.default_rng(0)
    shapes = [SHAPES[left], SHAPES[right]]
    rows, columns = np.broadcast_shapes(*shapes)
    builder = ProgramBuilder()
    operands: list[Any] = []
    arrays: dict[str, Any] = {"refs": np.array(tokens.parse("0 N 1 S0 D"))}
    bits = 0
    for number, (height, width) in enumerate(shapes):
        arrays[f"values{number}"] = random.random((2, height, width))
        (refs,) = builder.node("source", tokens=Slot("refs"))
        operands += builder.node(
            "array", refs, values=Slot(f"values{number}"), rows=height, columns=width
        )
        bits |= (int(height < rows) | 2 * int(width < columns)) << 2 * number
    (result,) = builder.node("alu", *operands, op="sub", rows=rows, columns=columns, broadcast=bits)
    builder.node("write_values", result, output="X", rows=rows, columns=columns)
    found = simulate(builder.build(), arrays).outputs["X.values"].reshape(3, rows, columns)
    for entry, place in ((0, 0), (1, 2)):
        expected = arrays["values0"][entry] - arrays["values1"][entry]
        np.testing.assert_array_equal(found[place], expected)
    np.testing.assert_array_equal(found[1], np.zeros((rows, columns)))


@pytest.mark.parametrize("op", ["add", "max", "min"])
def test_rows_and_columns_are_folded_and_tiles_transposed(op: str) -> None:
    value = np.random.default_rng(0).standard_normal((1, 3, 4))
    function = {"add": np.sum, "max": np.max, "min": np.min}[op]
    for kind, shape, inner, expected in (
        (f"row_{op}", (3, 1), 4, function(value[0], axis=1)),
        (f"column_{op}", (1, 4), 3, function(value[0], axis=0)),
        ("transpose", (4, 3), 0, value[0].T),
    ):
        builder = ProgramBuilder()
        (refs,) = builder.node("source", tokens=Slot("refs"))
        (tile,) = builder.node("array", refs, values=Slot("values"), rows=3, columns=4)
        rows, columns = shape
        (out,) = builder.node("alu", tile, op=kind, rows=rows, columns=columns, inner=inner)
        builder.node("write_values", out, output="X", rows=rows, columns=columns)
        arrays = {"refs": np.array(tokens.parse("0 D")), "values": value}
        found = simulate(builder.build(), arrays).outputs["X.values"]
        np.testing.assert_allclose(found, expected.reshape(-1), rtol=1e-14)


def test_tiles_are_collected() -> None:
    """100,000 tiles pass, but only those that channels hold at a time need memory."""
    builder = ProgramBuilder()
    (stream,) = builder.node("source", tokens=Slot("refs"))
    (stream,) = builder.node("array", stream, values=Slot("values"), rows=4, columns=4)
    (stream,) = builder.node("alu", stream, op="neg", rows=4, columns=4)
    (stream,) = builder.node("reduce", stream, rows=4, columns=4)
    builder.node("write_values", stream, output="X", rows=4, columns=4)
    refs = np.append(np.zeros(100_000, dtype=np.int64), [tokens.stop(0), tokens.DONE])
    arrays = {"refs": refs, "values": np.ones((1, 4, 4))}
    run = Run(builder.build(), arrays, 8, None)
    run.run()
    assert run.arena is not None
    assert len(run.arena.data) < 16 * 2_000
    node = list(run.program.kinds).index("write_values")
    np.testing.assert_array_equal(run.bound[node, "values"].view(np.float64)[:16], [-1e5] * 16)
