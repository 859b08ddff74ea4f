"""The graph as a Mermaid flowchart (mermaid.js.org/syntax/flowchart.html), as Markdown pages show it."""

import re

from mcnet.plan.topology.colors import of_link
from mcnet.plan.topology.graph import Graph

_PLAIN = re.compile(r"[A-Za-z0-9 ._/:-]")


def mermaid(graph: Graph) -> str:
    """A subgraph for each cluster. Names stand in labels only."""
    lines = ["flowchart LR"]
    names = graph.numbered("g")
    for at, cluster in enumerate(graph.clusters):
        lines.append(f"  subgraph c{at}[{quoted(cluster.name)}]")
        for gateway in cluster.gateways:
            rail = "" if gateway.rail is None else f" rail {gateway.rail}"
            lines.append(f"    {names[cluster.name, gateway.name]}[{quoted(gateway.name + rail)}]")
        if not cluster.gateways:
            lines.append(f'    {names[cluster.name, ""]}["no gateway"]')
        lines.append("  end")
    for link in graph.links:
        arrow = "---" if link.active else "-.-"
        lines.append(f"  {names[link.one]} {arrow}|{quoted(link.label)}| {names[link.other]}")
    lines += [f"  linkStyle {at} stroke:{of_link(link.state)}" for at, link in enumerate(graph.links)]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A label: what could be taken for syntax is written by its number."""
    return '"' + "".join(one if _PLAIN.match(one) else f"#{ord(one)};" for one in text) + '"'
