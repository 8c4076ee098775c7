"""
Dimensions of streams as SymPy expressions: the one place where the two meet.

| dimension | SymPy |
|---|---|
| `e0` | the symbol `e0`, a non-negative integer |
| `~r0` | the symbol `~r0` |
| `ceil(e0, 4)` | `ceiling(e0/4)` |
| `positive(e0)` | `Piecewise((1, e0 > 0), (0, True))` |
| `total(~r0)` | the symbol `total(~r0)`: one value of the run |
"""

from functools import lru_cache

from sympy import Add, Expr, Integer, Mul, Piecewise, Symbol, ceiling

from headrace.dialects.step_dimension import Atom, CeilDivision, Dimension, Positive


def expression(size: Dimension) -> Expr:
    """The size as a SymPy expression, whose symbols have the names that `Dimension.of` reads."""
    return Add(
        *(
            Mul(Integer(coefficient), *(_atom(atom) for atom in monomial))
            for monomial, coefficient in size.terms
        )
    )


@lru_cache(maxsize=4096)
def _atom(atom: Atom) -> Expr:
    match atom:
        case CeilDivision():
            return ceiling(expression(atom.dividend) / atom.divisor)
        case Positive():
            return Piecewise((1, expression(atom.operand) > 0), (0, True))
        case _:
            return Symbol(atom.text, integer=True, nonnegative=True)
