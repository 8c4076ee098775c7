"""
The steps of a program that move data between stream graphs without computing.

A step reads named tensors from the environment and adds its result, stored in `format`.
`infer_shape` says the shape of the result before anything runs, and raises `InputError` where the
shapes of what it reads do not fit. Steps take no simulated time: layout changes between graphs are
the host's.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Format, Storage
from headrace.storage.windows import expect_shape, kept_dimensions, window

Environment = MutableMapping[str, Storage]

Shapes = Mapping[str, tuple[int, ...]]
"""The shapes of tensors by name."""


@dataclass(frozen=True)
class Extent:
    """The size of one dimension of a tensor, known when the program runs."""

    tensor: str
    dimension: int


Size = int | Extent


def resolve(sizes: Sequence[Size], shapes: Shapes) -> tuple[int, ...]:
    """Return the sizes as numbers."""
    return tuple(
        size if isinstance(size, int) else shapes[size.tensor][size.dimension] for size in sizes
    )


class _OneSource:
    """A step that reads one tensor."""

    source: str

    @property
    def reads(self) -> tuple[str, ...]:
        """The tensors that the step reads."""
        return (self.source,)


@dataclass(frozen=True)
class ConvertStep(_OneSource):
    """The same tensor in another format."""

    source: str
    result: str
    format: Format
    shape: tuple[int, ...] | None = None
    """The sizes that the tensor must have, if the program says so; below 0 where it does not."""
    reason: str = ""
    """How the copy is read and why, where a pass made it; see `Program.notes`."""

    def infer_shape(self, shapes: Shapes) -> tuple[int, ...]:
        shape = shapes[self.source]
        if self.shape is not None:
            expect_shape(f"'{self.source}'", shape, self.shape)
        return shape

    def run(self, tensors: Environment, shapes: Shapes) -> None:
        tensors[self.result] = tensors[self.source].convert(self.format)


class _SameElements(_OneSource):
    """A step that gives the elements of one tensor, in row-major order, another shape."""

    result: str
    format: Format

    def check_count(self, source: tuple[int, ...], shape: tuple[int, ...]) -> None:
        """Raise `InputError` if the shapes have different numbers of elements."""
        if prod(shape) != prod(source):
            raise InputError(
                f"'{self.source}' has shape {source}, whose elements do not fit {shape}; "
                "give arguments of matching sizes"
            )

    def run(self, tensors: Environment, shapes: Shapes) -> None:
        reshaped = tensors[self.source].to_dense().reshape(shapes[self.result])
        tensors[self.result] = Storage.from_dense(reshaped, self.format)


@dataclass(frozen=True)
class ReshapeStep(_SameElements):
    """The same elements under a shape that is given."""

    source: str
    result: str
    format: Format
    shape: tuple[Size, ...]

    def infer_shape(self, shapes: Shapes) -> tuple[int, ...]:
        shape = resolve(self.shape, shapes)
        self.check_count(shapes[self.source], shape)
        return shape


@dataclass(frozen=True)
class CollapseStep(_SameElements):
    """The same elements with groups of dimensions as one dimension each."""

    source: str
    result: str
    format: Format
    groups: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    """The sizes that the program says; below 0 where it does not."""

    def infer_shape(self, shapes: Shapes) -> tuple[int, ...]:
        source = shapes[self.source]
        shape = tuple(prod(source[dimension] for dimension in group) for group in self.groups)
        self.check_count(source, shape)
        expect_shape(f"'{self.result}'", shape, self.shape)
        return shape


@dataclass(frozen=True)
class SliceStep(_OneSource):
    """Every `strides`-th element from `offsets` on, `sizes` of them."""

    source: str
    result: str
    format: Format
    offsets: tuple[Size, ...]
    sizes: tuple[Size, ...]
    strides: tuple[Size, ...]
    shape: tuple[Size, ...]
    """The shape of the result; it may leave out dimensions of size 1."""

    def infer_shape(self, shapes: Shapes) -> tuple[int, ...]:
        _window(self, self.source, shapes)
        shape = resolve(self.shape, shapes)
        kept_dimensions(resolve(self.sizes, shapes), shape)
        return shape

    def run(self, tensors: Environment, shapes: Shapes) -> None:
        read = tensors[self.source].to_dense()[_window(self, self.source, shapes)]
        tensors[self.result] = Storage.from_dense(read.reshape(shapes[self.result]), self.format)


@dataclass(frozen=True)
class InsertStep:
    """The destination with a window of it replaced by the source."""

    source: str
    destination: str
    result: str
    format: Format
    offsets: tuple[Size, ...]
    sizes: tuple[Size, ...]
    strides: tuple[Size, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The tensors that the step reads."""
        return (self.source, self.destination)

    def infer_shape(self, shapes: Shapes) -> tuple[int, ...]:
        _window(self, self.destination, shapes)
        kept_dimensions(resolve(self.sizes, shapes), shapes[self.source])
        return shapes[self.destination]

    def run(self, tensors: Environment, shapes: Shapes) -> None:
        dense = tensors[self.destination].to_dense().copy()
        source = tensors[self.source].to_dense()
        dense[_window(self, self.destination, shapes)] = source.reshape(resolve(self.sizes, shapes))
        tensors[self.result] = Storage.from_dense(dense, self.format)


@dataclass(frozen=True)
class ConcatenateStep:
    """The sources one after the other along one dimension."""

    sources: tuple[str, ...]
    result: str
    format: Format
    dimension: int

    @property
    def reads(self) -> tuple[str, ...]:
        """The tensors that the step reads."""
        return self.sources

    def infer_shape(self, shapes: Shapes) -> tuple[int, ...]:
        given = [shapes[source] for source in self.sources]
        rest = {shape[: self.dimension] + shape[self.dimension + 1 :] for shape in given}
        if len(rest) > 1:
            shown = ", ".join(f"'{n}' {s}" for n, s in zip(self.sources, given, strict=True))
            raise InputError(
                f"what is joined along dimension {self.dimension} must agree in all others, but "
                f"the shapes are {shown}; give arguments of matching sizes"
            )
        joined = sum(shape[self.dimension] for shape in given)
        return (*given[0][: self.dimension], joined, *given[0][self.dimension + 1 :])

    def run(self, tensors: Environment, shapes: Shapes) -> None:
        dense = [tensors[source].to_dense() for source in self.sources]
        joined: Array = np.concatenate(dense, axis=self.dimension)
        tensors[self.result] = Storage.from_dense(joined, self.format)


@dataclass(frozen=True)
class FillStep:
    """A tensor with one value, or one size, everywhere."""

    result: str
    format: Format
    shape: tuple[Size, ...]
    value: float | Extent

    @property
    def reads(self) -> tuple[str, ...]:
        """The tensors that the step reads."""
        return ()

    def infer_shape(self, shapes: Shapes) -> tuple[int, ...]:
        return resolve(self.shape, shapes)

    def run(self, tensors: Environment, shapes: Shapes) -> None:
        value = self.value
        if isinstance(value, Extent):
            (value,) = resolve([value], shapes)
        dense = np.full(shapes[self.result], value, dtype=np.float64)
        tensors[self.result] = Storage.from_dense(dense, self.format)


HostStep = (
    ConvertStep | ReshapeStep | CollapseStep | SliceStep | InsertStep | ConcatenateStep | FillStep
)


def _window(step: SliceStep | InsertStep, tensor: str, shapes: Shapes) -> tuple[slice, ...]:
    first, counts, steps = (resolve(p, shapes) for p in (step.offsets, step.sizes, step.strides))
    return window(first, counts, steps, shapes[tensor])
