"""What the functions of `step` compute on tiles, and what they do with padding."""

from typing import Any

import numpy as np
import pytest

from headrace.interpreters import step_functions as functions
from headrace.interpreters.step_functions import BINARY, UNARY, binary, fold, unary
from headrace.interpreters.step_values import Tile, padding_like
from headrace.storage.errors import InputError


def tile(rows: Any, valid_rows: int | None = None, valid_columns: int | None = None) -> Tile:
    array = np.array(rows, np.float64)
    height, width = array.shape
    return Tile.masked(
        array,
        height if valid_rows is None else valid_rows,
        width if valid_columns is None else valid_columns,
    )


def parts(x: Tile) -> tuple[Any, int, int]:
    return x.array.tolist(), x.valid_rows, x.valid_columns


def test_padding_is_zero_whatever_was_there() -> None:
    assert parts(tile([[1, 2], [3, 4]], 1, 1)) == ([[1, 0], [0, 0]], 1, 1)
    assert parts(unary(UNARY["exp"], tile([[0, 0], [0, 0]], 1, 1)))[0] == [[1, 0], [0, 0]]


def test_products_of_matrices_know_their_padding() -> None:
    x, y = tile([[1, 2], [3, 4]]), tile([[5, 6], [7, 8]])
    assert parts(functions.matmul(x, y)) == ([[19, 22], [43, 50]], 2, 2)
    keys = tile([[1, 1], [9, 9]], valid_rows=1)
    assert parts(functions.matmul_transposed(x, keys)) == ([[3, 0], [7, 0]], 2, 1)


def test_a_score_of_a_key_that_does_not_exist_enters_no_sum() -> None:
    query, keys = tile([[1, 1]]), tile([[1, 1], [9, 9]], valid_rows=1)
    weights = unary(UNARY["exp"], functions.matmul_transposed(query, keys))
    assert parts(functions.row_sum(weights)) == ([[np.exp(2)]], 1, 1)
    negative = functions.matmul_transposed(tile([[-1, -1]]), keys)
    assert parts(functions.row_max(negative)) == ([[-2]], 1, 1)
    both = fold("add", weights, unary(UNARY["exp"], tile([[0, 0]])))
    assert parts(both) == ([[np.exp(2) + 1, 1]], 1, 2)


def test_a_map_keeps_the_padding_of_its_first_operand_that_is_not_repeated() -> None:
    taller, row = tile([[1, 2], [3, 4]], valid_rows=1), tile([[10, 20]])
    assert parts(binary(BINARY["add"], row, taller)) == ([[11, 22], [0, 0]], 1, 2)
    first = tile([[1, 2], [3, 4]])
    assert parts(binary(BINARY["mul"], first, taller)) == ([[1, 4], [0, 0]], 2, 2)


@pytest.mark.parametrize(
    ("name", "result"), [("add", [[4, 2]]), ("mul", [[3, 2]]), ("maximum", [[3, 2]])]
)
def test_padding_counts_as_nothing_in_a_fold(name: str, result: Any) -> None:
    x, y = tile([[1, 9]], valid_columns=1), tile([[3, 2]])
    assert parts(fold(name, x, y)) == (result, 1, 2)
    assert fold(name, tile(np.zeros((0, 2))), y) is y


def test_the_largest_of_nothing_is_minus_infinity() -> None:
    assert parts(functions.row_max(tile([[-1, -2]], valid_columns=0)))[0] == [[-np.inf]]


def test_retiling_puts_valid_rows_first() -> None:
    x, y = tile([[1, 2], [0, 0]], valid_rows=1), tile([[3, 4]])
    assert parts(functions.retile_rows(x, y)) == ([[1, 2], [3, 4], [0, 0]], 2, 2)
    assert functions.retile_rows(tile(np.zeros((0, 0))), y) is y
    columns = functions.retile_columns(tile([[1], [2]]), tile([[3], [4]]))
    assert parts(columns) == ([[1, 3], [2, 4]], 2, 2)


def test_splitting_rows_may_drop_padding() -> None:
    x = tile([[1, 2], [3, 4], [5, 6]], valid_rows=2)
    assert [parts(row) for row in functions.split_rows(x, masked=True)] == [
        ([[1, 2]], 1, 2),
        ([[3, 4]], 1, 2),
    ]
    assert [row.valid_rows for row in functions.split_rows(x, masked=False)] == [1, 1, 0]
    columns = functions.split_columns(tile([[1, 2], [3, 4]], valid_columns=1), masked=True)
    assert [parts(column) for column in columns] == [([[1], [3]], 2, 1)]


def test_a_row_is_appended_behind_the_valid_ones() -> None:
    cut = functions.set_offset("op", tile([[1, 2], [3, 4], [5, 6]]), 1)
    appended = functions.row_append("op", cut, tile([[7, 8]]))
    assert parts(appended) == ([[1, 2], [7, 8], [0, 0]], 2, 2)
    with pytest.raises(InputError, match="op: all 1 rows are in use"):
        functions.row_append("op", tile([[1, 2]]), tile([[7, 8]]))
    with pytest.raises(InputError, match="op: 2 rows of a tile of shape"):
        functions.set_offset("op", tile([[1, 2]]), tile([[2]]))


def test_functions_keep_the_type_of_the_arrays() -> None:
    x = Tile.of(np.array([[0.5, -1.0]], np.float32))
    for name, function in UNARY.items():
        assert unary(function, x).array.dtype == np.float32, name
    assert functions.row_max(x).array.dtype == np.float32


def test_functions_compute_numbers_too() -> None:
    assert binary(BINARY["add"], 2, 3) == 5
    assert unary(UNARY["square"], 3) == 9
    assert fold("add", 0, 2) == 2


def test_gelu_and_silu() -> None:
    x = tile([[0.0, 1.0]])
    assert np.allclose(unary(UNARY["gelu"], x).array, [[0, 0.8413447460685429]])
    assert np.allclose(unary(UNARY["silu"], x).array, [[0, 1 / (1 + np.exp(-1))]])


def test_padding_has_the_type_of_what_it_follows() -> None:
    assert parts(padding_like(tile([[1, 2]]))) == ([[0, 0]], 0, 2)
    assert padding_like((1.5, frozenset({1}))) == (0.0, frozenset())
