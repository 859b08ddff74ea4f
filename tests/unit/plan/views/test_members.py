"""Members: approved, asked for, alive or stale; and that each is named once whoever tells of it."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from mcnet.model.cluster import Cluster, ClusterId, Identity, Requested
from mcnet.model.gateway import CableState
from mcnet.plan.cluster_view import Picture
from mcnet.plan.views.known import brokers_of, known_members
from mcnet.plan.views.members import rows
from tests.fakes.pictures import NOW, changed, clusterset

PICTURE = clusterset({"east": 1, "west": 2})
EAST = ClusterId("east")


def row(picture: Picture, name: str = "east") -> dict[str, Any]:
    (found,) = [one for one in rows(picture) if one["cluster"] == name]
    return found


def silent(picture: Picture, minutes: float) -> Picture:
    """No cable is alive, and the broker has not heard of east for so long."""
    broker = replace(
        picture.brokers[0], renewals={**picture.brokers[0].renewals, EAST: NOW - timedelta(minutes=minutes)}
    )
    for at, view in enumerate(picture.members):
        reports = tuple(
            replace(one, cables=tuple(replace(cable, state=CableState.ERROR) for cable in one.cables))
            for one in view.gateways
        )
        picture = changed(picture, at, gateways=reports)
    return replace(picture, brokers=(broker,))


def asking(picture: Picture, *prefixes: str) -> Picture:
    networks = tuple(map(ip_network, prefixes))
    broker = picture.brokers[0]
    request = replace(broker.requests[EAST], pod_prefixes=broker.requests[EAST].pod_prefixes + networks)
    return replace(picture, brokers=(replace(broker, requests={**broker.requests, EAST: request}),))


def test_all_is_well() -> None:
    assert [one["cluster"] for one in rows(PICTURE)] == ["east", "west"]
    found = row(PICTURE, "west")
    assert found["state"] == "alive"
    assert found["podPrefixes"] == ["10.1.0.0/16"]
    assert found["servicePrefixes"] == ["10.101.0.0/16"]
    assert found["gateways"] == ["west-n1", "west-n2"]
    assert (found["version"], found["broker"], found["context"]) == ("0.1.0", "broker-admin", "west-admin")
    assert found["lastSeen"] == "2026-01-02T11:59:40+00:00"
    assert (found["pending"], found["refused"], found["why"], found["note"]) == ([], [], "", "")


def test_what_is_asked_for_is_to_be_approved_by_the_brokers_admin() -> None:
    found = row(asking(PICTURE, "10.77.0.0/16"))
    assert found["pending"] == ["10.77.0.0/16"]
    assert "10.77.0.0/16" in found["why"]
    assert found["next"] == "mcnet member approve east --context broker-admin"


def test_what_overlaps_can_not_be_approved_and_is_no_alarm() -> None:
    found = row(asking(PICTURE, "10.1.128.0/24"))
    assert (found["pending"], found["refused"], found["why"]) == ([], ["10.1.128.0/24"], "")


@pytest.mark.parametrize(("minutes", "state"), [(4.9, "alive"), (5.1, "stale"), (-3, "alive")])
def test_stale_after_five_minutes_without_a_cable(minutes: float, state: str) -> None:
    assert row(silent(PICTURE, minutes))["state"] == state


def test_a_stale_member_says_for_how_long_and_what_to_do() -> None:
    found = row(silent(PICTURE, 125))
    assert found["why"] == "the broker has not heard of it for 2h5m, and no cable to it is alive"
    assert found["next"].startswith("kubectl --context east-admin -n mcnet-system logs")
    elsewhere = silent(PICTURE, 125)
    found = row(replace(elsewhere, members=elsewhere.members[1:]))
    assert found["next"].endswith("mcnet member remove east --context broker-admin")


def test_a_living_cable_is_proof_of_life() -> None:
    picture = replace(PICTURE, brokers=silent(PICTURE, 125).brokers)
    found = row(picture)
    assert (found["state"], found["why"]) == ("alive", "")
    assert "has not heard of it for 2h5m" in found["note"]


def test_a_cable_whose_gateways_daemon_is_dead_proves_nothing() -> None:
    picture = replace(PICTURE, brokers=silent(PICTURE, 125).brokers)
    for at, view in enumerate(picture.members):
        picture = changed(picture, at, daemon_problems=dict.fromkeys(view.gateway_nodes, "it crashed"))
    assert row(picture)["state"] == "stale"


def test_never_heard_of() -> None:
    picture = silent(PICTURE, 0)
    broker = replace(picture.brokers[0], renewals={})
    found = row(replace(picture, brokers=(broker,)))
    assert (found["state"], found["lastSeen"]) == ("stale", "")
    assert "never" in found["why"]


def test_without_the_brokers_context_copies_tell() -> None:
    picture = replace(silent(PICTURE, 125), brokers=())
    only_west = replace(picture, members=picture.members[1:])
    assert [(one["cluster"], one["state"]) for one in rows(only_west)] == [("east", "unknown"), ("west", "alive")]
    assert not any(one["why"] for one in rows(only_west))


def test_two_clustersets_with_equal_names_are_two() -> None:
    key = Identity(bytes(32), bytes(32))
    other = Cluster(EAST, (), (), identity=key)
    foreign = replace(
        PICTURE.brokers[0], context="other", clusters=(other,), requests={EAST: Requested()}, renewals={}
    )
    both = replace(PICTURE, brokers=(*PICTURE.brokers, foreign))
    assert [known.cluster.id for known in known_members(both)] == ["east", "east", "west"]
    assert brokers_of(both, PICTURE.members[0]) == [PICTURE.brokers[0]]
