"""Networks: from found to advertised, routed or refused, and why."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from mcnet.model.cluster import Cluster, ClusterId, Requested
from mcnet.plan.cluster_view import Picture
from mcnet.plan.views.networks import rows
from tests.fakes.pictures import changed, clusterset

PICTURE = clusterset({"east": 1, "west": 1})
VIEW = PICTURE.members[0]
EAST = VIEW.cluster


def states(picture: Picture) -> dict[tuple[str, str], str]:
    return {(one["networkOf"], one["prefix"]): one["state"] for one in rows(picture) if one["cluster"] == "east"}


def row(picture: Picture, prefix: str) -> dict[str, Any]:
    (found,) = [one for one in rows(picture) if (one["cluster"], one["prefix"]) == ("east", prefix)]
    return found


def record(*, pods: tuple[str, ...] = ("10.0.0.0/16",), services: tuple[str, ...] = ("10.100.0.0/16",)) -> Picture:
    """East's approved prefixes, as the broker has them."""
    east = Cluster(EAST, tuple(map(ip_network, pods)), tuple(map(ip_network, services)))  # type: ignore[arg-type]
    return changed(PICTURE, clusters=(east, VIEW.clusters[1]))


def test_all_is_well() -> None:
    assert states(PICTURE) == {
        ("east", "10.0.0.0/16"): "advertised",
        ("east", "10.100.0.0/16"): "advertised",
        ("west", "10.1.0.0/16"): "routed",
        ("west", "10.101.0.0/16"): "routed",
    }
    assert not any(one["why"] or one["note"] for one in rows(PICTURE))
    found = row(PICTURE, "10.0.0.0/16")
    assert [found[key] for key in ("found", "requested", "approved", "advertised")] == [True] * 4
    assert [found[key] for key in ("cni", "kubeProxyMode", "distribution", "family", "kind")] == [
        "calico", "iptables", "k3s", 4, "pods",
    ]  # fmt: skip


def with_pods(*prefixes: str, requested: bool = True) -> Picture:
    """East has found further pod prefixes, and perhaps asks for them."""
    more = tuple(map(ip_network, prefixes))
    member = replace(VIEW.member, pod_prefixes=VIEW.member.pod_prefixes + more)
    asked = {**VIEW.requests, EAST: Requested(member.pod_prefixes, member.service_prefixes)} if requested else {}
    return changed(PICTURE, member=member, requests=asked)


@pytest.mark.parametrize(("requested", "state"), [(False, "found"), (True, "requested")])
def test_not_approved_yet(requested: bool, state: str) -> None:
    found = row(with_pods("10.50.0.0/16", requested=requested), "10.50.0.0/16")
    assert (found["state"], found["next"]) == (state, "mcnet member approve east, by the broker's admin")


def test_pods_that_overlap_are_refused() -> None:
    found = row(with_pods("10.1.4.0/24"), "10.1.4.0/24")
    assert (found["state"], found["approved"]) == ("refused", False)
    assert found["why"] == "10.1.4.0/24 overlaps 10.1.0.0/16 of cluster west: the others can't reach these pods"


def test_services_that_overlap_are_only_not_advertised() -> None:
    member = replace(VIEW.member, service_prefixes=(ip_network("10.101.0.0/24"),))
    found = row(changed(PICTURE, member=member), "10.101.0.0/24")
    assert (found["state"], found["why"]) == ("refused", "")
    assert "overlaps 10.101.0.0/16 of cluster west" in found["note"]


def test_approved_but_not_advertised() -> None:
    own = replace(VIEW.endpoints[0], prefixes=())
    found = row(changed(PICTURE, endpoints=(own, VIEW.endpoints[1])), "10.0.0.0/16")
    assert found["state"] == "approved"
    assert "no gateway advertises it" in found["why"]
    found = row(changed(PICTURE, endpoints=VIEW.endpoints[1:]), "10.0.0.0/16")
    assert "has no gateway that could advertise it" in found["why"]


def test_a_remote_prefix_that_was_not_approved_is_refused_with_the_planners_words() -> None:
    west = replace(VIEW.endpoints[1], prefixes=(*VIEW.endpoints[1].prefixes, ip_network("10.66.0.0/16")))
    found = row(changed(PICTURE, endpoints=(VIEW.endpoints[0], west)), "10.66.0.0/16")
    assert (found["networkOf"], found["state"], found["kind"]) == ("west", "refused", "advertised")
    assert found["why"].endswith("is outside what cluster west is approved for: not routed")


def test_a_remote_prefix_that_overlaps() -> None:
    west = Cluster(ClusterId("west"), (ip_network("10.0.8.0/24"),), ())
    end = replace(VIEW.endpoints[1], prefixes=west.prefixes)
    picture = changed(PICTURE, clusters=(VIEW.clusters[0], west), endpoints=(VIEW.endpoints[0], end))
    found = row(picture, "10.0.8.0/24")
    assert found["state"] == "refused"
    assert found["why"] == "10.0.8.0/24 of cluster west overlaps 10.0.0.0/16 of cluster east: not routed"


def test_another_family_is_not_used_and_no_alarm() -> None:
    west = replace(VIEW.clusters[1], pod_prefixes=(*VIEW.clusters[1].pod_prefixes, ip_network("fd01::/48")))
    found = row(changed(PICTURE, clusters=(VIEW.clusters[0], west)), "fd01::/48")
    assert (found["state"], found["family"], found["why"]) == ("not used", 6, "")
    assert found["note"] == "the pods of east have no IPv6 addresses"


def test_what_is_refused_as_a_whole_is_a_row_too() -> None:
    stranger = replace(VIEW.endpoints[1], cluster=ClusterId("stranger"))
    picture = changed(PICTURE, endpoints=(*VIEW.endpoints, stranger))
    (found,) = [one for one in rows(picture) if one["cluster"] == "east" and not one["prefix"]]
    assert (found["state"], found["prefix"]) == ("refused", "")
    assert "stranger has gateways but is not a member" in found["why"]


def test_a_prefix_that_the_member_does_not_name_is_noted() -> None:
    picture = changed(PICTURE, member=replace(VIEW.member, service_prefixes=()))
    assert "does not name it" in row(picture, "10.100.0.0/16")["note"]


def test_a_record_without_anything_approved() -> None:
    found = row(record(pods=()), "10.0.0.0/16")
    assert (found["state"], found["approved"]) == ("advertised", False)
    assert found["why"]
