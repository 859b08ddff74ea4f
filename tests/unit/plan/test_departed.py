"""Clusters that have left: rejected for a while, as far as nobody else has their prefixes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mcnet.model import ownership
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.kernel import RouteType
from mcnet.plan import route_agent
from mcnet.plan.departed import REJECTED, departed, remember
from mcnet.plan.remote import accept
from tests.fakes.worlds import (
    CLUSTER_NORTH,
    CLUSTER_WEST,
    EAST,
    EAST_1,
    MEMBER,
    WEST_0,
    Situation,
    node,
    prefixes,
    view,
)

BOTH = (CLUSTER_NORTH, CLUSTER_WEST)
CLUSTER_EAST = Cluster(EAST, MEMBER.pod_prefixes, MEMBER.service_prefixes)


def test_who_is_remembered_and_for_how_long() -> None:
    memory = remember(remember({}, BOTH, 100.0), (CLUSTER_NORTH,), 130.0)
    assert {name: at for name, (_, at) in memory.items()} == {"west": 100.0, "north": 130.0}
    assert remember(memory, (), 100.0 + REJECTED - 0.1).keys() == {"west", "north"}
    assert remember(memory, (), 100.0 + REJECTED).keys() == {"north"}


def test_a_cluster_that_is_there_has_not_departed() -> None:
    memory = remember({}, (*BOTH, CLUSTER_EAST), 0.0)
    assert departed(memory, (*BOTH, CLUSTER_EAST), MEMBER) == ()
    assert departed(memory, (CLUSTER_NORTH,), MEMBER) == (CLUSTER_WEST,), "and this cluster itself never has"
    assert departed(memory, (), MEMBER) == BOTH
    changed = replace(CLUSTER_WEST, pod_prefixes=prefixes("10.99.0.0/16"))
    assert departed(memory, (CLUSTER_NORTH, changed), MEMBER) == ()


def test_prefixes_that_somebody_has_by_now_are_his() -> None:
    memory = remember({}, (CLUSTER_WEST,), 0.0)
    heir = Cluster(ClusterId("south"), prefixes("10.20.128.0/17"), ())
    (gone,) = departed(memory, (heir,), MEMBER)
    assert gone.prefixes == prefixes("fd20::/48", "10.21.0.0/16")
    mine = replace(
        MEMBER, pod_prefixes=prefixes("10.20.0.0/16", "fd20::/40"), service_prefixes=prefixes("10.21.0.0/20")
    )
    assert departed(memory, (), mine) == ()


@given(st.sets(st.sampled_from(("10.20.0.0/16", "10.20.4.0/22", "10.30.0.0/16", "10.0.0.0/8", "fd30::/48"))))
def test_what_is_rejected_takes_nothing_from_those_who_are_there(owned: set[str]) -> None:
    there = (Cluster(ClusterId("a"), prefixes(*sorted(owned)), ()),)
    gone = departed(remember({}, BOTH, 0.0), there, MEMBER)
    with_them, without = (accept(MEMBER, clusters, ()) for clusters in ((*there, *gone), there))
    assert with_them.problems == without.problems
    assert [one for one in with_them.clusters if one.cluster == "a"] == list(without.clusters)


def test_nodes_reject_what_goes_to_a_cluster_that_has_left() -> None:
    """Even while a gateway's last advert still says that it reaches it."""
    nodes = (node(1), node(2, gateway=True))
    scene = Situation(nodes=nodes, endpoints=(EAST_1, WEST_0), gateways=(view("n2", 1, reach=(CLUSTER_WEST.id,)),))
    for endpoints, expected in ((scene.endpoints, RouteType.UNICAST), ((EAST_1,), RouteType.UNREACHABLE)):
        decision = route_agent.decide(replace(scene, endpoints=endpoints).for_route_agent())
        routes = [route for route in decision.state.routes if route.table == ownership.OVERLAY_TABLE]
        assert {route.type for route in routes} == {expected}
