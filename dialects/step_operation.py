"""What all `step` operations share: how properties are read, and the checks of inference."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import cast

from xdsl.dialects.builtin import (
    FloatAttr,
    IndexType,
    IntegerAttr,
    StringAttr,
    TensorType,
    UnitAttr,
)
from xdsl.ir import Attribute, Operation
from xdsl.irdl import traits_def
from xdsl.traits import EffectInstance, MemoryEffect, MemoryEffectKind
from xdsl.utils.exceptions import VerifyException

from headrace.dialects.step_dimension import Dimension, product, symbol
from headrace.dialects.step_types import StreamType
from headrace.dialects.stream_operation import (
    Properties,
    StreamOperation,
    expect_tensor,
    index_attribute,
    integers_of,
    names_attribute,
    names_of,
)

MOST_COPIES = 2**16
"""Of one stream: far above any program, and few enough to list."""

NAMES = frozenset(("dims", "dim", "rows"))
"""The properties that name sizes."""


class MakesStreams(MemoryEffect):
    """
    The effect of making new streams: it can be left out, but not done once for two.

    A stream is read once, so that two equal operations must not become one.
    """

    @classmethod
    def get_effects(cls, op: Operation) -> AbstractSet[EffectInstance]:
        return {EffectInstance(MemoryEffectKind.ALLOC, result) for result in op.results}


class StepOperation(StreamOperation):
    """An operation of `step`, with its properties as plain values."""

    traits = traits_def(MakesStreams())

    def integer(self, name: str, default: int = 0) -> int:
        """An integer property, or the default where it is not given."""
        return integer_in(self.properties, name, default)

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of integers, empty where it is not given."""
        return integers_of(self.properties.get(name))

    def flag(self, name: str) -> bool:
        """Whether a unit property is there."""
        return name in self.properties

    @property
    def scalar_value(self) -> float | None:
        """The number that a function takes beside its elements, if it does."""
        return scalar_in(self.properties)

    @property
    def named(self) -> tuple[str, ...]:
        """The sizes that the run decides, as the program names them: without `~`."""
        single = (name_in(self.properties, key) for key in ("dim", "rows"))
        return names_of(self.properties.get("dims")) + tuple(name for name in single if name)

    @property
    def declared(self) -> tuple[str, ...]:
        """
        Those of `named` that are new symbols of this operation.

        The others, `assumed` symbols of other operations and expressions such as 4, are claims of
        the program. The interpreter checks those of one number; of ragged sizes it compares the
        lists of streams that are read together, and takes the claim itself on trust.
        """
        claimed = names_of(self.properties.get("assumed"))
        return tuple(name for name in self.named if name not in claimed and is_name(name))


def integer_in(properties: Properties, name: str, default: int = 0) -> int:
    """An integer property, or the default where it is not given."""
    value = properties.get(name)
    return cast(IntegerAttr, value).value.data if value is not None else default


def name_in(properties: Properties, name: str) -> str | None:
    """A property that is one name, if it is given."""
    value = properties.get(name)
    return value.data if isinstance(value, StringAttr) else None


def scalar_in(properties: Properties) -> float | None:
    """The property `scalar`, if it is given."""
    value = properties.get("scalar")
    return value.value.data if isinstance(value, FloatAttr) else None


def integer_attribute(value: int | None, default: int | None = None) -> Attribute | None:
    """A property that is left out where it is the default."""
    return None if value is None or value == default else index_attribute(value)


def flag_attribute(value: bool) -> UnitAttr | None:
    """A property that is there or not."""
    return UnitAttr() if value else None


def name_attribute(value: str | int | None) -> StringAttr | None:
    """A property that is one name, or a size."""
    return None if value is None else StringAttr(str(value))


def optional_names(values: Sequence[str]) -> Attribute | None:
    """A list of names that is left out where it is empty."""
    return names_attribute(values) if values else None


def expect_stream(
    operation: str, type: Attribute, role: str, *elements: type[Attribute]
) -> StreamType:
    """The type as a stream, of elements of one of the given types; `role` is what errors say."""
    if not isinstance(type, StreamType):
        raise VerifyException(f"'{operation}' needs a step.stream as {role}, but got {type}")
    if elements and not isinstance(type.element_type, elements):
        wanted = " or ".join(kind.name for kind in elements)
        raise VerifyException(f"'{operation}' needs {wanted} elements as {role}, but got {type}")
    return type


def expect_same_shape(operation: str, streams: Sequence[StreamType]) -> None:
    """All streams have the same sizes, symbols included."""
    for stream in streams[1:]:
        if stream.shape != streams[0].shape:
            raise VerifyException(
                f"'{operation}' takes streams of one shape, but got {listed(streams[0].dimensions)}"
                f" and {listed(stream.dimensions)}; equal sizes must have equal symbols: one that "
                "is known to be another is named by `assumed` where it arises"
            )


def expect_level(operation: str, stream: StreamType, rank: int, lowest: int) -> None:
    """A list level of the stream: `lowest` up to its rank."""
    if not lowest <= rank <= stream.rank:
        raise VerifyException(
            f"'{operation}' has rank {rank}, but a stream of shape {listed(stream.dimensions)} has "
            f"stops of the levels {lowest} to {stream.rank}"
            if lowest <= stream.rank
            else f"'{operation}' has rank {rank}, but a stream of rank 0 has no stops; promote it"
        )


def expect_positive(operation: str, properties: Properties, *names: str) -> None:
    """Integer properties, where given, are 1 or more."""
    for name in names:
        value = integer_in(properties, name, 1)
        if value < 1:
            raise VerifyException(f"'{operation}' has {name} {value}; it is 1 or more")


def expect_copies(operation: str, properties: Properties, name: str) -> int:
    """A number of results: 1 or more, and not more than hardware could ever have."""
    expect_positive(operation, properties, name)
    value = integer_in(properties, name)
    if value > MOST_COPIES:
        raise VerifyException(
            f"'{operation}' has {name} {value}; it is at most {MOST_COPIES}: use fewer"
        )
    return value


def is_name(text: str) -> bool:
    """Whether it is one symbol, not an expression."""
    return text.replace("_", "a").replace(".", "a").isalnum() and not text[:1].isdecimal()


def named_size(operation: str, name: str, ragged: bool) -> Dimension:
    """
    The size that a program names: a symbol, or what it claims the size to be.

    Raises `VerifyException` for what is neither.
    """
    try:
        return symbol(name, ragged) if is_name(name) else Dimension.of(name)
    except ValueError as error:
        raise VerifyException(f"'{operation}': {error}") from None


def expect_no_name(operation: str, name: str | None, size: Dimension) -> Dimension:
    """The size, which must not have been given a name."""
    if name is not None:
        raise VerifyException(
            f"'{operation}' names {name}, but that size is {size}: leave the name out"
        )
    return size


def expect_assumed(operation: str, properties: Properties, names: Sequence[str]) -> None:
    """Only a symbol that the operation names can be assumed to be known."""
    unknown = set(names_of(properties.get("assumed"))) - set(filter(is_name, names))
    if unknown:
        raise VerifyException(
            f"'{operation}' assumes {', '.join(sorted(unknown))}, but names no such size"
        )


def folded(
    operation: str, sizes: Sequence[Dimension], inner: Dimension, outermost: bool, name: str | None
) -> Dimension:
    """
    How many there are of `inner` things in a nest of lists of the sizes, outermost first.

    A ragged size has no product but a sum over siblings: over all of them (`outermost`) it is a
    total, and otherwise a new ragged size, which needs a name.
    """
    for size in reversed(sizes):
        if not inner.is_ragged:
            inner = size * inner
        elif size not in (Dimension.of(1), inner.positive()):
            if name is not None:
                return named_size(operation, name, ragged=not outermost)
            if outermost:
                return inner.total()
            raise VerifyException(
                f"'{operation}' adds up the ragged size {inner} over the siblings of a list; the "
                "sum differs from list to list: name it by `dim`"
            )
    if outermost and inner.is_ragged:
        return named_size(operation, name, ragged=False) if name else inner.total()
    return expect_no_name(operation, name, inner)


def expect_matrix(operation: str, type: Attribute) -> tuple[int, int]:
    """
    Rows and columns of a tensor in off-chip memory: all but its last size are rows.

    A tensor of rank 1 is one row.
    """
    tensor = expect_tensor(operation, type)
    if not tensor.has_static_shape():
        raise VerifyException(f"'{operation}' needs a tensor of a known shape, but got {tensor}")
    *rows, columns = tensor.get_shape() or (1,)
    return product(rows).value, columns


def expect_tile(operation: str, tensor: Attribute, tile: Sequence[int]) -> tuple[int, int]:
    """How many tiles of rows x columns a tensor has below each other and side by side."""
    matrix = expect_matrix(operation, tensor)
    if len(tile) != 2 or min(tile) < 1:
        raise VerifyException(
            f"'{operation}' has the tile {list(tile)}; it has rows and columns, 1 or more of each"
        )
    for size, part, what in zip(matrix, tile, ("rows", "columns"), strict=True):
        if size % part:
            larger = part > size
            raise VerifyException(
                f"'{operation}' has tiles of {part} {what}, "
                + ("larger than" if larger else "which do not divide")
                + f" the {size} {what} of {tensor}; "
                + ("take a smaller tile" if larger else "pad the tensor or take another tile")
            )
    return matrix[0] // tile[0], matrix[1] // tile[1]


def expect_affine(
    operation: str, strides: Sequence[int], shape: Sequence[int], tiles: int, what: str
) -> None:
    """An affine read stays inside of what it reads: tile address = sum of index * stride."""
    if len(strides) != len(shape) or not shape:
        raise VerifyException(
            f"'{operation}' has {len(strides)} strides for {len(shape)} sizes; it takes one stride "
            "for each size, and at least one"
        )
    if min(shape) < 0 or min(strides) < 0:
        raise VerifyException(
            f"'{operation}' has a stride or size below 0: {list(strides)}, {list(shape)}"
        )
    last = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= tiles:
        raise VerifyException(
            f"'{operation}' reads up to tile {last}, but {what} has {tiles}: strides "
            f"{list(strides)} over {list(shape)}"
        )


def expect_addresses(operation: str, type: Attribute) -> StreamType:
    """A stream of integers."""
    return expect_stream(operation, type, "address", IndexType)


def listed(sizes: Sequence[object]) -> str:
    """Sizes as they are printed in types."""
    return f"[{', '.join(map(str, sizes))}]"


def tensor_like(type: Attribute) -> TensorType[Attribute]:
    """A tensor type that was checked before."""
    return cast("TensorType[Attribute]", type)


def named(operation: Operation, place: int) -> str:
    """An operation of a graph in messages: its name, its place, and the hint of its result."""
    hint = next((result.name_hint for result in operation.results if result.name_hint), None)
    return f"'{operation.name}' (operation {place}{f', %{hint}' if hint else ''})"
