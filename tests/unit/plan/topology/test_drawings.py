"""Layout, SVG, DOT and Mermaid of any graph: nothing overlaps, every name is quoted, every link is drawn."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcnet.plan.topology import dot, mermaid, svg
from mcnet.plan.topology.graph import ClusterNode, GatewayNode, Graph, Link
from mcnet.plan.topology.graph import graph as of_picture
from mcnet.plan.topology.layout import layout
from tests.fakes.pictures import clusterset

NAMES = st.text(min_size=1, max_size=40)
STATES = st.sampled_from(["connected", "connecting", "error", "unknown", "missing"])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Of up to 12 clusters with any names, some without a gateway, some without links."""
    clusters = tuple(
        ClusterNode(name, tuple(GatewayNode(one, rail) for rail, one in enumerate(sorted(gateways))))
        for name, gateways in sorted(
            draw(st.dictionaries(NAMES, st.sets(NAMES, max_size=4), min_size=1, max_size=12)).items()
        )
    )
    links = []
    for one, other in combinations(clusters, 2):
        for first in one.gateways or (GatewayNode(""),):
            for second in other.gateways or (GatewayNode(""),):
                if draw(st.booleans()):
                    trip = draw(st.none() | st.floats(min_value=0, max_value=9.9))
                    links.append(
                        Link(
                            (one.name, first.name), (other.name, second.name), draw(STATES), draw(st.booleans()), trip
                        )
                    )
    return Graph(clusters, tuple(links))


MESHES = {
    size: of_picture(clusterset({f"c{at}": 1 + at % 3 for at in range(size)})) for size in (1, 2, 3, 5, 8, 9, 20)
}


def check(graph: Graph) -> None:
    placed = layout(graph)
    solid = [group.box for group in placed.groups] + [cell.box for cell in placed.cells] + [placed.legend]
    labels = [wire.label for wire in placed.wires if wire.label]
    for one, other in combinations(solid + labels, 2):
        assert not one.overlaps(other)
    for box in solid + labels:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= placed.width
        assert box.y + box.height <= placed.height
    for group in placed.groups:
        for pill in group.pills:
            assert group.box.holds(pill.box)
        for one, other in combinations([pill.box for pill in group.pills], 2):
            assert not one.overlaps(other)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=60)
@given(graphs())
def test_nothing_overlaps_and_all_is_on_the_page(graph: Graph) -> None:
    check(graph)


@pytest.mark.parametrize("size", MESHES)
def test_full_meshes(size: int) -> None:
    check(MESHES[size])


@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_every_link_that_carries_traffic_has_its_round_trip_beside_it(size: int) -> None:
    wires = [wire for wire in layout(MESHES[size]).wires if wire.link.active]
    labelled = sum(wire.label is not None for wire in wires)
    assert labelled == len(wires) if size <= 3 else labelled >= 0.6 * len(wires)


def test_many_clusters_have_one_link_for_each_pair_and_a_table() -> None:
    placed = layout(MESHES[20])
    assert len(placed.wires) == 20 * 19 // 2
    assert len([cell for cell in placed.cells if cell.link]) == 20 * 19
    assert not layout(MESHES[8]).cells


def test_links_of_one_gateway_end_in_different_places() -> None:
    ends = [point for wire in layout(MESHES[5]).wires for point in (wire.start, wire.end)]
    assert len(set(ends)) == len(ends)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=60)
@given(graphs())
def test_svg_is_well_formed_and_has_every_link(graph: Graph) -> None:
    root = ElementTree.fromstring(svg.svg(graph))
    lines = root.findall("{http://www.w3.org/2000/svg}line")
    pairs = {(link.one[0], link.other[0]) for link in graph.links}
    assert len(lines) == (len(pairs) if len(graph.clusters) > 8 else len(graph.links))


def test_svg_tells_state_and_use_by_colour_and_line() -> None:
    ends = ("a", "g"), ("b", "h")
    clusters = (ClusterNode("a", (GatewayNode("g"),)), ClusterNode("b", (GatewayNode("h"),)))
    seen = {}
    for state, active in (("connected", True), ("connected", False), ("error", False)):
        text = svg.svg(Graph(clusters, (Link(*ends, state, active),)))
        (line,) = [line for line in text.splitlines() if line.startswith("<line")]
        seen[state, active] = re.findall(r'stroke="(#\w+)"', line)[0], "dasharray" in line
    assert seen == {
        ("connected", True): ("#2da44e", False),
        ("connected", False): ("#2da44e", True),
        ("error", False): ("#cf222e", True),
    }


DOT_LINE = re.compile(r'"(?:[^"\\\n]|\\.)*"')


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=60)
@given(graphs())
def test_dot_quotes_every_name(graph: Graph) -> None:
    bare = DOT_LINE.sub("S", dot.dot(graph))
    for line in bare.splitlines():
        assert re.fullmatch(r"[a-zA-Z0-9_ {}\[\];=,.-]*", line), line
    assert bare.count("{") == bare.count("}")
    assert len(re.findall(r"^  n\d+ -- n\d+ ", bare, re.MULTILINE)) == len(graph.links)


@pytest.mark.parametrize(
    ("name", "text"),
    [("east", '"east"'), ('a"b', '"a\\"b"'), ("a\\", '"a\\\\"'), ("a\nb", '"a\\nb"'), ("\x1b[31m", '" [31m"')],
)
def test_dot_strings(name: str, text: str) -> None:
    assert dot.quoted(name) == text


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None, max_examples=60)
@given(graphs())
def test_mermaid_quotes_every_name(graph: Graph) -> None:
    drawn = mermaid.mermaid(graph)
    bare = re.sub(r'"[A-Za-z0-9 ._/:#;-]*"', "S", drawn)
    for line in bare.splitlines():
        assert re.fullmatch(
            r"flowchart LR|  subgraph c\d+\[S\]|    g\d+\[S\]|  end|  g\d+ (---|-\.-)\|S\| g\d+|"
            r"  linkStyle \d+ stroke:#[0-9a-f]{6}", line,
        ), line  # fmt: skip
    assert len(re.findall(r"\|S\|", bare)) == len(graph.links)


def test_mermaid_strings() -> None:
    assert mermaid.quoted('a"]-->b#1') == '"a#34;#93;--#62;b#35;1"'
