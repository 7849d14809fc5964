# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A topology as SVG: laid out here, so that neither a browser nor another program is needed. Measures in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from .topology import Box, Frame, Node, Topology, colour

MARGIN = 24  # around the picture
PAD = 14  # within a box
GAP = 14  # between boxes of a column
COLUMN_GAP = 64  # room for the edges
HEADER = 62
FRAME_HEADER = 40
NARROWEST = 720
LONGEST = 42  # letters of a text; the whole of it is in the tooltip
STYLE = """\
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #0f172a; }
.page { fill: #ffffff; stroke: #cbd5e1; }
.title { font-size: 18px; font-weight: 600; }
.name { font-size: 13px; font-weight: 600; }
.small { font-size: 11px; fill: #475569; }
.frame { fill: #f8fafc; stroke: #94a3b8; stroke-dasharray: 6 4; }
.none { fill: #ffffff; stroke: #64748b; }
.create { fill: #dcfce7; stroke: #15803d; }
.update { fill: #fef3c7; stroke: #b45309; }
.delete { fill: #fee2e2; stroke: #b91c1c; }
.unmanaged { fill: #f1f5f9; stroke: #64748b; stroke-dasharray: 4 3; }
.edge { fill: none; stroke: #64748b; stroke-width: 1.4; }
.arrow { fill: #64748b; }
@media (prefers-color-scheme: dark) {
text { fill: #e2e8f0; }
.page { fill: #0f172a; stroke: #334155; }
.small { fill: #b6c2d2; }
.frame { fill: #1e293b; stroke: #64748b; }
.none { fill: #0f172a; stroke: #94a3b8; }
.create { fill: #14532d; stroke: #4ade80; }
.update { fill: #713f12; stroke: #fbbf24; }
.delete { fill: #7f1d1d; stroke: #f87171; }
.unmanaged { fill: #334155; stroke: #94a3b8; }
.edge { stroke: #94a3b8; }
.arrow { fill: #94a3b8; }
}
"""
FRAME_STROKES = ("create", "update", "delete")
LEGEND = {
    "create": "+ is created",
    "update": "~ is changed",
    "delete": "- is deleted",
    "unmanaged": "? not declared",
    "none": "as it is",
}


def svg(environment: str, summary: str, topology: Topology) -> str:
    internet = Node("internet", "Internet", [], "none")
    right, bottom = _lay_out(topology, internet)
    width = max(right + MARGIN, NARROWEST)
    bottom = _flow(topology.others, bottom + 2 * GAP + 12, width)
    height = bottom + 48

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-labelledby="title summary">',
        f'<title id="title">{escape(environment)}</title>',
        f'<desc id="summary">{escape(summary)}</desc>',
        f"<style>\n{STYLE}</style>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="arrow" d="M0 0 L8 4 L0 8 z"/></marker></defs>',
        f'<rect class="page" x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="10"/>',
        _text(MARGIN, MARGIN + 12, environment, "title", whole=True),
        _text(MARGIN, MARGIN + 32, summary, "small", whole=True),
    ]
    for frame in topology.frames:
        parts += _draw_frame(frame)
    boxes = {node.id: node.box for node in (internet, *topology.nodes)} | {
        frame.id: frame.box for frame in topology.frames
    }
    for start, end in [("internet", start) for start in topology.starts] + topology.edges:
        parts.append(_draw_edge(boxes[start], boxes[end]))
    for node in (internet, *topology.nodes):
        parts += _draw_node(node)
    if topology.others:
        parts.append(_text(MARGIN, topology.others[0].box[1] - 10, "also part of it", "small"))
    parts += _draw_legend({colour(node.action) for node in topology.nodes}, height - 24)
    return "\n".join([*parts, "</svg>"]) + "\n"


# -- where things are


def _lay_out(topology: Topology, internet: Node) -> tuple[float, float]:
    """Give everything but `others` its box; returns the right and the bottom end."""
    top = float(MARGIN + HEADER)
    x, bottom = _column([internet], MARGIN, top)
    columns: list[Sequence[Node | Frame]] = [topology.zones, topology.entries, topology.networks]
    bottoms = [bottom]
    for column in columns:
        if column:
            x, bottom = _column(column, x + COLUMN_GAP, top)
            bottoms.append(bottom)
    bottom = max(bottoms)
    for column in [[internet], *columns[:2]]:
        # In the middle, beside what they lead to.
        used = max((item.box[1] + item.box[3] for item in column), default=bottom)
        for item in column:
            _shift(item, (bottom - used) / 2)
    if topology.spaces:
        # Below the networks, under the databases.
        width = max(_frame_size(frame)[0] for frame in topology.spaces)
        left = max(float(MARGIN), x - width)
        end, bottom = _column(topology.spaces, left, bottom + 2 * GAP)
        x = max(x, end)
    return x, bottom


def _column(items: Sequence[Node | Frame], x: float, y: float, width: float = 0) -> tuple[float, float]:
    """One below the other, all of one width; returns the right and the bottom end."""
    width = max([width, *(_size(item)[0] for item in items)])
    for item in items:
        height = _place(item, x, y, width)
        y += height + GAP
    return x + width, y - GAP


def _size(item: Node | Frame) -> tuple[float, float]:
    return _frame_size(item) if isinstance(item, Frame) else _node_size(item)


def _node_size(node: Node) -> tuple[float, float]:
    texts = [_width(f"{node.sign} {node.title}", 13), *(_width(line, 11) for line in node.lines)]
    return max(texts) + 2 * PAD, 32 + 15 * len([line for line in node.lines if line])


def _frame_size(frame: Frame) -> tuple[float, float]:
    first: list[Node | Frame] = [*frame.frames, *frame.nodes]
    columns = [column for column in (first, list(frame.behind)) if column]
    sizes = [[_size(item) for item in column] for column in columns]
    width = sum(max(size[0] for size in column) for column in sizes) + COLUMN_GAP * (len(columns) - 1)
    height = max((sum(size[1] for size in column) + GAP * (len(column) - 1) for column in sizes), default=0)
    titles = max(_width(f"{frame.sign} {frame.title}", 13), _width(frame.line, 11))
    return max(width, titles) + 2 * PAD, height + FRAME_HEADER + (15 if frame.line else 0) + PAD


def _place(item: Node | Frame, x: float, y: float, width: float) -> float:
    """Give it, and all in it, its box; returns its height."""
    _width, height = _size(item)
    item.box = (x, y, width, height)
    if isinstance(item, Frame):
        inner = y + FRAME_HEADER + (15 if item.line else 0)
        first: list[Node | Frame] = [*item.frames, *item.nodes]
        end = x + PAD
        if first:
            end, _bottom = _column(first, x + PAD, inner, 0 if item.behind else width - 2 * PAD)
            end += COLUMN_GAP
        if item.behind:
            _column(item.behind, end, inner, x + width - PAD - end)
    return height


def _shift(item: Node | Frame, down: float) -> None:
    x, y, width, height = item.box
    item.box = (x, y + down, width, height)
    if isinstance(item, Frame):
        inner: list[Node | Frame] = [*item.frames, *item.nodes, *item.behind]
        for each in inner:
            _shift(each, down)


def _flow(nodes: Sequence[Node], y: float, width: float) -> float:
    """From left to right, in as many rows as it takes; returns the bottom end."""
    if not nodes:
        return y - 2 * GAP - 12
    x = float(MARGIN)
    for node in nodes:
        size = _node_size(node)
        if x > MARGIN and x + size[0] > width - MARGIN:
            x, y = float(MARGIN), y + size[1] + GAP
        node.box = (x, y, *size)
        x += size[0] + GAP
    return y + max(node.box[3] for node in nodes)


def _width(text: str, size: int) -> float:
    """Roughly: fonts differ, so rather too wide."""
    return len(_short(text)) * size * 0.66


# -- what is drawn


def _draw_frame(frame: Frame) -> list[str]:
    x, y = frame.box[:2]
    stroke = frame.action if frame.action in FRAME_STROKES else ""
    style = f' style="stroke: {STROKES[stroke]}"' if stroke else ""
    parts = [
        _rect("frame", frame.box, 10, style),
        _text(x + PAD, y + 22, f"{frame.sign} {frame.title}".strip(), "name"),
    ]
    if frame.line:
        parts.append(_text(x + PAD, y + 38, frame.line, "small"))
    for inner in frame.frames:
        parts += _draw_frame(inner)
    return parts


STROKES = {"create": "#16a34a", "update": "#d97706", "delete": "#dc2626"}  # seen on light and on dark


def _draw_node(node: Node) -> list[str]:
    x, y = node.box[:2]
    parts = [_rect(colour(node.action), node.box, 6)]
    parts.append(_text(x + PAD, y + 21, f"{node.sign} {node.title}".strip(), "name"))
    lines = [line for line in node.lines if line]
    return parts + [_text(x + PAD, y + 37 + 15 * number, line, "small") for number, line in enumerate(lines)]


def _draw_edge(start: Box, end: Box) -> str:
    """From the right side of one to the left side of the other."""
    x1, y1 = start[0] + start[2], start[1] + start[3] / 2
    x2, y2 = end[0] - 2, end[1] + end[3] / 2
    bend = max(24.0, (x2 - x1) / 2)
    path = f"M{x1:.0f} {y1:.0f} C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return f'<path class="edge" d="{path}" marker-end="url(#arrow)"/>'


def _draw_legend(used: set[str], y: float) -> list[str]:
    parts, x = [], float(MARGIN)
    for action, text in LEGEND.items():
        if action in used:
            parts += [_rect(action, (x, y - 10, 14, 12), 3), _text(x + 20, y, text, "small")]
            x += 20 + _width(text, 11) + 2 * GAP
    return parts


def _rect(style: str, box: Box, radius: int, extra: str = "") -> str:
    x, y, width, height = (round(number) for number in box)
    return f'<rect class="{style}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"{extra}/>'


def _text(x: float, y: float, text: str, style: str, whole: bool = False) -> str:
    short = text if whole else _short(text)
    tooltip = f"<title>{escape(text)}</title>" if short != text else ""
    return f'<text class="{style}" x="{x:.0f}" y="{y:.0f}">{tooltip}{escape(short)}</text>'


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
