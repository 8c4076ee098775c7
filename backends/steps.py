"""
The steps of a program that move data between stream graphs without computing.

A step reads named tensors from the environment and adds its result, stored in `format`.
Steps take no simulated time: layout changes between graphs are the host's.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

import numpy as np

from headrace.storage.levels import Array, Format, Level, Storage

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


@dataclass(frozen=True)
class ConvertStep:
    """The same tensor in another format."""

    source: str
    result: str
    format: Format

    def run(self, tensors: Environment) -> None:
        tensors[self.result] = tensors[self.source].convert(self.format)


@dataclass(frozen=True)
class ReshapeStep:
    """The same elements in row-major order under another shape; one size may be -1."""

    source: str
    result: str
    format: Format
    shape: tuple[Size, ...]

    def run(self, tensors: Environment) -> None:
        dense = tensors[self.source].to_dense()
        reshaped = dense.reshape(resolve(self.shape, tensors))
        tensors[self.result] = Storage.from_dense(reshaped, self.format)


@dataclass(frozen=True)
class TransposeStep:
    """Dimension `d` of the result is dimension `permutation[d]` of the source."""

    source: str
    result: str
    format: Format
    permutation: tuple[int, ...]

    def run(self, tensors: Environment) -> None:
        source = tensors[self.source]
        if source.format.block or Level.DENSE in source.format.levels[-1:]:
            dense = source.to_dense().transpose(self.permutation)
            tensors[self.result] = Storage.from_dense(dense, self.format)
        else:
            coordinates, values = source.to_coordinates()
            shape = tuple(source.shape[d] for d in self.permutation)
            moved = coordinates[list(self.permutation)]
            format = Format.compressed(len(shape))
            stored = Storage.from_coordinates(shape, format, moved, values)
            tensors[self.result] = stored.convert(self.format)


@dataclass(frozen=True)
class SliceStep:
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
        window = _window(self.offsets, self.sizes, self.strides, tensors)
        dense = tensors[self.source].to_dense()[window].reshape(resolve(self.shape, tensors))
        tensors[self.result] = Storage.from_dense(dense, self.format)


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

    def run(self, tensors: Environment) -> None:
        dense = tensors[self.destination].to_dense().copy()
        window = _window(self.offsets, self.sizes, self.strides, tensors)
        dense[window] = tensors[self.source].to_dense().reshape(dense[window].shape)
        tensors[self.result] = Storage.from_dense(dense, self.format)


@dataclass(frozen=True)
class ConcatenateStep:
    """The sources one after the other along one dimension."""

    sources: tuple[str, ...]
    result: str
    format: Format
    dimension: int

    def run(self, tensors: Environment) -> None:
        dense = [tensors[source].to_dense() for source in self.sources]
        joined: Array = np.concatenate(dense, axis=self.dimension)
        tensors[self.result] = Storage.from_dense(joined, self.format)


@dataclass(frozen=True)
class FillStep:
    """A tensor with one value everywhere."""

    result: str
    format: Format
    shape: tuple[Size, ...]
    value: float

    def run(self, tensors: Environment) -> None:
        dense = np.full(resolve(self.shape, tensors), self.value, dtype=np.float64)
        tensors[self.result] = Storage.from_dense(dense, self.format)


@dataclass(frozen=True)
class PadStep:
    """The source with `low[d]` elements before and `high[d]` after it in dimension d."""

    source: str
    result: str
    format: Format
    low: tuple[Size, ...]
    high: tuple[Size, ...]
    value: float

    def run(self, tensors: Environment) -> None:
        widths = list(zip(resolve(self.low, tensors), resolve(self.high, tensors), strict=True))
        dense = np.pad(tensors[self.source].to_dense(), widths, constant_values=self.value)
        tensors[self.result] = Storage.from_dense(dense, self.format)


HostStep = (
    ConvertStep
    | ReshapeStep
    | TransposeStep
    | SliceStep
    | InsertStep
    | ConcatenateStep
    | FillStep
    | PadStep
)


def _window(
    offsets: Sequence[Size],
    sizes: Sequence[Size],
    strides: Sequence[Size],
    tensors: Mapping[str, Storage],
) -> tuple[slice, ...]:
    numbers = zip(
        resolve(offsets, tensors), resolve(sizes, tensors), resolve(strides, tensors), strict=True
    )
    return tuple(
        slice(start, start + (size - 1) * stride + 1 if size else start, stride)
        for start, size, stride in numbers
    )
