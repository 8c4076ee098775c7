"""
Known constraints: a small language of comparisons, parsed to a tree and evaluated on columns.

    unroll < chunk
    1024 % (vector * split) == 0 and vector <= 8
    (order_i0 < order_i2) | (order_i0 < order_i3)
    layout in ("row", "column")

Names are parameters. Of a permutation `order`, `order_2` is the entry in slot 2 and `order_i2` the
slot of entry 2. Numbers are exact: `49 * (1 / 49) >= 1` holds, since quotients are kept as
fractions; only where a real parameter takes part are they floats. A comparison with a quotient or
remainder by 0 does not hold.

From weak to strong: `or`; `and`; `not`; `< <= > >= == != in`; `|`; `&`; `+ -`; `* / %`; unary `-`.
As in Python, `&` and `|` are stronger than comparisons, and here they join truths only, so that
`a < b & c < d` is refused.

Source: "BaCO: A Fast and Portable Bayesian Compiler Optimization Framework", ASPLOS 2023, section
4.1; the operators are those of its scenario files, with `and`, `or`, `not`, `in` and strings.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace.autotune.exact import ARITHMETIC, COMPARE, Bools, Numbers, compare, negative
from headrace.storage.errors import InputError

Columns: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""[rows] each: integers, floats, or fractions or strings as an array of objects."""

Kind = Literal["number", "category", "truth"]

LONGEST, DEEPEST, DIGITS = 8_000, 40, 40
"""Characters of a constraint, nested parentheses or signs, characters of a number."""

MOST_OPERATORS = 1_000
"""Operators of a constraint: a product of many parameters is slow to keep exact."""

MOST_SHOWN = 20
"""Parameters that an error lists."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<string>\"[^\"]*\"|'[^']*')|(?P<sign><=|>=|==|!=|[-+*/%<>&|(),\[\]]))"
)
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_WORDS = ("and", "or", "not", "in")


@dataclass(frozen=True)
class Constraint:
    """One constraint, as it was written and as a tree."""

    text: str
    names: frozenset[str]
    """The columns that it reads, such as `chunk`, `order_2` and `order_i2`."""
    _root: _Node

    @staticmethod
    def parse(text: str, kinds: Mapping[str, Kind]) -> Constraint:
        """
        Read a constraint over columns of the given kinds ("number" or "category").

        Raises `InputError` that points into the text.
        """
        return _Parser(text, kinds).constraint()

    def holds(self, columns: Columns) -> Bools:
        """
        [rows] Whether the constraint holds.

        A constraint without names gives a single truth, of shape [].
        """
        return self._root.of(columns)

    @property
    def ordered_pairs(self) -> list[tuple[str, str]] | None:
        """The pairs (small, large) of a constraint that only says which names are smaller."""
        return _ordered_pairs(self._root)


@dataclass(frozen=True)
class _Node(ABC):
    """A part of a constraint; `place` is where it begins in the text."""

    kind: Kind
    place: int

    @abstractmethod
    def of(self, columns: Columns) -> Any:
        """[rows] What it is: `Numbers`, truths or strings, by its kind."""


@dataclass(frozen=True)
class _Number(_Node):
    value: Fraction

    def of(self, columns: Columns) -> Numbers:
        return Numbers.constant(self.value)


@dataclass(frozen=True)
class _String(_Node):
    value: str

    def of(self, columns: Columns) -> npt.NDArray[Any]:
        return np.array(self.value, object)


@dataclass(frozen=True)
class _Name(_Node):
    name: str

    def of(self, columns: Columns) -> Any:
        column = columns[self.name]
        return Numbers.of(column) if self.kind == "number" else column


@dataclass(frozen=True)
class _Arithmetic(_Node):
    """Operators that are equally strong, applied from left to right."""

    first: _Node
    rest: tuple[tuple[str, _Node], ...]

    def of(self, columns: Columns) -> Numbers:
        found: Numbers = self.first.of(columns)
        for sign, operand in self.rest:
            found = ARITHMETIC[sign](found, operand.of(columns))
        return found


@dataclass(frozen=True)
class _Negative(_Node):
    operand: _Node

    def of(self, columns: Columns) -> Numbers:
        return negative(self.operand.of(columns))


@dataclass(frozen=True)
class _Comparison(_Node):
    sign: str
    left: _Node
    right: _Node

    def of(self, columns: Columns) -> Bools:
        left, right = self.left.of(columns), self.right.of(columns)
        if self.left.kind == "category":
            return np.asarray(COMPARE[self.sign](left, right), np.bool_)
        return compare(self.sign, left, right)


@dataclass(frozen=True)
class _Junction(_Node):
    """All (`and`) or any (`or`) of the parts."""

    every: bool
    parts: tuple[_Node, ...]

    def of(self, columns: Columns) -> Bools:
        join = np.logical_and if self.every else np.logical_or
        found = self.parts[0].of(columns)
        for part in self.parts[1:]:
            found = join(found, part.of(columns))
        return np.asarray(found, np.bool_)


@dataclass(frozen=True)
class _Not(_Node):
    operand: _Node

    def of(self, columns: Columns) -> Bools:
        return np.logical_not(self.operand.of(columns))


def _ordered_pairs(node: _Node) -> list[tuple[str, str]] | None:
    match node:
        case _Comparison(sign="<" | "<=", left=_Name(name=small), right=_Name(name=large)):
            return [(small, large)]
        case _Comparison(sign=">" | ">=", left=_Name(name=large), right=_Name(name=small)):
            return [(small, large)]
        case _Junction(every=True, parts=parts):
            pairs: list[tuple[str, str]] = []
            for part in parts:
                found = _ordered_pairs(part)
                if found is None:
                    return None
                pairs += found
            return pairs
        case _:
            return None


class _Parser:
    """Recursive descent over the tokens of one constraint."""

    def __init__(self, text: str, kinds: Mapping[str, Kind]):
        self.text, self.kinds = text, kinds
        self.tokens: list[tuple[str, str, int]] = []
        self.at = 0
        self.depth = 0
        self.names: set[str] = set()
        if len(text) > LONGEST:
            raise InputError(
                f"a constraint has {len(text)} characters; the longest allowed has {LONGEST}"
            )
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                place += len(text[place:]) - len(text[place:].lstrip())
                advice = "; write '==' for equality" if text[place] == "=" else ""
                self.refuse(
                    f"{text[place]!r} is not part of the language of constraints{advice}", place
                )
            kind = str(found.lastgroup)
            self.tokens.append((kind, found[kind], found.start(kind)))
            place = found.end()
            if len(self.tokens) > 2 * MOST_OPERATORS:
                self.refuse(f"a constraint has at most {MOST_OPERATORS} operators", place)
        self.tokens.append(("end", "", len(text)))

    def refuse(self, reason: str, place: int) -> NoReturn:
        start = max(0, place - 40)
        shown = self.text[start : place + 40].replace("\n", " ")
        raise InputError(f"{reason}:\n  {shown}\n  {' ' * (place - start)}^")

    def constraint(self) -> Constraint:
        root = self._or()
        kind, word, place = self.tokens[self.at]
        if kind != "end":
            self.refuse(f"expected an operator or the end, but got '{word}'", place)
        self._expect(root, "truth", "a constraint is a comparison")
        return Constraint(self.text, frozenset(self.names), root)

    def _take(self, *words: str) -> str | None:
        kind, word, _ = self.tokens[self.at]
        if kind in ("sign", "name") and word in words:
            self.at += 1
            return word
        return None

    def _demand(self, word: str) -> None:
        if self._take(word) is None:
            _, got, place = self.tokens[self.at]
            self.refuse(f"expected '{word}', but got {repr(got) if got else 'the end'}", place)

    def _expect(self, node: _Node, kind: Kind, reason: str, advice: str = "") -> None:
        if node.kind != kind:
            self.refuse(f"{reason}, but this is a {node.kind}{advice}", node.place)

    def _joined(
        self, words: tuple[str, ...], every: bool, part: Callable[[], _Node], advice: str
    ) -> _Node:
        parts = [part()]
        while word := self._take(*words):
            parts.append(part())
            for one in parts:
                self._expect(one, "truth", f"'{word}' joins comparisons", advice)
        return (
            parts[0] if len(parts) == 1 else _Junction("truth", parts[0].place, every, tuple(parts))
        )

    def _or(self) -> _Node:
        return self._joined(("or",), False, self._and, "")

    def _and(self) -> _Node:
        return self._joined(("and",), True, self._not, "")

    def _not(self) -> _Node:
        place = self.tokens[self.at][2]
        if self._take("not"):
            operand = self._nested(self._not)
            self._expect(operand, "truth", "'not' takes a comparison")
            return _Not("truth", place, operand)
        return self._comparison()

    def _comparison(self) -> _Node:
        left = self._bars()
        place = self.tokens[self.at][2]
        negated = self._take("not") is not None
        if negated and self.tokens[self.at][1] != "in":
            self.refuse("expected 'in' after 'not'", self.tokens[self.at][2])
        if self._take("in"):
            found = self._member(left)
            return _Not("truth", left.place, found) if negated else found
        sign = self._take(*_COMPARISONS)
        if sign is None:
            return left
        compared = self._compared(sign, left, self._bars(), place)
        _, word, place = self.tokens[self.at]
        if word in _COMPARISONS:
            self.refuse("comparisons do not chain; join two by 'and'", place)
        return compared

    def _compared(self, sign: str, left: _Node, right: _Node, place: int) -> _Node:
        for side in (left, right):
            if side.kind == "truth":
                self.refuse(f"'{sign}' compares values; put parentheses around it", place)
        if left.kind != right.kind:
            self.refuse(f"'{sign}' compares a {left.kind} with a {right.kind}", place)
        if left.kind == "category" and sign not in ("==", "!="):
            self.refuse(f"categories have no order, so that '{sign}' means nothing", place)
        return _Comparison("truth", left.place, sign, left, right)

    def _member(self, left: _Node) -> _Node:
        place = self.tokens[self.at][2]
        opening = self._take("(", "[")
        if opening is None:
            self.refuse("expected a list of values in parentheses after 'in'", place)
        equal = [self._compared("==", left, self._nested(self._sum), place)]
        while self._take(","):
            equal.append(self._compared("==", left, self._nested(self._sum), place))
        self._demand(")" if opening == "(" else "]")
        return _Junction("truth", left.place, False, tuple(equal))

    def _bars(self) -> _Node:
        return self._joined(("|",), False, self._ampersands, "; put each comparison in parentheses")

    def _ampersands(self) -> _Node:
        return self._joined(("&",), True, self._sum, "; put each comparison in parentheses")

    def _sum(self) -> _Node:
        return self._arithmetic(("+", "-"), self._product)

    def _product(self) -> _Node:
        return self._arithmetic(("*", "/", "%"), self._unary)

    def _arithmetic(self, signs: Sequence[str], part: Callable[[], _Node]) -> _Node:
        first = part()
        rest: list[tuple[str, _Node]] = []
        while sign := self._take(*signs):
            self._expect(first, "number", f"'{sign}' takes numbers")
            operand = part()
            self._expect(operand, "number", f"'{sign}' takes numbers")
            rest.append((sign, operand))
        return _Arithmetic("number", first.place, first, tuple(rest)) if rest else first

    def _unary(self) -> _Node:
        place = self.tokens[self.at][2]
        if self._take("-"):
            operand = self._nested(self._unary)
            self._expect(operand, "number", "'-' takes a number")
            return _Negative("number", place, operand)
        return self._atom()

    def _atom(self) -> _Node:
        kind, word, place = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            if len(word) > DIGITS:
                self.refuse(f"a number has at most {DIGITS} digits", place)
            return _Number("number", place, Fraction(word))
        if kind == "string":
            return _String("category", place, word[1:-1])
        if kind == "name" and word not in _WORDS:
            return self._name(word, place)
        if word == "(":
            inner = self._nested(self._or)
            self._demand(")")
            return inner
        self.refuse(f"expected a value, but got {repr(word) if word else 'the end'}", place)

    def _name(self, word: str, place: int) -> _Node:
        if self.tokens[self.at][1] == "(":
            self.refuse("the language of constraints has no functions", place)
        if word not in self.kinds:
            self.refuse(f"there is no parameter '{word}'; {self._known(word)}", place)
        self.names.add(word)
        return _Name(self.kinds[word], place, word)

    def _known(self, word: str) -> str:
        """What could be meant by a name that there is not."""
        order = re.sub(r"_i?\d+$", "", word)
        if f"{order}_i0" in self.kinds:
            return (
                f"of the permutation '{order}', '{order}_0' is the entry in slot 0 and "
                f"'{order}_i0' the slot of entry 0"
            )
        return f"there are {', '.join(list(self.kinds)[:MOST_SHOWN])}"

    def _nested(self, part: Callable[[], _Node]) -> _Node:
        self.depth += 1
        if self.depth > DEEPEST:
            self.refuse(f"a constraint nests at most {DEEPEST} deep", self.tokens[self.at][2])
        inner = part()
        self.depth -= 1
        return inner
