"""
The steps of a program that move data between stream graphs without computing.

A step reads named tensors from the environment and adds its result, stored in `format`.
Steps take no simulated time: layout changes between graphs are the host's.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Format, Storage
from headrace.storage.windows import expect_shape, kept_dimensions, window

Environment = MutableMapping[str, Storage]


@dataclass(frozen=True)
class Extent:
    """The size of one dimension of a tensor, known when the program runs."""

    tensor: str
    dimension: int


Size = int | Extent


def resolve(sizes: Sequence[Size], tensors: Mapping[str, Storage]) -> tuple[int, ...]:
    """Return the sizes as numbers."""
    return tuple(
        size if isinstance(size, int) else tensors[size.tensor].shape[size.dimension]
        for size in sizes
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

    def run(self, tensors: Environment) -> None:
        source = tensors[self.source]
        if self.shape is not None:
            expect_shape(f"'{self.source}'", source.shape, self.shape)
        tensors[self.result] = source.convert(self.format)


@dataclass(frozen=True)
class ReshapeStep(_OneSource):
    """The same elements in row-major order under another shape; one size may be -1."""

    source: str
    result: str
    format: Format
    shape: tuple[Size, ...]

    def run(self, tensors: Environment) -> None:
        dense = tensors[self.source].to_dense()
        shape = resolve(self.shape, tensors)
        if -1 not in shape and prod(shape) != dense.size:
            raise InputError(
                f"'{self.source}' has shape {dense.shape}, whose elements do not fit {shape}; "
                "give arguments of matching sizes"
            )
        reshaped = dense.reshape(shape)
        tensors[self.result] = Storage.from_dense(reshaped, self.format)


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

    def run(self, tensors: Environment) -> None:
        source = tensors[self.source].to_dense()
        index = _window(self.offsets, self.sizes, self.strides, source.shape, tensors)
        shape = resolve(self.shape, tensors)
        kept_dimensions(resolve(self.sizes, tensors), shape)
        tensors[self.result] = Storage.from_dense(source[index].reshape(shape), self.format)


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

    def run(self, tensors: Environment) -> None:
        dense = tensors[self.destination].to_dense().copy()
        index = _window(self.offsets, self.sizes, self.strides, dense.shape, tensors)
        source = tensors[self.source].to_dense()
        sizes = resolve(self.sizes, tensors)
        kept_dimensions(sizes, source.shape)
        dense[index] = source.reshape(sizes)
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

    def run(self, tensors: Environment) -> None:
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

    def run(self, tensors: Environment) -> None:
        value = self.value
        if isinstance(value, Extent):
            (value,) = resolve([value], tensors)
        dense = np.full(resolve(self.shape, tensors), value, dtype=np.float64)
        tensors[self.result] = Storage.from_dense(dense, self.format)


HostStep = ConvertStep | ReshapeStep | SliceStep | InsertStep | ConcatenateStep | FillStep


def _window(
    offsets: Sequence[Size],
    sizes: Sequence[Size],
    strides: Sequence[Size],
    shape: Sequence[int],
    tensors: Mapping[str, Storage],
) -> tuple[slice, ...]:
    first, counts, steps = (resolve(part, tensors) for part in (offsets, sizes, strides))
    return window(first, counts, steps, shape)
