"""Dimensions of streams from text: sums of products, with `ceil`, `positive` and `total`."""

import re
from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

RESERVED = frozenset(("ceil", "positive", "total"))
TOKEN = re.compile(r"\s*(?:(?P<number>\d+)|(?P<name>~?[A-Za-z_][A-Za-z0-9_.]*)|(?P<sign>[-+*(),]))")


class Size(Protocol):
    """The operations of the text: those of `Dimension`."""

    def __add__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __mul__(self, other: Self, /) -> Self: ...
    def ceil_divide(self, divisor: int) -> Self: ...
    def positive(self) -> Self: ...
    def total(self) -> Self: ...


SizeT = TypeVar("SizeT", bound=Size)


def parse(text: str, number: Callable[[int], SizeT], symbol: Callable[[str, bool], SizeT]) -> SizeT:
    """
    The size that a text writes, from numbers and from symbols by name and raggedness.

    Raises ValueError.
    """
    reader = _Reader(text, number, symbol)
    size = reader.sum()
    if reader.token:
        raise reader.error("the end")
    return size


class _Reader(Generic[SizeT]):
    """Recursive descent: one method a rule, `token` is the next one, empty at the end."""

    def __init__(
        self, text: str, number: Callable[[int], SizeT], symbol: Callable[[str, bool], SizeT]
    ) -> None:
        self.text = text
        self.number = number
        self.symbol = symbol
        self.position = 0
        self.token = ""
        self.advance()

    def advance(self) -> str:
        """Pass over the token, and return it."""
        passed = self.token
        rest = self.text[self.position :]
        match = TOKEN.match(rest)
        if match is None and rest.strip():
            raise ValueError(f"{self.text!r} is no dimension: cannot read {rest.strip()!r}")
        self.token = match[0].strip() if match else ""
        self.position += match.end() if match else len(rest)
        return passed

    def error(self, expected: str) -> ValueError:
        found = repr(self.token) if self.token else "the end"
        return ValueError(f"{self.text!r} is no dimension: expected {expected}, found {found}")

    def expect(self, token: str) -> None:
        if self.token != token:
            raise self.error(repr(token))
        self.advance()

    def sum(self) -> SizeT:
        size = self.number(0)
        sign = self.advance() if self.token == "-" else "+"
        while True:
            term = self.product()
            size = size + term if sign == "+" else size - term
            if self.token not in ("+", "-"):
                return size
            sign = self.advance()

    def product(self) -> SizeT:
        size = self.factor()
        while self.token == "*":
            self.advance()
            size = size * self.factor()
        return size

    def factor(self) -> SizeT:
        if self.token.isdigit():
            return self.number(int(self.advance()))
        if self.token == "(":
            self.advance()
            size = self.sum()
            self.expect(")")
            return size
        if self.token in RESERVED:
            return self.function(self.advance())
        if not self.token or self.token in "-+*),":
            raise self.error("a size")
        name = self.advance()
        return self.symbol(name.removeprefix("~"), name.startswith("~"))

    def function(self, name: str) -> SizeT:
        self.expect("(")
        operand = self.sum()
        if name == "ceil":
            self.expect(",")
            if not self.token.isdigit():
                raise self.error("a number to divide by")
            size = operand.ceil_divide(int(self.advance()))
        else:
            size = operand.positive() if name == "positive" else operand.total()
        self.expect(")")
        return size
