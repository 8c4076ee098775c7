"""
The grammar of index notation.

    statement  := access "=" sum
    sum        := product { ("+" | "-") product }
    product    := factor { ("*" | "/") factor }
    factor     := "-" factor | number | "(" sum ")" | call | access
    access     := name [ "(" [ index { "," index } ] ")" ]
    call       := function "(" argument { "," argument } ")"

Arguments are sums, except where a function takes an index: `sum(k, x)`, `softmax(x, j)`.
"""

import re
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from headrace.storage.errors import InputError


@dataclass(frozen=True)
class Number:
    value: float
    at: int


@dataclass(frozen=True)
class Access:
    """A tensor under some indices, `A(i,j)`."""

    name: str
    indices: tuple[str, ...]
    at: int


@dataclass(frozen=True)
class Binary:
    """`lhs op rhs` with op one of `+ - * /`."""

    op: str
    lhs: "Expression"
    rhs: "Expression"
    at: int


@dataclass(frozen=True)
class Call:
    """A function of expressions and indices; negation is the function `neg`."""

    function: str
    arguments: tuple["Expression", ...]
    indices: tuple[str, ...]
    at: int


Expression: TypeAlias = Number | Access | Binary | Call

SIGNATURES: dict[str, str] = {
    **dict.fromkeys(("relu", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "tanh"), "x"),
    **dict.fromkeys(("sigmoid", "silu", "gelu", "abs", "erf", "neg"), "x"),
    **dict.fromkeys(("max", "min", "pow"), "xx"),
    **dict.fromkeys(("sum", "amax", "amin"), "ix"),
    **dict.fromkeys(("softmax", "log_softmax", "layernorm"), "xi"),
    "masked_softmax": "xxi",
}
"""The arguments of every function: `x` an expression, `i` an index."""

BINDERS = frozenset({"sum", "amax", "amin"})
"""Functions that reduce their index, which has no meaning outside of them."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<sign>[-+*/(),=]))"
)


def free_indices(expression: Expression) -> dict[str, int]:
    """The indices of an expression that no function inside binds, with the place of a use."""
    match expression:
        case Number():
            return {}
        case Access():
            return dict.fromkeys(expression.indices, expression.at)
        case Binary():
            return free_indices(expression.lhs) | free_indices(expression.rhs)
        case Call():
            found: dict[str, int] = {}
            for argument in expression.arguments:
                found |= free_indices(argument)
            bound = expression.indices if expression.function in BINDERS else ()
            return {index: at for index, at in found.items() if index not in bound}


def accesses(expression: Expression) -> list[Access]:
    """All accesses of an expression, left to right."""
    match expression:
        case Number():
            return []
        case Access():
            return [expression]
        case Binary():
            return [*accesses(expression.lhs), *accesses(expression.rhs)]
        case Call():
            return [access for argument in expression.arguments for access in accesses(argument)]


def fail(text: str, at: int, message: str) -> NoReturn:
    """Raise `InputError` with the place in the text."""
    raise InputError(f"{message} (column {at + 1})\n  {text}\n  {' ' * at}^")


class Parser:
    """A recursive descent parser of one statement."""

    def __init__(self, text: str):
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                at = position + len(text[position:]) - len(text[position:].lstrip())
                fail(text, at, f"unexpected character '{text[at]}'")
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind], match.start(kind)))
            position = match.end()
        self.tokens.append(("end", "the end", len(text.rstrip())))
        self.next = 0

    def statement(self) -> tuple[Access, Expression]:
        """The left side and the right side; raises `InputError` with the place of an error."""
        kind, name, at = self.take()
        if kind != "name":
            fail(self.text, at, f"expected the name of the result, found '{name}'")
        if name in SIGNATURES:
            fail(self.text, at, f"'{name}' is a function and cannot name the result")
        left = self.access(name, at)
        self.expect("=")
        right = self.sum()
        kind, found, at = self.take()
        if kind != "end":
            fail(self.text, at, f"expected an operator or the end, found '{found}'")
        return left, right

    def sum(self) -> Expression:
        left = self.product()
        while self.peek() in ("+", "-"):
            _, op, at = self.take()
            left = Binary(op, left, self.product(), at)
        return left

    def product(self) -> Expression:
        left = self.factor()
        while self.peek() in ("*", "/"):
            _, op, at = self.take()
            left = Binary(op, left, self.factor(), at)
        return left

    def factor(self) -> Expression:
        kind, token, at = self.take()
        if token == "-":
            return Call("neg", (self.factor(),), (), at)
        if token == "(":
            inner = self.sum()
            self.expect(")")
            return inner
        if kind == "number":
            return Number(float(token), at)
        if kind != "name":
            fail(self.text, at, f"expected a tensor, a number or '(', found '{token}'")
        if token in SIGNATURES:
            return self.call(token, at)
        return self.access(token, at)

    def call(self, function: str, at: int) -> Call:
        arguments: list[Expression] = []
        indices: list[str] = []
        signature = SIGNATURES[function]
        usage = f"{function}({', '.join('index' if kind == 'i' else 'x' for kind in signature)})"
        for number, kind in enumerate(signature):
            self.expect("," if number else "(", usage)
            if kind == "x":
                arguments.append(self.sum())
                continue
            found, token, place = self.take()
            if found != "name":
                fail(self.text, place, f"expected an index, found '{token}'; write {usage}")
            indices.append(token)
        self.expect(")", usage)
        return Call(function, tuple(arguments), tuple(indices), at)

    def access(self, name: str, at: int) -> Access:
        indices: list[str] = []
        if self.peek() == "(":
            self.take()
            while self.peek() != ")" or indices:
                kind, index, place = self.take()
                if kind != "name":
                    fail(self.text, place, f"expected an index of {name}, found '{index}'")
                if index in indices:
                    fail(
                        self.text,
                        place,
                        f"index '{index}' stands twice in {name}; a diagonal is not supported",
                    )
                indices.append(index)
                if self.peek() == ")":
                    break
                self.expect(",")
            self.take()
        return Access(name, tuple(indices), at)

    def peek(self) -> str:
        return self.tokens[self.next][1]

    def take(self) -> tuple[str, str, int]:
        token = self.tokens[self.next]
        self.next = min(self.next + 1, len(self.tokens) - 1)
        return token

    def expect(self, sign: str, usage: str | None = None) -> None:
        _, token, at = self.take()
        if token != sign:
            hint = f"; write {usage}" if usage else ""
            fail(self.text, at, f"expected '{sign}', found '{token}'{hint}")
