"""Gateways whose Endpoint has gone: taken in for a while, never sent to."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mcnet.model import ownership
from mcnet.model.endpoint import Endpoint
from mcnet.plan import gateway, route_agent
from mcnet.plan.remote import accept
from mcnet.plan.withdrawn import LINGER, RETIREMENT, lingering, remember
from tests.fakes.worlds import (
    CLUSTER_NORTH,
    CLUSTER_WEST,
    EAST_0,
    MEMBER,
    NORTH_0,
    SITUATIONS,
    WEST,
    WEST_0,
    WEST_1,
    WEST_PREFIXES,
    Situation,
    endpoint,
)


def names(present: tuple[Endpoint, ...], gone: tuple[Endpoint, ...], clusters: tuple = (CLUSTER_WEST,)) -> list[str]:
    memory = {one.name: (one, float(at)) for at, one in enumerate((*gone, *present))}
    return [one.name for one in lingering(memory, present, accept(MEMBER, clusters, present))]


def test_who_is_remembered_and_for_how_long() -> None:
    memory = remember({}, (WEST_0, WEST_1), 100.0)
    memory = remember(memory, (WEST_0,), 103.0)
    assert {name: at for name, (_, at) in memory.items()} == {"west.n1": 103.0, "west.n2": 100.0}
    assert remember(memory, (WEST_0,), 100.0 + LINGER - 0.1).keys() == {"west.n1", "west.n2"}
    assert remember(memory, (WEST_0,), 100.0 + LINGER).keys() == {"west.n1"}


def test_an_endpoint_that_changes_is_remembered_as_it_was_last() -> None:
    later = replace(WEST_0, mtu=1400)
    memory = remember(remember({}, (WEST_0,), 0.0), (later,), 1.0)
    assert remember(memory, (), 2.0) == {"west.n1": (later, 1.0)}


def test_the_other_side_stays_longer_than_the_gateway_goes_on() -> None:
    """With time for two API servers to tell of it."""
    assert LINGER - RETIREMENT >= 5.0


def test_only_those_that_are_gone_linger() -> None:
    assert names((WEST_0,), (WEST_1,)) == ["west.n2"]
    assert names((), (WEST_0, WEST_1)) == ["west.n1", "west.n2"]
    assert names((WEST_0, WEST_1), ()) == []


def test_a_cluster_that_is_no_member_does_not() -> None:
    assert names((WEST_0,), (NORTH_0,)) == []
    assert names((WEST_0,), (NORTH_0,), (CLUSTER_WEST, CLUSTER_NORTH)) == ["north.n1"]


def test_a_rail_that_somebody_has_taken_over_is_the_new_ones() -> None:
    heir = replace(WEST_0, gateway="n9")
    assert names((heir,), (WEST_0,)) == []
    assert names((), (WEST_0, heir)) == ["west.n9"], "of two that are gone the last one"


def test_what_is_refused_is_not_gone() -> None:
    same_rail = replace(WEST_0, gateway="n9", sequence=0)
    assert names((WEST_0, same_rail), (same_rail,)) == []


def test_its_packets_are_taken_in_and_none_are_sent_to_it() -> None:
    both = Situation(endpoints=(EAST_0, WEST_0, WEST_1), health=SITUATIONS["gateway, two rails"].health)
    left = replace(both, endpoints=(EAST_0, WEST_1), withdrawn=(WEST_0,))
    before, after = gateway.decide(both.for_gateway()), gateway.decide(left.for_gateway())
    assert [one.path.endpoint.name for one in before.cables if one.active] == ["west.n1", "west.n2"]
    assert [one.path.endpoint.name for one in after.cables] == ["west.n2"]
    assert [path.endpoint.name for path in after.probed] == ["west.n2"]
    assert after.state.fdb == before.state.fdb
    assert after.state.neighbours == before.state.neighbours
    assert after.state.tables == before.state.tables
    assert after.state.nexthops != before.state.nexthops


def test_of_wireguard_it_stays_a_peer_where_its_packets_come_from() -> None:
    situation = SITUATIONS["wireguard, one of two has gone"]
    whole = replace(situation, endpoints=(*situation.endpoints, *situation.withdrawn), withdrawn=())
    before = gateway.decide(whole.for_gateway()).state
    after = gateway.decide(situation.for_gateway(before))
    assert after.state.wireguard == before.wireguard
    assert {path.device for path in after.probed} == {"mcnet-cw0a"}


def test_a_last_gateway_that_has_gone_leaves_no_route() -> None:
    decision = gateway.decide(Situation(endpoints=(EAST_0,), withdrawn=(WEST_0,)).for_gateway())
    assert decision.state.fdb
    assert not decision.state.groups
    assert not decision.reach


def test_a_node_that_was_a_gateway_carries_on_what_comes_in() -> None:
    situation = SITUATIONS["node, a gateway until now"]
    now = route_agent.decide(situation.for_route_agent()).state
    later = route_agent.decide(replace(situation, retiring=False).for_route_agent()).state
    assert any(route.table == ownership.DELIVERY_TABLE for route in now.routes)
    assert not any(route.table == ownership.DELIVERY_TABLE for route in later.routes)


@given(st.lists(st.tuples(st.sampled_from([WEST_0, WEST_1, NORTH_0]), st.booleans()), max_size=12))
def test_whoever_comes_and_goes_no_rail_is_given_twice(looks: list[tuple[Endpoint, bool]]) -> None:
    memory: dict[str, tuple[Endpoint, float]] = {}
    present: dict[str, Endpoint] = {}
    for now, (one, there) in enumerate(looks):
        if there:
            present[one.name] = one
        else:
            present.pop(one.name, None)
        memory = remember(memory, present.values(), float(now))
        remotes = accept(MEMBER, (CLUSTER_WEST, CLUSTER_NORTH), present.values())
        gone = lingering(memory, present.values(), remotes)
        rails = [(endpoint.cluster, endpoint.rail) for endpoint in (*remotes.endpoints, *gone)]
        assert len(rails) == len(set(rails))


def test_an_address_that_is_none_makes_no_cable() -> None:
    nowhere = endpoint(WEST, 0, address="127.0.0.1", routed=WEST_PREFIXES)
    decision = gateway.decide(Situation(endpoints=(EAST_0,), withdrawn=(nowhere,)).for_gateway())
    assert not decision.state.fdb
