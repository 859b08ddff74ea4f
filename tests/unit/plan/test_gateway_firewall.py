"""What comes by a cable while the gateway's rules are written anew. Its whole table is tested with its planner."""

import pytest

from mcnet.codec.nft_elements import canonical
from mcnet.model.cluster import ClusterId
from mcnet.model.kernel import NftTable
from mcnet.plan import gateway_firewall
from mcnet.plan.cable import CablePath
from mcnet.plan.gateway import decide
from mcnet.plan.remote import accept
from tests.fakes.worlds import IPSEC, NORTH, SITUATIONS, WEST, Situation
from tests.unit.plan.test_gateway import chain, elements


def both_drivers() -> tuple[list[CablePath], NftTable]:
    """A cable to west by IPsec, and one to north by VXLAN."""
    plain, world = SITUATIONS["gateway, three clusters"].for_gateway(), Situation(**IPSEC).for_gateway()
    paths = [
        standing.path
        for one, cluster in ((world, WEST), (plain, NORTH))
        for standing in decide(one).cables
        if standing.path.endpoint.cluster == cluster
    ]
    remotes = accept(world.member, world.clusters, world.endpoints)
    return paths, gateway_firewall.table(own=world.own, member=world.member, remotes=remotes, cables=paths)


@pytest.mark.parametrize(
    ("situation", "driver", "clusters"),
    [
        (SITUATIONS["gateway, three clusters"], "vxlan", {WEST, NORTH}),
        (Situation(**IPSEC), "libreswan", {WEST, NORTH}),
        (None, "vxlan", {NORTH}),
        (None, "libreswan", {WEST}),
    ],
    ids=["VXLAN", "IPsec", "VXLAN of both", "IPsec of both"],
)
def test_what_no_map_finds_comes_from_the_sources_of_some_cable_of_its_driver(
    situation: Situation | None, driver: str, clusters: set[ClusterId]
) -> None:
    """A packet that is on its way when rules are written anew: their maps are empty then."""
    if situation is None:
        paths, table = both_drivers()
    else:
        decision = decide(situation.for_gateway())
        paths, (table,) = [standing.path for standing in decision.cables], decision.state.tables
    assert isinstance(table, NftTable)
    assert chain(table, f"any_{driver}").rules == (
        f"ip saddr != @any_{driver}_4 drop",
        f"ip6 saddr != @any_{driver}_6 drop",
        "goto to_local",
    )
    paths = [path for path in paths if path.driver == driver]
    assert {path.endpoint.cluster for path in paths} == clusters
    for family in (4, 6):
        known = [elements(table)[f"{gateway_firewall.received_chain(path)}_{family}"] for path in paths]
        kind = f"ipv{family}_addr"
        assert canonical(kind, ("interval",), frozenset().union(*known)) == canonical(
            kind, ("interval",), elements(table)[f"any_{driver}_{family}"]
        )
