"""The graph as a tree for the terminal: clusterset, clusters, gateways, cables. Colours are the caller's."""

from mcnet.plan.topology.graph import UNREAD, ClusterNode, Graph, Link

Part = tuple[str, str]
"""Text, and the state whose colour it has ("" for none)."""


def tree(graph: Graph) -> list[list[Part]]:
    """The lines, as parts."""
    cables = [link for link in graph.links if link.state != "missing"]
    up = sum(link.state == "connected" for link in cables)
    lines: list[list[Part]] = [
        [(f"clusterset: {_count(len(graph.clusters), 'cluster')}, {up} of {_count(len(cables), 'cable')} up", "")]
    ]
    for at, cluster in enumerate(graph.clusters):
        lines += _branch(_cluster(graph, cluster), last=at == len(graph.clusters) - 1)
    return lines


def _cluster(graph: Graph, cluster: ClusterNode) -> list[list[Part]]:
    lines: list[list[Part]] = [[(cluster.name, ""), (f"  mcnet {cluster.version}" if cluster.version else "", "")]]
    loose = [link for link in graph.links if (cluster.name, "") in (link.one, link.other)]
    rest = len(cluster.gateways) + len(loose)
    for gateway in cluster.gateways:
        rest -= 1
        rail = "" if gateway.rail is None else f"  rail {gateway.rail}"
        state = ("", "") if gateway.state == UNREAD else (f"  {gateway.state}", gateway.state)
        here = [link for link in graph.links if (cluster.name, gateway.name) in (link.one, link.other)]
        block: list[list[Part]] = [[(f"{gateway.name}{rail}", ""), state]]
        for at, line in enumerate(_cables(cluster.name, here)):
            block += _branch([line], last=at == len(here) - 1)
        lines += _branch(block, last=rest == 0)
    for line in _cables(cluster.name, loose):
        rest -= 1
        lines += _branch([line], last=rest == 0)
    return lines


def _cables(cluster: str, links: list[Link]) -> list[list[Part]]:
    names = ["/".join(part for part in link.seen_from(cluster)[1] if part) for link in links]
    width = max(map(len, names), default=0)
    return [
        [
            ("● " if link.active else "○ ", link.state),
            (name.ljust(width) + "  ", ""),
            (link.state.ljust(10), link.state),
            (_details(link), ""),
        ]
        for name, link in zip(names, links, strict=True)
    ]


def _details(link: Link) -> str:
    trip = "" if link.round_trip is None else f"  {link.round_trip * 1000:.2f} ms"
    return trip + ("  active" if link.active else "")


def _branch(block: list[list[Part]], *, last: bool) -> list[list[Part]]:
    head, further = ("└─ ", "   ") if last else ("├─ ", "│  ")
    return [[(head if at == 0 else further, ""), *line] for at, line in enumerate(block)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
