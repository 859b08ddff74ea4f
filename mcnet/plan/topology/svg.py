"""The graph as SVG: what mcnet.plan.topology.layout has placed, with colours. Every text stands on a ground of its
own, so that it can be read on a white page and on a black one.
"""

import re
from typing import Final
from xml.sax.saxutils import escape

from mcnet.plan.topology.colors import GRAY, GREEN, RED, YELLOW, of_link
from mcnet.plan.topology.graph import Graph, Spot
from mcnet.plan.topology.layout import Cell, Group, Layout, Pill, Wire, layout

INK, PAPER, GROUND = "#1f2328", "#ffffff", "#eef1f4"
PILLS: Final = {"ready": GREEN, "not ready": RED, "missing": RED}
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold in any form."""


def svg(graph: Graph) -> str:
    """A whole SVG document."""
    placed = layout(graph)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{placed.width:.0f}" height="{placed.height:.0f}" '
        f'viewBox="0 0 {placed.width:.0f} {placed.height:.0f}" role="img" '
        "font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"13\">",
        "<title>mcnet clusterset</title>",
    ]
    boxes = [_box(group) for group in placed.groups]
    fine = bool(placed.cells)
    lines = [_line(wire, fine=fine) for wire in sorted(placed.wires, key=_front)]
    # Where a cluster has one gateway only, its box may hide the ends of links; else they show which one they lead to.
    parts += lines + boxes if fine else boxes + lines
    parts += [_pill(pill) for group in placed.groups for pill in group.pills]
    parts += [_title(group) for group in placed.groups]
    parts += [_label(wire) for wire in placed.wires if wire.label]
    parts += [_cell(cell) for cell in placed.cells]
    return "\n".join([*parts, _legend(placed), "</svg>"]) + "\n"


def text(value: str) -> str:
    """Any text as XML content or attribute value."""
    return escape(_FORBIDDEN.sub("?", value), {'"': "&quot;"})


def _box(group: Group) -> str:
    box = group.box
    return (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="10" '
        f'fill="{GROUND}" stroke="{GRAY}"/>'
    )


def _title(group: Group) -> str:
    x, version = group.box.middle[0], group.cluster.version
    said = f"{group.cluster.name}, mcnet {version}" if version else group.cluster.name
    return (
        f'<text x="{x:.1f}" y="{group.box.y + 20:.1f}" text-anchor="middle" font-weight="600" fill="{INK}" '
        f'stroke="{GROUND}" stroke-width="4" paint-order="stroke">'
        f"{text(group.title)}<title>{text(said)}</title></text>"
    )


def _pill(pill: Pill) -> str:
    box, (x, y) = pill.box, pill.box.middle
    color = PILLS.get(pill.state, GRAY)
    dashes = "" if pill.spot[1] else ' stroke-dasharray="4 3"'
    name = pill.spot[1] or f"{pill.spot[0]}: no gateway"
    return (
        f'<g><rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="13" '
        f'fill="{PAPER}" stroke="{color}" stroke-width="1.5"{dashes}/>'
        f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle" fill="{INK}">{text(pill.text)}</text>'
        f"<title>{text(f'{name} ({pill.state})')}</title></g>"
    )


def _front(wire: Wire) -> tuple[bool, bool]:
    """What carries traffic is drawn over what stands by, what is wrong over both."""
    return wire.link.state != "connected", wire.link.active


def _line(wire: Wire, *, fine: bool) -> str:
    """`fine`: there are many, so that only what is wrong is to be seen from afar."""
    link = wire.link
    width = 0.8 if fine and link.state == "connected" else 2.5 if link.active or fine else 1.3
    look = f'stroke-width="{width}"' + ("" if link.active else ' stroke-dasharray="5 4"')
    said = f"{_name(link.one)} – {_name(link.other)}: {link.state}, {link.label}" + (
        ", active" if link.active else ""
    )
    return (
        f'<line x1="{wire.start[0]:.1f}" y1="{wire.start[1]:.1f}" x2="{wire.end[0]:.1f}" y2="{wire.end[1]:.1f}" '
        f'stroke="{of_link(link.state)}" {look}><title>{text(said)}</title></line>'
    )


def _label(wire: Wire) -> str:
    assert wire.label is not None
    box, (x, y) = wire.label, wire.label.middle
    return (
        f'<g font-size="11"><rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'rx="4" fill="{PAPER}" stroke="{of_link(wire.link.state)}" stroke-width="0.8"/>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" fill="{INK}">{text(wire.link.label)}</text></g>'
    )


def _cell(cell: Cell) -> str:
    box, (x, y) = cell.box, cell.box.middle
    color = of_link(cell.link.state) if cell.link else GRAY
    fill = PAPER if cell.link else GROUND
    said = (
        f"<title>{text(f'{cell.link.one[0]} – {cell.link.other[0]}: {cell.link.label}')}</title>" if cell.link else ""
    )
    return (
        f'<g font-size="12"><rect x="{box.x + 1:.1f}" y="{box.y + 1:.1f}" width="{box.width - 2:.1f}" '
        f'height="{box.height - 2:.1f}" rx="3" fill="{fill}" stroke="{color}"/>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" fill="{INK}">{text(cell.text)}</text>{said}</g>'
    )


def _legend(placed: Layout) -> str:
    box = placed.legend
    y = box.y + box.height / 2
    parts = [
        f'<g font-size="11" fill="{INK}"><rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="6" fill="{GROUND}" stroke="{GRAY}"/>'
    ]
    x = box.x + 14
    for color, dashes, words in (
        (GREEN, "", "carries traffic"),
        (GREEN, ' stroke-dasharray="5 4"', "stands by"),
        (YELLOW, "", "not sure yet"),
        (RED, "", "down"),
    ):
        parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x + 26:.1f}" y2="{y:.1f}" '
            f'stroke="{color}" stroke-width="2"{dashes}/>'
            f'<text x="{x + 32:.1f}" y="{y + 4:.1f}">{words}</text>'
        )
        x += 32 + len(words) * 6.2 + 22
    return "".join([*parts, "</g>"])


def _name(spot: Spot) -> str:
    return "/".join(part for part in spot if part)
