"""
Random index-notation programs with their dense float64 results.

The oracle is NumPy on dense arrays, built together with the text and independent of every
level of the compiler.
"""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from headrace.storage.levels import Format

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RandomProgram:
    """`text` in index notation, a format and a dense value per operand, and the result."""

    text: str
    formats: dict[str, Format]
    inputs: dict[str, Array]
    expected: Array


@dataclass
class _Term:
    """Text of a subexpression, its indices, and its value with one dimension per index."""

    text: str
    indices: str
    value: Array


@dataclass
class RandomPrograms:
    """
    A generator of programs with 2 to `most` operands.

    Extents are 1 to 5; densities 0, 0.2, 0.5 and 1; one operand in four has empty rows, one matrix
    in four is stored in blocks, of the sizes (1 to 3) that its indices have; and operands are used
    again under their own or other indices.
    """

    seed: int
    most: int = 6
    rng: np.random.Generator = field(init=False)
    inputs: dict[str, Array] = field(init=False, default_factory=dict[str, Array])
    formats: dict[str, Format] = field(init=False, default_factory=dict[str, Format])
    extents: dict[str, int] = field(init=False, default_factory=dict[str, int])
    blocks: dict[str, int] = field(init=False, default_factory=dict[str, int])
    share_in_blocks = 0.25

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def program(self) -> RandomProgram:
        self.begin()
        indices = "".join(self.fresh() for _ in range(int(self.rng.integers(0, 4))))
        term = self.term(indices, int(self.rng.integers(2, self.most + 1)))
        return self.assigned(term, "".join(self.rng.permutation(list(term.indices))))

    def begin(self) -> None:
        self.inputs, self.formats, self.extents, self.blocks = {}, {}, {}, {}

    def assigned(self, term: _Term, result: str) -> RandomProgram:
        value = np.array(self.spread(term, result))
        self.formats["Y"] = self.format(result)
        head = f"Y({','.join(result)})" if result else "Y"
        return RandomProgram(f"{head} = {term.text}", self.formats, self.inputs, value)

    def fresh(self) -> str:
        name = next(c for c in string.ascii_lowercase if c not in self.extents)
        self.extents[name] = int(self.rng.integers(1, 6))
        self.blocks[name] = int(self.rng.integers(1, 4))
        return name

    def format(self, indices: str) -> Format:
        rank = len(indices)
        letters = "".join(self.rng.choice(["d", "s"], rank, p=[0.35, 0.65]))
        order = "".join(str(d) for d in self.rng.permutation(rank))
        text = letters + (order if self.rng.random() < 0.3 else "") or "none"
        blocked = rank == 2 and self.rng.random() < self.share_in_blocks
        block = tuple(self.blocks[c] for c in indices) if blocked else ()
        return replace(Format.parse(text, rank), block=block)

    def choose(self, indices: str, least: int = 0) -> str:
        kept = [c for c in indices if self.rng.random() < 0.75]
        missing = [c for c in indices if c not in kept]
        while len(kept) < min(least, len(indices)):
            kept.append(missing.pop())
        return "".join(kept)

    def spread(self, term: _Term, indices: str) -> Array:
        """The value with one dimension per index of `indices`, broadcast where it has none."""
        order = [c for c in indices if c in term.indices]
        value = np.einsum(f"{term.indices}->{''.join(order)}", term.value)
        shape = [self.extents[c] if c in order else 1 for c in indices]
        full = tuple(self.extents[c] for c in indices)
        return np.broadcast_to(value.reshape(shape), full)

    def term(self, indices: str, operands: int) -> _Term:
        """A subexpression over at most `indices`."""
        if operands == 1:
            return self.operand(indices)
        kinds: dict[str, Callable[[str, int], _Term]] = {
            "contract": self.contract,
            "elementwise": self.elementwise,
            "unary": self.unary,
            "reduce": self.reduce,
            "softmax": self.softmax,
            "masked_softmax": self.masked_softmax,
        }
        kind = self.rng.choice(list(kinds), p=[0.40, 0.32, 0.12, 0.08, 0.04, 0.04])
        return kinds[kind](indices, operands)

    def operand(self, indices: str) -> _Term:
        return self.stored("".join(self.rng.permutation(list(self.choose(indices, least=1)[:3]))))

    def stored(self, chosen: str) -> _Term:
        """A new or known tensor under the indices `chosen`."""
        shape = tuple(self.extents[c] for c in chosen)
        again = [name for name, value in self.inputs.items() if value.shape == shape]
        if again and self.rng.random() < 0.3:
            name = str(self.rng.choice(again))
        else:
            name = string.ascii_uppercase[len(self.inputs)]
            density = float(self.rng.choice([0.0, 0.2, 0.5, 1.0], p=[0.1, 0.3, 0.4, 0.2]))
            value = self.rng.integers(-4, 5, shape) * (self.rng.random(shape) < density)
            if shape and self.rng.random() < 0.25:
                value[self.rng.random(shape[0]) < 0.5] = 0
            self.inputs[name] = np.asarray(value, dtype=np.float64)
            self.formats[name] = self.format(chosen)
        text = f"{name}({','.join(chosen)})" if chosen else name
        return _Term(text, chosen, self.inputs[name])

    def split(self, operands: int) -> tuple[int, int]:
        left = int(self.rng.integers(1, operands))
        return left, operands - left

    def contract(self, indices: str, operands: int) -> _Term:
        bound = self.fresh()
        first, second = self.split(operands)
        left = self.term(self.choose(indices) + bound, first)
        right = self.term(self.choose(indices) + bound, second)
        if bound not in left.indices + right.indices:
            return self.combine("*", np.multiply, left, right)
        product = self.combine("*", np.multiply, left, right)
        return self.total("sum", np.sum, bound, product)

    def combine(
        self, symbol: str, function: Callable[[Array, Array], Array], left: _Term, right: _Term
    ) -> _Term:
        indices = "".join(dict.fromkeys(left.indices + right.indices))
        value = function(self.spread(left, indices), self.spread(right, indices))
        return _Term(f"({left.text} {symbol} {right.text})", indices, value)

    def elementwise(self, indices: str, operands: int) -> _Term:
        first, second = self.split(operands)
        left, right = self.term(indices, first), self.term(self.choose(indices, 1), second)
        if self.rng.random() < 0.5:
            left, right = right, left
        symbol, function = self.binary()
        return self.combine(symbol, function, left, right)

    def binary(self) -> tuple[str, Callable[[Array, Array], Array]]:
        options: Sequence[tuple[str, Callable[[Array, Array], Array]]] = (
            ("*", np.multiply),
            ("+", np.add),
            ("-", np.subtract),
        )
        return options[int(self.rng.integers(3))]

    def unary(self, indices: str, operands: int) -> _Term:
        inner = self.term(indices, operands)
        options: Sequence[tuple[str, Callable[[Array], Array]]] = (
            ("relu({})", lambda x: np.maximum(x, 0)),
            ("(-{})", np.negative),
            ("sigmoid({})", lambda x: 1 / (1 + np.exp(-x))),
            ("cos({})", np.cos),
            ("({} * 0.5)", lambda x: x * 0.5),
            ("({} + 1.5)", lambda x: x + 1.5),
            ("abs({})", np.abs),
        )
        text, function = options[int(self.rng.integers(len(options)))]
        return _Term(text.format(inner.text), inner.indices, function(inner.value))

    def total(self, name: str, function: Callable[..., Array], bound: str, inner: _Term) -> _Term:
        left = inner.indices.replace(bound, "")
        value = function(inner.value, axis=inner.indices.index(bound))
        return _Term(f"{name}({bound}, {inner.text})", left, value)

    def reduce(self, indices: str, operands: int) -> _Term:
        bound = self.fresh()
        inner = self.term(indices + bound, operands)
        if bound not in inner.indices:
            return inner
        if self.rng.random() < 0.5:
            return self.total("amax", np.max, bound, inner)
        return self.total("sum", np.sum, bound, inner)

    def softmax(self, indices: str, operands: int) -> _Term:
        inner = self.term(indices, operands)
        if not inner.indices:
            return inner
        along = str(self.rng.choice(list(inner.indices)))
        axis = inner.indices.index(along)
        weights = np.exp(inner.value - inner.value.max(axis=axis, keepdims=True))
        value = weights / weights.sum(axis=axis, keepdims=True)
        # Adding 0 keeps dense semantics where the operand is a product with a mask.
        return _Term(f"softmax({inner.text} + 0, {along})", inner.indices, value)

    def masked_softmax(self, indices: str, operands: int) -> _Term:
        """Softmax over the positions where a mask is not zero; a row without any gives 0."""
        inner = self.term(indices, operands - 1)
        if not inner.indices:
            return inner
        along = str(self.rng.choice(list(inner.indices)))
        mask = self.operand(indices)
        together = "".join(dict.fromkeys(inner.indices + mask.indices))
        allowed = self.spread(mask, together) != 0
        scores = np.where(allowed, self.spread(inner, together), -np.inf)
        axis = together.index(along)
        peak = scores.max(axis=axis, keepdims=True)
        weights = np.exp(scores - np.where(peak == -np.inf, 0, peak))
        value = weights / np.maximum(weights.sum(axis=axis, keepdims=True), 1)
        return _Term(f"masked_softmax({inner.text}, {mask.text}, {along})", together, value)


class TilePrograms(RandomPrograms):
    """
    Programs that work tile by tile, unless a tensor is used under indices with other blocks; blocks
    divide half of the sizes.

    One program in three has infinities, and no zeros, which would give NaN. Where `expected` is NaN
    all the same, a zero that is skipped may give a number.
    """

    share_in_blocks = 0.75
    has_infinities = False

    def begin(self) -> None:
        super().begin()
        self.has_infinities = self.rng.random() < 1 / 3

    def fresh(self) -> str:
        name = super().fresh()
        if self.rng.random() < 0.5:
            self.extents[name] = self.blocks[name] * int(self.rng.integers(1, 3))
        return name

    def stored(self, chosen: str) -> _Term:
        known = len(self.inputs)
        term = super().stored(chosen)
        if self.has_infinities and len(self.inputs) > known:
            term.value[:] = self.rng.integers(1, 5, term.value.shape)
            term.value[self.rng.random(term.value.shape) < 0.2] = np.inf
        return term

    def program(self) -> RandomProgram:
        self.begin()
        rows, columns = self.fresh(), self.fresh()
        operands = int(self.rng.integers(1, self.most + 1))
        with np.errstate(invalid="ignore", over="ignore"):
            return self.assigned(self.term(rows + columns, operands), rows + columns)

    def term(self, indices: str, operands: int) -> _Term:
        """A matrix."""
        rows, columns = indices
        if operands == 1:
            term = self.stored(rows + columns if self.rng.random() < 0.8 else columns + rows)
            value = np.maximum(term.value, 0)
            relu = _Term(f"relu({term.text})", term.indices, value)
            return term if self.rng.random() < 0.5 else relu
        kinds: dict[str, Callable[[str, int], _Term]] = {
            "product": self.product,
            "elementwise": self.elementwise,
            "unary": self.unary,
            "beside_vector": self.beside_vector,
            "softmax": self.softmax,
            "masked_softmax": self.masked_softmax,
        }
        kind = self.rng.choice(list(kinds), p=[0.35, 0.25, 0.05, 0.15, 0.1, 0.1])
        return kinds[kind](indices, operands)

    def product(self, indices: str, operands: int) -> _Term:
        first, second = self.split(operands)
        bound = self.fresh()
        left, right = self.term(indices[0] + bound, first), self.term(bound + indices[1], second)
        return self.total("sum", np.sum, bound, self.combine("*", np.multiply, left, right))

    def elementwise(self, indices: str, operands: int) -> _Term:
        first, second = self.split(operands)
        left, right = self.term(indices, first), self.term(indices, second)
        symbol, function = self.binary()
        return self.combine(symbol, function, left, right)

    def beside_vector(self, indices: str, operands: int) -> _Term:
        """A matrix with a vector, or with the sums or extremes of rows or columns of another."""
        first, second = self.split(operands)
        along = str(self.rng.choice(list(indices)))
        if second == 1:
            vector = self.stored(along)
        else:
            bound = self.fresh()
            pair = along + bound if self.rng.random() < 0.5 else bound + along
            name, function = (("sum", np.sum), ("amax", np.max), ("amin", np.min))[
                int(self.rng.integers(3))
            ]
            vector = self.total(name, function, bound, self.term(pair, second))
        symbol, function = self.binary()
        return self.combine(symbol, function, self.term(indices, first), vector)
