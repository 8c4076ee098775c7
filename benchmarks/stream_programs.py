"""Stream programs to measure the engine with, built by hand or compiled, and their operands."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt

import headrace
from headrace.models.gcn import on_graph
from headrace.models.graphs import random_graph
from headrace.simulators.stream.program import Program, ProgramBuilder, Slot, Stream
from headrace.simulators.stream.simulate import SimulationResult
from headrace.simulators.stream.tokens import DONE, stop


@dataclass(frozen=True)
class Kernel:
    name: str
    program: Program
    operands: Callable[[int], dict[str, Any]]
    """The arrays of an instance of a given size."""


def matrix(rows: int, columns: int, density: float, seed: int, name: str) -> dict[str, Any]:
    """A random matrix as two compressed levels, of which the outer stores every row, and values."""
    random = np.random.default_rng(seed)
    stored = random.random((rows, columns)) < density
    return {
        f"{name}.0.segments": np.array([0, rows]),
        f"{name}.0.coordinates": np.arange(rows),
        f"{name}.1.segments": np.concatenate([[0], np.cumsum(stored.sum(axis=1))]),
        f"{name}.1.coordinates": np.nonzero(stored)[1],
        f"{name}.values": random.random(int(stored.sum())),
        f"{name}.1.extent": columns,
    }


class Graph:
    """Shorthands over a program builder."""

    def __init__(self) -> None:
        self.builder = ProgramBuilder()

    def root(self) -> Stream:
        return self.builder.node("root")[0]

    def scan(self, ref: Stream, level: str) -> tuple[Stream, ...]:
        segments, coordinates = Slot(f"{level}.segments"), Slot(f"{level}.coordinates")
        return self.builder.node("scan_compressed", ref, segments=segments, coordinates=coordinates)

    def array(self, ref: Stream, tensor: str) -> Stream:
        return self.builder.node("array", ref, values=Slot(f"{tensor}.values"))[0]

    def repeat(self, x: Stream, like: Stream) -> Stream:
        return self.builder.node("repeat", x, *self.builder.node("repeat_signal", like))[0]

    def alu(self, op: str, *operands: Stream) -> Stream:
        return self.builder.node("alu", *operands, op=op)[0]

    def write(self, crds: list[Stream], val: Stream, mode: str = "keep") -> None:
        for level, crd in enumerate(crds):
            self.builder.node("write_coordinates", crd, mode=mode, output=f"X.{level}")
        self.builder.node("write_values", val, output="X")


def spmm() -> Kernel:
    """X = B C row by row (order i k j), both 8 % dense."""
    g = Graph()
    b_i, b_ref = g.scan(g.root(), "B.0")
    b_k, b_value = g.scan(b_ref, "B.1")
    c_k, c_ref = g.scan(g.repeat(g.root(), b_ref), "C.0")
    k, b_value, c_ref = g.builder.node("intersect", b_k, c_k, b_value, c_ref)
    j, c_value = g.scan(c_ref, "C.1")
    product = g.alu("mul", g.array(g.repeat(b_value, c_value), "B"), g.array(c_value, "C"))
    i, k = g.builder.node("coordinate_drop", b_i, k)
    j, total = g.builder.node("accumulate", k, j, product)
    g.write([i, j], total, mode="drop")
    return Kernel(
        "SpMM ikj",
        g.builder.build(),
        lambda n: matrix(n, n, 0.08, 1, "B") | matrix(n, n, 0.08, 2, "C"),
    )


def sddmm_into(g: Graph, inner: int) -> tuple[list[Stream], Stream]:
    """X(i,j) = B(i,j) sum_k C(i,k) D(j,k) with dense factors that B addresses."""
    i, row = g.scan(g.root(), "B.0")
    j, b_value = g.scan(row, "B.1")
    c_rows = g.repeat(row, b_value)
    c_k, c_ref = g.builder.node("scan_dense", c_rows, extent=inner)
    d_k, d_ref = g.builder.node("scan_dense", j, extent=inner)
    _, c_ref, d_ref = g.builder.node("intersect", c_k, d_k, c_ref, d_ref)
    (dot,) = g.builder.node("reduce", g.alu("mul", g.array(c_ref, "C"), g.array(d_ref, "D")))
    return [i, j], g.alu("mul", g.array(b_value, "B"), dot)


def sddmm(inner: int = 64) -> Kernel:
    g = Graph()
    g.write(*sddmm_into(g, inner))

    def operands(n: int) -> dict[str, Any]:
        random = np.random.default_rng(3)
        factors = {"C.values": random.random(n * inner), "D.values": random.random(n * inner)}
        return matrix(n, n, 0.05, 4, "B") | factors

    return Kernel("SDDMM", g.builder.build(), operands)


def elementwise_add() -> Kernel:
    """X = B + C, both 10 % dense."""
    g = Graph()
    (b_i, b_ref), (c_i, c_ref) = g.scan(g.root(), "B.0"), g.scan(g.root(), "C.0")
    i, b_ref, c_ref = g.builder.node("union", b_i, c_i, b_ref, c_ref)
    (b_j, b_value), (c_j, c_value) = g.scan(b_ref, "B.1"), g.scan(c_ref, "C.1")
    j, b_value, c_value = g.builder.node("union", b_j, c_j, b_value, c_value)
    g.write([i, j], g.alu("add", g.array(b_value, "B"), g.array(c_value, "C")))
    return Kernel(
        "add", g.builder.build(), lambda n: matrix(n, n, 0.1, 5, "B") | matrix(n, n, 0.1, 6, "C")
    )


def many_sddmm(copies: int, inner: int = 64) -> Program:
    """Independent copies of SDDMM side by side: a graph of about 20 nodes a copy."""
    g = Graph()
    for copy in range(copies):
        crds, val = sddmm_into(g, inner)
        for level, crd in enumerate(crds):
            g.builder.node("write_coordinates", crd, output=f"X{copy}.{level}")
        g.builder.node("write_values", val, output=f"X{copy}")
    return g.builder.build()


def accumulator() -> Program:
    """An accumulator of order 2 alone, between sources and sinks."""
    builder = ProgramBuilder()
    streams = [builder.node("source", tokens=Slot(name))[0] for name in ("k", "i", "j", "value")]
    for port, stream in enumerate(builder.node("accumulate", *streams)):
        builder.node("sink", stream, output=f"X.{port}")
    return builder.build()


def products(shape: tuple[int, int, int], extents: tuple[int, int]) -> dict[str, Any]:
    """
    Streams for `accumulator`: `shape` products (k, i, j), all stored, of random coordinates i and j
    below `extents`.
    """
    random = np.random.default_rng(7)
    i = np.sort(random.integers(extents[0], size=shape[:2]))
    j = np.sort(random.integers(extents[1], size=shape))
    value = random.random(shape).view(np.int64)
    streams = {"k": np.arange(shape[0]), "i": i, "j": j, "value": value}
    return {name: _closed(fibers) for name, fibers in streams.items()}


def _closed(fibers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The tokens of nested fibers of equal lengths."""
    levels = np.zeros((*fibers.shape[:-1], 1), dtype=np.int64)
    for level in range(1, fibers.ndim):
        levels[(..., *[-1] * level, 0)] += 1
    stops = stop(0) + (stop(1) - stop(0)) * levels
    return np.append(np.concatenate([fibers, stops], axis=-1), DONE)


def compiled_spmm(formats: tuple[str, str], name: str) -> Kernel:
    """A product of two sparse matrices, compiled; the formats (CSR, CSC) decide the order."""
    program = headrace.einsum("Y(i,k) = A(i,j) * X(j,k)", A=formats[0], X=formats[1])

    def operands(size: int) -> dict[str, Any]:
        random = np.random.default_rng(0)
        dense = random.random((2, size, size))
        return _arrays(program, *np.where(random.random((2, size, size)) < 0.08, dense, 0.0))

    return Kernel(name, program.graphs[0].program, operands)


def compiled_gcn() -> Kernel:
    """The fused two-layer GCN on a random graph, of one size: a model is compiled for its sizes."""
    graph = random_graph(nodes=300, edges=1500)
    model, args = on_graph(graph.adjacency, graph.features, graph.classes, aggregate_first=True)
    program = headrace.compile(model, args, pipeline="gcn-fused")
    return Kernel("GCN, fused", program.graphs[0].program, lambda size: _arrays(program, *args))


def _arrays(program: headrace.Program, *args: object) -> dict[str, Any]:
    """The arrays of a program of one graph; they are what its simulation was called with."""
    (graph,) = program.run(*args, timing_only=True).graphs
    return cast("partial[SimulationResult]", graph.again).args[1]
