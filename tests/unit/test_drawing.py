"""Layered layouts and SVG: edges run down, boxes do not overlap, no needless crossing."""

import random
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from headrace.backends.layout import Edge, lay_out
from headrace.backends.picture import draw
from headrace.backends.svg import Box, render
from headrace.cli.driver import einsum


def random_graph(seed: int, nodes: int = 40) -> list[Edge]:
    rng = random.Random(seed)
    return [
        (rng.randrange(max(0, node - 6), node), node)
        for node in range(1, nodes)
        for _ in range(rng.choice([1, 1, 2]))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_edges_run_downwards_through_every_layer(seed: int) -> None:
    edges = random_graph(seed)
    layout = lay_out([60.0] * 40, edges)
    for (source, target), points in zip(edges, layout.edges, strict=True):
        assert points[0] == layout.nodes[source]
        assert points[-1] == layout.nodes[target]
        steps = {round(low[1] - high[1]) for high, low in pairwise(points)}
        assert steps == {56}


@pytest.mark.parametrize("seed", range(5))
def test_boxes_of_a_layer_do_not_overlap(seed: int) -> None:
    widths = [float(random.Random(seed + node).randrange(20, 120)) for node in range(40)]
    layout = lay_out(widths, random_graph(seed))
    for one in range(40):
        for other in range(one):
            (x, y), (u, v) = layout.nodes[one], layout.nodes[other]
            assert y != v or abs(x - u) >= (widths[one] + widths[other]) / 2


def test_a_tree_has_no_crossings() -> None:
    edges = [((child - 1) // 3, child) for child in range(1, 40)]
    random.Random(0).shuffle(edges)
    layout = lay_out([30.0] * 40, edges)
    for source, target in edges:
        for other, end in edges:
            (x, y), (u, v) = layout.nodes[source], layout.nodes[other]
            if y == v and x < u:
                assert layout.nodes[target][0] < layout.nodes[end][0]


def test_a_cycle_and_a_loop_are_drawn() -> None:
    layout = lay_out([20.0] * 3, [(0, 1), (1, 2), (2, 0), (1, 1)])
    heights = [y for _, y in layout.nodes]
    assert heights == sorted(heights)
    assert len(layout.edges) == 4


def test_an_empty_graph_has_a_drawing() -> None:
    assert ElementTree.fromstring(render([], [])).tag.endswith("svg")


def test_a_stream_graph_is_drawn_without_its_broadcasts() -> None:
    program = einsum("y(i) = A(i,j) * x(j)", A="csr")
    root = ElementTree.fromstring(draw(program.graphs[0]))
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("text")]
    assert "root" in texts
    assert texts.count("A") >= 2
    assert not any("broadcast" in text for text in texts)


def test_svg_has_a_box_for_every_node_and_an_arrow_for_every_edge() -> None:
    boxes = [Box("scan A.i", "scan"), Box("a < b & c\nsecond line", "alu"), Box("write")]
    root = ElementTree.fromstring(render(boxes, [(0, 1), (1, 2)], "title"))
    names = [element.tag.split("}")[1] for element in root.iter()]
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert texts == ["scan A.i", "a < b & c", "second line", "write"]
    assert names.count("rect") == 1 + 3
    assert names.count("path") == 1 + 2
