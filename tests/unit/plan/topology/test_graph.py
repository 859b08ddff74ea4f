"""The graph: one link for each cable, as well as the end that thinks worst of it; tree and bundles of it."""

from dataclasses import replace

import pytest

from mcnet.model.gateway import CableState
from mcnet.plan.cluster_view import Picture
from mcnet.plan.topology.graph import Link, bundled, graph
from mcnet.plan.topology.tree import tree
from tests.fakes.pictures import changed, clusterset

PICTURE = clusterset({"east": 1, "west": 2})


def broken(picture: Picture, state: CableState) -> Picture:
    """East's gateway says that of its first cable."""
    report = picture.members[0].gateways[0]
    first, *others = report.cables
    return changed(picture, gateways=(replace(report, cables=(replace(first, state=state, active=False), *others)),))


def test_both_ends_of_a_cable_are_one_link() -> None:
    found = graph(PICTURE)
    assert [(cluster.name, [one.name for one in cluster.gateways]) for cluster in found.clusters] == [
        ("east", ["east-n1"]),
        ("west", ["west-n1", "west-n2"]),
    ]
    assert [(link.one, link.other, link.state, link.active) for link in found.links] == [
        (("east", "east-n1"), ("west", "west-n1"), "connected", True),
        (("east", "east-n1"), ("west", "west-n2"), "connected", True),
    ]
    assert found.links[0].label == "0.30 ms"


@pytest.mark.parametrize("state", [CableState.ERROR, CableState.CONNECTING])
def test_a_link_is_as_well_as_its_worse_end(state: CableState) -> None:
    first, second = graph(broken(PICTURE, state)).links
    assert (first.state, first.label) == (state.value, state.value)
    assert second.state == "connected"


def test_a_dead_daemon_makes_a_link_unknown_unless_the_other_end_knows_worse() -> None:
    silent = changed(PICTURE, daemon_problems={"east-n1": "crash"})
    assert {link.state for link in graph(silent).links} == {"unknown"}


def test_what_one_end_misses_the_other_may_report() -> None:
    found = graph(changed(PICTURE, 1, gateways=()))
    assert [link.other for link in found.links] == [("west", "west-n1"), ("west", "west-n2")]
    alone = changed(changed(PICTURE, 1, gateways=()), 0, gateways=())
    assert graph(alone).links == (Link(("east", ""), ("west", ""), "missing"),)


def test_a_cluster_that_nobody_could_read_is_there_too() -> None:
    found = graph(replace(PICTURE, members=PICTURE.members[:1]))
    assert [one.state for one in found.clusters[1].gateways] == ["unread", "unread"]
    assert len(found.links) == 2


def test_bundles_have_one_link_for_each_pair() -> None:
    whole = graph(broken(clusterset({"east": 1, "west": 2, "north": 3}), CableState.ERROR))
    found = bundled(whole)
    assert [one.gateways[0].name for one in found.clusters] == ["1 gateway", "3 gateways", "2 gateways"]
    assert [(link.one[0], link.other[0], link.state) for link in found.links] == [
        ("east", "north", "connected"),
        ("east", "west", "error"),
        ("north", "west", "connected"),
    ]


def text(picture: Picture) -> list[str]:
    return ["".join(part for part, _ in line).rstrip() for line in tree(graph(picture))]


def test_the_tree() -> None:
    assert text(PICTURE) == [
        "clusterset: 2 clusters, 2 of 2 cables up",
        "├─ east  mcnet 0.1.0",
        "│  └─ east-n1  rail 0  ready",
        "│     ├─ ● west/west-n1  connected   0.30 ms  active",
        "│     └─ ● west/west-n2  connected   7.40 ms  active",
        "└─ west  mcnet 0.1.0",
        "   ├─ west-n1  rail 0  ready",
        "   │  └─ ● east/east-n1  connected   0.30 ms  active",
        "   └─ west-n2  rail 1  ready",
        "      └─ ● east/east-n1  connected   7.40 ms  active",
    ]


def test_the_tree_of_what_is_missing() -> None:
    alone = changed(changed(PICTURE, 1, gateways=(), gateway_nodes=()), 0, gateways=(), gateway_nodes=())
    alone = changed(changed(alone, 0, endpoints=()), 1, endpoints=())
    bare = replace(alone, brokers=())
    assert text(bare) == [
        "clusterset: 2 clusters, 0 of 0 cables up",
        "├─ east  mcnet 0.1.0",
        "│  └─ ○ west  missing",
        "└─ west  mcnet 0.1.0",
        "   └─ ○ east  missing",
    ]


def test_the_document_has_what_the_tables_have() -> None:
    document = graph(PICTURE).document()
    assert document["links"][0] == {
        "ends": [{"cluster": "east", "gateway": "east-n1"}, {"cluster": "west", "gateway": "west-n1"}],
        "state": "connected",
        "active": True,
        "roundTripSeconds": 0.0003,
        "driver": "vxlan",
    }
    assert document["clusters"][1]["gateways"][1] == {"gateway": "west-n2", "rail": 1, "state": "ready"}
