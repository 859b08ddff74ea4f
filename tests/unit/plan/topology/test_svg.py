"""SVG of any graph: well-formed, every link drawn."""

import re
from xml.etree import ElementTree

from hypothesis import given

from mcnet.plan.topology import svg
from mcnet.plan.topology.graph import ClusterNode, GatewayNode, Graph, Link
from tests.fakes.graphs import ANY, graphs


@ANY
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
