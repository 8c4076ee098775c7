"""
What the ALU of the `sam` dialect computes, and the type of its result.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 4.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects.builtin import (
    AnyFloat,
    AnyTensorType,
    FloatAttr,
    IntegerType,
    TensorType,
    f64,
)
from xdsl.ir import Attribute
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum


class AluKind(StrEnum):
    """What an ALU computes of x, y (or the scalar), z."""

    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"
    MAX = "max"
    MIN = "min"
    POW = "pow"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    EQ = "eq"
    NE = "ne"
    RSUB = "rsub"
    """scalar - x"""
    RDIV = "rdiv"
    """scalar / x"""
    NEG = "neg"
    ABS = "abs"
    EXP = "exp"
    LOG = "log"
    SQRT = "sqrt"
    RSQRT = "rsqrt"
    SIN = "sin"
    COS = "cos"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    ERF = "erf"
    MASK = "mask"
    """x where y != 0, else the scalar"""
    FILL = "fill"
    """the scalar where y != 0, else x"""
    WHERE = "where"
    """y where x != 0, else z"""
    MATMUL = "matmul"
    """the matrix product of two tiles"""
    TRANSPOSE = "transpose"
    ROW_ADD = "row_add"
    """the sum of each row of a tile: one column"""
    ROW_MAX = "row_max"
    ROW_MIN = "row_min"
    COLUMN_ADD = "column_add"
    """the sum of each column of a tile: one row"""
    COLUMN_MAX = "column_max"
    COLUMN_MIN = "column_min"


COMPARISONS = frozenset(map(AluKind, ("gt", "ge", "lt", "le", "eq", "ne")))
BINARY = COMPARISONS | frozenset(
    map(AluKind, ("add", "sub", "mul", "div", "max", "min", "pow"))
)  # the scalar may stand for y
FLOAT_VALUED = frozenset(
    map(AluKind, ("div", "rdiv", "pow", "exp", "log", "sqrt", "rsqrt"))
) | frozenset(map(AluKind, ("sin", "cos", "tanh", "sigmoid", "erf")))
"""Of integers they give `f64`; the others stay integers unless their scalar is none."""
SCALAR_FIRST = frozenset({AluKind.RSUB, AluKind.RDIV})
SCALAR_CHOICE = frozenset({AluKind.MASK, AluKind.FILL})
ROW_FOLDS = frozenset({AluKind.ROW_ADD, AluKind.ROW_MAX, AluKind.ROW_MIN})
COLUMN_FOLDS = frozenset({AluKind.COLUMN_ADD, AluKind.COLUMN_MAX, AluKind.COLUMN_MIN})


def operand_count(kind: AluKind, with_scalar: bool) -> int | None:
    """How many streams the operation takes, or None if the scalar is missing or too much."""
    if kind in BINARY:
        return 1 if with_scalar else 2
    if kind in SCALAR_FIRST | SCALAR_CHOICE:
        count = 1 if kind in SCALAR_FIRST else 2
        return count if with_scalar else None
    if with_scalar:
        return None
    return {AluKind.WHERE: 3, AluKind.MATMUL: 2}.get(kind, 1)


def result_type(
    operation: str, kind: AluKind, types: Sequence[Attribute], scalar: Attribute | None
) -> Attribute:
    """
    The type of the value that an ALU makes of values of the given types.

    Raises `VerifyException`, which names the operation, for tiles that do not fit.
    """
    if kind is AluKind.MATMUL:
        return _product(operation, *types)
    if kind in ROW_FOLDS | COLUMN_FOLDS | {AluKind.TRANSPOSE}:
        return _of_one_tile(operation, kind, *types)
    common = _common(operation, types)
    if kind in FLOAT_VALUED or not _is_whole(scalar, kind):
        common = _as_float(common)
    return common


def _common(operation: str, types: Sequence[Attribute]) -> Attribute:
    """
    The type of values combined element by element: the widest float, else the widest integer.

    So a mask of type i1 can choose between, or scale, numbers of any type. Tiles of size 1 along a
    dimension are repeated along it.
    """
    tiles = [cast(AnyTensorType, type) for type in types if isinstance(type, TensorType)]
    if not tiles:
        return _widest(types)
    ranks = {tile.get_num_dims() for tile in tiles}
    sizes = [set(sizes) for sizes in zip(*(tile.get_shape() for tile in tiles), strict=False)]
    if len(tiles) < len(types) or len(ranks) > 1 or any(len(s - {1}) > 1 for s in sizes):
        raise VerifyException(
            f"'{operation}' combines tiles of one shape, or of size 1 where they differ, but got "
            f"{', '.join(map(str, types))}"
        )
    return TensorType(_widest([tile.element_type for tile in tiles]), [max(s) for s in sizes])


def _of_one_tile(operation: str, kind: AluKind, type: Attribute) -> Attribute:
    """The type of a tile that is transposed, or of which rows or columns are folded."""
    tile = cast(AnyTensorType, type) if isinstance(type, TensorType) else None
    if tile is None or tile.get_num_dims() != 2:
        raise VerifyException(
            f"'{operation}' with op {kind} takes tiles of rows x columns, but got {type}"
        )
    rows, columns = tile.get_shape()
    shape = (rows, 1) if kind in ROW_FOLDS else (1, columns)
    return TensorType(tile.element_type, (columns, rows) if kind is AluKind.TRANSPOSE else shape)


def _widest(types: Sequence[Attribute]) -> Attribute:
    """The widest float, else the widest integer."""
    floats = [type for type in types if isinstance(type, AnyFloat)]
    if floats:
        return max(floats, key=_float_width)
    return max(types, key=_integer_width)


def _is_whole(scalar: Attribute | None, op: AluKind) -> bool:
    """Whether integers and `scalar` give integers; comparisons do in any case."""
    if op in COMPARISONS or not isinstance(scalar, FloatAttr):
        return True
    return scalar.value.data.is_integer()


def _as_float(type: Attribute) -> Attribute:
    """`f64` for an integer type, element by element of a tile."""
    if isinstance(type, TensorType):
        tile = cast(AnyTensorType, type)
        return TensorType(_as_float(tile.element_type), tile.get_shape())
    return f64 if isinstance(type, IntegerType) else type


def _float_width(type: AnyFloat) -> int:
    return type.bitwidth


def _integer_width(type: Attribute) -> int:
    return cast(IntegerType[Any, Any], type).width.data


def _product(operation: str, left: Attribute, right: Attribute) -> Attribute:
    """The type of the matrix product of two tiles."""
    tiles = [cast(AnyTensorType, tile) for tile in (left, right) if isinstance(tile, TensorType)]
    match [tile.get_shape() for tile in tiles]:
        case [(m, k), (n, o)] if k == n:
            return TensorType(_widest([tile.element_type for tile in tiles]), (m, o))
        case _:
            raise VerifyException(
                f"'{operation}' with op matmul multiplies tiles m x k and k x n, "
                f"but got {left} and {right}"
            )
