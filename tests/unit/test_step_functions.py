"""What the functions of `step` compute on tiles, and what they do with padding."""

from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import IndexType, f32, f64

from headrace.dialects.step_functions import ACCUMULATORS, MAPS, SCANS
from headrace.dialects.step_types import TileType
from headrace.interpreters.step_functions import (
    BINARY,
    SCALAR,
    UNARY,
    fold_function,
    initial_value,
    map_function,
    split_columns,
    split_rows,
)
from headrace.interpreters.step_values import Tile, padding_like
from headrace.storage.errors import InputError


def tile(rows: Any, valid_rows: int | None = None) -> Tile:
    array = np.array(rows, np.float64)
    return Tile.masked(array, len(array) if valid_rows is None else valid_rows)


def parts(x: Tile) -> tuple[Any, int]:
    return x.array.tolist(), x.valid_rows


def compute(name: str, *values: Any, scalar: float | None = None) -> Any:
    return map_function("op", name, scalar)(*values)


def test_padding_is_zero_whatever_was_there() -> None:
    assert parts(tile([[1, 2], [3, 4]], 1)) == ([[1, 2], [0, 0]], 1)
    assert parts(compute("exp", tile([[0, 0], [0, 0]], 1))) == ([[1, 1], [0, 0]], 1)


@pytest.mark.parametrize(
    ("name", "scalar", "x", "result"),
    [
        ("silu", None, [[0, 1]], [[0, 0.7310585786300049]]),
        ("gelu", None, [[0, 1]], [[0, 0.8413447460685429]]),
        ("gelu_tanh", None, [[0, 1]], [[0, 0.8411919906082768]]),
        ("relu", None, [[-1, 1]], [[0, 1]]),
        ("reciprocal", None, [[2, 4]], [[0.5, 0.25]]),
        ("negate", None, [[2, -4]], [[-2, 4]]),
        ("scale", 0.5, [[2, 4]], [[1, 2]]),
        ("shift", -1.0, [[2, 4]], [[1, 3]]),
        ("row_sum", None, [[1, 2], [3, 4]], [[3], [7]]),
        ("row_max", None, [[1, 2], [-3, -4]], [[2], [-3]]),
        ("rotate_half", None, [[1, 2, 3, 4]], [[-3, -4, 1, 2]]),
        ("top_columns", 2.0, [[1, 3, 2], [5, 5, 5]], [[0, 1, 1], [1, 1, 0]]),
        ("transpose", None, [[1, 2], [3, 4]], [[1, 3], [2, 4]]),
    ],
)
def test_functions_of_one_tile(name: str, scalar: float | None, x: Any, result: Any) -> None:
    assert np.allclose(compute(name, tile(x), scalar=scalar).array, result)


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("sub", [[0, -1], [2, 1]]),
        ("greater", [[0, 0], [1, 1]]),
        ("greater_equal", [[1, 0], [1, 1]]),
        ("minimum", [[1, 1], [1, 2]]),
    ],
)
def test_one_column_is_repeated(name: str, result: Any) -> None:
    x, y = tile([[1, 1], [3, 3]]), tile([[1, 2]])
    assert compute(name, x, y).array.tolist() == result


def test_products_of_matrices() -> None:
    x, y = tile([[1, 2], [3, 4]]), tile([[5, 6], [7, 8]])
    assert parts(compute("matmul", x, y)) == ([[19, 22], [43, 50]], 2)
    assert parts(compute("matmul_transposed", tile([[1, 2], [3, 4]], 1), y)) == (
        [[17, 23], [0, 0]],
        1,
    )


def test_a_map_keeps_the_padding_of_its_first_operand_that_is_not_repeated() -> None:
    taller, row = tile([[1, 2], [3, 4]], valid_rows=1), tile([[10, 20]])
    assert parts(compute("add", row, taller)) == ([[11, 22], [0, 0]], 1)
    assert parts(compute("mul", tile([[1, 2], [3, 4]]), taller)) == ([[1, 4], [0, 0]], 2)


def test_a_selector_is_the_columns_that_are_not_0() -> None:
    assert compute("to_selector", tile([[0, 1, 2]])) == {1, 2}
    assert compute("to_selector", tile([[0, 0, 0]])) == frozenset()
    with pytest.raises(InputError, match="op: a row selects 2 columns, not 1"):
        compute("to_selector", tile([[0, 1, 2]]), scalar=1.0)


def test_columns_are_masked() -> None:
    x = tile([[1, 2, 3]])
    assert compute("mask_columns", x, 1).array.tolist() == [[1, -np.inf, -np.inf]]
    assert compute("mask_columns", x, 2, scalar=0.0).array.tolist() == [[1, 2, 0]]
    with pytest.raises(InputError, match="op: a tile of shape"):
        compute("mask_columns", x, 4)


def test_a_row_is_appended_behind_the_valid_ones() -> None:
    cut = compute("set_offset", tile([[1, 2], [3, 4], [5, 6]]), 1)
    assert parts(compute("row_append", cut, tile([[7, 8]]))) == ([[1, 2], [7, 8], [0, 0]], 2)
    with pytest.raises(InputError, match="op: all 1 rows are in use"):
        compute("row_append", tile([[1, 2]]), tile([[7, 8]]))
    with pytest.raises(InputError, match="op: 2 rows of a tile of shape"):
        compute("set_offset", tile([[1, 2]]), 2)


def test_the_last_tile_of_a_request_is_written() -> None:
    assert compute("cache_write_address", 2, 3, scalar=8.0) == 18


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("add", [[4, 4], [1, 2]]),
        ("mul", [[3, 4], [1, 2]]),
        ("maximum", [[3, 2], [1, 2]]),
        ("minimum", [[1, 2], [1, 2]]),
    ],
)
def test_padding_counts_as_nothing_in_a_fold(name: str, result: Any) -> None:
    x, y = tile([[3, 2], [9, 9]], valid_rows=1), tile([[1, 2], [1, 2]])
    combine = fold_function(name)
    assert parts(combine(x, y)) == (result, 2)
    assert combine(None, y) is y


def test_a_fold_of_nothing_has_the_sizes_that_are_known() -> None:
    rows = initial_value("add", TileType(f64, 2, 1))
    assert parts(rows) == ([[0], [0]], 2)
    assert rows.array.dtype == np.float64
    assert parts(initial_value("maximum", TileType(f32, 1, 1))) == ([[-np.inf]], 1)
    assert initial_value("retile_rows", TileType(f32, "e", 3)).shape == (0, 3)
    assert initial_value("mul", IndexType()) == 1
    assert initial_value("signal", IndexType()) == 1


def test_products_are_added_up() -> None:
    combine = fold_function("matmul")
    state = combine(tile([[1]]), tile([[2, 3]]), tile([[4], [5]]))
    assert parts(state) == ([[24]], 1)
    transposed = fold_function("matmul_transposed")
    assert parts(transposed(None, tile([[2, 3]]), tile([[4, 5]]))) == ([[23]], 1)


def test_sums_are_scaled_again() -> None:
    combine = fold_function("multiply_add")
    state = combine(None, tile([[9]]), tile([[1, 2]]))
    assert parts(combine(state, tile([[3]]), tile([[10, 20]]))) == ([[13, 26]], 1)


def test_every_function_of_the_dialect_has_a_meaning() -> None:
    for function in MAPS:
        assert callable(map_function("op", function, 1.0)), function
    for function in (*ACCUMULATORS, *SCANS):
        assert callable(fold_function(function)), function


def test_retiling_puts_valid_rows_first() -> None:
    x, y = tile([[1, 2], [0, 0]], valid_rows=1), tile([[3, 4]])
    rows = fold_function("retile_rows")
    assert parts(rows(x, y)) == ([[1, 2], [3, 4], [0, 0]], 2)
    assert rows(None, y) is y
    columns = fold_function("retile_columns")
    assert parts(columns(tile([[1], [2]]), tile([[3], [4]]))) == ([[1, 3], [2, 4]], 2)


def test_splitting_may_drop_padding() -> None:
    x = tile([[1, 2], [3, 4], [5, 6], [7, 8]], valid_rows=2)
    assert [parts(one) for one in split_rows(x, 1, masked=True)] == [([[1, 2]], 1), ([[3, 4]], 1)]
    assert [one.valid_rows for one in split_rows(x, 1, masked=False)] == [1, 1, 0, 0]
    assert [one.valid_rows for one in split_rows(x, 3, masked=False)] == [2, 0]
    assert [parts(one) for one in split_columns(tile([[1, 2]]), 1)] == [([[1]], 1), ([[2]], 1)]


def test_functions_keep_the_type_of_the_arrays() -> None:
    x = Tile.of(np.array([[0.5, -1.0]], np.float32))
    for name in UNARY:
        assert compute(name, x).array.dtype == np.float32, name
    for name in SCALAR:
        assert compute(name, x, scalar=2.0).array.dtype == np.float32, name
    for name in BINARY:
        assert compute(name, x, x).array.dtype == np.float32, name


def test_functions_compute_integers_too() -> None:
    assert compute("add", 2, 3) == 5
    assert fold_function("maximum")(0, 2) == 2


def test_padding_has_the_type_of_what_it_follows() -> None:
    assert parts(padding_like(tile([[1, 2]]))) == ([[0, 0]], 0)
    assert padding_like((1.5, frozenset({1}))) == (0.0, frozenset())
