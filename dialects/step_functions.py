"""
The functions of the higher-order `step` operations: one table.

A function takes elements of streams (tiles, or `index`) and gives an element. The table says how
many operands it has, the type of its result, what it costs (floating-point operations of one
element, or a fixed number of cycles), and its name in netlists. Tiles of one row or one column are
repeated along it, as in NumPy. FLOPs count the whole tile, padded rows included.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 3; FLOPs of matmul, add, mul, div,
silu, exp and row_sum as the reference counts them, of other functions by the same measure: 4 for
an elementary function, 1 for each operation of the arithmetic around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xdsl.dialects.builtin import AnyFloat, IndexType
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, SpacedOpaqueSyntaxAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from headrace.dialects.step_dimension import Dimension
from headrace.dialects.step_types import SelectorType, TileType


class Function(StrEnum):
    """What an element becomes."""

    MATMUL = "matmul"
    MATMUL_TRANSPOSED = "matmul_transposed"
    """x times the transpose of y"""
    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    GREATER = "greater"
    """1 where x > y, else 0"""
    GREATER_EQUAL = "greater_equal"
    SILU = "silu"
    SIGMOID = "sigmoid"
    GELU = "gelu"
    """with the error function"""
    GELU_TANH = "gelu_tanh"
    """its approximation with tanh"""
    TANH = "tanh"
    RELU = "relu"
    EXP = "exp"
    LOG = "log"
    SIN = "sin"
    COS = "cos"
    SQRT = "sqrt"
    RECIPROCAL = "reciprocal"
    SQUARE = "square"
    NEGATE = "negate"
    SCALE = "scale"
    """x times the scalar"""
    SHIFT = "shift"
    """x plus the scalar"""
    ROW_SUM = "row_sum"
    """the sum of each row: one column"""
    ROW_MAX = "row_max"
    TRANSPOSE = "transpose"
    ROTATE_HALF = "rotate_half"
    """[x1, x2] becomes [-x2, x1], halves of the columns"""
    TOP_COLUMNS = "top_columns"
    """1 in the columns of the `scalar` largest numbers of each row, the first of equal ones"""
    TO_SELECTOR = "to_selector"
    """a row of n numbers selects the columns that are not 0; always `scalar` of them if given"""
    SET_OFFSET = "set_offset"
    """the tile x of which only the first y rows are valid"""
    ROW_APPEND = "row_append"
    """the tile x with the row y behind its valid rows, which are one more then"""
    MASK_COLUMNS = "mask_columns"
    """the tile x with the scalar (-inf without one) in all columns but the first y"""
    CACHE_WRITE_ADDRESS = "cache_write_address"
    """request x of y tiles: x * scalar + y - 1, the address of its last tile"""
    RETILE_ROWS = "retile_rows"
    """the tiles of a list below each other: one tile, of their valid rows"""
    RETILE_COLUMNS = "retile_columns"
    """the tiles of a list side by side: one tile"""
    MULTIPLY_ADD = "multiply_add"
    """the state times x plus y: sums that are scaled again, as those of an online softmax"""
    SIGNAL = "signal"
    """one integer when a list ends"""
    SPLIT_ROWS = "split_rows"
    """a tile into tiles of `size` rows"""
    SPLIT_COLUMNS = "split_columns"
    """a tile into tiles of `size` columns"""
    COPIES = "copies"
    """the integer n into n times n"""
    RANGE = "range"
    """the integer n into a list 0 .. n - 1"""


@irdl_attr_definition
class FunctionAttr(EnumAttribute[Function], SpacedOpaqueSyntaxAttribute):
    """What an element becomes."""

    name = "step.function"


Elements: TypeAlias = Sequence[Attribute]
ResultRule: TypeAlias = Callable[[str, Function, Elements], Attribute]
CostRule: TypeAlias = Callable[[Elements, Attribute], Dimension]


@dataclass(frozen=True)
class Rule:
    """One line of the table."""

    operands: int
    result: ResultRule
    """Raises `VerifyException`, which begins with the operation's name."""
    flops: CostRule
    """Of one element: from the types of operands and result."""
    reference: str = ""
    """Its name in netlists, empty if they have none."""
    scalar: bool | None = False
    """Whether it takes a scalar; None if it may."""
    cycles: int | None = None
    """Cycles whatever the bandwidth of compute is; None if FLOPs decide."""


def count(type: Attribute) -> Dimension:
    """How many numbers an element holds."""
    return type.rows * type.columns if isinstance(type, TileType) else Dimension.of(1)


def _none(elements: Elements, result: Attribute) -> Dimension:
    return Dimension.of(0)


def _of_output(each: int) -> CostRule:
    return lambda elements, result: count(result) * each


def _of_input(each: int) -> CostRule:
    return lambda elements, result: count(elements[0]) * each


def _of_product(elements: Elements, result: Attribute) -> Dimension:
    left = elements[0]
    inner = left.columns if isinstance(left, TileType) else Dimension.of(1)
    return count(result) * inner * 2


def refuse(operation: str, function: Function, wanted: str, elements: Elements) -> VerifyException:
    """The error of a function that got the wrong elements."""
    got = ", ".join(map(str, elements))
    return VerifyException(f"'{operation}' with fn {function.value} takes {wanted}, but got {got}")


def _tiles(operation: str, function: Function, wanted: str, elements: Elements) -> list[TileType]:
    tiles = [element for element in elements if isinstance(element, TileType)]
    if len(tiles) < len(elements) or len({tile.element_type for tile in tiles}) > 1:
        raise refuse(operation, function, wanted, elements)
    return tiles


def _elementwise(operation: str, function: Function, elements: Elements) -> Attribute:
    wanted = "tiles of one element type and one shape (or one row, or one column)"
    if all(isinstance(element, IndexType) for element in elements):
        if function not in INTEGER:
            raise refuse(operation, function, wanted, elements)
        return IndexType()
    tiles = _tiles(operation, function, wanted, elements)
    result = tiles[0]
    if function in REAL and not isinstance(result.element_type, AnyFloat):
        raise refuse(operation, function, "tiles of floats", elements)
    for tile in tiles[1:]:
        rows, columns = _common(result.rows, tile.rows), _common(result.columns, tile.columns)
        if rows is None or columns is None:
            raise refuse(operation, function, wanted, elements)
        result = result.of(rows, columns)
    return result


def _common(left: Dimension, right: Dimension) -> Dimension | None:
    if left == right or right == 1:
        return left
    return right if left == 1 else None


def _product(operation: str, function: Function, elements: Elements) -> Attribute:
    transposed = function is Function.MATMUL_TRANSPOSED
    wanted = f"tiles m x k and {'n x k' if transposed else 'k x n'} of one element type"
    left, right = _tiles(operation, function, wanted, elements)
    inner, columns = (right.columns, right.rows) if transposed else (right.rows, right.columns)
    if left.columns != inner:
        raise refuse(operation, function, wanted, elements)
    return left.of(left.rows, columns)


def _one_column(operation: str, function: Function, elements: Elements) -> Attribute:
    (tile,) = _tiles(operation, function, "a tile", elements)
    return tile.of(tile.rows, 1)


def _transposed(operation: str, function: Function, elements: Elements) -> Attribute:
    (tile,) = _tiles(operation, function, "a tile", elements)
    return tile.of(tile.columns, tile.rows)


def _halves(operation: str, function: Function, elements: Elements) -> Attribute:
    wanted = "a tile with an even number of columns"
    (tile,) = _tiles(operation, function, wanted, elements)
    if not tile.columns.is_static or tile.columns.value % 2:
        raise refuse(operation, function, wanted, elements)
    return tile


def _same_tile(operation: str, function: Function, elements: Elements) -> Attribute:
    return _tiles(operation, function, "a tile", elements)[0]


def _selector(operation: str, function: Function, elements: Elements) -> Attribute:
    wanted = "a tile of one row and a static number of columns"
    (tile,) = _tiles(operation, function, wanted, elements)
    if tile.rows != 1 or not tile.columns.is_static:
        raise refuse(operation, function, wanted, elements)
    return SelectorType(tile.columns.value)


def _tile_and_index(operation: str, function: Function, elements: Elements) -> Attribute:
    match elements:
        case [TileType() as tile, IndexType()]:
            return tile
        case _:
            raise refuse(operation, function, "a tile and an index", elements)


def _appended(operation: str, function: Function, elements: Elements) -> Attribute:
    wanted = "a tile and one row of as many columns"
    tile, row = _tiles(operation, function, wanted, elements)
    if row.rows != 1 or row.columns != tile.columns:
        raise refuse(operation, function, wanted, elements)
    return tile


def _indices(operation: str, function: Function, elements: Elements) -> Attribute:
    if not all(isinstance(element, IndexType) for element in elements):
        raise refuse(operation, function, "integers (index)", elements)
    return IndexType()


def _any_to_index(operation: str, function: Function, elements: Elements) -> Attribute:
    return IndexType()


INTEGER = frozenset(map(Function, ("add", "sub", "mul", "maximum", "minimum")))
"""Elementwise functions that take integers too."""

REAL = frozenset(
    map(Function, ("div", "reciprocal", "sqrt", "exp", "log", "sin", "cos", "tanh", "sigmoid"))
) | frozenset(map(Function, ("silu", "gelu", "gelu_tanh", "scale", "shift")))
"""Elementwise functions whose results are no integers."""

COUNTED = frozenset(map(Function, ("top_columns", "to_selector", "cache_write_address")))
"""Functions whose scalar is a whole number."""


def _unary(each: int, reference: str = "", scalar: bool = False) -> Rule:
    return Rule(1, _elementwise, _of_output(each), reference, scalar)


def _binary(reference: str = "") -> Rule:
    return Rule(2, _elementwise, _of_output(1), reference)


MAPS: dict[Function, Rule] = {
    Function.MATMUL: Rule(2, _product, _of_product, "Matmul"),
    Function.MATMUL_TRANSPOSED: Rule(2, _product, _of_product, "Matmul"),
    Function.ADD: _binary("Add"),
    Function.SUB: _binary(),
    Function.MUL: _binary("Mul"),
    Function.DIV: _binary("Div"),
    Function.MAXIMUM: _binary(),
    Function.MINIMUM: _binary(),
    Function.GREATER: _binary(),
    Function.GREATER_EQUAL: _binary(),
    Function.SILU: _unary(8, "Silu"),
    Function.SIGMOID: _unary(7),
    Function.GELU: _unary(8),
    Function.GELU_TANH: _unary(12),
    Function.TANH: _unary(4),
    Function.RELU: _unary(1),
    Function.EXP: _unary(4, "Exp"),
    Function.LOG: _unary(4),
    Function.SIN: _unary(4),
    Function.COS: _unary(4),
    Function.SQRT: _unary(4),
    Function.RECIPROCAL: _unary(1),
    Function.SQUARE: _unary(1),
    Function.NEGATE: _unary(1),
    Function.SCALE: _unary(1, scalar=True),
    Function.SHIFT: _unary(1, scalar=True),
    Function.ROW_SUM: Rule(1, _one_column, _of_input(1), "RowWiseSum"),
    Function.ROW_MAX: Rule(1, _one_column, _of_input(1)),
    Function.TRANSPOSE: Rule(1, _transposed, _none),
    Function.ROTATE_HALF: Rule(1, _halves, _of_output(1)),
    Function.TOP_COLUMNS: Rule(1, _same_tile, _of_input(1), scalar=True),
    Function.TO_SELECTOR: Rule(1, _selector, _of_input(1), scalar=None),
    Function.SET_OFFSET: Rule(2, _tile_and_index, _none, "SetOffset", cycles=1),
    Function.ROW_APPEND: Rule(2, _appended, _none, "RowWiseAppend", cycles=1),
    Function.MASK_COLUMNS: Rule(2, _tile_and_index, _none, scalar=None, cycles=1),
    Function.CACHE_WRITE_ADDRESS: Rule(
        2, _indices, _none, "CacheWriteAddrGen", scalar=True, cycles=1
    ),
}
"""What `step.map` computes."""

ACCUMULATORS: dict[Function, Rule] = {
    Function.ADD: Rule(1, _elementwise, _of_input(1), "Add"),
    Function.MUL: Rule(1, _elementwise, _of_input(1), "Mul"),
    Function.MAXIMUM: Rule(1, _elementwise, _of_input(1)),
    Function.MINIMUM: Rule(1, _elementwise, _of_input(1)),
    Function.MATMUL: Rule(2, _product, _of_product, "Matmul"),
    Function.MATMUL_TRANSPOSED: Rule(2, _product, _of_product, "Matmul"),
    Function.RETILE_ROWS: Rule(1, _same_tile, _none, "RetileRow"),
    Function.RETILE_COLUMNS: Rule(1, _same_tile, _none, "RetileCol"),
    Function.MULTIPLY_ADD: Rule(2, _elementwise, _of_output(2)),
    Function.SIGNAL: Rule(1, _any_to_index, _none, "SignalReqAllRead", cycles=1),
}
"""What `step.accumulate` folds with; the result rule is of one element, before retiling."""

SCANS: dict[Function, Rule] = {
    function: ACCUMULATORS[function]
    for function in (Function.ADD, Function.MUL, Function.MAXIMUM, Function.MINIMUM)
}
"""What `step.scan` folds with: states as large as the elements."""

EXPANSIONS: dict[Function, Rule] = {
    Function.SPLIT_ROWS: Rule(1, _same_tile, _none, "RetileStreamify"),
    Function.SPLIT_COLUMNS: Rule(1, _same_tile, _none, "RetileStreamify"),
    Function.COPIES: Rule(1, _indices, _none),
    Function.RANGE: Rule(1, _indices, _none),
}
"""What `step.flat_map` makes of an element; the result rule is of one element, before splitting."""


def apply(
    operation: str,
    table: dict[Function, Rule],
    function: Function,
    elements: Elements,
    scalar: float | None = None,
) -> Attribute:
    """
    The type of the element that a function of a table gives for elements of the given types.

    Raises `VerifyException`, which names the operation, for elements it cannot take.
    """
    rule = table.get(function)
    if rule is None:
        known = ", ".join(sorted(one.value for one in table))
        raise VerifyException(f"'{operation}' has no fn {function.value}; it has {known}")
    if len(elements) != rule.operands:
        raise VerifyException(
            f"'{operation}' with fn {function.value} takes {rule.operands} elements, "
            f"but got {len(elements)}"
        )
    if rule.scalar is not None and rule.scalar != (scalar is not None):
        verb = "needs a" if rule.scalar else "takes no"
        raise VerifyException(f"'{operation}' with fn {function.value} {verb} scalar")
    if function in COUNTED and not (scalar or 0.0).is_integer():
        raise VerifyException(
            f"'{operation}' with fn {function.value} counts by its scalar, which {scalar} cannot"
        )
    result = rule.result(operation, function, elements)
    if isinstance(result, SelectorType) and scalar is not None:
        return SelectorType(result.width, int(scalar))
    return result
