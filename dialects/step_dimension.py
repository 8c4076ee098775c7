"""
The sizes of streams and tiles: polynomials of symbols, in canonical form.

A `Dimension` is a number of elements, 0 or more: a polynomial with integer coefficients over:

| atom | text | meaning |
|---|---|---|
| `Symbol` | `e0` | one value of the run, as the rows that an expert receives (dynamic-regular) |
| `Symbol` | `~r0` | a size that differs between siblings (ragged) |
| `CeilDivision` | `ceil(e0, 4)` | the division that rounds up |
| `Positive` | `positive(e0)` | 1 if the operand is more than 0, else 0 |
| `Total` | `total(~r0)` | the sum of a ragged size over all siblings: one value |

Equal text means equal size; different text may still mean sizes that are always equal, as the
identities of rounding are endless. Those that programs need hold: a rounding up gives away its
exact part and nests, `positive` is absorbed by what it guards, sums come out of totals.

Source: "Streaming Tensor Programs", arXiv 2511.07776, section 3 (kinds); the algebra is ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from headrace.dialects.step_dimension_text import RESERVED, parse


@dataclass(frozen=True)
class Symbol:
    name: str
    ragged: bool

    @cached_property
    def text(self) -> str:
        return f"~{self.name}" if self.ragged else self.name


@dataclass(frozen=True)
class CeilDivision:
    dividend: Dimension
    divisor: int

    @cached_property
    def text(self) -> str:
        return f"ceil({self.dividend}, {self.divisor})"


@dataclass(frozen=True)
class Positive:
    operand: Dimension

    @cached_property
    def text(self) -> str:
        return f"positive({self.operand})"


@dataclass(frozen=True)
class Total:
    operand: Dimension

    @cached_property
    def text(self) -> str:
        return f"total({self.operand})"


Atom: TypeAlias = Symbol | CeilDivision | Positive | Total
Monomial: TypeAlias = tuple[Atom, ...]
"""A product of atoms in the order of their texts, with repetition; empty for the constant."""
DimensionLike: TypeAlias = "int | str | Dimension"


class Dimension:
    """
    A size, immutable. `terms` are monomials with coefficients that are not zero, in order.

    Make one with `Dimension.of` or `symbol`; `str` prints what `Dimension.of` reads.
    """

    __slots__ = ("_hash", "terms")

    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        """Terms of reduced monomials: for this module, others call `of`."""
        kept = [term for term in terms.items() if term[1]]
        self.terms = tuple(sorted(kept, key=_order)) if len(kept) > 1 else tuple(kept)
        self._hash = hash(self.terms)

    @staticmethod
    def of(value: DimensionLike) -> Dimension:
        """Raises ValueError for a text that is not a dimension."""
        if isinstance(value, Dimension):
            return value
        if isinstance(value, int):
            return Dimension({(): value})
        return parse(value, Dimension.of, symbol)

    @property
    def is_static(self) -> bool:
        return not self.terms or (len(self.terms) == 1 and not self.terms[0][0])

    @property
    def value(self) -> int:
        """The number, of a static dimension; raises ValueError for another."""
        if not self.is_static:
            raise ValueError(f"{self} is not known before the run: substitute its symbols first")
        return self.constant

    @property
    def constant(self) -> int:
        """The coefficient of the constant term."""
        return next((coefficient for monomial, coefficient in self.terms if not monomial), 0)

    @property
    def atoms(self) -> frozenset[Atom]:
        """The factors of the terms, not those inside of other atoms."""
        return frozenset(atom for monomial, _ in self.terms for atom in monomial)

    @property
    def symbols(self) -> frozenset[str]:
        """The texts of all symbols, those inside of other atoms too."""
        return frozenset(symbol.text for symbol in _symbols(self, into_totals=True))

    @property
    def is_ragged(self) -> bool:
        """Whether the size differs between siblings. A total is one value."""
        return any(symbol.ragged for symbol in _symbols(self, into_totals=False))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.is_static and self.constant == other
        return isinstance(other, Dimension) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.constant) if self.is_static else self._hash

    def __add__(self, other: int | Dimension) -> Dimension:
        return summed((self, other))

    def __sub__(self, other: int | Dimension) -> Dimension:
        return self + Dimension.of(other) * -1

    def __mul__(self, other: int | Dimension) -> Dimension:
        products: dict[Monomial, int] = {}
        for left, scale in self.terms:
            for right, coefficient in Dimension.of(other).terms:
                monomial = _reduced(left + right) if left and right else left + right
                products[monomial] = products.get(monomial, 0) + scale * coefficient
        return Dimension(products)

    __radd__ = __add__
    __rmul__ = __mul__

    def ceil_divide(self, divisor: int) -> Dimension:
        """The size in chunks of `divisor`, the last one perhaps not full."""
        if divisor < 1:
            raise ValueError(f"cannot divide {self} by {divisor}: a chunk holds one or more")
        exact: dict[Monomial, int] = {}
        rest: dict[Monomial, int] = {}
        for monomial, coefficient in self.terms:
            whole = coefficient // divisor if monomial else -(-coefficient // divisor)
            exact[monomial] = whole
            rest[monomial] = coefficient - whole * divisor
        return Dimension(exact) + _rounded_up(Dimension(rest), divisor)

    def positive(self) -> Dimension:
        """1 if this is more than 0, else 0."""
        return product(
            guard if guard.is_static else Dimension({(Positive(guard),): 1})
            for guard in _guards(self)
        )

    def total(self) -> Dimension:
        """
        The sum over all siblings of a ragged size.

        Raises ValueError for a regular one: the number of siblings is its caller's to know.
        """
        if not self.terms:
            return self
        if not self.is_ragged:
            raise ValueError(f"{self} is equal for all siblings: multiply it by their number")
        if not all(_ragged_part(monomial) for monomial, _ in self.terms):
            scale = math.gcd(*(coefficient for _, coefficient in self.terms))
            inner = Dimension({monomial: count // scale for monomial, count in self.terms})
            return Dimension({(Total(inner),): scale})
        return summed(_total_of_term(*term) for term in self.terms)

    def substitute(self, mapping: Mapping[str, DimensionLike | Sequence[int]]) -> Dimension:
        """
        This size with values for symbols, or for other atoms, by their texts.

        A ragged symbol inside of a total takes the sequence of its values over the siblings.
        Raises ValueError for a value below 0, and for a ragged symbol that stands for one number.
        """
        return summed(
            coefficient * product(_substituted(atom, mapping) for atom in monomial)
            for monomial, coefficient in self.terms
        )

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        text = ""
        for monomial, coefficient in self.terms:
            factors = [atom.text for atom in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+"
            text += f" {sign} " if text else ("-" if coefficient < 0 else "")
            text += "*".join(factors)
        return text

    def __repr__(self) -> str:
        return f"Dimension({str(self)!r})"


def symbol(name: str, ragged: bool = False) -> Dimension:
    """A size known by a name. Raises ValueError for a name that could not be read back."""
    letters = name.replace("_", "a").replace(".", "a")
    if name in RESERVED or not letters.isalnum() or not letters.isascii() or letters[0].isdigit():
        raise ValueError(f"{name!r} cannot name a dimension: use letters, digits, '_' and '.'")
    return Dimension({(Symbol(name, ragged),): 1})


def summed(sizes: Iterable[DimensionLike]) -> Dimension:
    sums: dict[Monomial, int] = {}
    for size in sizes:
        for monomial, coefficient in Dimension.of(size).terms:
            sums[monomial] = sums.get(monomial, 0) + coefficient
    return Dimension(sums)


def product(sizes: Iterable[DimensionLike]) -> Dimension:
    result = Dimension.of(1)
    for size in sizes:
        result = result * Dimension.of(size)
    return result


def _order(term: tuple[Monomial, int]) -> tuple[bool, list[str]]:
    """Symbols before the constant, as one writes them."""
    return not term[0], [atom.text for atom in term[0]]


def _operand(atom: Atom) -> Dimension | None:
    match atom:
        case CeilDivision():
            return atom.dividend
        case Positive() | Total():
            return atom.operand
        case Symbol():
            return None


def _symbols(size: Dimension, into_totals: bool) -> Iterator[Symbol]:
    for atom in size.atoms:
        operand = _operand(atom)
        if isinstance(atom, Symbol):
            yield atom
        elif operand is not None and (into_totals or not isinstance(atom, Total)):
            yield from _symbols(operand, into_totals)


def _ragged_part(monomial: Monomial) -> Monomial:
    return tuple(atom for atom in monomial if Dimension({(atom,): 1}).is_ragged)


def _total_of_term(monomial: Monomial, coefficient: int) -> Dimension:
    ragged = _ragged_part(monomial)
    common = tuple(atom for atom in monomial if atom not in ragged)
    total = Total(Dimension({ragged: 1}))
    return Dimension({common: coefficient}) * Dimension({(total,): 1})


def _never_negative(size: Dimension) -> bool:
    return all(coefficient > 0 for _, coefficient in size.terms)


def _rounded_up(rest: Dimension, divisor: int) -> Dimension:
    """Divide what has no exact part: coefficients below the divisor, a constant of at most 0."""
    coefficients = [coefficient for monomial, coefficient in rest.terms if monomial]
    if not coefficients:
        return Dimension.of(0)
    common = math.gcd(divisor, *coefficients)
    if common > 1:
        terms = {monomial: coefficient // common for monomial, coefficient in rest.terms}
        terms[()] = -(-rest.constant // common)
        return Dimension(terms).ceil_divide(divisor // common)
    monomial = rest.terms[0][0]
    if coefficients == [1] and len(monomial) == 1 and isinstance(monomial[0], CeilDivision):
        inner = monomial[0]
        rest = inner.dividend + rest.constant * inner.divisor
        return rest.ceil_divide(inner.divisor * divisor)
    return Dimension({(CeilDivision(rest, divisor),): 1})


def _guards(size: Dimension) -> frozenset[Dimension]:
    """The sizes that are all more than 0 exactly where this one is, simplified."""
    if size.is_static:
        return frozenset((Dimension.of(int(size.constant > 0)),))
    if not _never_negative(size):
        scale = math.gcd(*(coefficient for _, coefficient in size.terms))
        return frozenset((Dimension({m: count // scale for m, count in size.terms}),))
    if size.constant:
        return frozenset((Dimension.of(1),))
    if len(size.terms) == 1:
        return frozenset(guard for atom in size.terms[0][0] for guard in _guards_of_atom(atom))
    inner = summed(product(map(_guard_of_term, set(monomial))) for monomial, _ in size.terms)
    ones = Dimension({_reduced(tuple(set(monomial))): 1 for monomial, _ in inner.terms})
    return frozenset((ones,)) if ones == size else _guards(ones)


def _guards_of_atom(atom: Atom) -> frozenset[Dimension]:
    if isinstance(atom, CeilDivision | Positive):
        return _guards(atom.dividend if isinstance(atom, CeilDivision) else atom.operand)
    return frozenset((Dimension({(atom,): 1}),))


def _guard_of_term(atom: Atom) -> Dimension:
    """What is more than 0 exactly where the atom is, and never less than 0: terms may be added."""
    operand = _operand(atom)
    if operand is None or isinstance(atom, Total):
        return Dimension({(atom,): 1})
    if _never_negative(operand):
        return operand
    return product(Dimension({(Positive(guard),): 1}) for guard in _guards(operand))


def _reduced(monomial: Monomial) -> Monomial:
    """In order, without the guards that follow from the other factors."""
    guards = {atom for atom in monomial if isinstance(atom, Positive)}
    if not guards:
        return tuple(sorted(monomial, key=lambda atom: atom.text))
    factors = [atom for atom in monomial if not isinstance(atom, Positive)]
    known = {guard for atom in factors for guard in _guards_of_atom(atom)}
    kept = list(guards)
    for guard in sorted(guards, key=lambda atom: atom.text):
        others = {atom.operand for atom in kept if atom != guard}
        if _follows(guard.operand, known | others):
            kept.remove(guard)
    return tuple(sorted([*factors, *kept], key=lambda atom: atom.text))


def _follows(size: Dimension, known: set[Dimension]) -> bool:
    """Whether a size is more than 0 because the known ones are: some of its terms make it so."""
    if size in known:
        return True
    if not _never_negative(size):
        return False
    terms = {monomial for monomial, _ in size.terms}
    return any(known.issuperset(_guards(Dimension({term: 1}))) for term in terms) or any(
        _never_negative(one) and terms.issuperset(monomial for monomial, _ in one.terms)
        for one in known
    )


def _substituted(atom: Atom, mapping: Mapping[str, DimensionLike | Sequence[int]]) -> Dimension:
    given = mapping.get(atom.text)
    if given is None:
        match atom:
            case CeilDivision():
                return atom.dividend.substitute(mapping).ceil_divide(atom.divisor)
            case Positive():
                return atom.operand.substitute(mapping).positive()
            case Total():
                return _substituted_total(atom, mapping)
            case Symbol():
                return Dimension({(atom,): 1})
    if not isinstance(given, int | str | Dimension):
        raise ValueError(f"{atom.text} has a value for each sibling: only its total is one number")
    value = Dimension.of(given)
    if value.is_static and value.constant < 0:
        raise ValueError(f"{atom.text} cannot be {value}: a size is 0 or more")
    return value


def _substituted_total(
    atom: Total, mapping: Mapping[str, DimensionLike | Sequence[int]]
) -> Dimension:
    lists = {
        name: value
        for name in atom.operand.symbols
        if not isinstance(value := mapping.get(name, 0), int | str | Dimension)
    }
    if not lists:
        return atom.operand.substitute(mapping).total()
    if len({len(values) for values in lists.values()}) > 1:
        raise ValueError(f"{atom.text}: the values of {', '.join(sorted(lists))} differ in number")
    siblings = [
        atom.operand.substitute({**mapping, **dict(zip(lists, values, strict=True))})
        for values in zip(*lists.values(), strict=True)
    ]
    if any(size.is_ragged for size in siblings):
        raise ValueError(f"{atom.text}: give all of its ragged symbols their values, or none")
    return summed(siblings)
