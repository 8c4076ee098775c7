"""
Shapes as netlists record them, as dimensions: expressions in SymPy syntax, of named symbols.

| recorded | dimension |
|---|---|
| `floor(x/16 + 15/16)`, `ceiling(x/16)` | `ceil(x, 16)` |
| `Piecewise((1, x >= 1), (0, True))` | `positive(x)` |
| `FlatReassemble_308 (0 D)_dyn` | the symbol of that name |
"""

import ast
import re
from collections.abc import Callable
from typing import TypeAlias

from headrace.dialects.step_dimension import Dimension

NAME_WITH_SPACES = re.compile(r"\w+ \([^()]*\)\w*")

Fraction: TypeAlias = tuple[Dimension, int]
"""A dimension over a number."""


def symbol_text(text: str) -> str | None:
    """The name if a recorded size is one symbol, as `recorded_size` asks for it."""
    name = _plain(text)
    return name if name.isidentifier() else None


def recorded_size(text: str, symbol: Callable[[str], Dimension]) -> Dimension:
    """
    A recorded size, in which `symbol` says what a name stands for.

    Raises ValueError for an expression of another kind, and what `symbol` raises.
    """
    try:
        tree = ast.parse(_plain(text), mode="eval").body
    except SyntaxError:
        raise _unknown(text) from None
    size, divisor = _fraction(tree, symbol)
    if divisor != 1:
        raise _unknown(text)
    return size


def _plain(text: str) -> str:
    return NAME_WITH_SPACES.sub(lambda name: re.sub(r"\W", "_", name[0]), text.strip())


def _unknown(text: str) -> ValueError:
    return ValueError(
        f"the recorded size {text!r} is no sum of products of symbols, floor, ceiling and "
        "Piecewise((1, x >= 1), (0, True))"
    )


def _fraction(tree: ast.expr, symbol: Callable[[str], Dimension]) -> Fraction:
    match tree:
        case ast.Constant(value=int(number)):
            return Dimension.of(number), 1
        case ast.Name(id=name):
            return symbol(name), 1
        case ast.BinOp(left=left, op=operator, right=right):
            return _combined(operator, _fraction(left, symbol), _fraction(right, symbol), tree)
        case ast.Call(func=ast.Name(id="ceiling"), args=[inner]):
            size, divisor = _fraction(inner, symbol)
            return size.ceil_divide(divisor), 1
        case ast.Call(func=ast.Name(id="floor"), args=[inner]):
            size, divisor = _fraction(inner, symbol)
            return (size - (divisor - 1)).ceil_divide(divisor), 1
        case ast.Call(func=ast.Name(id="Piecewise"), args=[ast.Tuple(elts=[_, condition]), _]):
            return _guard(condition, symbol), 1
        case _:
            raise _unknown(ast.unparse(tree))


def _combined(operator: ast.operator, left: Fraction, right: Fraction, tree: ast.expr) -> Fraction:
    (a, below_a), (b, below_b) = left, right
    match operator:
        case ast.Add():
            return a * below_b + b * below_a, below_a * below_b
        case ast.Sub():
            return a * below_b - b * below_a, below_a * below_b
        case ast.Mult():
            return a * b, below_a * below_b
        case ast.Div() if b.is_static and b.value > 0:
            return a * below_b, below_a * b.value
        case _:
            raise _unknown(ast.unparse(tree))


def _guard(condition: ast.expr, symbol: Callable[[str], Dimension]) -> Dimension:
    match condition:
        case ast.Compare(left=left, ops=[ast.GtE() | ast.Gt()], comparators=[ast.Constant()]):
            size, divisor = _fraction(left, symbol)
            if divisor == 1 and ast.unparse(condition).endswith((">= 1", "> 0")):
                return size.positive()
            raise _unknown(ast.unparse(condition))
        case _:
            raise _unknown(ast.unparse(condition))
