"""
Statistics of tensors: what the cost model needs to know of one, whether it is there or not yet.

Those of a stored tensor are exact; those of a tensor that a graph will write are what the cost
model expects of its levels, and a dense tensor needs only its shape.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from math import prod

import numpy as np

from headrace.backends.graph import Assembly, slot_name
from headrace.backends.steps import (
    ConcatenateStep,
    ConvertStep,
    FillStep,
    HostStep,
    InsertStep,
    SliceStep,
)
from headrace.simulators.stream.estimate.levels import LevelStatistics
from headrace.simulators.stream.estimate.nest import Nest, Profile
from headrace.simulators.stream.estimate.spread import Spread
from headrace.storage.levels import Format, Level, Storage


class TensorStatistics:
    """What is known of a tensor of `shape` in `format`."""

    def __init__(
        self,
        shape: tuple[int, ...],
        format: Format,
        levels: tuple[LevelStatistics | None, ...],
        nonzero: Callable[[], float],
        spreads: tuple[Spread, ...] | None = None,
        storage: Storage | None = None,
    ) -> None:
        """
        `levels` has an entry for each level, `None` for a dense one; `nonzero` gives the share of
        the stored values that are not 0; `spreads` is how the values spread over each dimension
        (evenly if not given); `storage` is the tensor itself, if it is there.
        """
        self.shape = shape
        self.format = format
        self.levels = levels
        self.spreads = spreads
        self.storage = storage
        self._nonzero = nonzero

    @cached_property
    def nonzero(self) -> float:
        return self._nonzero()

    @property
    def stored(self) -> float:
        """How many entries of the tensor have a place, the elements of tiles counted one by one."""
        count = 1.0
        for level, statistics in enumerate(self.levels):
            count = count * self.size(level) if statistics is None else statistics.count
        return count * prod(self.format.block)

    @property
    def density(self) -> float:
        """The share of all elements that are not 0."""
        size = prod(self.shape)
        return min(self.stored * self.nonzero / size, 1) if size else 0

    def size(self, level: int) -> int:
        """The coordinates of a level, in units of blocks."""
        return level_size(self.shape, self.format, level)

    def slots(self, name: str) -> dict[str, LevelStatistics | float]:
        """What the slots of a program stand for that reads the tensor as `name`."""
        slots: dict[str, LevelStatistics | float] = {}
        for level, statistics in enumerate(self.levels):
            if statistics is not None:
                slots[f"{name}.{level}"] = statistics
            slots[f"{name}.{self.format.order[level]}.extent"] = self.size(level)
        return slots


def level_size(shape: tuple[int, ...], format: Format, level: int) -> int:
    """The number of coordinates of a level, in units of blocks."""
    dimension = format.order[level]
    block = format.block[dimension] if format.block else 1
    return -(-shape[dimension] // block)


def statistics_of(storage: Storage) -> TensorStatistics:
    """The exact statistics of a tensor; keep them, so that they are computed once."""
    levels = tuple(
        None
        if segments is None or stored is None
        else LevelStatistics.of(segments, stored, storage.size(level))
        for level, (segments, stored) in enumerate(
            zip(storage.segments, storage.coordinates, strict=True)
        )
    )
    values = storage.values

    def nonzero() -> float:
        return np.count_nonzero(values) / values.size if values.size else 1

    return TensorStatistics(storage.shape, storage.format, levels, nonzero, storage=storage)


def expected_statistics(
    shape: tuple[int, ...],
    format: Format,
    density: float,
    spreads: tuple[Spread, ...] | None = None,
    nonzero: float = 1,
) -> TensorStatistics:
    """
    The statistics of a tensor that stores a share `density` of its elements, as if each were
    stored independently, but for how they spread over each dimension.

    Of these `nonzero` are not 0; levels and tiles that store more store zeros besides.
    """
    levels: list[LevelStatistics | None] = []
    parents: float = 1
    sizes = [level_size(shape, format, level) for level in range(format.rank)]
    for level, (kind, size) in enumerate(zip(format.levels, sizes, strict=True)):
        if kind is Level.DENSE:
            levels.append(None)
            parents *= size
            continue
        inside = prod(sizes[level + 1 :]) * prod(format.block)
        count = parents * size * (1 - (1 - density) ** inside)
        of_axis = None if spreads is None or format.block else spreads
        lengths = of_axis[format.order[0]] if of_axis and (level, inside) == (1, 1) else None
        if format.levels[0] is Level.COMPRESSED:
            lengths = None
        columns = of_axis[format.order[level]] if of_axis and inside == 1 else None
        levels.append(LevelStatistics(round(parents), count, size, lengths, columns))
        parents = count
    places = parents * prod(format.block)
    share = nonzero * min(density * prod(shape) / places, 1) if places else 1
    return TensorStatistics(shape, format, tuple(levels), lambda: share, spreads)


def written_statistics(
    assembly: Assembly, shape: tuple[int, ...], written: Mapping[str, Profile]
) -> TensorStatistics:
    """The statistics of a result, from the streams that its writers are expected to get."""
    format = assembly.format
    values = written[assembly.values]
    levels: list[LevelStatistics | None] = []
    last: Nest | None = None
    parents: float = 1
    for level, name in enumerate(assembly.levels):
        size = level_size(shape, format, level)
        if name is None:
            levels.append(None)
            parents *= size
            continue
        last = written[name].nest
        under_dense = level == 1 and assembly.levels[0] is None and last.depth == 2
        lengths = last.spreads[0] if under_dense else None
        levels.append(
            LevelStatistics(
                round(parents),
                last.count,
                size,
                _of_size(lengths, round(parents)),
                _of_size(last.spreads[-1], size),
            )
        )
        parents = last.count
    spreads = None
    if last is not None and last.depth == format.rank and not format.block:
        by_level = [
            _of_size(spread, level_size(shape, format, level)) or Spread(1)
            for level, spread in enumerate(last.spreads)
        ]
        spreads = tuple(by_level[format.order.index(d)] for d in range(format.rank))
    return TensorStatistics(shape, format, tuple(levels), lambda: values.nonzero, spreads)


def _of_size(spread: Spread | None, size: int) -> Spread | None:
    """The spread if it is over so many coordinates, else none: even."""
    return spread if spread is not None and spread.extent == size else None


def host_statistics(
    step: HostStep, tensors: Mapping[str, TensorStatistics], shape: tuple[int, ...]
) -> TensorStatistics:
    """
    The statistics of what a step between graphs makes.

    A step that makes a compressed tensor runs if all that it reads is there.
    """
    sources = [tensors[name] for name in step.reads]
    if not step.format.is_dense:
        there = {
            name: one.storage for name in step.reads if (one := tensors[name]).storage is not None
        }
        if len(there) == len(sources):
            shapes = {name: one.shape for name, one in tensors.items()} | {step.result: shape}
            made: dict[str, Storage] = dict(there)
            step.run(made, shapes)
            return statistics_of(made[step.result])
    match step:
        case ConvertStep():
            (source,) = sources
            if Level.DENSE in source.format.levels[-1:] or source.format.block:
                return expected_statistics(shape, step.format, source.density, source.spreads)
            # A compressed level keeps the zeros that it stores.
            size = prod(shape)
            stored = min(source.stored / size, 1) if size else 0
            return expected_statistics(shape, step.format, stored, source.spreads, source.nonzero)
        case FillStep():
            return expected_statistics(shape, step.format, 0 if step.value == 0 else 1)
        case ConcatenateStep() | InsertStep():
            total = sum(one.density * prod(one.shape) for one in sources)
            size = prod(shape)
            return expected_statistics(shape, step.format, min(total / size, 1) if size else 0)
        case SliceStep() | _:
            return expected_statistics(shape, step.format, sources[0].density)


def slots_of_operands(
    operands: tuple[str, ...], tensors: Mapping[str, TensorStatistics]
) -> dict[str, LevelStatistics | float]:
    """What the slots of a graph stand for."""
    slots: dict[str, LevelStatistics | float] = {}
    for name in operands:
        slots |= tensors[name].slots(slot_name(name))
    return slots
