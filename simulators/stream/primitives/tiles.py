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
