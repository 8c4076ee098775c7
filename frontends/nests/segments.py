"""
Where the segments of a list begin and end: in memory, after running sums, or at equal distances.

Checks of offsets are part of the entry function: tensor operations count what is wrong, and
`cf.assert` raises the error. Loads need none, since they check their own range.
"""

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from xdsl.dialects import cf, tensor
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from headrace.frontends.aten.registry import Call
from headrace.frontends.builder import Extent, View
from headrace.frontends.nests.builder import NestBuilder
from headrace.frontends.reshape import as_tensor
from headrace.frontends.scalars import Scalars
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


def check_offsets(c: Call, offsets: View, bounds: View, count: Extent) -> None:
    """
    Emit the checks of `offsets`; `bounds` are the same with a last one.

    The first must be 0, none smaller than the one before, and the last at most `count`.
    """
    emit, given = c.emit, offsets.shape[0]
    if given == 0:
        return
    first = emit.slice(offsets, 0, 0, 1)
    start = emit.generic([(first, [None])], [], [], i64, lambda s, x: s.cast(s.nonzero(x[0]), i64))
    _assert_none(c, start, "the offsets of the bags must start at 0")
    size: Extent = given if bounds is not offsets else given - 1 if isinstance(given, int) else ""
    if size == "":
        raise InputError(f"the number of bags, {given} - 1, must be static")
    if size != 0:
        pairs = [(emit.slice(bounds, 0, at, size), ["bag"]) for at in (0, 1)]
        falling = emit.generic(
            pairs,
            [],
            [],
            i64,
            lambda s, x: s.cast(s.compare("gt", x[0], x[1]), i64),
            reduction="add",
        )
        message = "the offsets of the bags must not decrease, nor exceed the number of indices"
        _assert_none(c, falling, message)
    if bounds is offsets:
        limit = emit.number(count, offsets.element)
        last = emit.slice(bounds, 0, size, 1) if isinstance(size, int) else bounds
        beyond = emit.generic(
            [(last, [None]), (limit, [])],
            [],
            [],
            i64,
            lambda s, x: s.cast(s.compare("gt", x[0], x[1]), i64),
        )
        _assert_none(c, beyond, "the last offset of the bags exceeds the number of indices")


def _assert_none(c: Call, wrong: View, message: str) -> None:
    """Emit an assertion that `wrong`, a tensor of rank 0, is 0."""
    number = c.emit.insert(tensor.ExtractOp(wrong.base, [], i64)).results[0]
    s = Scalars(c.emit.insert)
    holds = s.compare("eq", number, s.constant(0, i64))
    c.emit.insert(cf.AssertOp(holds, message))
