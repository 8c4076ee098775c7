"""The step of a program that simulates one stream graph."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headrace.backends.steps import Environment, Shapes, Size, resolve
from headrace.simulators.stream.program import Program as StreamProgram
from headrace.simulators.stream.simulate import VALUES_STEER
from headrace.storage.levels import Array, Format, Storage

WORD = 63
"""Coordinates that fit one bit vector."""


@dataclass(frozen=True)
class Assembly:
    """How the writers of a stream graph make up a tensor."""

    result: str
    format: Format
    shape: tuple[Size, ...]
    levels: tuple[str | None, ...]
    """The output of the coordinate writer of each level; `None` for a dense level."""
    values: str
    """The output of the value writer."""

    def storage(self, outputs: Mapping[str, Array], shape: tuple[int, ...]) -> Storage:
        """
        Return the tensor that the writers wrote; zeros where only the time was asked for.

        What tiles hold beyond the shape (0 * inf, say) is no part of it and becomes zero.

        Raises `InputError` if their outputs contradict each other.
        """
        segments: list[Array | None] = []
        coordinates: list[Array | None] = []
        count = 1
        for number, level in enumerate(self.levels):
            bounds = None if level is None else outputs[f"{level}.segments"]
            if bounds is not None and number == 0 and len(bounds) == 1:
                # A writer in drop mode closes no segment for an empty tensor.
                bounds = np.zeros(2, dtype=np.int64)
            segments.append(bounds)
            stored = None if level is None else outputs[f"{level}.coordinates"]
            coordinates.append(stored)
            count = count * self._size(number, shape) if stored is None else len(stored)
        values = outputs.get(f"{self.values}.values")
        if values is None:
            values = np.zeros((count, *self.format.block))
        values = values.reshape(-1, *self.format.block)
        tensor = Storage(shape, self.format, tuple(segments), tuple(coordinates), values)
        tensor.validate(self.result)
        return tensor.without_padding()

    def _size(self, level: int, shape: tuple[int, ...]) -> int:
        dimension = self.format.order[level]
        block = self.format.block[dimension] if self.format.block else 1
        return -(-shape[dimension] // block)


@dataclass(frozen=True)
class GraphStep:
    """
    One stream graph: its program, the tensors that it reads, and its results.

    Slot `A.0.segments` of the program reads level 0 of tensor `A` of the environment; names in
    slots have no dots of their own (see `slot_name`).
    """

    name: str
    program: StreamProgram
    operands: tuple[str, ...]
    results: tuple[Assembly, ...]

    @property
    def steers(self) -> bool:
        """Whether values decide which tokens there are."""
        return bool(VALUES_STEER.intersection(self.program.kinds.tolist()))

    def infer_shapes(self, shapes: Shapes) -> dict[str, tuple[int, ...]]:
        """The shapes of the results, by name."""
        return {one.result: resolve(one.shape, shapes) for one in self.results}

    def bind(self, tensors: Mapping[str, Storage]) -> dict[str, Array | int]:
        """Return what the slots of the graph stand for."""
        bound: dict[str, Array | int] = {}
        for name in self.operands:
            bound |= slots_of(slot_name(name), tensors[name])
        return bound

    def assemble(self, outputs: Mapping[str, Array], tensors: Environment, shapes: Shapes) -> None:
        """Add the tensors that the writers of the graph wrote."""
        for one in self.results:
            tensors[one.result] = one.storage(outputs, shapes[one.result])


def slot_name(tensor: str) -> str:
    """How slots name a tensor: `conv1.weight` is `conv1/weight`, as a dot ends the name there."""
    return tensor.replace(".", "/")


def bit_vectors(segments: Array, coordinates: Array) -> Array:
    """One word for each fiber of a compressed level (int64): bit c is set where c is stored."""
    words = np.zeros(len(segments) - 1, dtype=np.int64)
    fibers = np.repeat(np.arange(len(words)), np.diff(segments))
    np.add.at(words, fibers, np.left_shift(1, coordinates))
    return words


def slots_of(name: str, tensor: Storage) -> dict[str, Array | int]:
    """
    Return the slots of a tensor: segments and coordinates by level (and bit vectors of levels
    narrow enough), values, and extents.

    Extents count blocks in a blocked format.
    """
    slots: dict[str, Array | int] = {
        f"{name}.values": np.ascontiguousarray(tensor.values, dtype=np.float64)
    }
    for level in range(tensor.format.rank):
        segments, coordinates = tensor.segments[level], tensor.coordinates[level]
        if segments is not None and coordinates is not None:
            segments = np.ascontiguousarray(segments, dtype=np.int64)
            coordinates = np.ascontiguousarray(coordinates, dtype=np.int64)
            slots[f"{name}.{level}.segments"] = segments
            slots[f"{name}.{level}.coordinates"] = coordinates
            if tensor.size(level) <= WORD:
                slots[f"{name}.{level}.words"] = bit_vectors(segments, coordinates)
        slots[f"{name}.{tensor.format.order[level]}.extent"] = tensor.size(level)
    return slots
