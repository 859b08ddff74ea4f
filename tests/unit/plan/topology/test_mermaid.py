"""Mermaid of any graph: every name quoted, every link there."""

import re

from hypothesis import given

from mcnet.plan.topology import mermaid
from mcnet.plan.topology.graph import Graph
from tests.fakes.graphs import ANY, graphs


@ANY
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
