"""Draw a directed graph of labelled boxes as SVG, without any drawing tool."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from headrace.backends.layout import Edge, Point, lay_out

CHARACTER = 6.7
LINE = 14.0
PADDING = 8.0

COLOURS = {
    "generator": "#d9d9d9",
    "scan": "#c6dbef",
    "locate": "#c6dbef",
    "repeat": "#dadaeb",
    "joiner": "#fdd0a2",
    "array_read": "#c7e9c0",
    "alu": "#fee391",
    "reduce": "#fcbba1",
    "accumulator": "#fcbba1",
    "writer": "#f7b6d2",
}
"""Fill by class of node (the classes of node histograms)."""


@dataclass(frozen=True)
class Box:
    """A node to draw: its lines of text and its class, which chooses the colour."""

    label: str
    kind: str = ""


def render(boxes: Sequence[Box], edges: Sequence[Edge], title: str = "") -> str:
    """Return an SVG document with every box and an arrow for every edge."""
    widths = [
        max(len(line) for line in box.label.split("\n")) * CHARACTER + 2 * PADDING for box in boxes
    ]
    layout = lay_out(widths, edges)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width:.0f}" '
        f'height="{layout.height:.0f}" viewBox="0 0 {layout.width:.0f} {layout.height:.0f}" '
        'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="11">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    heights = [_height(box) for box in boxes]
    for (source, target), points in zip(edges, layout.edges, strict=True):
        downwards = points[-1][1] >= points[0][1]
        ends = (heights[source] / 2, -heights[target] / 2)
        start, end = ends if downwards else (-ends[0], -ends[1])
        path = [
            (points[0][0], points[0][1] + start),
            *points[1:-1],
            (points[-1][0], points[-1][1] + end),
        ]
        parts.append(
            f'<path d="{_curve(path)}" fill="none" stroke="#555" marker-end="url(#arrow)"/>'
        )
    for box, middle, width, height in zip(boxes, layout.nodes, widths, heights, strict=True):
        parts.append(_box(box, middle, width, height))
    return "\n".join([*parts, "</svg>\n"])


def _height(box: Box) -> float:
    return LINE * (1 + box.label.count("\n")) + PADDING


def _curve(points: Sequence[Point]) -> str:
    """A smooth line that enters and leaves every point vertically."""
    x, y = points[0]
    path = f"M{x:.1f} {y:.1f}"
    for right, low in points[1:]:
        middle = (y + low) / 2
        path += f"C{x:.1f} {middle:.1f} {right:.1f} {middle:.1f} {right:.1f} {low:.1f}"
        x, y = right, low
    return path


def _box(box: Box, middle: Point, width: float, height: float) -> str:
    x, y = middle
    lines = box.label.split("\n")
    first = y - (len(lines) - 1) * LINE / 2 + 4
    text = "".join(
        f'<text x="{x:.1f}" y="{first + number * LINE:.1f}" text-anchor="middle">'
        f"{escape(line)}</text>"
        for number, line in enumerate(lines)
    )
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="4" fill="{COLOURS.get(box.kind, "#ffffff")}" stroke="#444"/>'
        f"{text}"
    )
