"""What a gateway says of itself, and when it says it anew."""

from dataclasses import replace
from ipaddress import ip_address

from mcnet.model.kernel import HostFacts
from mcnet.plan.own_endpoint import must_publish, next_sequence, wanted
from tests.fakes.worlds import EAST_PREFIXES, MEMBER, host, node, prefixes

ADVERTISED = prefixes(*EAST_PREFIXES)


def test_addresses_and_mtu_are_the_default_routes() -> None:
    made = wanted(
        member=MEMBER, node=node(1), rail=2, advertised=ADVERTISED, host=host(underlay_mtu=1400), published=None
    )
    assert (made.name, made.rail, made.mtu) == ("east.n1", 2, 1400)
    assert made.private_addresses == (ip_address("192.168.1.1"),)
    assert made.cable_address6 is None
    assert must_publish(made, None)


def test_the_user_s_limit_of_the_underlay_only_lowers() -> None:
    for limit, said in ((0, 1500), (1400, 1400), (9000, 1500)):
        member = replace(MEMBER, underlay_mtu=limit)
        made = wanted(member=member, node=node(1), rail=0, advertised=ADVERTISED, host=host(), published=None)
        assert made.mtu == said


def test_a_cut_link_does_not_unpublish_the_address() -> None:
    before = wanted(member=MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=host(), published=None)
    before = replace(before, sequence=5, signature="c2ln")
    cut = HostFacts(links=frozenset())
    after = wanted(member=MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=cut, published=before)
    assert after == before
    assert not must_publish(after, before)


def test_a_missing_cluster_object_does_not_unpublish_prefixes() -> None:
    first = wanted(member=MEMBER, node=node(1), rail=0, advertised=(), host=host(), published=None)
    assert first.prefixes == MEMBER.pod_prefixes
    before = wanted(member=MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=host(), published=first)
    assert before.prefixes == ADVERTISED
    after = wanted(member=MEMBER, node=node(1), rail=0, advertised=(), host=host(), published=before)
    assert after.prefixes == ADVERTISED


def test_an_annotated_address_goes_first() -> None:
    told = replace(node(1), private_address=ip_address("192.168.9.9"))
    made = wanted(member=MEMBER, node=told, rail=0, advertised=ADVERTISED, host=host(), published=None)
    assert made.private_addresses == (ip_address("192.168.9.9"),)


def test_any_difference_but_the_signature_is_published() -> None:
    base = wanted(member=MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=host(), published=None)
    published = replace(base, sequence=5, signature="c2ln")
    assert not must_publish(replace(base, sequence=5, signature=""), published)
    assert must_publish(replace(base, mtu=1400), published)
    assert must_publish(base, replace(published, signature=""))


def test_the_sequence_only_rises() -> None:
    base = wanted(member=MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=host(), published=None)
    assert next_sequence(None, 1_800_000_000) == 1_800_000_000
    assert next_sequence(replace(base, sequence=7), 5) == 8
    assert next_sequence(replace(base, sequence=1_900_000_000), 1_800_000_000) == 1_900_000_001
