"""Answers beside the KEP's own sentences: no such name or no such records, what is refused, what is not known yet."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.dns import Query, encode_query, read
from mcnet.codec.dns_answer import TCP_LIMIT, encode
from mcnet.model.dns import ZONE, Ns, Question, Rcode, Soa, Type
from mcnet.plan.dns_answer import ELSEWHERE, SOA, answer, concern
from mcnet.plan.dns_zone import Options, Zone
from tests.fakes.dns_zones import ask, name_of, said, zone_of
from tests.fakes.imports import HTTP, endpoint, headless_object, import_object, slice_object

DNS = {"name": "dns", "protocol": "UDP", "port": 53}
DNS_TCP = {"name": "dns-tcp", "protocol": "TCP", "port": 53}
WEB = import_object("web", "shop", ips=["10.1.2.3"], ports=[HTTP, DNS])
DB = headless_object("db", "shop")
DB_WEST = slice_object("db-w", "shop", "db", "west", [endpoint("10.9.0.1", hostname="db-0")], ports=[HTTP])
TREE = zone_of(WEB, DB, DB_WEST, namespaces=["shop", "empty"])


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("", True), ("svc", True), ("dns-version", True), ("dns", True), ("ns.dns", True),
        ("shop.svc", True), ("empty.svc", True), ("nowhere.svc", False), ("pod", False), ("other", False),
        ("web.shop.svc", True), ("_http._tcp.web.shop.svc", True), ("_tcp.web.shop.svc", True),
        ("_udp.web.shop.svc", True), ("_sctp.web.shop.svc", False), ("_http._udp.web.shop.svc", False),
        ("_https._tcp.web.shop.svc", False), ("http.tcp.web.shop.svc", False), ("x._http._tcp.web.shop.svc", False),
        ("db.shop.svc", True), ("west.db.shop.svc", True), ("db-0.west.db.shop.svc", True),
        ("db-1.west.db.shop.svc", False), ("x.db-0.west.db.shop.svc", False), ("_tcp.db.shop.svc", True),
        ("nobody.shop.svc", False), ("web.empty.svc", False), ("web.shop.pod", False), ("a.b.c.d.e.f.svc", False),
        ("*.shop.svc", False), ("shop.svc.clusterset.local", False),
    ],
)  # fmt: skip
def test_w_13_a_name_is_there_if_it_or_one_below_it_has_records(name: str, there: bool) -> None:
    """Lighthouse says NXDOMAIN at the apex, `svc` and namespaces, has no SOA, and NOTIMP for types that it lacks."""
    found = ask(TREE, name, Type.TXT if name != "dns-version" else Type.A)
    assert (found.rcode, found.answers) == (Rcode.NOERROR if there else Rcode.NXDOMAIN, ())
    assert found.authority == (SOA,)
    assert found.authoritative


def test_the_soa_of_negative_answers_says_how_long_they_hold() -> None:
    """RFC 2308: the lesser of its TTL and its minimum."""
    assert isinstance(SOA.data, Soa)
    assert (SOA.name, SOA.ttl, SOA.data.minimum) == (ZONE, 5, 5)


def test_the_apex_has_soa_and_ns() -> None:
    assert ask(TREE, "", Type.SOA).answers == (SOA,)
    assert [one.data for one in ask(TREE, "", Type.NS).answers] == [Ns(("ns", "dns", *ZONE))]


@pytest.mark.parametrize("kind", [15, 64, 65, 257, 65000])
def test_other_types_have_no_records(kind: int) -> None:
    found = answer(TREE, Question(name_of("web.shop.svc"), kind))
    assert (found.rcode, found.authority) == (Rcode.NOERROR, (SOA,))


def test_any_gets_one_set_of_records() -> None:
    """RFC 8482."""
    assert said(TREE, "web.shop.svc", Type.ANY) == ["10.1.2.3"]
    assert ask(TREE, "", Type.ANY).rcode == Rcode.NOERROR
    assert len(ask(TREE, "", Type.ANY).answers) == 1


@pytest.mark.parametrize(
    ("name", "kind", "of_class"),
    [
        ("example.com.", Type.A, 1), (".", Type.NS, 1), ("local.", Type.A, 1), ("xclusterset.local.", Type.A, 1),
        ("web.shop.svc", Type.A, 3), ("web.shop.svc", Type.A, 255), ("", Type.AXFR, 1), ("", Type.IXFR, 1),
        ("3.2.1.11.in-addr.arpa.", Type.PTR, 1), ("in-addr.arpa.", Type.PTR, 1), ("ip6.arpa.", Type.PTR, 1),
        ("x.2.1.10.in-addr.arpa.", Type.PTR, 1), ("1.2.1.10.in-addr.arpa.", Type.SOA, 1),
        (".".join("g" * 32) + ".ip6.arpa.", Type.PTR, 1), (".".join("0" * 31) + ".ip6.arpa.", Type.PTR, 1),
        ("9.3.2.1.10.in-addr.arpa.", Type.PTR, 1), ("03.2.1.10.in-addr.arpa.", Type.PTR, 1),
    ],
)  # fmt: skip
def test_what_is_not_ours_is_refused(name: str, kind: int, of_class: int) -> None:
    found = answer(TREE, Question(name_of(name), kind, of_class))
    assert (found.rcode, found.authoritative, found.authority) == (Rcode.REFUSED, False, ())


def test_the_name_of_a_known_address_has_a_ptr_record_only() -> None:
    assert said(TREE, "3.2.1.10.in-addr.arpa.", Type.PTR) == ["web.shop.svc"]
    assert said(TREE, "3.2.1.10.in-addr.arpa.", Type.ANY) == ["web.shop.svc"]
    assert said(TREE, "3.2.1.10.in-addr.arpa.", Type.TXT) == "NODATA"


@pytest.mark.parametrize("name", ["", "web.shop.svc", "nobody.nowhere.svc", "dns-version", "3.2.1.10.in-addr.arpa."])
def test_w_16_nothing_is_denied_before_everything_is_known(name: str) -> None:
    """Lighthouse answers NXDOMAIN while it loads."""
    assert (ask(None, name).rcode, ask(None, name).authoritative) == (Rcode.SERVFAIL, False)
    assert said(None, "example.com.") == "REFUSED"


def test_w_19_asking_for_aaaa_changes_nothing_of_what_a_gets() -> None:
    """Answers are a function of zone and question; whoever sends them turns them for each question by itself."""
    before = ask(TREE, "web.shop.svc")
    assert said(TREE, "web.shop.svc", Type.AAAA) == "NODATA"
    assert ask(TREE, "web.shop.svc") == before


def test_w_20_a_zone_is_never_changed_in_place() -> None:
    before = dict(TREE.services)
    after = TREE.changed({("shop", "web"): None}, ["shop"])
    assert (TREE.services, said(TREE, "web.shop.svc")) == (before, ["10.1.2.3"])
    assert said(after, "web.shop.svc") == "NXDOMAIN"


def test_w_21_another_spec_of_the_import_is_served() -> None:
    empty = zone_of(import_object("web", "shop", ips=["10.1.2.3"], ports=[]))
    assert said(empty, "_http._tcp.web.shop.svc", Type.SRV) == "NXDOMAIN"
    changed = empty.changed(zone_of(import_object("web", "shop", ips=["10.1.2.9"])).services, ["shop"])
    assert said(changed, "_http._tcp.web.shop.svc", Type.SRV) == ["80 web.shop.svc"]
    assert said(changed, "web.shop.svc") == ["10.1.2.9"]
    assert said(changed, "9.2.1.10.in-addr.arpa.", Type.PTR) == ["web.shop.svc"]
    assert said(changed, "3.2.1.10.in-addr.arpa.", Type.PTR) == "REFUSED"


def test_w_22_a_slice_without_the_port_takes_none_from_the_others() -> None:
    east = slice_object("db-e", "shop", "db", "east", [endpoint("10.8.0.1", hostname="db-0")], ports=[DNS])
    zone = zone_of(DB, DB_WEST, east)
    assert said(zone, "_http._tcp.db.shop.svc", Type.SRV) == ["80 db-0.west.db.shop.svc"]
    assert said(zone, "_dns._udp.db.shop.svc", Type.SRV) == ["53 db-0.east.db.shop.svc"]


def test_w_23_a_hostname_in_two_slices_has_the_addresses_of_both() -> None:
    moved = slice_object("x", "shop", "db", "west", [endpoint("10.9.0.1", "10.9.0.8", hostname="db-0")])
    six = slice_object("y", "shop", "db", "west", [endpoint("fd09::1", hostname="db-0")], family=6)
    zone = zone_of(DB, DB_WEST, moved, six)
    assert said(zone, "db-0.west.db.shop.svc") == ["10.9.0.1", "10.9.0.8"]
    assert said(zone, "db-0.west.db.shop.svc", Type.AAAA) == ["fd09::1"]
    assert said(zone, "_http._tcp.db.shop.svc", Type.SRV) == ["80 db-0.west.db.shop.svc"]


@pytest.mark.parametrize("hostname", ["", "not a label", "-x", "x" * 64, "a.b", "ü"])
def test_w_24_the_target_of_an_endpoint_without_hostname_is_a_name(hostname: str) -> None:
    zone = zone_of(DB, slice_object("x", "shop", "db", "west", [endpoint("10.9.0.1", hostname=hostname)]))
    assert said(zone, "_http._tcp.db.shop.svc", Type.SRV) == ["80 10-9-0-1.west.db.shop.svc"]


def test_w_24_the_label_of_an_ipv6_address_has_all_its_digits() -> None:
    zone = zone_of(DB, slice_object("x", "shop", "db", "west", [endpoint("::1:2")], family=6))
    label = "0000-0000-0000-0000-0000-0000-0001-0002"
    assert said(zone, "_http._tcp.db.shop.svc", Type.SRV) == [f"80 {label}.west.db.shop.svc"]


def test_w_25_ipv6_addresses_are_aaaa_records() -> None:
    zone = zone_of(DB, slice_object("x", "shop", "db", "west", [endpoint("fd09::1", hostname="db-0")], family=6))
    assert said(zone, "db.shop.svc") == "NODATA"
    assert said(zone, "db.shop.svc", Type.AAAA) == ["fd09::1"]


@pytest.mark.parametrize(
    "port",
    [{}, {"name": None, "port": None, "protocol": None}, {"name": "x"}, {"port": 0}, {"port": 70000}, None, 5, "x",
     {"name": "x", "port": "80"}, {"name": "a b", "port": 80}, {"name": "x", "port": 80, "protocol": "QUIC"}],
)  # fmt: skip
def test_w_26_a_port_without_what_it_needs_costs_no_more_than_itself(port: dict[str, object]) -> None:
    zone = zone_of(DB, slice_object("x", "shop", "db", "west", [endpoint("10.9.0.1")], ports=[port, HTTP]))
    assert said(zone, "_http._tcp.db.shop.svc", Type.SRV) == ["80 10-9-0-1.west.db.shop.svc"]
    assert said(zone, "_x._tcp.db.shop.svc", Type.SRV) == "NXDOMAIN"
    imported = zone_of(import_object("web", "shop", ips=["10.1.2.3"], ports=[port, HTTP]))
    assert said(imported, "_http._tcp.web.shop.svc", Type.SRV) == ["80 web.shop.svc"]


def test_w_27_no_record_is_there_twice() -> None:
    zone = zone_of(
        import_object("web", "shop", ips=["10.1.2.3"], ports=[DNS, DNS_TCP, DNS]),
        options=Options(cluster_names=True),
    )
    assert said(zone, "_dns._udp.web.shop.svc", Type.SRV) == ["53 web.shop.svc"]
    assert said(zone, "web.shop.svc", Type.SRV) == ["53 web.shop.svc"], "both ports have this number"


def test_the_bare_name_has_the_srv_records_of_all_ports() -> None:
    web = import_object("web", "shop", ips=["10.1.2.3"], ports=[HTTP, DNS])
    zone = zone_of(web, DB, slice_object("x", "shop", "db", "west", [endpoint("10.9.0.1", hostname="db-0")]))
    assert said(zone, "web.shop.svc", Type.SRV) == ["53 web.shop.svc", "80 web.shop.svc"]
    assert said(zone, "db.shop.svc", Type.SRV) == said(zone, "_http._tcp.db.shop.svc", Type.SRV)
    assert said(zone, "db.shop.svc", Type.SRV) == ["80 db-0.west.db.shop.svc"]
    assert [str(one.data) for one in ask(zone, "db.shop.svc", Type.SRV).additional] == ["10.9.0.1"]


def test_w_28_each_endpoint_stands_first_in_turn() -> None:
    endpoints = [endpoint(f"10.9.0.{number}") for number in range(1, 5)]
    zone = zone_of(DB, slice_object("x", "shop", "db", "west", endpoints))
    question = Question(name_of("db.shop.svc"), Type.A)
    query = read(encode_query(question))
    assert isinstance(query, Query)
    answers = {encode(query, answer(zone, question), TCP_LIMIT, turn) for turn in range(4)}
    assert len(answers) == 4


def test_w_18_the_metrics_know_types_and_outcomes_alone() -> None:
    from mcnet.dns.counts import Counts

    counts = Counts()
    for kind in range(1000):
        counts.tally(kind, Rcode.NOERROR)[0] += 1
    assert len(counts.queries) < 16
    assert sum(counts.queries.values()) == 1000


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("web.shop.svc", ("shop", "web")), ("db-0.west.db.shop.svc", ("shop", "db")), ("shop.svc", ("shop", "")),
        ("svc", ELSEWHERE), ("", ELSEWHERE), ("dns-version", ELSEWHERE), ("3.2.1.10.in-addr.arpa.", ELSEWHERE),
        ("x.y.pod", ELSEWHERE), (".", ELSEWHERE),
    ],
)  # fmt: skip
def test_whose_change_concerns_a_name(name: str, key: tuple[str, str]) -> None:
    assert concern(name_of(name)) == key


LABELS = st.sampled_from(
    ["web", "db", "shop", "svc", "west", "db-0", "_http", "_tcp", "clusterset", "local", "x", "empty"]
)
SOME = [WEB, DB, DB_WEST, import_object("x", "shop", ips=["10.1.2.8"]), headless_object("web", "empty")]


@given(
    st.lists(LABELS, max_size=6), st.sampled_from(list(Type)), st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4))
)
def test_only_a_change_of_what_it_concerns_changes_an_answer(
    labels: list[str], kind: Type, before: set[int], after: set[int]
) -> None:
    """What the server's cache of answers rests on."""
    first, second = (zone_of(*(SOME[index] for index in chosen)) for chosen in (before, after))
    question = Question((*labels, *ZONE), kind)
    namespace, service = concern(question.name)
    same = first.services.get((namespace, service)) == second.services.get((namespace, service))
    if same and (namespace in first.namespaces) == (namespace in second.namespaces):
        assert answer(first, question) == answer(second, question)


@given(st.lists(LABELS, max_size=6))
def test_below_a_name_that_is_not_there_is_nothing(labels: list[str]) -> None:
    """RFC 8020."""
    name = (*labels, *ZONE)
    found = answer(TREE, Question(name, Type.A))
    if found.rcode == Rcode.NXDOMAIN:
        assert answer(TREE, Question(("web", *name), Type.A)).rcode == Rcode.NXDOMAIN


def test_an_empty_zone_denies() -> None:
    assert said(Zone(), "web.shop.svc") == "NXDOMAIN"
    assert said(Zone().changed({}, ["shop"]), "shop.svc") == "NODATA"
    assert IPv4Address("10.1.2.3") in TREE.reverse
