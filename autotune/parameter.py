"""
The parameters of a search space.

A point of a space is a row of float64, its INDEX FORM: for a discrete parameter the index of its
value, for a real the value itself, for a permutation the entry of each slot (n columns). A
parameter that is not active has `INACTIVE`, minus infinity. What the function to be minimised gets
are values: Python's numbers and strings, and tuples of entries.

Model inputs are in [0, 1]. Two discrete values that differ are told apart by every encoding.

Source: "BaCO: A Fast and Portable Bayesian Compiler Optimization Framework", ASPLOS 2023, sections
3 and 4.
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from headrace.autotune.constraint import Kind
from headrace.autotune.permutations import (
    ENCODINGS,
    LONGEST_NAIVE,
    Encoding,
    encoded,
    inputs_of,
    neighbours,
    slots,
)
from headrace.storage.errors import InputError

Floats = npt.NDArray[np.float64]
Value: TypeAlias = int | float | str | tuple[int, ...]
Transform = Literal["none", "log"]

INACTIVE = -math.inf

LARGEST_DOMAIN = 2**20
"""Values of a discrete parameter whose neighbours are looked at one by one."""

LARGEST_NUMBER = 2**53
"""Whole numbers up to here are exact in the float64 of a point."""


@dataclass(frozen=True)
class Gaussian:
    """A prior on the value of a number, in its own unit; categories and orders take weights."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Weights:
    """A prior on a parameter of few values: how good each is thought to be, up to a factor."""

    values: tuple[float, ...]


Prior: TypeAlias = Gaussian | Weights


@dataclass(frozen=True)
class Parameter(ABC):
    """What all parameters have; without a prior no value is preferred."""

    name: str
    default: Value | None = field(default=None, kw_only=True)
    """What is tried first."""
    prior: Prior | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self._check()
        match self.prior:
            case Gaussian() if not isinstance(self, Numeric):
                raise InputError(f"parameter '{self.name}' has no mean; give its prior as weights")
            case Gaussian(deviation=deviation) if not 0 < deviation < math.inf:
                raise InputError(
                    f"the prior of parameter '{self.name}' has the deviation {deviation}; give a "
                    "positive one"
                )
            case Weights(values=weights):
                size = None if isinstance(self, Permutation) else self.size
                usable = all(0 <= one < math.inf for one in weights) and any(weights)
                if len(weights) != size or not usable:
                    raise InputError(
                        f"the prior of parameter '{self.name}' must be "
                        + (f"{size} weights, one a value, " if size else "gaussian or uniform, ")
                        + "none negative and not all 0"
                    )
            case _:
                pass
        if self.default is not None:
            # As the function gets it, so that 4 and 4.0 are one default.
            object.__setattr__(self, "default", self.value(self.point(self.default)))

    @abstractmethod
    def _check(self) -> None:
        """Raises `InputError` for a domain that there cannot be."""

    @property
    @abstractmethod
    def columns(self) -> int:
        """Columns of the index form."""

    @property
    @abstractmethod
    def inputs(self) -> int:
        """Columns of the model inputs."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """What constraints see: a number or a category."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many values it has; None for a real."""

    @abstractmethod
    def point(self, value: Any) -> Floats:
        """[columns] The index form of a value. Raises `InputError` if it is none."""

    @abstractmethod
    def value(self, point: Floats) -> Value:
        """The value of an index form [columns]."""

    @abstractmethod
    def encode(self, points: Floats) -> Floats:
        """[rows, inputs] Model inputs of active index forms [rows, columns]."""

    def encode_compatible(self, points: Floats) -> Floats:
        """[rows, inputs] As `encode`, to the letter of the reference; not for new work."""
        return self.encode(points)

    @abstractmethod
    def variables(self, points: Floats) -> Mapping[str, npt.NDArray[Any]]:
        """[rows] each: what constraints may name, for index forms [rows, columns]."""

    def log_prior(self, points: Floats) -> Floats:
        """[rows] Logarithm of the prior of active index forms [rows, columns], up to a constant."""
        match self.prior:
            case Weights(values=weights):
                with np.errstate(divide="ignore"):
                    return np.log(np.array(weights))[points[:, 0].astype(np.int64)]
            case Gaussian(mean=mean, deviation=deviation):
                assert isinstance(self, Numeric)
                return -0.5 * ((self.floats(points) - mean) / deviation) ** 2
            case None:
                return np.zeros(len(points))

    @property
    @abstractmethod
    def middle(self) -> Floats:
        """[columns] An index form to begin with where nothing is known."""

    @abstractmethod
    def moves(self, point: Floats) -> Floats:
        """
        [moves, columns] The values that one step may lead to, in the order of preference.

        Of ordered values these are all others, nearest first on each side (first those above,
        ascending, then those below, descending); the nearest feasible one on each side is a
        neighbour.
        """

    def _refuse(self, value: Any, wanted: str) -> InputError:
        return InputError(f"parameter '{self.name}' cannot be {value!r}; give {wanted}")


@dataclass(frozen=True)
class Numeric(Parameter):
    """A parameter whose values are numbers with an order; with `log` their ratios matter."""

    transform: Transform = "none"

    @property
    def columns(self) -> int:
        return 1

    @property
    def inputs(self) -> int:
        return 1

    @property
    def kind(self) -> Kind:
        return "number"

    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value."""

    @abstractmethod
    def numbers(self, points: Floats) -> npt.NDArray[Any]:
        """[rows] The values of index forms [rows, 1]: integers, floats, or Python's fractions."""

    @abstractmethod
    def floats(self, points: Floats) -> Floats:
        """[rows] The values of index forms [rows, 1]."""

    def encode(self, points: Floats) -> Floats:
        low, high = (self._scale(np.array(bound, np.float64)) for bound in self.bounds())
        if high == low:
            return np.zeros((len(points), 1))
        return ((self._scale(self.floats(points)) - low) / (high - low))[:, None]

    def variables(self, points: Floats) -> Mapping[str, npt.NDArray[Any]]:
        return {self.name: self.numbers(points)}

    def _scale(self, values: Floats) -> Floats:
        return np.log(values) if self.transform == "log" else values

    def _check(self) -> None:
        low, high = self.bounds()
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise InputError(f"parameter '{self.name}' has no values from {low} to {high}")
        if self.transform == "log" and low <= 0:
            raise InputError(
                f"parameter '{self.name}' has the value {low:g}, which has no logarithm; "
                "leave out its transform"
            )


@dataclass(frozen=True)
class Real(Numeric):
    """Any number from `low` to `high`."""

    low: float = 0.0
    high: float = 1.0

    def _check(self) -> None:
        super()._check()
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))

    @property
    def size(self) -> int | None:
        return None

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def numbers(self, points: Floats) -> npt.NDArray[Any]:
        return points[:, 0]

    def floats(self, points: Floats) -> Floats:
        return points[:, 0]

    def point(self, value: Any) -> Floats:
        if not _is_number(value) or not self.low <= value <= self.high:
            raise self._refuse(value, f"a number from {self.low} to {self.high}")
        return np.array([float(value)])

    def value(self, point: Floats) -> Value:
        return float(point[0])

    @property
    def middle(self) -> Floats:
        low, high = (self._scale(np.array(bound, np.float64)) for bound in self.bounds())
        half = (low + high) / 2
        return np.array([float(np.exp(half) if self.transform == "log" else half)])

    def moves(self, point: Floats) -> Floats:
        """None: a real has no next value; searches draw their own steps."""
        return np.empty((0, 1))

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        """[count, 1] Values, uniform on the scale of the transform."""
        low, high = (self._scale(np.array(bound, np.float64)) for bound in self.bounds())
        drawn = random.uniform(low, high, (count, 1))
        return np.clip(np.exp(drawn) if self.transform == "log" else drawn, self.low, self.high)


class Discrete(Numeric):
    """A numeric parameter of finitely many values."""

    @property
    def middle(self) -> Floats:
        assert self.size is not None
        return np.array([float(self.size // 2)])

    def leaps(self, point: Floats) -> Floats:
        """[leaps, 1] Further values that one step may lead to, past others that are feasible."""
        return np.empty((0, 1))

    def moves(self, point: Floats) -> Floats:
        size = self.size
        assert size is not None
        here = int(point[0])
        if size <= LARGEST_DOMAIN:
            above, below = np.arange(here + 1, size), np.arange(here - 1, -1, -1)
        else:
            steps = 2 ** np.arange(size.bit_length())
            above, below = here + steps, here - steps
        both = np.concatenate((above, below)).astype(np.float64)
        return both[(both >= 0) & (both < size)][:, None]


@dataclass(frozen=True)
class Integer(Discrete):
    """Every whole number from `low` to `high`."""

    low: int = 0
    high: int = 1

    def _check(self) -> None:
        for bound in self.bounds():
            if not _is_whole(bound) or abs(bound) > LARGEST_NUMBER:
                raise InputError(
                    f"parameter '{self.name}' has the bound {bound}; give whole numbers of at "
                    "most 2^53"
                )
        super()._check()
        object.__setattr__(self, "low", int(self.low))
        object.__setattr__(self, "high", int(self.high))

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def numbers(self, points: Floats) -> npt.NDArray[Any]:
        return points[:, 0].astype(np.int64) + self.low

    def floats(self, points: Floats) -> Floats:
        return points[:, 0] + self.low

    def leaps(self, point: Floats) -> Floats:
        """
        Powers of two away, where ratios matter or values are too many for steps of one.

        Of 1024 values on a logarithmic scale, one step near the top is no move at all.
        """
        if self.transform == "none" and self.size <= LARGEST_DOMAIN:
            return super().leaps(point)
        steps = 2 ** np.arange(1, self.size.bit_length())
        both = point[0] + np.concatenate((steps, -steps))
        return both[(both >= 0) & (both < self.size)][:, None]

    def point(self, value: Any) -> Floats:
        if not _is_whole(value) or not self.low <= value <= self.high:
            raise self._refuse(value, f"a whole number from {self.low} to {self.high}")
        return np.array([float(int(value) - self.low)])

    def value(self, point: Floats) -> Value:
        return int(point[0]) + self.low


@dataclass(frozen=True)
class Ordinal(Discrete):
    """One of a list of numbers, ascending; whole numbers reach the function as `int`."""

    values: tuple[int | float, ...] = ()

    def _check(self) -> None:
        known = all(map(_is_number, self.values))
        if not self.values or not known or list(self.values) != sorted(set(self.values)):
            raise InputError(
                f"the values of parameter '{self.name}' must be distinct numbers, ascending"
            )
        super()._check()
        # So that 4 and 4.0 are one space.
        exact = (int(value) if _is_whole(value) else float(value) for value in self.values)
        object.__setattr__(self, "values", tuple(exact))

    @property
    def size(self) -> int:
        return len(self.values)

    def bounds(self) -> tuple[float, float]:
        return self.values[0], self.values[-1]

    def numbers(self, points: Floats) -> npt.NDArray[Any]:
        return self._exact[points[:, 0].astype(np.int64)]

    def floats(self, points: Floats) -> Floats:
        return np.array(self.values, np.float64)[points[:, 0].astype(np.int64)]

    @cached_property
    def _exact(self) -> npt.NDArray[Any]:
        """[values] For constraints: 0.1 is a tenth, as it is in the text of one."""
        if all(isinstance(one, int) and abs(one) <= LARGEST_NUMBER for one in self.values):
            return np.array(self.values, np.int64)
        return np.array([Fraction(str(one)) for one in self.values], object)

    def point(self, value: Any) -> Floats:
        if not _is_number(value) or value not in self.values:
            raise self._refuse(value, f"one of {', '.join(map(str, self.values))}")
        return np.array([float(self.values.index(value))])

    def value(self, point: Floats) -> Value:
        return self.values[int(point[0])]


@dataclass(frozen=True)
class Categorical(Parameter):
    """One of a list of names without an order."""

    values: tuple[str, ...] = ()

    def _check(self) -> None:
        known = all(isinstance(value, str) for value in cast(Sequence[object], self.values))
        if not self.values or not known or len(set(self.values)) < len(self.values):
            raise InputError(f"the values of parameter '{self.name}' must be distinct names")

    @property
    def columns(self) -> int:
        return 1

    @property
    def inputs(self) -> int:
        return len(self.values)

    @property
    def kind(self) -> Kind:
        return "category"

    @property
    def size(self) -> int:
        return len(self.values)

    def point(self, value: Any) -> Floats:
        if value not in self.values:
            raise self._refuse(value, f"one of {', '.join(self.values)}")
        return np.array([float(self.values.index(value))])

    def value(self, point: Floats) -> Value:
        return self.values[int(point[0])]

    def encode(self, points: Floats) -> Floats:
        """One column a value, scaled so that two values are at squared distance 1."""
        return self.encode_compatible(points) / math.sqrt(2)

    def encode_compatible(self, points: Floats) -> Floats:
        """One column a value, so that two values are at squared distance 2."""
        return (points == np.arange(len(self.values))).astype(np.float64)

    def variables(self, points: Floats) -> Mapping[str, npt.NDArray[Any]]:
        return {self.name: np.array(self.values, object)[points[:, 0].astype(np.int64)]}

    @property
    def middle(self) -> Floats:
        return np.zeros(1)

    def moves(self, point: Floats) -> Floats:
        others = np.arange(len(self.values), dtype=np.float64)[:, None]
        return others[others[:, 0] != point[0]]


@dataclass(frozen=True)
class Permutation(Parameter):
    """
    An order of `length` elements: which entry each slot has.

    Constraints may name `p_k`, the entry in slot k, and `p_ik`, the slot of entry k.
    """

    length: int = 2
    encoding: Encoding = "spearman"

    def _check(self) -> None:
        if self.length < 1:
            raise InputError(f"parameter '{self.name}' is a permutation of {self.length} elements")
        if self.encoding not in ENCODINGS:
            raise InputError(
                f"parameter '{self.name}' has the encoding '{self.encoding}'; choose from "
                f"{', '.join(ENCODINGS)}"
            )
        if self.encoding == "naive" and self.length > LONGEST_NAIVE:
            raise InputError(
                f"parameter '{self.name}' has {math.factorial(self.length)} orders, too many for "
                "an input each; choose another encoding than 'naive'"
            )

    @property
    def columns(self) -> int:
        return self.length

    @property
    def inputs(self) -> int:
        return inputs_of(self.length, self.encoding)

    @property
    def kind(self) -> Kind:
        return "number"

    @property
    def size(self) -> int:
        return math.factorial(self.length)

    def point(self, value: Any) -> Floats:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise self._refuse(value, f"an order of 0 to {self.length - 1}")
        entries = cast(Sequence[Any], value)
        if not all(map(_is_whole, entries)) or sorted(entries) != list(range(self.length)):
            raise self._refuse(value, f"an order of 0 to {self.length - 1}")
        return np.array([float(entry) for entry in entries])

    def value(self, point: Floats) -> Value:
        return tuple(int(entry) for entry in point)

    def encode(self, points: Floats) -> Floats:
        return encoded(points.astype(np.int64), self.encoding)

    def encode_compatible(self, points: Floats) -> Floats:
        """The reference has `kendall` on the entries of slots, and the others as they are."""
        orders = points.astype(np.int64)
        return encoded(slots(orders) if self.encoding == "kendall" else orders, self.encoding)

    def variables(self, points: Floats) -> Mapping[str, npt.NDArray[Any]]:
        entries = points.astype(np.int64)
        places = slots(entries)
        named = {f"{self.name}_{k}": entries[:, k] for k in range(self.length)}
        return named | {f"{self.name}_i{k}": places[:, k] for k in range(self.length)}

    @property
    def middle(self) -> Floats:
        return np.arange(float(self.length))

    def moves(self, point: Floats) -> Floats:
        return neighbours(point.astype(np.int64)).astype(np.float64)


def _is_number(value: Any) -> bool:
    """Whether a value is a number; a truth is none."""
    return not isinstance(value, bool) and isinstance(value, numbers.Real)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or float(value).is_integer())
