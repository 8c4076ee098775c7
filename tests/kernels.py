"""
The kernels of the recorded cases: what they mean in dense arithmetic, and random small inputs.

A kernel's graph comes from the reference data; a row product with any number of modes is built
here, because it is the smallest program in which merged stops are ambiguous.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.backends.neutral import NeutralGraph, graph_from_data

Dense = npt.NDArray[np.float64]
Stored = npt.NDArray[np.bool_]
Tensors = Mapping[str, Dense]


def softmax(scores: Dense, stored: Stored) -> Dense:
    """Softmax of the stored entries of a row; the others, and a row without any, are 0."""
    if not stored.any():
        return np.zeros_like(scores)
    weights = np.where(stored, np.exp(scores - scores[stored].max()), 0.0)
    return weights / weights.sum()


def filled(matrix: Dense) -> Stored:
    """Which rows have an entry."""
    return np.asarray(matrix.any(axis=1), dtype=np.bool_)


def sparse_attention(t: Tensors) -> Dense:
    """Over the entries of the mask M whose rows of K and V are stored; a row of Q must be."""
    scores = t["M"] * (t["Q"] @ t["K"].T)
    rows = filled(t["K"]) & filled(t["V"])
    stored = (t["M"] != 0) & rows[None, :] & filled(t["Q"])[:, None]
    return np.array([softmax(s, m) @ t["V"] for s, m in zip(scores, stored, strict=True)])


def multi_head_attention(t: Tensors) -> Dense:
    """
    Modes (batch, position, head, feature). A feature takes part where Q, K and V all store it,
    a position of K and V where both store some feature.
    """
    query, key, value = t["Q"], t["K"], t["V"]
    result = np.zeros(query.shape[:3] + value.shape[3:])
    for i, k, j in np.ndindex(*query.shape[:3]):
        if not query[i, k, j].any():
            continue
        q, keys, values = query[i, k, j], key[i, :, j], value[i, :, j]
        features = (q != 0)[None, :] & (keys != 0) & (values != 0)
        scores = (features * keys) @ q
        stored = filled(keys) & filled(values)
        result[i, k, j] = softmax(scores, stored) @ (features * values)
    return result


def einsum(subscripts: str, *names: str) -> Callable[[Tensors], Dense]:
    return lambda t: np.einsum(subscripts, *(t[name] for name in names))


MEANING: dict[str, Callable[[Tensors], Dense]] = {
    "matmul_ijk": einsum("ik,kj->ij", "B", "C"),
    "matmul_ikj": einsum("ik,kj->ij", "B", "C"),
    "matmul_kij": einsum("ik,kj->ij", "B", "C"),
    "mat_elemadd": lambda t: t["B"] + t["C"],
    "mat_elemmul": lambda t: t["B"] * t["C"],
    "mat_vecmul_ij": einsum("ij,j->i", "B", "c"),
    "mat_residual": lambda t: t["b"] - t["C"] @ t["d"],
    "mat_mattransmul": lambda t: t["b"] * (t["C"].T @ t["d"]) + t["e"] * t["f"],
    "mat_sddmm": lambda t: t["B"] * (t["C"] @ t["D"]),
    "tensor3_ttv": einsum("ijk,k->ij", "B", "c"),
    "tensor3_ttm": einsum("ijl,kl->ijk", "B", "C"),
    "tensor3_elemadd": lambda t: t["B"] + t["C"],
    "tensor3_elemmul": lambda t: t["B"] * t["C"],
    "tensor3_innerprod": einsum("ijk,ijk->", "B", "C"),
    "tensor3_mttkrp": einsum("ikl,jk,jl->ij", "B", "C", "D"),
    "mha": multi_head_attention,
    "sparse_attention": sparse_attention,
    "rowdot3": einsum("ijk,ijk->ij", "B", "C"),
    "rowdot4": einsum("ijkl,ijkl->ijk", "B", "C"),
}


def row_product(modes: int) -> NeutralGraph:
    """X(i, .., j) = sum_k B(i, .., j, k) C(i, .., j, k), all levels compressed."""
    nodes: list[dict[str, Any]] = []

    def node(type: str, inputs: Mapping[str, tuple[int, str]], **attributes: Any) -> int:
        ports = {port: list(source) for port, source in inputs.items()}
        nodes.append({"id": len(nodes), "type": type, **attributes, "in": ports})
        return len(nodes) - 1

    joined: list[int] = []
    for mode in range(modes):
        index = "ijkl"[mode]
        scans = [
            node(
                "fiberlookup",
                {"ref": (joined[-1], f"ref{n}")} if joined else {},
                tensor=tensor,
                mode=mode,
                index=index,
                format="compressed",
            )
            for n, tensor in enumerate("BC")
        ]
        pairs = {f"{port}{n}": (scans[n], port) for n in (0, 1) for port in ("crd", "ref")}
        joined.append(node("intersect", pairs, index=index))
    values = [
        node("arrayvals", {"ref": (joined[-1], f"ref{n}")}, tensor=tensor)
        for n, tensor in enumerate("BC")
    ]
    product = node("mul", {"in0": (values[0], "val"), "in1": (values[1], "val")})
    total = node("reduce", {"val": (product, "val")})
    written = {modes - 2: (joined[modes - 2], "crd")}
    for mode in reversed(range(modes - 2)):
        inner = written[mode + 1]
        drop = node("crddrop", {"outer": (joined[mode], "crd"), "inner": inner})
        written[mode] = (drop, "outer")
        written[mode + 1] = (drop, "inner")
    for mode, source in written.items():
        node("fiberwrite", {"in": source}, tensor="X", mode=mode, index="ijkl"[mode])
    node("fiberwrite", {"in": (total, "val")}, tensor="X", mode="vals")
    levels = "s" * modes + "0123"[:modes]
    fmt = {"X": "s" * (modes - 1) + "0123"[: modes - 1], "B": levels, "C": levels}
    return graph_from_data({"kernel": f"rowdot{modes}", "output": "X", "fmt": fmt, "nodes": nodes})


def random_inputs(graph: NeutralGraph, random: np.random.Generator, largest: int = 5) -> Tensors:
    """Tiny tensors with many empty fibers; an index has the same extent wherever it occurs."""
    extents: dict[str, int] = {}
    shapes = {
        name: [0] * format.rank for name, format in graph.formats.items() if name != graph.output
    }
    for node in graph.nodes:
        if node.type == "fiberlookup":
            index = node.attributes["index"]
            extent = extents.setdefault(index, int(random.integers(1, largest + 1)))
            shapes[node.attributes["tensor"]][node.attributes["mode"]] = extent
    return {name: random_tensor(shape, random) for name, shape in shapes.items()}


def random_tensor(shape: list[int], random: np.random.Generator) -> Dense:
    stored = random.random(shape) < random.choice([0.05, 0.2, 0.35, 0.6, 0.9])
    return np.where(stored, random.integers(1, 10, shape), 0).astype(np.float64)
