"""
Index notation -> entry IR.

    Y(i,h) = relu(A(i,j) * X(j,f) * W(f,h) + b(h))

An index that the left side lacks is summed over the smallest product that contains all of its
uses; products associate to the left, and each binary product is reduced as soon as an index
is used up, so that no operation multiplies more than two tensors (parentheses choose another
association). The terms of a sum and the argument of a function are products of their own:
`y(i) = exp(A(i,j))` is exp of the sum over j, `sum(j, exp(A(i,j)))` the sum of exp.

Softmax of a product of tensors with a sparse one, `softmax(S(i,j) * M(i,j) / 8, j)`, is structural:
only positions where M is not zero take part, and a row without any is 0. Everything else has dense
semantics.

A result is compressed on an index where it is certainly sparse: a product where one factor is, a
sum where both terms are, a function with f(0) = 0 where its argument is. Elsewhere it is dense.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xdsl.dialects.builtin import AnyFloat, ModuleOp, f32, f64
from xdsl.ir import BlockArgument, SSAValue

from headrace.frontends import composed
from headrace.frontends.builder import EntryBuilder, Extent, View
from headrace.frontends.einsum_syntax import (
    Access,
    Binary,
    Call,
    Expression,
    Number,
    Parser,
    accesses,
    fail,
    free_indices,
)
from headrace.frontends.scalars import Body, Scalars
from headrace.storage.errors import InputError
from headrace.storage.levels import Format, Level

Shape: TypeAlias = Sequence[int | None]

FormatSpec: TypeAlias = str | Format | tuple[str | Format, Shape]
"""A format such as `csr`, or a format and a shape, in which `None` is a size known at run time."""

_ELEMENTS: dict[str, AnyFloat] = {"f32": f32, "f64": f64}

_KEEP_ZERO = frozenset({"relu", "sqrt", "sin", "tanh", "silu", "gelu", "abs", "erf", "neg"})
"""Functions with f(0) = 0."""

_BINARY_NAMES = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_REDUCTIONS = {"sum": "add", "amax": "max", "amin": "min"}


def import_einsum(
    text: str,
    formats: Mapping[str, FormatSpec] | None = None,
    *,
    sizes: Mapping[str, int] | None = None,
    dtype: str = "f64",
) -> ModuleOp:
    """
    Translate one statement of index notation to a module with `@main`.

    The tensors on the right are the arguments, in the order of their first use. `formats` gives
    their formats and that of the result by name; tensors that it does not name are dense. Sizes
    come from shapes in `formats` and from `sizes` by index; others are known at run time only.
    Raises `InputError` that shows the place in the text.
    """
    if dtype not in _ELEMENTS:
        raise InputError(f"elements of type '{dtype}' are not supported; use f32 or f64")
    left, right = Parser(text).statement()
    return _Translation(text, left, right, formats or {}, sizes or {}, _ELEMENTS[dtype]).run()


@dataclass(frozen=True)
class Term:
    """A tensor whose dimensions walk `indices`, compressed on those in `compressed`."""

    view: View
    indices: tuple[str, ...]
    compressed: frozenset[str]


Value: TypeAlias = Term | float


class _Translation:
    def __init__(
        self,
        text: str,
        left: Access,
        right: Expression,
        formats: Mapping[str, FormatSpec],
        sizes: Mapping[str, int],
        element: AnyFloat,
    ):
        self.text = text
        self.left = left
        self.right = right
        self.element = element
        self.emit = EntryBuilder()
        self.uses = accesses(right)
        self.check_names(formats, sizes)
        self.order = list(dict.fromkeys(i for use in (left, *self.uses) for i in use.indices))
        """All indices, those of the result first; every term has its dimensions in this order."""
        self.formats = {
            use.name: self.parse_format(use, formats[use.name])
            for use in (left, *self.uses)
            if use.name in formats
        }
        self.extents = self.find_extents(formats, sizes)
        self.arguments: dict[str, View] = {}

    def run(self) -> ModuleOp:
        for use in self.uses:
            if use.name not in self.arguments:
                shape = [self.extents[index] for index in use.indices]
                format = self.formats.get(use.name)
                self.arguments[use.name] = self.emit.argument(use.name, shape, self.element, format)
        wanted = self.formats.get(self.left.name)
        result = self.value(self.right, frozenset(self.left.indices), wanted)
        if not isinstance(result, Term):
            fail(self.text, self.right.at, "the right side has no tensor")
        view = result.view
        if isinstance(view.base, BlockArgument):
            view = self.elementwise([result], lambda s, x: x[0], result.compressed, wanted).view
        if wanted is not None:
            view = self.emit.convert(view, wanted)
        return self.emit.finish([self.emit.materialize(view)])

    # --- names, formats and sizes --------------------------------------------------------

    def check_names(self, formats: Mapping[str, FormatSpec], sizes: Mapping[str, int]) -> None:
        ranks = {self.left.name: len(self.left.indices)}
        for use in self.uses:
            if use.name == self.left.name:
                fail(self.text, use.at, f"the result '{use.name}' cannot stand on the right")
            count = len(use.indices)
            if ranks.setdefault(use.name, count) != count:
                known = ranks[use.name]
                fail(
                    self.text, use.at, f"'{use.name}' is used with {known} indices and with {count}"
                )
        if unknown := formats.keys() - ranks.keys():
            known = ", ".join(ranks)
            raise InputError(f"there is a format for '{min(unknown)}', but the tensors are {known}")
        indices = {index for use in self.uses for index in use.indices}
        if unknown := sizes.keys() - indices:
            known = ", ".join(sorted(indices))
            raise InputError(f"there is a size for '{min(unknown)}', but the indices are {known}")
        found = free_indices(self.right)
        for index in self.left.indices:
            if index not in found:
                fail(
                    self.text,
                    self.left.at,
                    f"index '{index}' of the result walks no tensor on the right",
                )

    def parse_format(self, use: Access, spec: FormatSpec) -> Format:
        given: object = spec
        layout = spec[0] if isinstance(spec, tuple) else given
        if isinstance(layout, str):
            return Format.parse(layout, len(use.indices))
        if not isinstance(layout, Format):
            raise InputError(f"the format of '{use.name}' is a text or a Format, not {layout!r}")
        if layout.rank != len(use.indices):
            fail(
                self.text,
                use.at,
                f"'{use.name}' has {len(use.indices)} indices, but its format '{layout}' has "
                f"{layout.rank} levels",
            )
        return layout

    def find_extents(
        self, formats: Mapping[str, FormatSpec], sizes: Mapping[str, int]
    ) -> dict[str, Extent]:
        """The size of every index, or a name that all indices of equal size share."""
        same = {index: index for index in self.order}
        first = {use.name: use for use in reversed(self.uses)}
        for use in self.uses:
            for index, other in zip(use.indices, first[use.name].indices, strict=True):
                old, new = same[index], same[other]
                same = {key: new if value == old else value for key, value in same.items()}
        known: dict[str, int] = {}
        for index, size in sizes.items():
            if size < 0:
                raise InputError(f"the size of index '{index}' is {size}; give 0 or more")
            self.learn(known, same[index], size, self.left, index)
        for use in (self.left, *self.uses):
            spec = formats.get(use.name)
            if not isinstance(spec, tuple):
                continue
            shape = spec[1]
            if len(shape) != len(use.indices):
                fail(
                    self.text,
                    use.at,
                    f"'{use.name}' has {len(use.indices)} indices, but its shape {tuple(shape)} "
                    f"has {len(shape)} sizes",
                )
            for index, size in zip(use.indices, shape, strict=True):
                if size is not None:
                    self.learn(known, same[index], size, use, index)
        return {index: known.get(name, name) for index, name in same.items()}

    def learn(self, known: dict[str, int], name: str, size: int, use: Access, index: str) -> None:
        if known.setdefault(name, size) != size:
            fail(self.text, use.at, f"index '{index}' has size {known[name]} and size {size}")

    # --- expressions ---------------------------------------------------------------------

    def value(
        self, expression: Expression, keep: frozenset[str], format: Format | None = None
    ) -> Value:
        """
        Emit `expression`; its indices that are not in `keep` are summed.

        `format` is that of the result where the caller wants a certain one.
        """
        with self.emit.provenance(module="", source=f"einsum:{expression.at + 1}"):
            match expression:
                case Number():
                    return expression.value
                case Access():
                    return self.access(expression, keep, format)
                case Binary(op="*"):
                    return self.product(expression, keep, format)
                case Binary():
                    return self.binary(expression, keep, format)
                case Call():
                    return self.call(expression, keep, format)

    def access(self, use: Access, keep: frozenset[str], format: Format | None) -> Value:
        layout = self.formats.get(use.name, Format.dense(len(use.indices)))
        compressed = {
            use.indices[dimension]
            for level, dimension in zip(layout.levels, layout.order, strict=True)
            if level is Level.COMPRESSED
        }
        indices = self.sorted(use.indices)
        view = self.arguments[use.name].permute([use.indices.index(i) for i in indices])
        return self.reduce(Term(view, indices, frozenset(compressed)), keep, "add", format)

    def product(self, expression: Binary, keep: frozenset[str], format: Format | None) -> Value:
        left, right = self.operands(expression, keep)
        if not isinstance(left, Term) or not isinstance(right, Term):
            return self.scalar_map(expression, left, right, format)
        found = self.sorted({*left.indices, *right.indices})
        indices = tuple(index for index in found if index in keep)
        compressed = (left.compressed | right.compressed) & frozenset(indices)
        view = self.emit.contract(
            (left.view, left.indices),
            (right.view, right.indices),
            indices,
            format=self.layout(indices, compressed, format),
        )
        return Term(view, indices, compressed)

    def binary(self, expression: Binary, keep: frozenset[str], format: Format | None) -> Value:
        if expression.op == "/":
            left, right = self.operands(expression, keep)
        else:
            left, right = self.value(expression.lhs, keep), self.value(expression.rhs, keep)
        result = self.scalar_map(expression, left, right, format)
        return result if not isinstance(result, Term) else self.reduce(result, keep, "add", format)

    def operands(self, expression: Binary, keep: frozenset[str]) -> tuple[Value, Value]:
        """Both factors, each with the indices that the other one needs."""
        left = self.value(expression.lhs, keep | free_indices(expression.rhs).keys())
        return left, self.value(expression.rhs, keep | free_indices(expression.lhs).keys())

    def scalar_map(
        self, expression: Binary | Call, left: Value, right: Value, format: Format | None
    ) -> Value:
        """A function of two values element by element, of which one may be a number."""
        name = (
            _BINARY_NAMES[expression.op] if isinstance(expression, Binary) else expression.function
        )
        if not isinstance(left, Term) and not isinstance(right, Term):
            return self.fold(expression, name, left, right)
        terms = [term for term in (left, right) if isinstance(term, Term)]

        def body(s: Scalars, x: Sequence[SSAValue]) -> SSAValue:
            rest = iter(x)
            values = [
                next(rest) if isinstance(value, Term) else s.constant(value, self.element)
                for value in (left, right)
            ]
            return s.binary(name, values[0], values[1])

        return self.elementwise(terms, body, _compressed(name, left, right), format)

    def fold(self, expression: Expression, name: str, left: float, right: float) -> float:
        match name:
            case "add":
                return left + right
            case "sub":
                return left - right
            case "mul":
                return left * right
            case "div" if right != 0:
                return left / right
            case "max":
                return max(left, right)
            case "min":
                return min(left, right)
            case _:
                fail(self.text, expression.at, f"the constant {name}({left}, {right}) is not known")

    def call(self, call: Call, keep: frozenset[str], format: Format | None) -> Value:
        match call.function:
            case "sum" | "amax" | "amin":
                return self.reduction(call, keep, format)
            case "softmax" | "log_softmax" | "layernorm" | "masked_softmax":
                return self.normalization(call, keep, format)
            case "max" | "min" | "pow":
                left, right = (self.value(argument, keep) for argument in call.arguments)
                return self.scalar_map(call, left, right, format)
            case name:
                operand = self.value(call.arguments[0], keep)
                if not isinstance(operand, Term):
                    if name == "neg":
                        return -operand
                    fail(self.text, call.at, f"{name} of a constant; write the number")
                return self.function(name, operand, format)

    def function(self, name: str, operand: Term, format: Format | None) -> Term:
        """A function of one tensor element by element."""
        compressed = operand.compressed if name in _KEEP_ZERO else frozenset[str]()
        layout = self.layout(operand.indices, compressed, format)
        match name:
            case "relu":
                view = composed.relu(self.emit, operand.view, layout)
            case "sigmoid":
                view, compressed = composed.sigmoid(self.emit, operand.view), frozenset[str]()
            case "silu":
                view, compressed = composed.silu(self.emit, operand.view), frozenset[str]()
            case "gelu":
                view, compressed = composed.gelu(self.emit, operand.view), frozenset[str]()
            case _:
                view = composed.unary(self.emit, name, operand.view, layout)
        return Term(view, operand.indices, compressed)

    def reduction(self, call: Call, keep: frozenset[str], format: Format | None) -> Value:
        (index,) = call.indices
        (argument,) = call.arguments
        if index in keep:
            fail(self.text, call.at, f"index '{index}' is reduced here, but used outside as well")
        if index not in free_indices(argument):
            fail(self.text, call.at, f"index '{index}' is reduced here, but walks no tensor inside")
        term = self.value(argument, keep | {index})
        assert isinstance(term, Term)
        return self.reduce(term, keep, _REDUCTIONS[call.function], format)

    def normalization(self, call: Call, keep: frozenset[str], format: Format | None) -> Value:
        """Softmax and layer normalisation along an index; the result has it too."""
        (index,) = call.indices
        wanted = keep | {index}
        term = self.value(call.arguments[0], wanted)
        if not isinstance(term, Term) or index not in term.indices:
            fail(self.text, call.at, f"index '{index}' walks no tensor inside {call.function}")
        compressed = frozenset[str]()
        with self.emit.composite(call.function):
            masks: list[Term] = []
            if call.function == "masked_softmax":
                mask = self.value(call.arguments[1], wanted)
                if not isinstance(mask, Term):
                    fail(self.text, call.at, "the mask must be a tensor")
                masks.append(mask)
            elif call.function != "layernorm":
                masks = self.structural_masks(call.arguments[0], term.indices, index)
            for mask in masks:
                term = self.mask_out(term, mask)
            dimension = term.indices.index(index)
            if call.function == "layernorm":
                view = composed.layer_norm(self.emit, term.view, [dimension], None, None, 1e-5)
            elif call.function == "log_softmax":
                view = composed.log_softmax(self.emit, term.view, dimension)
            else:
                view = composed.softmax(self.emit, term.view, dimension, empty=bool(masks))
        return self.reduce(Term(view, term.indices, compressed), keep, "add", format)

    def structural_masks(
        self, expression: Expression, indices: Sequence[str], index: str
    ) -> list[Term]:
        """The sparse factors of a product that say which positions of `index` exist."""
        factors = _factors(expression)
        if len(factors) < 2:
            return []
        return [
            term
            for use in factors
            if index in use.indices and set(use.indices) <= set(indices)
            for term in [self.access(use, frozenset(indices), None)]
            if isinstance(term, Term) and term.compressed
        ]

    # --- operations ----------------------------------------------------------------------

    def mask_out(self, term: Term, mask: Term) -> Term:
        def body(s: Scalars, x: Sequence[SSAValue]) -> SSAValue:
            return s.select(s.nonzero(x[1]), x[0], s.constant(-math.inf, self.element))

        return self.elementwise([term, mask], body, frozenset(), None)

    def reduce(
        self, term: Term, keep: frozenset[str], reduction: str, format: Format | None
    ) -> Term:
        """Reduce over the indices that are not in `keep`."""
        indices = tuple(index for index in term.indices if index in keep)
        if indices == term.indices:
            return term
        compressed = term.compressed & frozenset(indices)
        shape = [self.extents[index] for index in indices]
        view = self.emit.generic(
            [(term.view, term.indices)],
            indices,
            shape,
            self.element,
            lambda s, x: x[0],
            reduction=reduction,
            format=self.layout(indices, compressed, format),
        )
        return Term(view, indices, compressed)

    def elementwise(
        self,
        terms: Sequence[Term],
        body: Body,
        compressed: frozenset[str],
        format: Format | None,
    ) -> Term:
        """`body` on every element of terms, which repeat along indices that they lack."""
        indices = self.sorted({index for term in terms for index in term.indices})
        view = self.emit.generic(
            [(term.view, term.indices) for term in terms],
            indices,
            [self.extents[index] for index in indices],
            self.element,
            body,
            format=self.layout(indices, compressed, format),
        )
        return Term(view, indices, compressed)

    def sorted(self, indices: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(indices, key=self.order.index))

    def layout(
        self, indices: tuple[str, ...], compressed: frozenset[str], wanted: Format | None
    ) -> Format | None:
        """The format of a new tensor: the wanted one if it is the result, else by the rule."""
        if wanted is not None and indices == self.left.indices:
            return wanted
        levels = tuple(Level.COMPRESSED if i in compressed else Level.DENSE for i in indices)
        return Format(levels, tuple(range(len(indices)))) if compressed else None


def _compressed(name: str, left: Value, right: Value) -> frozenset[str]:
    """The indices on which `name(left, right)` is certainly sparse."""
    none = frozenset[str]()
    match left, right:
        case Term(), Term():
            everywhere = left.compressed & right.compressed
            if name in ("add", "sub", "max", "min"):
                return everywhere
            return left.compressed if name == "div" and not right.compressed else none
        case Term(), float():
            zero_stays = (
                name == "mul"
                or (name == "div" and right != 0.0)
                or (name == "pow" and right > 0)
                or (name in ("max", "min", "add", "sub") and right == 0.0)
            )
            return left.compressed if zero_stays else none
        case float(), Term():
            return right.compressed if name == "mul" else none
        case _:
            return none


def _factors(expression: Expression) -> list[Access]:
    """The tensors among the factors of a product, which may be negated and divided."""
    match expression:
        case Binary(op="*"):
            return [*_factors(expression.lhs), *_factors(expression.rhs)]
        case Binary(op="/"):
            return _factors(expression.lhs)
        case Call(function="neg"):
            return _factors(expression.arguments[0])
        case Access():
            return [expression]
        case _:
            return []
