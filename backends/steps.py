"""
The steps of a program that move data between stream graphs without computing.

A step reads named tensors from the environment and adds its result, stored in `format`.
Steps take no simulated time: layout changes between graphs are the host's.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass

import numpy as np

from headrace.storage.levels import Array, Format, Storage

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

    def run(self, tensors: Environment) -> None:
        tensors[self.result] = tensors[self.source].convert(self.format)


@dataclass(frozen=True)
class ReshapeStep(_OneSource):
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

    @property
    def reads(self) -> tuple[str, ...]:
        """The tensors that the step reads."""
        return (self.source, self.destination)

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
    tensors: Mapping[str, Storage],
) -> tuple[slice, ...]:
    numbers = zip(
        resolve(offsets, tensors), resolve(sizes, tensors), resolve(strides, tensors), strict=True
    )
    return tuple(
        slice(start, start + (size - 1) * stride + 1 if size else start, stride)
        for start, size, stride in numbers
    )
