"""The step of a program that simulates one stream graph."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headrace.backends.steps import Environment, Size, resolve
from headrace.simulators.stream.program import Program as StreamProgram
from headrace.storage.levels import Array, Format, Storage


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

    def storage(self, outputs: Mapping[str, Array], tensors: Mapping[str, Storage]) -> Storage:
        """
        Return the tensor that the writers wrote.

        Raises `InputError` if their outputs contradict each other.
        """
        segments: list[Array | None] = []
        coordinates: list[Array | None] = []
        for number, level in enumerate(self.levels):
            bounds = None if level is None else outputs[f"{level}.segments"]
            if bounds is not None and number == 0 and len(bounds) == 1:
                # A writer in drop mode closes no segment for an empty tensor.
                bounds = np.zeros(2, dtype=np.int64)
            segments.append(bounds)
            coordinates.append(None if level is None else outputs[f"{level}.coordinates"])
        values = outputs[f"{self.values}.values"].reshape(-1, *self.format.block)
        shape = resolve(self.shape, tensors)
        stored = Storage(shape, self.format, tuple(segments), tuple(coordinates), values)
        stored.validate(self.result)
        return stored


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

    def bind(self, tensors: Mapping[str, Storage]) -> dict[str, Array | int]:
        """Return what the slots of the graph stand for."""
        bound: dict[str, Array | int] = {}
        for name in self.operands:
            bound |= slots_of(slot_name(name), tensors[name])
        return bound

    def assemble(self, outputs: Mapping[str, Array], tensors: Environment) -> None:
        """Add the tensors that the writers of the graph wrote."""
        for one in self.results:
            tensors[one.result] = one.storage(outputs, tensors)


def slot_name(tensor: str) -> str:
    """How slots name a tensor: `conv1.weight` is `conv1/weight`, as a dot ends the name there."""
    return tensor.replace(".", "/")


def slots_of(name: str, tensor: Storage) -> dict[str, Array | int]:
    """
    Return the slots of a tensor: segments and coordinates by level, values, and extents.

    Extents count blocks in a blocked format.
    """
    slots: dict[str, Array | int] = {
        f"{name}.values": np.ascontiguousarray(tensor.values, dtype=np.float64)
    }
    for level in range(tensor.format.rank):
        segments, coordinates = tensor.segments[level], tensor.coordinates[level]
        if segments is not None and coordinates is not None:
            slots[f"{name}.{level}.segments"] = np.ascontiguousarray(segments, dtype=np.int64)
            slots[f"{name}.{level}.coordinates"] = np.ascontiguousarray(coordinates, dtype=np.int64)
        slots[f"{name}.{tensor.format.order[level]}.extent"] = tensor.size(level)
    return slots
