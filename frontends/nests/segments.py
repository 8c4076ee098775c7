"""Where the segments of a list begin and end: in memory, or at equal distances."""

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from xdsl.ir import SSAValue

from headrace.frontends.aten.registry import Call
from headrace.frontends.builder import Extent, View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.nests.checks import check_offsets
from headrace.frontends.reshape import as_tensor
from headrace.storage.errors import InputError

Bounds = tuple[SSAValue, SSAValue, SSAValue]
"""The number of a segment, and its bounds."""


class Segments(Protocol):
    """How a nest walks over segments."""

    @property
    def inputs(self) -> Mapping[str, View]:
        """What the nest reads for it."""
        ...

    def loop(
        self, nest: NestBuilder, variable: str, count: SSAValue
    ) -> AbstractContextManager[Bounds]:
        """The loop over `count` segments."""
        ...


@dataclass(frozen=True)
class Offsets:
    """Segment b lies between elements b and b + 1 of `offsets`."""

    offsets: View

    @property
    def inputs(self) -> Mapping[str, View]:
        return {"offsets": self.offsets}

    @contextmanager
    def loop(self, nest: NestBuilder, variable: str, count: SSAValue) -> Generator[Bounds]:
        with nest.loop(variable, count) as b:
            yield b, *nest.segment("offsets", b)


@dataclass(frozen=True)
class Equal:
    """All segments have `length` elements."""

    length: int

    @property
    def inputs(self) -> Mapping[str, View]:
        return {}

    @contextmanager
    def loop(self, nest: NestBuilder, variable: str, count: SSAValue) -> Generator[Bounds]:
        with nest.loop(variable, count) as b:
            length = nest.number(self.length)
            lower = nest.multiply(b, length)
            yield b, lower, nest.add(lower, length)


def segments_of(c: Call, offsets: View, indices: View, include_last: bool) -> Segments:
    """
    The segments of `indices` that begin at `offsets`, which `include_last` bounds from above too.

    Emits the checks of `offsets` that can fail only when the program runs.
    """
    if offsets.rank != 1 or indices.rank != 1:
        raise InputError(
            f"offsets of shape {offsets.shape} and indices of shape {indices.shape} must be vectors"
        )
    count = indices.shape[0]
    if include_last and offsets.shape[0] == 0:
        raise InputError("offsets that include the last one must have at least one element")
    known = c.known(offsets) if offsets.is_whole else None
    if known is not None and isinstance(count, int):
        bounds = known if include_last else np.append(known, count)
        lengths = np.diff(bounds)
        if len(lengths) and bounds[0] == 0 and bounds[-1] == count and np.ptp(lengths) == 0:
            return Equal(int(lengths[0]))
    bounds = offsets if include_last else _with_last(c, offsets, count)
    check_offsets(c, offsets, bounds, count)
    return Offsets(bounds)


def _with_last(c: Call, offsets: View, count: Extent) -> View:
    """`offsets` and, behind them, the number of indices."""
    emit, bags = c.emit, offsets.shape[0]
    if isinstance(count, int):
        last = emit.filled((1,), count, offsets.element)
    else:
        last = as_tensor(emit, emit.number(count, offsets.element).insert(0))
    shape: tuple[Extent] = (bags + 1 if isinstance(bags, int) else f"{bags}+1",)
    return emit.concat([as_tensor(emit, offsets), last], 0, shape)
