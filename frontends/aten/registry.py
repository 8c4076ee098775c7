"""
Which ATen operators the importer knows, and how a handler is called.

A handler receives the `Call`, then the operands of the node as they are given: by position, or
by their names in the ATen schema. Tensors arrive as views. A node that gives an option which
the handler does not take is refused, so no option is ignored by mistake.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy.typing as npt
from xdsl.ir import Attribute

from headrace.frontends.builder import EntryBuilder, Extent, View
from headrace.storage.errors import InputError
from headrace.storage.levels import Format

Result: TypeAlias = View | tuple[View | None, ...]
"""What a handler returns; `None` stands for a result that is not available."""

Handler: TypeAlias = Callable[..., Result]


@dataclass(frozen=True)
class Call:
    """One node of the exported graph, as a handler sees it."""

    emit: EntryBuilder
    constant: Callable[[str, npt.NDArray[Any]], View]
    """Adds a constant tensor to the arguments of `@main`."""
    known: Callable[[View], npt.NDArray[Any] | None]
    """The elements, in any order, of a view of a constant."""
    shape: tuple[Extent, ...]
    """Shape of the (first) result."""
    element: Attribute
    """Element type of the (first) result."""
    extents: Callable[[Sequence[Any]], tuple[Extent, ...]]
    """Takes sizes of torch."""
    format: Format | None = None
    """Storage format of the result where torch keeps a sparse layout."""


HANDLERS: dict[str, Handler] = {}
"""Handlers by operator and overload, such as `aten.add.Tensor`."""


HandlerT = TypeVar("HandlerT", bound=Handler)


def lowers(*operators: str) -> Callable[[HandlerT], HandlerT]:
    """Register a handler for operators such as `aten.add.Tensor`."""

    def register(handler: HandlerT) -> HandlerT:
        for operator in operators:
            assert operator not in HANDLERS, operator
            HANDLERS[operator] = handler
        return handler

    return register


NESTS: dict[str, Handler] = {}
"""
Handlers that make loop nests, for targets that take them.

One that returns `NotImplemented` leaves the node to its handler in `HANDLERS`.
"""


def lowers_to_nest(*operators: str) -> Callable[[HandlerT], HandlerT]:
    """Register a handler in `NESTS`."""

    def register(handler: HandlerT) -> HandlerT:
        for operator in operators:
            assert operator not in NESTS, operator
            NESTS[operator] = handler
        return handler

    return register


def dimension(index: int, rank: int) -> int:
    """A dimension of a tensor of `rank`, counted from the end where negative."""
    if not -max(rank, 1) <= index < max(rank, 1):
        raise InputError(f"dimension {index} does not exist in a tensor of rank {rank}")
    return index % max(rank, 1)


def dimensions(indices: list[int] | int | None, rank: int) -> list[int]:
    """Several dimensions, sorted; none given means all."""
    if indices is None or indices == []:
        return list(range(rank))
    listed = [indices] if isinstance(indices, int) else indices
    return sorted(dimension(index, rank) for index in listed) if rank else []
