"""DOT of any graph: every name quoted, every link there."""

import re

import pytest
from hypothesis import given

from mcnet.plan.topology import dot
from mcnet.plan.topology.graph import Graph
from tests.fakes.graphs import ANY, graphs

DOT_LINE = re.compile(r'"(?:[^"\\\n]|\\.)*"')


@ANY
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
