"""The graph in DOT, the language of Graphviz (graphviz.org/doc/info/lang.html)."""

from mcnet.plan.topology.colors import of_link
from mcnet.plan.topology.graph import Graph


def dot(graph: Graph) -> str:
    """An undirected graph with a subgraph for each cluster. Names stand in labels only, so any name will do."""
    lines = [
        "graph mcnet {",
        "  layout=dot; rankdir=LR; ranksep=1.5;",
        '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]
    names = graph.numbered("n")
    for at, cluster in enumerate(graph.clusters):
        lines += [f"  subgraph cluster_{at} {{", f"    label={quoted(cluster.name)};", "    style=rounded;"]
        for gateway in cluster.gateways:
            rail = "" if gateway.rail is None else f"\nrail {gateway.rail}"
            lines.append(f"    {names[cluster.name, gateway.name]} [label={quoted(gateway.name + rail)}];")
        if not cluster.gateways:
            lines.append(f'    {names[cluster.name, ""]} [label="no gateway", style=dashed];')
        lines.append("  }")
    for link in graph.links:
        style = "solid" if link.active else "dashed"
        lines.append(
            f"  {names[link.one]} -- {names[link.other]} "
            f'[label={quoted(link.label)}, color="{of_link(link.state)}", style={style}];'
        )
    return "\n".join([*lines, "}"]) + "\n"


def quoted(text: str) -> str:
    """A DOT string: only `"` needs an escape, and a backslash, lest it makes one of what follows."""
    safe = "".join(character if character >= " " or character == "\n" else " " for character in text)
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
