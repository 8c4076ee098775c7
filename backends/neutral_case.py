"""
Cases in the neutral form: a graph, its input tensors and, where given, the expected result.

A case is a directory with `graph.json`, `inputs.npz` and optionally `gold.npz`. The npz files hold,
per tensor T, `T.shape`, `T.vals`, and for every compressed mode m `T.m.seg` and `T.m.crd`;
`gold.npz` describes the tensor X and has `X.dense` besides.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
import numpy.typing as npt

from headrace.backends.graph import slots_of
from headrace.backends.neutral import NeutralGraph, read_graph
from headrace.backends.neutral_program import build_program
from headrace.simulators.stream.program import Program
from headrace.storage.errors import InputError
from headrace.storage.levels import Array, Format, Level, Storage

LARGEST = 2**31
"""Positions of a dense tensor that results are compared in."""


@dataclass(frozen=True)
class Case:
    """
    A program with its input tensors.

    `gold` has `X.dense`, and the arrays that a writer in drop mode must produce.
    """

    name: str
    graph: NeutralGraph
    program: Program
    tensors: Mapping[str, Storage]
    arrays: Mapping[str, Any]
    """The inputs as slots of the program."""
    shape: tuple[int, ...]
    """Of the result."""
    gold: Mapping[str, Array] | None

    def result(self, outputs: Mapping[str, Array]) -> Storage:
        """
        The tensor in what the writers left behind.

        Raises `InputError` when segments, coordinates and values do not fit each other.
        """
        name, format = self.graph.output, self.graph.formats[self.graph.output]
        segments: list[Array | None] = []
        coordinates: list[Array | None] = []
        count = 1
        for level, kind in enumerate(format.levels):
            if kind is Level.DENSE:
                segments.append(None)
                coordinates.append(None)
                count *= self.shape[format.order[level]]
                continue
            stored = outputs[f"{name}.{level}.coordinates"]
            bounds = outputs[f"{name}.{level}.segments"]
            if level == 0 and len(bounds) == 1:
                # In drop mode an empty tensor closes no segment, not even the root's.
                bounds = np.zeros(count + 1, dtype=np.int64)
            segments.append(bounds)
            coordinates.append(stored)
            count = len(stored)
        values = outputs[f"{name}.values"]
        result = Storage(self.shape, format, tuple(segments), tuple(coordinates), values)
        result.validate(name)
        return result

    def max_error(self, outputs: Mapping[str, Array]) -> float | None:
        """The largest distance of the dense result from the expected one; None if unknown."""
        if self.gold is None:
            return None
        expected = np.asarray(self.gold["X.dense"], dtype=np.float64)
        dense = self.result(outputs).to_dense()
        if dense.shape != expected.shape:
            raise InputError(
                f"{self.name}: gold.npz has shape {expected.shape}, the result {dense.shape}; "
                "the two files belong to different cases"
            )
        return float(np.abs(dense - expected).max(initial=0.0))


def read_case(directory: Path) -> Case:
    """
    Read a case directory.

    Raises `InputError` for a missing or damaged file, a malformed graph, and tensors whose
    arrays contradict each other.
    """
    graph = read_graph(directory / "graph.json")
    data = read_arrays(directory / "inputs.npz")
    tensors = {
        name: _tensor(name, graph.formats[name], data, directory / "inputs.npz")
        for name in _inputs(graph)
    }
    gold_path = directory / "gold.npz"
    gold = read_arrays(gold_path) if gold_path.exists() else None
    if gold is not None and "X.dense" not in gold:
        raise InputError(f"{gold_path}: 'X.dense' is missing; it is the expected result")
    return make_case(directory.name, graph, tensors, gold)


def dense_case(
    name: str,
    graph: NeutralGraph,
    inputs: Mapping[str, npt.ArrayLike],
    expected: npt.ArrayLike | None = None,
) -> Case:
    """A case whose tensors are given dense; their nonzeros are stored in the graph's formats."""
    tensors = {
        tensor: Storage.from_dense(
            np.asarray(inputs[tensor], dtype=np.float64), graph.formats[tensor]
        )
        for tensor in _inputs(graph)
    }
    gold = None if expected is None else {"X.dense": np.asarray(expected, dtype=np.float64)}
    return make_case(name, graph, tensors, gold)


def make_case(
    name: str,
    graph: NeutralGraph,
    tensors: Mapping[str, Storage],
    gold: Mapping[str, Array] | None = None,
) -> Case:
    """A case from tensors that are already stored in the graph's formats."""
    arrays: dict[str, Any] = {}
    for tensor, storage in tensors.items():
        arrays.update(slots_of(tensor, storage))
    shape = _result_shape(graph, tensors, name)
    return Case(name, graph, build_program(graph), tensors, arrays, shape, gold)


def read_arrays(path: Path) -> dict[str, Array]:
    """All arrays of an npz file."""
    try:
        with np.load(path) as archive:
            return {key: archive[key] for key in archive.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; a case needs graph.json and inputs.npz") from error
    except (OSError, ValueError, EOFError, BadZipFile, ZlibError) as error:
        raise InputError(
            f"{path}: not a complete npz file; write it again with numpy.savez"
        ) from error


def _inputs(graph: NeutralGraph) -> list[str]:
    return [name for name in graph.formats if name != graph.output]


def _tensor(name: str, format: Format, data: Mapping[str, Array], path: Path) -> Storage:
    def field(key: str) -> Array:
        if f"{name}.{key}" not in data:
            raise InputError(f"{path}: '{name}.{key}' is missing; fmt says {name} is '{format}'")
        return data[f"{name}.{key}"]

    shape: tuple[int, ...] = tuple(field("shape").reshape(-1).tolist())
    if math.prod(max(size, 1) for size in shape) > LARGEST:
        raise InputError(f"{path}: {name} has shape {shape}, which no dense result can hold")
    if len(shape) != format.rank:
        raise InputError(
            f"{path}: {name} has {len(shape)} dimensions, but its format '{format}' has "
            f"{format.rank} levels"
        )
    segments: list[Array | None] = []
    coordinates: list[Array | None] = []
    for level, mode in zip(format.levels, format.order, strict=True):
        compressed = level is Level.COMPRESSED
        segments.append(field(f"{mode}.seg") if compressed else None)
        coordinates.append(field(f"{mode}.crd") if compressed else None)
    values = field("vals").astype(np.float64).reshape(-1)
    storage = Storage(shape, format, tuple(segments), tuple(coordinates), values)
    storage.validate(f"{path}: {name}")
    return storage


def _result_shape(
    graph: NeutralGraph, tensors: Mapping[str, Storage], name: str
) -> tuple[int, ...]:
    """What the graph says, else the extent of every written index in a tensor scanned along it."""
    if graph.shape is not None:
        return tuple(
            extent if isinstance(extent, int) else tensors[extent[0]].shape[extent[1]]
            for extent in graph.shape
        )
    extents: dict[str, int] = {}
    for node in graph.nodes:
        if node.type == "fiberlookup" and "index" in node.attributes:
            tensor, mode = str(node.attributes["tensor"]), int(node.attributes["mode"])
            index, extent = str(node.attributes["index"]), int(tensors[tensor].shape[mode])
            if extents.setdefault(index, extent) != extent:
                raise InputError(
                    f"{name}: index {index} runs over {extents[index]} coordinates in one tensor "
                    f"and over {extent} in {tensor}; make the shapes agree"
                )
    shape = [0] * graph.formats[graph.output].rank
    for node in graph.nodes:
        if node.type == "fiberwrite" and node.attributes["mode"] != "vals":
            index = str(node.attributes.get("index"))
            if index not in extents:
                raise InputError(
                    f"{name}: no input tensor is scanned along the written index {index}"
                )
            shape[node.attributes["mode"]] = extents[index]
    return tuple(shape)
