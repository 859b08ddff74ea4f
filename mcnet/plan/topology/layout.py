"""Where everything of a drawing goes: clusters on a circle, gateways in them side by side as seen from the middle,
links straight, labels where nothing else is; many clusters get one link for each pair, and their numbers in a table.
Lengths in pixels, y downwards. How it looks is mcnet.plan.topology.svg's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, hypot, pi, sin
from typing import Final

from mcnet.plan.topology.graph import ClusterNode, Graph, Link, Spot, bundled

LETTER: Final = 7.4
"""Width of a letter of 13 pixels, a little more than it takes."""
SMALL_LETTER: Final = 6.4
"""Likewise of 11 pixels."""
LONGEST: Final = 24
"""Letters of a name that are drawn."""
PILL: Final = 26.0
"""Height of a gateway."""
GAP: Final = 12.0
TITLE: Final = 30.0
LABEL: Final = 17.0
MARGIN: Final = 20.0
LEGEND: Final = 30.0
LEGEND_WIDTH: Final = 470.0
MANY_LINKS: Final = 24
"""With more links than that, those that carry no traffic and are well get no label."""
MANY_CLUSTERS: Final = 8
"""With more clusters than that, one link stands for all cables of a pair, and the table has the round trips."""
CELL_WIDTH: Final = 70.0
CELL_HEIGHT: Final = 22.0
PLACES: Final = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73, 0.2, 0.8)
"""Where on a link its label may be, best first."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: left upper corner and size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> Point:
        return self.x + self.width / 2, self.y + self.height / 2

    def overlaps(self, other: "Box") -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )

    def holds(self, other: "Box") -> bool:
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.x + other.width <= self.x + self.width
            and other.y + other.height <= self.y + self.height
        )


@dataclass(frozen=True, slots=True)
class Pill:
    """A gateway, or the place of the one that is missing."""

    spot: Spot
    text: str
    state: str
    box: Box


@dataclass(frozen=True, slots=True)
class Group:
    """A cluster with its gateways."""

    cluster: ClusterNode
    title: str
    box: Box
    pills: tuple[Pill, ...]


@dataclass(frozen=True, slots=True)
class Wire:
    """A link from `start` to `end`; `label` is where its text goes, None if there is no room for it."""

    link: Link
    start: Point
    end: Point
    label: Box | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of the table: a heading without a link, or a pair of clusters."""

    box: Box
    text: str
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The drawing from (0, 0) to (width, height)."""

    width: float
    height: float
    groups: tuple[Group, ...]
    wires: tuple[Wire, ...]
    cells: tuple[Cell, ...]
    legend: Box


def layout(graph: Graph) -> Layout:
    """The same for the same graph."""
    many = len(graph.clusters) > MANY_CLUSTERS
    graph = bundled(graph) if many else graph
    groups = _groups(graph)
    bottom = max((group.box.y + group.box.height for group in groups), default=MARGIN)
    cells = _table(graph, bottom + 2 * MARGIN) if many else ()
    boxes = [*(group.box for group in groups), *(cell.box for cell in cells)]
    legend = Box(MARGIN, max((box.y + box.height for box in boxes), default=0) + MARGIN, LEGEND_WIDTH, LEGEND)
    return Layout(
        width=max(box.x + box.width for box in (*boxes, legend)) + MARGIN,
        height=legend.y + LEGEND + MARGIN,
        groups=groups,
        wires=_wires(graph, groups, labelled=1 if many else 2 if len(graph.links) > MANY_LINKS else 3),
        cells=cells,
        legend=legend,
    )


def short(name: str) -> str:
    """The name, or as much of it as is drawn."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _spots(cluster: ClusterNode) -> list[tuple[Spot, str, str]]:
    found = [((cluster.name, one.name), _pill_text(one.name, one.rail), one.state) for one in cluster.gateways]
    return found or [((cluster.name, ""), "no gateway", "missing")]


def _pill_text(name: str, rail: int | None) -> str:
    return short(name) if rail is None else f"{short(name)} · {rail}"


def _stacked(angle: float) -> bool:
    """Whether the gateways are one above the other: across the way to the middle, so that no link to it runs behind
    another gateway."""
    return abs(cos(angle)) > abs(sin(angle)) - 0.001


def _pill_width(cluster: ClusterNode) -> float:
    return max(len(text) for _, text, _ in _spots(cluster)) * LETTER + 20


def _size(cluster: ClusterNode, angle: float) -> tuple[float, float]:
    count, wide = len(_spots(cluster)), _pill_width(cluster)
    title = len(short(cluster.name)) * LETTER + 24
    if _stacked(angle):
        return max(wide + 2 * GAP, title), TITLE + count * (PILL + GAP)
    return max(count * (wide + GAP) + GAP, title), TITLE + PILL + GAP


def _radius(sizes: list[tuple[float, float]]) -> float:
    """So that neighbours on the circle do not touch, and that there is room for labels between them."""
    count = len(sizes)
    if count < 2:
        return 0.0
    if count == 2:
        return (max(width for width, _ in sizes) + 240) / 2
    room = 150 if count <= 6 else 100 if count <= MANY_CLUSTERS else 40
    return (max(hypot(*size) for size in sizes) + room) / (2 * sin(pi / count))


def _groups(graph: Graph) -> tuple[Group, ...]:
    count = len(graph.clusters)
    angles = [pi + 2 * pi * at / count if count == 2 else -pi / 2 + 2 * pi * at / count for at in range(count)]
    sizes = [_size(one, angle) for one, angle in zip(graph.clusters, angles, strict=True)]
    radius = _radius(sizes)
    corners = [
        (radius * cos(angle) - width / 2, radius * sin(angle) - height / 2)
        for angle, (width, height) in zip(angles, sizes, strict=True)
    ]
    left = min((x for x, _ in corners), default=0.0) - MARGIN
    top = min((y for _, y in corners), default=0.0) - MARGIN
    return tuple(
        _group(cluster, angle, Box(x - left, y - top, *size))
        for cluster, angle, (x, y), size in zip(graph.clusters, angles, corners, sizes, strict=True)
    )


def _group(cluster: ClusterNode, angle: float, box: Box) -> Group:
    spots, wide = _spots(cluster), _pill_width(cluster)
    pills = []
    for at, (spot, text, state) in enumerate(spots):
        if _stacked(angle):
            place = Box(box.x + (box.width - wide) / 2, box.y + TITLE + at * (PILL + GAP), wide, PILL)
        else:
            used = len(spots) * (wide + GAP) - GAP
            place = Box(box.x + (box.width - used) / 2 + at * (wide + GAP), box.y + TITLE, wide, PILL)
        pills.append(Pill(spot, text, state, place))
    return Group(cluster, short(cluster.name), box, tuple(pills))


def _wires(graph: Graph, groups: Iterable[Group], *, labelled: int) -> tuple[Wire, ...]:
    """`labelled`: links of less importance than that get no label."""
    ends = _ends(graph, [pill for group in groups for pill in group.pills])
    taken = [group.box for group in groups]
    labels: dict[Link, Box] = {}
    for link in sorted(graph.links, key=_importance):
        if _importance(link) < labelled and (place := _label(link, *ends[link], taken)):
            labels[link] = place
            taken.append(place)
    return tuple(Wire(link, *ends[link], labels.get(link)) for link in graph.links)


def _ends(graph: Graph, pills: list[Pill]) -> dict[Link, tuple[Point, Point]]:
    """Where links end: spread over the gateway's width in the order of where they go, that none covers another."""
    boxes = {pill.spot: pill.box for pill in pills}
    leaving: dict[Spot, list[tuple[float, Link, int]]] = {}
    for link in graph.links:
        for at, (spot, far) in enumerate(((link.one, link.other), (link.other, link.one))):
            x, y = boxes[graph.drawn(far)].middle
            leaving.setdefault(graph.drawn(spot), []).append((x + y / 1000, link, at))
    points: dict[tuple[Link, int], Point] = {}
    for spot, links in leaving.items():
        box = boxes[spot]
        for at, (_, link, end) in enumerate(sorted(links, key=lambda one: (one[0], one[1].one, one[1].other))):
            points[link, end] = box.x + box.width * (0.15 + 0.7 * (at + 1) / (len(links) + 1)), box.middle[1]
    return {link: (points[link, 0], points[link, 1]) for link in graph.links}


def _table(graph: Graph, top: float) -> tuple[Cell, ...]:
    """Every pair of clusters: rows by name, columns by number."""
    names = [f"{at}  {short(cluster.name)}" for at, cluster in enumerate(graph.clusters, start=1)]
    pairs = {(link.one[0], link.other[0]): link for link in graph.links}
    wide = max(map(len, names)) * LETTER + 10
    cells = [Cell(Box(MARGIN, top, wide, CELL_HEIGHT), "round trip, ms")]
    for row, cluster in enumerate(graph.clusters):
        y = top + (row + 1) * CELL_HEIGHT
        cells.append(Cell(Box(MARGIN, y, wide, CELL_HEIGHT), names[row]))
        cells.append(Cell(Box(MARGIN + wide + row * CELL_WIDTH, top, CELL_WIDTH, CELL_HEIGHT), str(row + 1)))
        for column, other in enumerate(graph.clusters):
            link = pairs.get((cluster.name, other.name)) or pairs.get((other.name, cluster.name))
            if link:
                place = Box(MARGIN + wide + column * CELL_WIDTH, y, CELL_WIDTH, CELL_HEIGHT)
                cells.append(Cell(place, link.label.removesuffix(" ms"), link))
    return tuple(cells)


def _importance(link: Link) -> int:
    """Whose label comes first: what is wrong, then what carries traffic."""
    return 0 if link.state != "connected" else 1 if link.active else 2


def _label(link: Link, start: Point, end: Point, taken: list[Box]) -> Box | None:
    width = len(link.label) * SMALL_LETTER + 10
    for part in PLACES:
        x = start[0] + (end[0] - start[0]) * part
        y = start[1] + (end[1] - start[1]) * part
        place = Box(x - width / 2, y - LABEL / 2, width, LABEL)
        if not any(place.overlaps(other) for other in taken):
            return place
    return None
