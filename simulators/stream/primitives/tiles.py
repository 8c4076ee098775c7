"""
Dense tiles as values.

A value stream may carry tiles: a token is then the address of a tile in the arena, an array that
all nodes of a run share. Tiles are never changed once they are sent, so that streams can be
repeated and broadcast by copying addresses. When no tile is free, those whose address is nowhere
in a channel or a node are collected.

Address 0 is a tile of zeros, which N stands for.
"""

from headrace.simulators.stream.language import (
    EMPTY,
    Float,
    FloatWork,
    IntWork,
    StaticInt,
    StaticText,
    absolute,
    collect,
    cos,
    erf,
    exp,
    log,
    maximum,
    minimum,
    power,
    reject,
    sin,
    sqrt,
    tanh,
)
from headrace.simulators.stream.primitive import helper

UNARY = (
    "neg",
    "abs",
    "exp",
    "log",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "erf",
)
ARITHMETIC = ("add", "sub", "mul", "div", "max", "min", "pow", "rsub", "rdiv")
COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")
ROW_FOLDS = ("row_add", "row_max", "row_min")
COLUMN_FOLDS = ("column_add", "column_max", "column_min")

ONE_ROW, ONE_COLUMN = 1, 2
"""Bits that say of an operand how it differs from the result, along whose other rows or columns it
is then repeated; two bits for each operand, those of the first lowest."""


@helper
def new_tile(free_tiles: IntWork) -> int:
    while free_tiles[0] == 0:
        collect()
    tile = free_tiles[free_tiles[0]]
    free_tiles[0] = free_tiles[0] - 1
    return tile


@helper
def copy_of(source: int, arena: FloatWork, free_tiles: IntWork, size: StaticInt) -> int:
    """A new tile with the entries of another."""
    if source == EMPTY:
        source = 0
    target = new_tile(free_tiles)
    entry = 0
    while entry < size:
        arena[target + entry] = arena[source + entry]
        entry += 1
    return target


@helper
def fold(a: float, b: float, op: StaticText) -> float:
    """The reductions: add, max or min."""
    folded_value = a + b
    if op == "max":
        folded_value = maximum(a, b)
    elif op == "min":
        folded_value = minimum(a, b)
    elif op != "add":
        reject("op is add, max or min")
    return folded_value


@helper
def fold_tile(into: int, other: int, arena: FloatWork, size: StaticInt, op: StaticText) -> None:
    """Combine the entries of a tile with those of another, by add, max or min."""
    if other == EMPTY:
        other = 0
    entry = 0
    while entry < size:
        folded = fold(arena[into + entry], arena[other + entry], op)
        arena[into + entry] = folded
        entry += 1


@helper
def entry_at(tile: int, row: int, column: int, columns: StaticInt, shape: StaticInt) -> int:
    """Where the entry of an operand is that meets an entry of the result."""
    at = tile
    if (shape & ONE_ROW) == 0:
        if (shape & ONE_COLUMN) == 0:
            at = at + row * columns
        else:
            at = at + row
    if (shape & ONE_COLUMN) == 0:
        at = at + column
    return at


@helper
def multiply(
    target: int,
    left: int,
    right: int,
    arena: FloatWork,
    rows: StaticInt,
    inner: StaticInt,
    columns: StaticInt,
) -> None:
    """The matrix product (rows x inner) (inner x columns)."""
    entry = 0
    while entry < rows * columns:
        arena[target + entry] = 0.0
        entry += 1
    row = 0
    while row < rows:
        middle = 0
        while middle < inner:
            factor = arena[left + row * inner + middle]
            column = 0
            while column < columns:
                place = target + row * columns + column
                arena[place] = arena[place] + factor * arena[right + middle * columns + column]
                column += 1
            middle += 1
        row += 1


@helper
def turn(target: int, source: int, arena: FloatWork, rows: StaticInt, columns: StaticInt) -> None:
    """The transpose, rows x columns, of a tile of columns x rows."""
    row = 0
    while row < rows:
        column = 0
        while column < columns:
            arena[target + row * columns + column] = arena[source + column * rows + row]
            column += 1
        row += 1


@helper
def fold_lines(
    target: int,
    source: int,
    arena: FloatWork,
    lines: StaticInt,
    inner: StaticInt,
    line_step: StaticInt,
    step: StaticInt,
    op: StaticText,
) -> None:
    """
    Combine the `inner` entries of each line, `step` apart, by add, max or min.

    Lines are rows or columns and begin `line_step` apart.
    """
    line = 0
    while line < lines:
        total = arena[source + line * line_step]
        middle = 1
        while middle < inner:
            total = fold(total, arena[source + line * line_step + middle * step], op)
            middle += 1
        arena[target + line] = total
        line += 1


@helper
def combine(a: float, b: float, c: float, scalar: Float, op: StaticText, n: StaticInt) -> float:
    """Every operation of the ALU on n operands; with one, `scalar` is the second of a binary."""
    if n == 1:
        b = scalar
    result = a
    if n == 1 and op in UNARY:
        if op == "neg":
            result = -a
        elif op == "abs":
            result = absolute(a)
        elif op == "exp":
            result = exp(a)
        elif op == "log":
            result = log(a)
        elif op == "sqrt":
            result = sqrt(a)
        elif op == "rsqrt":
            result = 1.0 / sqrt(a)
        elif op == "sin":
            result = sin(a)
        elif op == "cos":
            result = cos(a)
        elif op == "tanh":
            result = tanh(a)
        elif op == "sigmoid":
            result = 1.0 / (1.0 + exp(-a))
        else:
            result = erf(a)
    elif n <= 2 and op in ARITHMETIC:
        if op == "add":
            result = a + b
        elif op == "sub":
            result = a - b
        elif op == "mul":
            result = a * b
        elif op == "div":
            result = a / b
        elif op == "max":
            result = maximum(a, b)
        elif op == "min":
            result = minimum(a, b)
        elif op == "pow":
            result = power(a, b)
        elif op == "rsub":
            result = b - a
        else:
            result = b / a
    elif n <= 2 and op in COMPARISONS:
        if op == "gt":
            result = 1.0 if a > b else 0.0
        elif op == "ge":
            result = 1.0 if a >= b else 0.0
        elif op == "lt":
            result = 1.0 if a < b else 0.0
        elif op == "le":
            result = 1.0 if a <= b else 0.0
        elif op == "eq":
            result = 1.0 if a == b else 0.0
        else:
            result = 1.0 if a != b else 0.0
    elif n == 2 and op == "mask":
        result = a if b != 0.0 else scalar
    elif n == 2 and op == "fill":
        result = scalar if b != 0.0 else a
    elif n == 3 and op == "where":
        result = b if a != 0.0 else c
    else:
        reject("there is no such operation for this number of operands")
    return result
