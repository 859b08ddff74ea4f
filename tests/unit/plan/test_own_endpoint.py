"""What a gateway says of itself, and when it says it anew."""

from dataclasses import replace
from ipaddress import IPv6Address, ip_address, ip_interface

from mcnet.codec.nat_discovery import Place
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import HostFacts, HostLink
from mcnet.plan.outer_address import outer_family
from mcnet.plan.own_endpoint import must_publish, next_sequence, wanted
from tests.fakes.worlds import DUAL_MEMBER, EAST_PREFIXES, MEMBER, host, node, prefixes

ADVERTISED = prefixes(*EAST_PREFIXES)


def test_addresses_and_mtu_are_the_default_routes() -> None:
    made = wanted(
        member=MEMBER, node=node(1), rail=2, advertised=ADVERTISED, host=host(underlay_mtu=1400), published=None
    )
    assert (made.name, made.rail, made.mtu) == ("east.n1", 2, 1400)
    assert made.private_addresses == (ip_address("192.168.1.1"),)
    assert made.cable_address6 is None
    assert must_publish(made, None)


def test_a_gateway_that_lost_one_familys_default_route_offers_the_other() -> None:
    both = replace(host(), default_device6="wan0", private6=IPv6Address("fd01::1"))
    before = wanted(member=DUAL_MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=both, published=None)
    assert before.private_addresses == (ip_address("192.168.1.1"), ip_address("fd01::1"))
    assert before.cable_address6 is not None
    lost = replace(both, default_device4=None, private4=None)
    after = wanted(member=DUAL_MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=lost, published=before)
    assert after.private_addresses == (ip_address("fd01::1"),)
    # Its peers, which have both, turn to IPv6 as well.
    assert outer_family(before, before) == 4
    assert outer_family(before, after) == outer_family(after, before) == 6


def test_the_mtu_is_that_of_the_narrowest_device_that_carries_cables() -> None:
    links = (
        HostLink("wan0", 1500, True, frozenset({ip_interface("192.168.1.1/30")})),
        HostLink("wan6", 1400, True, frozenset({ip_interface("fd01::1/64")})),
    )
    facts = replace(host(), links=frozenset(links), private6=IPv6Address("fd01::1"))
    made = wanted(member=DUAL_MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=facts, published=None)
    assert made.mtu == 1400


def test_a_gateway_without_ipv6_in_its_kernel_offers_none() -> None:
    made = wanted(
        member=DUAL_MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=host(ipv6=False), published=None
    )
    assert (made.cable_address4 is None, made.cable_address6) == (False, None)


def test_a_gateway_that_drains_says_so_and_keeps_all_else() -> None:
    usual = wanted(member=MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=host(), published=None)
    assert usual.weight == 100
    for marked, weight in (
        (replace(node(1), weight=30), 30),
        (replace(node(1), draining=True), 0),
        (replace(node(1), weight=30, draining=True), 0),
    ):
        made = wanted(member=MEMBER, node=marked, rail=0, advertised=ADVERTISED, host=host(), published=usual)
        assert made == replace(usual, weight=weight)
        assert must_publish(made, replace(usual, signature="c2ln"))


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
    assert not must_publish(base, published, last=5)
    assert must_publish(base, published, last=6), "an earlier one is back"


def test_the_sequence_only_rises() -> None:
    base = wanted(member=MEMBER, node=node(1), rail=0, advertised=ADVERTISED, host=host(), published=None)
    assert next_sequence(None, 1_800_000_000) == 1_800_000_000
    assert next_sequence(replace(base, sequence=7), 5) == 8
    assert next_sequence(replace(base, sequence=1_900_000_000), 1_800_000_000) == 1_900_000_001


PUBLIC, OTHER = ip_address("198.51.100.7"), ip_address("198.51.100.9")


def published(
    *, found: tuple = (), seen: dict[str, Place] | None = None, before: Endpoint | None = None, **given: object
) -> Endpoint:
    """What is published of a gateway that has found out, and is seen, so."""
    return wanted(
        member=replace(MEMBER, air_gapped=bool(given.pop("air_gapped", False))),
        node=replace(node(1), **given),  # type: ignore[arg-type]
        rail=0,
        advertised=ADVERTISED,
        host=host(),
        published=before,
        found=found,
        seen=seen or {},
    )


def test_a_restart_does_not_take_a_public_address_back() -> None:
    before = published(seen={"west.n1": Place(PUBLIC, 4490)})
    assert before.public_addresses == (PUBLIC,)
    assert published(before=before).public_addresses == (PUBLIC,), "nobody has been asked yet"
    seen = {"west.n1": Place(OTHER, 4490)}
    assert published(before=before, found=((),), seen=seen).public_addresses == (PUBLIC,), (
        "the source has yet to answer"
    )
    assert published(before=before, found=((OTHER,),), seen=seen).public_addresses == (OTHER,)
    assert published(before=before, seen=seen).public_addresses == (OTHER,)
    own = Place(host().private4, 4490)
    assert published(before=before, seen={"west.n1": own}).public_addresses == (), "nothing translates any more"


def test_the_kind_of_nat_is_kept_like_the_address() -> None:
    before = published(nat="symmetric")
    assert before.nat == "symmetric"
    assert published(before=before).nat == "symmetric"
    two = {"west.n1": Place(PUBLIC, 4490), "north.n1": Place(PUBLIC, 4490)}
    assert published(before=before, seen=two).nat == "eim"


def test_air_gapped_publishes_nothing_of_the_outside() -> None:
    before = published(seen={"west.n1": Place(PUBLIC, 4490)})
    assert published(before=before, seen={"west.n1": Place(PUBLIC, 4490)}, air_gapped=True).public_addresses == ()


def test_what_holds_for_one_gateway_goes_before_the_clusters() -> None:
    made = published(port_base=4600, public_port_base=30000)
    assert (made.port_base, made.public_port_base) == (4600, 30000)
    assert published().port_base == MEMBER.port_base
