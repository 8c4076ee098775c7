"""
A layered layout of directed graphs: sources on top, few crossings, straight long edges.

Source: "Methods for Visual Understanding of Hierarchical System Structures" (Sugiyama, Tagawa,
Toda), IEEE SMC 1981: layers by longest path, dummies on long edges, barycentres against
crossings. Coordinates are the least-squares fit to the neighbours under the order of the layer.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Edge = tuple[int, int]
Point = tuple[float, float]

LAYER_HEIGHT = 56.0
GAP = 14.0
SWEEPS = 12


@dataclass(frozen=True)
class Layout:
    """The middle of every node, the points that every edge passes, and the size of the whole."""

    nodes: list[Point]
    edges: list[list[Point]]
    width: float
    height: float


def lay_out(widths: Sequence[float], edges: Sequence[Edge]) -> Layout:
    """
    Place nodes of the given widths (pixels) so that edges run downwards.

    An edge that closes a cycle runs upwards; nodes keep their order where nothing else decides.
    """
    layer = _layers(len(widths), edges)
    chains, size = _chains(layer, edges)
    widths = [*widths, *([2.0] * (size - len(widths)))]
    depth = [0] * size
    for node, level in enumerate(layer):
        depth[node] = level
    for chain, (source, target) in zip(chains, edges, strict=True):
        step = 1 if layer[target] > layer[source] else -1
        for offset, node in enumerate(chain[1:-1], 1):
            depth[node] = layer[source] + step * offset
    links = [link for chain in chains for link in pairwise(chain) if chain[0] != chain[-1]]
    above, below = _neighbours(size, links, depth)
    layers: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for node in range(size):
        layers[depth[node]].append(node)
    layers = _fewest_crossings(layers, above, below)
    x = _coordinates(layers, widths, above, below)
    left = min((x[n] - widths[n] / 2 for n in range(size)), default=0.0) - GAP
    right = max((x[n] + widths[n] / 2 for n in range(size)), default=0.0) + GAP
    points = [(x[n] - left, (depth[n] + 0.5) * LAYER_HEIGHT) for n in range(size)]
    return Layout(
        points[: len(layer)],
        [[points[node] for node in chain] for chain in chains],
        right - left,
        len(layers) * LAYER_HEIGHT,
    )


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """Layer of each node: below all its sources, and a source just above its first reader."""
    forward = _without_back_edges(count, edges)
    order = _topological(count, forward)
    sources: list[list[int]] = [[] for _ in range(count)]
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in forward:
        sources[target].append(source)
        targets[source].append(target)
    layer = [0] * count
    for node in order:
        layer[node] = max((layer[source] + 1 for source in sources[node]), default=0)
    for node in reversed(order):
        if not sources[node] and targets[node]:
            layer[node] = min(layer[target] for target in targets[node]) - 1
    return layer


def _without_back_edges(count: int, edges: Sequence[Edge]) -> list[Edge]:
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        targets[source].append(target)
    state = [0] * count
    back: set[Edge] = {(node, node) for node in range(count)}
    for start in range(count):
        stack = [(start, iter(targets[start]))] if not state[start] else []
        state[start] = state[start] or 1
        while stack:
            node, rest = stack[-1]
            target = next(rest, None)
            if target is None:
                state[node] = 2
                stack.pop()
            elif state[target] == 1:
                back.add((node, target))
            elif state[target] == 0:
                state[target] = 1
                stack.append((target, iter(targets[target])))
    return [edge for edge in edges if edge not in back]


def _topological(count: int, edges: Sequence[Edge]) -> list[int]:
    targets: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for source, target in edges:
        targets[source].append(target)
        missing[target] += 1
    order = [node for node in range(count) if not missing[node]]
    for node in order:
        for target in targets[node]:
            missing[target] -= 1
            if not missing[target]:
                order.append(target)
    return order


def _chains(layer: list[int], edges: Sequence[Edge]) -> tuple[list[list[int]], int]:
    """Each edge as a chain of nodes through all layers between; dummies are numbered last."""
    size = len(layer)
    chains: list[list[int]] = []
    for source, target in edges:
        between = max(abs(layer[target] - layer[source]) - 1, 0)
        chains.append([source, *range(size, size + between), target])
        size += between
    return chains, size


def _neighbours(
    size: int, links: Sequence[Edge], depth: list[int]
) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(size)]
    below: list[list[int]] = [[] for _ in range(size)]
    for one, other in links:
        upper, lower = (one, other) if depth[one] < depth[other] else (other, one)
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _fewest_crossings(
    layers: list[list[int]], above: list[list[int]], below: list[list[int]]
) -> list[list[int]]:
    best, fewest = layers, _crossings(layers, below)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = above if downwards else below
        layers = [list(layer) for layer in layers]
        place: dict[int, int] = {}
        for layer in layers if downwards else reversed(layers):
            own = {node: number for number, node in enumerate(layer)}
            key = {
                node: sum(place[n] for n in near) / len(near)
                if (near := neighbours[node])
                else own[node]
                for node in layer
            }
            layer.sort(key=key.__getitem__)
            place |= {node: number for number, node in enumerate(layer)}
        count = _crossings(layers, below)
        if count < fewest:
            best, fewest = layers, count
    return best


def _crossings(layers: list[list[int]], below: list[list[int]]) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        place = {node: number for number, node in enumerate(lower)}
        seen: list[int] = []
        for node in upper:
            ends = sorted(place[n] for n in below[node])
            total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                seen.insert(bisect_left(seen, end), end)
    return total


def _coordinates(
    layers: list[list[int]],
    widths: Sequence[float],
    above: list[list[int]],
    below: list[list[int]],
) -> list[float]:
    x = [0.0] * len(widths)
    for layer in layers:
        for node, position in zip(layer, _spread(layer, widths, [0.0] * len(layer)), strict=True):
            x[node] = position
    for sweep in range(2 * SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = [
                sum(x[n] for n in near) / len(near)
                if (near := above[node] + below[node])
                else x[node]
                for node in layer
            ]
            for node, position in zip(layer, _spread(layer, widths, wanted), strict=True):
                x[node] = position
    return x


def _spread(layer: list[int], widths: Sequence[float], wanted: list[float]) -> list[float]:
    """The positions closest to `wanted` (least squares) that keep the order and the gaps."""
    start = [0.0]
    for left, right in pairwise(layer):
        start.append(start[-1] + (widths[left] + widths[right]) / 2 + GAP)
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, start, strict=False):
        total, count = want - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / count:
            before, many = blocks.pop()
            total, count = total + before, count + many
        blocks.append((total, count))
    means = [total / count for total, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, start, strict=False)]
