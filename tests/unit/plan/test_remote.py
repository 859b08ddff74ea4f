"""Which prefixes of other clusters are routed here, and that one cluster's bad data leaves the others alone."""

from dataclasses import replace

from hypothesis import given

from mcnet.model.cluster import Cluster, ClusterId, cluster_number
from mcnet.plan.remote import accept
from tests.fakes.worlds import (
    CLUSTER_NORTH,
    CLUSTER_WEST,
    DUAL_MEMBER,
    EAST_0,
    MEMBER,
    NORTH,
    NORTH_0,
    WEST,
    WEST_0,
    WEST_1,
    Situation,
    endpoint,
    prefixes,
    situations,
)


def test_approved_and_said_is_routed() -> None:
    remotes = accept(MEMBER, [CLUSTER_WEST], [EAST_0, WEST_0])
    assert [(remote.cluster, remote.prefixes) for remote in remotes.clusters] == [
        (WEST, prefixes("10.20.0.0/16", "10.21.0.0/16"))
    ]
    assert not remotes.problems


def test_what_is_not_approved_is_refused_and_named() -> None:
    greedy = replace(WEST_0, prefixes=prefixes("10.20.0.0/16", "8.8.8.0/24"))
    remotes = accept(MEMBER, [CLUSTER_WEST, CLUSTER_NORTH], [greedy, NORTH_0])
    assert remotes.prefixes_of(4) == prefixes("10.30.0.0/16", "10.20.0.0/16")
    assert any("8.8.8.0/24" in problem and "west.n1" in problem for problem in remotes.problems)


def test_a_prefix_made_smaller_is_not_cut_off_until_the_endpoint_says_so_too() -> None:
    smaller = replace(CLUSTER_WEST, pod_prefixes=prefixes("10.20.0.0/17"))
    remotes = accept(MEMBER, [smaller], [EAST_0, WEST_0])
    assert remotes.prefixes_of(4) == prefixes("10.20.0.0/17", "10.21.0.0/16")
    assert any("10.20.0.0/16 of endpoint west.n1 is outside" in problem for problem in remotes.problems)


def test_a_prefix_made_wider_is_routed_once_as_soon_as_one_gateway_says_it() -> None:
    wider = replace(CLUSTER_WEST, pod_prefixes=prefixes("10.20.0.0/15"), service_prefixes=())
    first = replace(WEST_0, prefixes=prefixes("10.20.0.0/16"))
    assert accept(MEMBER, [wider], [EAST_0, first]).prefixes_of(4) == prefixes("10.20.0.0/16")
    second = replace(WEST_1, prefixes=prefixes("10.20.0.0/15"))
    both = accept(MEMBER, [wider], [EAST_0, first, second])
    assert both.prefixes_of(4) == prefixes("10.20.0.0/15")
    assert not both.problems


def test_overlap_with_own_prefixes_is_refused() -> None:
    cluster = Cluster(WEST, prefixes("10.10.128.0/17", "10.20.0.0/16"), ())
    said = endpoint(WEST, 0, address="192.168.2.1", routed=["10.10.128.0/17", "10.20.0.0/16"])
    remotes = accept(MEMBER, [cluster], [said])
    assert remotes.prefixes_of(4) == prefixes("10.20.0.0/16")
    assert any("overlaps 10.10.0.0/16 of cluster east" in problem for problem in remotes.problems)


def test_nested_own_prefixes_are_all_kept_free() -> None:
    member = replace(MEMBER, pod_prefixes=prefixes("10.1.0.0/16"), service_prefixes=prefixes("10.0.0.0/8"))
    cluster = Cluster(WEST, prefixes("10.0.0.0/16", "10.1.2.0/24", "10.200.0.0/16", "11.0.0.0/16"), ())
    assert accept(member, [cluster], []).prefixes_of(4) == prefixes("11.0.0.0/16")


def test_of_two_overlapping_remotes_the_first_by_id_keeps_its_prefix() -> None:
    thief = Cluster(NORTH, prefixes("10.20.0.0/16"), ())
    said = endpoint(NORTH, 0, address="192.168.3.1", routed=["10.20.0.0/16"])
    for order in ([CLUSTER_WEST, thief], [thief, CLUSTER_WEST]):
        remotes = accept(MEMBER, order, [WEST_0, said])
        kept = {remote.cluster: remote.prefixes for remote in remotes.clusters}
        assert kept == {NORTH: prefixes("10.20.0.0/16"), WEST: prefixes("10.21.0.0/16")}


def test_a_cluster_without_gateways_keeps_its_prefixes() -> None:
    (remote,) = accept(MEMBER, [CLUSTER_WEST], [EAST_0]).clusters
    assert (remote.endpoints, remote.prefixes) == ((), prefixes("10.20.0.0/16", "10.21.0.0/16"))


def test_a_newer_protocol_is_named_and_used_as_far_as_it_goes() -> None:
    newer = replace(WEST_0, protocol_version=2)
    remotes = accept(MEMBER, [CLUSTER_WEST], [replace(EAST_0, protocol_version=2), newer])
    assert remotes.endpoints == (newer,)
    (problem,) = remotes.problems
    assert "west.n1 speaks protocol version 2" in problem


def test_a_stranger_is_refused() -> None:
    remotes = accept(MEMBER, [], [WEST_0])
    assert remotes.clusters == ()
    assert any("west" in problem for problem in remotes.problems)


def test_families_follow_the_own_pods() -> None:
    said = endpoint(WEST, 0, address="192.168.2.1", routed=["10.20.0.0/16", "fd20::/48"])
    assert accept(MEMBER, [CLUSTER_WEST], [said]).prefixes_of(6) == ()
    assert accept(DUAL_MEMBER, [CLUSTER_WEST], [said]).prefixes_of(6) == prefixes("fd20::/48")


def test_of_two_gateways_on_one_rail_the_newer_counts() -> None:
    newer = replace(WEST_1, rail=0, sequence=7)
    remotes = accept(MEMBER, [CLUSTER_WEST], [WEST_0, newer])
    assert remotes.endpoints == (newer,)
    assert any("same rail 0" in problem for problem in remotes.problems)


def test_equal_numbers_are_never_mixed_up() -> None:
    twin = ClusterId("c3972911")  # found by search: the number is 21 bits of a hash of the ID
    assert cluster_number(twin) == cluster_number(MEMBER.cluster)
    remotes = accept(MEMBER, [Cluster(twin, prefixes("10.99.0.0/16"), ())], [])
    assert remotes.clusters == ()
    assert any("same number" in problem for problem in remotes.problems)


@given(situations())
def test_nothing_routed_ever_overlaps(situation: Situation) -> None:
    remotes = accept(situation.member, situation.clusters, situation.endpoints)
    own = (*situation.member.pod_prefixes, *situation.member.service_prefixes)
    routed = [(prefix, remote.cluster) for remote in remotes.clusters for prefix in remote.prefixes]
    for prefix, cluster in routed:
        assert not any(prefix.version == other.version and prefix.overlaps(other) for other in own)
        for other, other_cluster in routed:
            if cluster != other_cluster and prefix.version == other.version:
                assert not prefix.overlaps(other)
