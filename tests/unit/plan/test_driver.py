"""The driver of a pair: what the clusterset says, or none."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.model.cluster import ClusterId, ClusterSet
from mcnet.model.endpoint import DriverOffer
from mcnet.plan.driver import agree, wanted
from tests.fakes.worlds import EAST, EAST_0, WEST, WEST_0

WIREGUARD, VXLAN = DriverOffer("wireguard", 1, (("publicKey", "x"),)), DriverOffer("vxlan")
PAIR = frozenset({EAST, WEST})


@pytest.mark.parametrize(
    ("options", "driver"),
    [
        (ClusterSet("wireguard"), "wireguard"),
        (ClusterSet("wireguard", drivers_for_pairs={PAIR: "vxlan"}), "vxlan"),
        (ClusterSet("wireguard", drivers_for_pairs={frozenset({EAST, ClusterId("north")}): "vxlan"}), "wireguard"),
    ],
)
def test_the_exception_of_the_pair_counts_before_the_default(options: ClusterSet, driver: str) -> None:
    assert wanted(options, EAST, WEST) == wanted(options, WEST, EAST) == driver


def test_both_have_to_offer_it() -> None:
    both = (WIREGUARD, VXLAN)
    own, remote = replace(EAST_0, drivers=both), replace(WEST_0, drivers=both)
    assert agree(ClusterSet("wireguard"), own, remote).own == WIREGUARD
    lacking = agree(ClusterSet("wireguard"), own, replace(remote, drivers=(VXLAN,)))
    assert (lacking.own, lacking.other) == (None, None)
    assert lacking.problem == (
        "east and west are to use the driver wireguard, which gateway n1 of west does not offer (it offers vxlan)"
    )
    none = agree(ClusterSet("wireguard"), replace(own, drivers=()), remote)
    assert none.problem.endswith("gateway n1 of east does not offer (it offers none)")


offers = st.lists(st.sampled_from((WIREGUARD, VXLAN, DriverOffer("libreswan"))), unique=True, max_size=3).map(tuple)
drivers = st.sampled_from(("wireguard", "vxlan", "libreswan"))


@given(drivers, st.none() | drivers, offers, offers)
def test_both_sides_agree_and_never_fall_back(
    default: str, exception: str | None, mine: tuple[DriverOffer, ...], theirs: tuple[DriverOffer, ...]
) -> None:
    options = ClusterSet(default, drivers_for_pairs={PAIR: exception} if exception else {})
    own, remote = replace(EAST_0, drivers=mine), replace(WEST_0, drivers=theirs)
    here, there = agree(options, own, remote), agree(options, remote, own)
    assert (here.driver, here.own, here.other) == (there.driver, there.other, there.own)
    assert bool(here.problem) == bool(there.problem) == (here.own is None)
    assert here.driver == (exception or default)
