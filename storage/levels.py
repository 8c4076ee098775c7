"""
Level formats and the storage of tensors as a tree of levels.

A tensor is stored level by level, outermost first. A *dense* level holds every coordinate
of its dimension; a *compressed* level holds the stored coordinates of each fiber, delimited
by segments. Position p of level l is the parent of fiber p of level l + 1, and the positions
of the last level index the values. A value is a scalar, or a dense tile (blocked formats). Where
blocks do not divide a dimension, the last tiles reach beyond it: their *padding* there is zero.

Source: "The Sparse Abstract Machine", ASPLOS 2023, section 3 (fibertrees);
"Format Abstraction for Sparse Tensor Algebra Compilers", OOPSLA 2018, section 3.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.storage.errors import InputError

Array = npt.NDArray[Any]


class Level(Enum):
    """How one level stores the coordinates of its fibers."""

    DENSE = "d"
    COMPRESSED = "s"


@dataclass(frozen=True)
class Format:
    """
    The levels of a tensor, outermost first.

    `order[l]` is the dimension that level `l` stores. `block` is the shape of one value:
    `()` for scalars; otherwise dimension `d` of the tensor has `shape[d] / block[d]` coordinates.
    """

    levels: tuple[Level, ...]
    order: tuple[int, ...]
    block: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if sorted(self.order) != list(range(len(self.levels))):
            raise InputError(
                f"format order {self.order} does not name each of the "
                f"{len(self.levels)} dimensions once"
            )
        if self.block and len(self.block) != len(self.levels):
            raise InputError(f"block {self.block} needs one size per dimension")

    @staticmethod
    def dense(rank: int) -> "Format":
        return Format((Level.DENSE,) * rank, tuple(range(rank)))

    @staticmethod
    def compressed(rank: int) -> "Format":
        return Format((Level.COMPRESSED,) * rank, tuple(range(rank)))

    @staticmethod
    def parse(text: str, rank: int) -> "Format":
        """
        Read `dense`, `csr`, `csc`, `dcsr`, `dcsc`, `coo`, `sparse`, or one letter per level
        (`d` dense, `s` or `c` compressed), then optionally the dimension of each level.

        >>> Format.parse("ds10", 2) == Format.parse("csc", 2)
        True
        """
        named = {
            "dense": "d" * rank,
            "sparse": "s" * rank,
            "coo": "s" * rank,
            "csr": "ds",
            "dcsr": "ss",
            "csc": "ds10",
            "dcsc": "ss10",
            "none": "",
        }
        match = re.fullmatch(r"([dsc]*)(\d*)", named.get(text.lower(), text.lower()))
        if match is None or len(match[1]) != rank or len(match[2]) not in (0, rank):
            raise InputError(
                f"format '{text}' does not describe a tensor of rank {rank}; use one of "
                f"{', '.join(named)} or one letter (d, s) per level, such as 'ds' or 'ss10'"
            )
        levels = tuple(Level.DENSE if c == "d" else Level.COMPRESSED for c in match[1])
        return Format(levels, tuple(int(c) for c in match[2]) or tuple(range(rank)))

    @property
    def rank(self) -> int:
        return len(self.levels)

    @property
    def is_dense(self) -> bool:
        return Level.COMPRESSED not in self.levels

    def __str__(self) -> str:
        text = "".join(level.value for level in self.levels)
        if self.order != tuple(range(self.rank)):
            text += "".join(str(dimension) for dimension in self.order)
        return text or "none"


@dataclass(frozen=True)
class Storage:
    """
    A tensor of logical `shape` stored in `format`.

    `segments[l]` and `coordinates[l]` are int64 arrays for a compressed level and `None` for a
    dense one. `values` has one entry per position of the last level, each of shape
    `format.block`.
    """

    shape: tuple[int, ...]
    format: Format
    segments: tuple[Array | None, ...]
    coordinates: tuple[Array | None, ...]
    values: Array

    def size(self, level: int) -> int:
        """The number of coordinates in the dimension that `level` stores."""
        dimension = self.format.order[level]
        block = self.format.block[dimension] if self.format.block else 1
        return -(-self.shape[dimension] // block)

    @property
    def stored(self) -> int:
        """How many values are stored, explicit zeros included."""
        return len(self.values)

    @staticmethod
    def from_coordinates(
        shape: Sequence[int], format: Format, coordinates: Array, values: Array
    ) -> "Storage":
        """
        Store `values[n]` (each of shape `format.block`) at `coordinates[:, n]` (rank x entries,
        in units of blocks); entries may come in any order but not twice.
        """
        shape = tuple(shape)
        keys = [np.asarray(coordinates[d], dtype=np.int64) for d in format.order]
        order = np.lexsort(tuple(reversed(keys))) if keys else np.arange(len(values))
        keys = [key[order] for key in keys]
        values = np.asarray(values)[order]
        if keys and len(values) > 1:
            same = np.all([key[1:] == key[:-1] for key in keys], axis=0)
            if same.any():
                where = tuple(int(coordinates[d][order[same.argmax()]]) for d in range(len(shape)))
                raise InputError(f"coordinate {where} is stored twice; sum the duplicates first")
        position, count = np.zeros(len(values), dtype=np.int64), 1
        segments: list[Array | None] = []
        stored: list[Array | None] = []
        for level, key in enumerate(keys):
            dimension = format.order[level]
            block = format.block[dimension] if format.block else 1
            size = -(-shape[dimension] // block)
            if len(key) and (key.min() < 0 or key.max() >= size):
                raise InputError(
                    f"coordinate {int(key.min() if key.min() < 0 else key.max())} of dimension "
                    f"{dimension} lies outside 0..{size - 1}"
                )
            if format.levels[level] is Level.DENSE:
                segments.append(None)
                stored.append(None)
                position, count = position * size + key, count * size
            else:
                new = np.ones(len(key), dtype=bool)
                new[1:] = (position[1:] != position[:-1]) | (key[1:] != key[:-1])
                parents = position[new]
                segments.append(np.searchsorted(parents, np.arange(count + 1)).astype(np.int64))
                stored.append(key[new])
                position, count = np.cumsum(new) - 1, int(new.sum())
        out = np.zeros((count, *format.block), dtype=values.dtype)
        out[position] = values
        return Storage(shape, format, tuple(segments), tuple(stored), out)

    @staticmethod
    def from_dense(array: npt.ArrayLike, format: Format) -> "Storage":
        """Store the nonzeros of `array`; blocks that are entirely zero are left out."""
        dense = np.asarray(array)
        if dense.ndim != format.rank:
            raise InputError(
                f"an array of rank {dense.ndim} cannot be stored as '{format}', "
                f"which has {format.rank} levels"
            )
        if format.is_dense and not format.block:
            flat = dense.transpose(format.order).reshape(-1)
            # One number in place of all, as from `np.broadcast_to`, stays one number in memory.
            values = flat if flat.strides == (0,) else np.ascontiguousarray(flat)
            none = (None,) * format.rank
            return Storage(dense.shape, format, none, none, values)
        tiles = _split_blocks(dense, format.block)
        inner = tuple(range(format.rank, tiles.ndim))
        kept = np.nonzero((tiles != 0).any(axis=inner) if inner else tiles)
        return Storage.from_coordinates(dense.shape, format, np.array(kept), tiles[kept])

    def to_coordinates(self) -> tuple[Array, Array]:
        """Coordinates (rank x stored, in units of blocks) and values of every stored position."""
        columns: list[Array] = []
        count = 1
        for level in range(self.format.rank):
            segments, stored = self.segments[level], self.coordinates[level]
            if segments is None or stored is None:
                size = self.size(level)
                parent = np.repeat(np.arange(count), size)
                key = np.tile(np.arange(size), count)
            else:
                parent = np.repeat(np.arange(count), np.diff(segments).astype(np.int64))
                key = stored
            columns = [column[parent] for column in columns] + [key]
            count = len(key)
        ordered = [columns[self.format.order.index(d)] for d in range(self.format.rank)]
        stacked = np.array(ordered, dtype=np.int64).reshape(self.format.rank, count)
        return stacked, self.values

    def to_dense(self) -> Array:
        """The tensor as an array of `shape`, zero where nothing is stored."""
        if self.format.is_dense and not self.format.block:
            stored = tuple(self.shape[d] for d in self.format.order)
            return self.values.reshape(stored).transpose(np.argsort(self.format.order))
        coordinates, values = self.to_coordinates()
        block = self.format.block
        grid = [self.size(self.format.order.index(d)) for d in range(self.format.rank)]
        tiles = np.zeros((*grid, *block), dtype=values.dtype)
        tiles[tuple(coordinates)] = values
        return _join_blocks(tiles, block, self.shape)

    def convert(self, format: Format) -> "Storage":
        """
        The same tensor in another format.

        Stored zeros are kept, except those that a dense level or a tile stores only because it
        stores every coordinate.
        """
        if format == self.format:
            return self
        if self.format.is_dense:
            return Storage.from_dense(self.to_dense(), format)
        coordinates, values = self.to_coordinates()
        if Level.DENSE in self.format.levels[-1:]:
            kept = (values != 0).any(axis=tuple(range(1, values.ndim)))
            coordinates, values = coordinates[:, kept], values[kept]
        if format.block != self.format.block:
            if self.format.block:
                coordinates, values = _elements(coordinates, values, self.shape)
            if format.block:
                coordinates, values = _tiles(coordinates, values, format.block)
        return Storage.from_coordinates(self.shape, format, coordinates, values)

    def validate(self, name: str = "tensor") -> None:
        """
        Check the arrays against each other.

        Raises `InputError` naming the level when segments do not start at 0 or decrease, when
        coordinates leave their dimension, repeat or are not increasing inside a fiber, or when
        a length does not match. Padding is checked by `expect_zero_padding`.
        """
        count = 1
        for level in range(self.format.rank):
            segments, stored = self.segments[level], self.coordinates[level]
            if segments is None or stored is None:
                count *= self.size(level)
                continue
            where = f"{name}, level {level}"
            for array, what in ((segments, "segments"), (stored, "coordinates")):
                if array.dtype.kind not in "iu":
                    raise InputError(f"{where}: {what} must be integers, not {array.dtype}")
            if len(segments) != count + 1:
                raise InputError(
                    f"{where}: {len(segments)} segments for {count} fibers; {count + 1} needed"
                )
            # Neighbours are compared, not subtracted: differences of unsigned numbers wrap.
            falling = segments[1:] < segments[:-1]
            if segments[0] != 0 or segments[-1] != len(stored) or falling.any():
                raise InputError(
                    f"{where}: segments must rise from 0 to {len(stored)}, the number of "
                    "coordinates; give segments and coordinates of the same tensor"
                )
            size = self.size(level)
            if len(stored) and (stored.min() < 0 or stored.max() >= size):
                beyond = stored.min() if stored.min() < 0 else stored.max()
                raise InputError(
                    f"{where}: coordinates must lie in 0..{size - 1}, but one is {beyond}; check "
                    "the shape, and that they count from 0"
                )
            rising = stored[1:] > stored[:-1]
            starts = segments[(segments > 0) & (segments < len(stored))]
            rising[starts - 1] = True
            if not rising.all():
                raise InputError(
                    f"{where}: coordinates must increase inside a fiber, but do not after "
                    f"position {int(np.argmin(rising))}; sort them and sum duplicates"
                )
            count = len(stored)
        if self.values.shape != (count, *self.format.block):
            raise InputError(
                f"{name}: values of shape {self.values.shape}, but {count} coordinates "
                f"{f'of blocks {self.format.block} ' if self.format.block else ''}need shape "
                f"{(count, *self.format.block)}"
            )

    def expect_zero_padding(self, name: str = "tensor") -> None:
        """Raise `InputError` where padding, which arithmetic on tiles reads, is not zero."""
        for dimension, beyond in self._padding():
            if self.values[beyond].any():
                raise InputError(
                    f"{name}: tiles of {self.format.block[dimension]} are not zero beyond the "
                    f"{self.shape[dimension]} elements of dimension {dimension}; set them to zero "
                    "there"
                )

    def without_padding(self) -> "Storage":
        """The same tensor with zeros where its tiles reach beyond `shape`."""
        padding = self._padding()
        if not padding:
            return self
        values = self.values.copy()
        for _, beyond in padding:
            values[beyond] = 0
        return replace(self, values=values)

    def _padding(self) -> list[tuple[int, tuple[Array | slice, ...]]]:
        """The dimensions that blocks do not divide, and which of `values` lie beyond each."""
        sizes = enumerate(zip(self.shape, self.format.block, strict=False))
        cut = [(dimension, size, block) for dimension, (size, block) in sizes if size % block]
        if not cut:
            return []
        places, _ = self.to_coordinates()
        whole = slice(None)
        return [
            (d, (places[d] == size // block, *[whole] * d, slice(size % block, None)))
            for d, size, block in cut
        ]


def _elements(places: Array, tiles: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Coordinates (rank x entries) and values of what is not zero in tiles and lies in `shape`."""
    which, *inside = np.nonzero(tiles)
    block = np.array(tiles.shape[1:])[:, None]
    coordinates = places[:, which] * block + np.array(inside)
    kept = (coordinates < np.array(shape)[:, None]).all(axis=0)
    return coordinates[:, kept], tiles[which, *inside][kept]


def _tiles(coordinates: Array, values: Array, block: tuple[int, ...]) -> tuple[Array, Array]:
    """The inverse of `_elements`, with a tile wherever there is an entry."""
    outer, inside = np.divmod(coordinates, np.array(block)[:, None])
    places, which = np.unique(outer, axis=1, return_inverse=True)
    tiles = np.zeros((places.shape[1], *block), dtype=values.dtype)
    tiles[which, *inside] = values
    return places, tiles


def _split_blocks(dense: Array, block: tuple[int, ...]) -> Array:
    """Shape (s0, s1, ..) -> (s0/b0, s1/b1, .., b0, b1, ..), padded with zeros."""
    if not block:
        return dense
    padded = np.pad(dense, [(0, -s % b) for s, b in zip(dense.shape, block, strict=True)])
    grid = [n for s, b in zip(padded.shape, block, strict=True) for n in (s // b, b)]
    axes = (*range(0, 2 * len(block), 2), *range(1, 2 * len(block), 2))
    return padded.reshape(grid).transpose(axes)


def _join_blocks(tiles: Array, block: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """The inverse of `_split_blocks`."""
    if not block:
        return tiles
    rank = len(block)
    axes = [axis for d in range(rank) for axis in (d, rank + d)]
    padded = [tiles.shape[d] * block[d] for d in range(rank)]
    return tiles.transpose(axes).reshape(padded)[tuple(slice(s) for s in shape)]
