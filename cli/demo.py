"""
`headrace demo`: a two-layer graph convolutional network at three levels of fusion.

The same PyTorch model is compiled three times; every version must give PyTorch's values. The
drawings show the stream graph of the fused version.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from headrace.backends.compiled import Program
from headrace.backends.dot import dot
from headrace.backends.picture import draw
from headrace.backends.stream_graphs import stream_graphs
from headrace.cli.driver import lower
from headrace.cli.report import make_folder, print_json, print_table, progress, write_text
from headrace.storage.errors import InputError
from headrace.storage.files import check_writable
from headrace.storage.values import storage_of

LEVELS = {
    "unfused": "gcn-unfused",
    "per layer": "gcn-per-layer",
    "fused": "gcn-fused",
}
"""The built-in pipeline of each level of fusion."""

TOLERANCE = 1e-5
"""How far a value may be from PyTorch's, which computes in single precision."""


@dataclass(frozen=True)
class Problem:
    """A model, its arguments, and the graph that they describe."""

    graph: str
    nodes: int
    edges: int
    model: Any
    args: tuple[Any, ...]


def demo(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status, 1 if a value differs from PyTorch's."""
    with progress(options.json) as bar:
        task = bar.add_task("reading the graph", total=len(LEVELS))
        problem = make_problem(options.graph)
        folder = make_folder(options.out)
        drawings = [folder / f"gcn-fused.{suffix}" for suffix in ("svg", "dot")]
        for drawing in drawings:
            check_writable(drawing)
        levels: list[dict[str, Any]] = []
        for name, pipeline in LEVELS.items():
            bar.update(task, description=f"simulating {name}")
            levels.append(measure(problem, name, pipeline, drawings))
            bar.advance(task)
    equal = all(level["max_error"] <= TOLERANCE for level in levels)
    shown = [str(drawing) for drawing in drawings]
    if options.json:
        graph = {"name": problem.graph, "nodes": problem.nodes, "edges": problem.edges}
        print_json({"graph": graph, "levels": levels, "equal": equal, "drawings": shown})
    else:
        _print(problem, levels, shown)
    return 0 if equal else 1


def make_problem(path: str | None) -> Problem:
    """
    A GCN with random weights for the karate club, or for a graph in a file.

    The file is one of those that `load_graph` reads; features that it does not have are random, as
    those of the karate club are.
    """
    from headrace.models.gcn import on_graph
    from headrace.models.graph_files import load_graph
    from headrace.models.graphs import karate_club

    name = "Zachary's karate club" if path is None else Path(path).name
    graph = karate_club() if path is None else load_graph(path)
    for what, matrix in (("adjacency", graph.adjacency), ("features", graph.features)):
        if not np.isfinite(storage_of(matrix, name=what).values).all():
            raise InputError(f"'{path}': its {what} has NaN or infinite entries; remove them")
    model, args = on_graph(graph.adjacency, graph.features, graph.classes, aggregate_first=True)
    return Problem(name, args[0].shape[0], int(graph.adjacency.nnz) // 2, model, args)


def measure(problem: Problem, name: str, pipeline: str, drawings: Sequence[Path]) -> dict[str, Any]:
    """Compile and simulate one version, and draw it if it is one graph."""
    import torch

    from headrace.frontends.torch_export import import_model

    start = time.perf_counter()
    imported = import_model(problem.model, problem.args)
    imported_at = time.perf_counter()
    program = lower(imported.module, pipeline).bind(imported.constants)
    compiled_at = time.perf_counter()
    result = program.run(*problem.args)
    with torch.no_grad():
        expected = problem.model(*problem.args)
    if len(program.graphs) == 1:
        _draw(program, imported.module, *drawings)
    return {
        "name": name,
        "pipeline": pipeline,
        "graphs": len(result.graphs),
        "nodes": len(result.nodes),
        "cycles": result.cycles,
        "tokens": result.tokens,
        "bytes": result.bytes,
        "max_error": float((result.outputs[0] - expected).abs().max()),
        "import_seconds": imported_at - start,
        "compile_seconds": compiled_at - imported_at,
        "simulate_seconds": result.simulate_seconds,
    }


def _draw(program: Program, module: ModuleOp, to_svg: Path, to_dot: Path) -> None:
    write_text(to_svg, draw(program.graphs[0]))
    write_text(to_dot, dot(stream_graphs(module)))


def _print(problem: Problem, levels: list[dict[str, Any]], drawings: list[str]) -> None:
    print(
        f"Two-layer GCN on {problem.graph} ({problem.nodes} nodes, {problem.edges} edges); "
        "the same PyTorch model, (A X) W + b twice, compiled three times:"
    )
    headers = ("fusion", "graphs", "nodes", "cycles", "speed-up", "tokens", "bytes", "error")
    unfused = levels[0]["cycles"]
    rows = [
        (
            level["name"],
            level["graphs"],
            level["nodes"],
            level["cycles"],
            f"{unfused / level['cycles']:.2f} x",
            level["tokens"],
            level["bytes"],
            level["max_error"],
        )
        for level in levels
    ]
    print_table("", headers, rows)
    print(f"error: largest distance from PyTorch's values, of which {TOLERANCE:g} is allowed")
    if levels[-1]["cycles"] > min(level["cycles"] for level in levels):
        print("fusing everything is not best here: a fused producer is repeated for each reader")
    print(f"fused stream graph: {', '.join(drawings)}")
