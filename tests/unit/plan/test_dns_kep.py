"""KEP-1645's "Kubernetes DNS-Based Multicluster Service Discovery", schema 1.0.0: a test for each of its sentences.

The numbers are its sections'. docs/dns.md has the table.
"""

import pytest

from mcnet.model.dns import Type
from mcnet.plan.dns_answer import SCHEMA_TTL
from mcnet.plan.dns_zone import TTL
from tests.fakes.dns_zones import ask, said, zone_of
from tests.fakes.imports import HTTP, endpoint, headless_object, import_object, slice_object

METRICS = {"name": "metrics", "protocol": "TCP", "port": 9090}
WEB = import_object("web", "shop", ips=["10.42.42.42", "2001:db8::1"], ports=[HTTP, METRICS])
WEB_WEST = slice_object("web-w", "shop", "web", "west", [endpoint("10.9.0.1", hostname="a")])
DB = headless_object("db", "shop")
DB_WEST = slice_object(
    "db-w", "shop", "db", "west", [endpoint("10.9.0.1", hostname="db-0"), endpoint("10.9.0.2", hostname="db-1")],
    ports=[HTTP, METRICS],
)  # fmt: skip
DB_WEST6 = slice_object(
    "db-w6", "shop", "db", "west", [endpoint("fd09::1", hostname="db-0")], ports=[HTTP, METRICS], family=6
)
DB_EAST = slice_object(
    "db-e", "shop", "db", "east", [endpoint("10.8.0.1", hostname="db-0"), endpoint("10.8.0.2", ready=False)],
    ports=[HTTP, METRICS],
)  # fmt: skip
ZONE = zone_of(WEB, WEB_WEST, DB, DB_WEST, DB_WEST6, DB_EAST)


def test_2_2_a_txt_record_has_the_version_of_the_schema() -> None:
    assert said(ZONE, "dns-version", Type.TXT) == ["1.0.0"]
    assert ask(ZONE, "dns-version", Type.TXT).answers[0].ttl == SCHEMA_TTL == 28800


def test_2_1_the_zone_is_clusterset_local() -> None:
    assert said(ZONE, "web.shop.svc.cluster.local.") == "REFUSED"


def test_2_1_a_hostname_of_the_endpoint_comes_before_any_other_identifier() -> None:
    assert said(ZONE, "db-0.west.db.shop.svc") == ["10.9.0.1"]
    assert said(ZONE, "10-9-0-1.west.db.shop.svc") == "NXDOMAIN"


def test_2_1_without_hostname_the_endpoint_has_a_unique_identifier() -> None:
    endpoints = [endpoint("10.9.0.1"), endpoint("10.9.0.2")]
    zone = zone_of(DB, slice_object("x", "shop", "db", "west", endpoints))
    assert said(zone, "_http._tcp.db.shop.svc", Type.SRV) == [
        "80 10-9-0-1.west.db.shop.svc",
        "80 10-9-0-2.west.db.shop.svc",
    ]
    assert said(zone, "10-9-0-2.west.db.shop.svc") == ["10.9.0.2"]


def test_2_3_1_an_ipv4_clusterset_ip_is_an_a_record() -> None:
    assert said(ZONE, "web.shop.svc") == ["10.42.42.42"]
    assert ask(ZONE, "web.shop.svc").answers[0].ttl == TTL


def test_2_3_1_an_ipv6_clusterset_ip_is_an_aaaa_record() -> None:
    assert said(ZONE, "web.shop.svc", Type.AAAA) == ["2001:db8::1"]


def test_2_3_1_a_service_of_one_family_has_no_record_of_the_other() -> None:
    zone = zone_of(import_object("web", "shop", ips=["2001:db8::1"]))
    assert said(zone, "web.shop.svc") == "NODATA"


def test_2_3_2_each_named_port_is_an_srv_record() -> None:
    assert said(ZONE, "_http._tcp.web.shop.svc", Type.SRV) == ["80 web.shop.svc"]
    assert said(ZONE, "_metrics._tcp.web.shop.svc", Type.SRV) == ["9090 web.shop.svc"]


def test_2_3_2_unnamed_ports_have_no_srv_record() -> None:
    zone = zone_of(import_object("web", "shop", ips=["10.42.42.42"], ports=[{"port": 80}]))
    assert said(zone, "web.shop.svc", Type.SRV) == "NODATA"
    assert said(zone, "_._tcp.web.shop.svc", Type.SRV) == "NXDOMAIN"
    assert said(zone, "_tcp.web.shop.svc", Type.SRV) == "NXDOMAIN"


def test_2_3_2_the_additional_section_has_the_addresses() -> None:
    answer = ask(ZONE, "_http._tcp.web.shop.svc", Type.SRV)
    assert [str(one.data) for one in answer.additional] == ["10.42.42.42", "2001:db8::1"]


def test_2_3_3_a_clusterset_ip_has_a_ptr_record() -> None:
    assert said(ZONE, "42.42.42.10.in-addr.arpa.", Type.PTR) == ["web.shop.svc"]
    nibbles = ".".join("1" + "0" * 23 + "8bd01002")
    assert said(ZONE, f"{nibbles}.ip6.arpa.", Type.PTR) == ["web.shop.svc"]


def test_2_3_4_no_record_leads_to_a_single_cluster() -> None:
    for kind in (Type.A, Type.AAAA, Type.SRV):
        assert said(ZONE, "west.web.shop.svc", kind) == "NXDOMAIN"
    assert said(ZONE, "a.west.web.shop.svc") == "NXDOMAIN"


def test_2_4_1_each_ready_endpoint_of_all_clusters_is_an_a_record() -> None:
    assert said(ZONE, "db.shop.svc") == ["10.8.0.1", "10.9.0.1", "10.9.0.2"]


def test_2_4_1_each_ready_endpoint_with_an_ipv6_address_is_an_aaaa_record() -> None:
    assert said(ZONE, "db.shop.svc", Type.AAAA) == ["fd09::1"]


def test_2_4_1_each_hostname_of_each_cluster_has_its_records() -> None:
    assert said(ZONE, "db-0.east.db.shop.svc") == ["10.8.0.1"]
    assert said(ZONE, "db-0.west.db.shop.svc") == ["10.9.0.1"]
    assert said(ZONE, "db-0.west.db.shop.svc", Type.AAAA) == ["fd09::1"]


def test_2_4_1_several_addresses_of_one_hostname_are_several_records() -> None:
    two = slice_object("x", "shop", "db", "west", [endpoint("10.9.0.1", "10.9.0.7", hostname="db-0")])
    other = slice_object("y", "shop", "db", "west", [endpoint("10.9.0.9", hostname="db-0")])
    assert said(zone_of(DB, two, other), "db-0.west.db.shop.svc") == ["10.9.0.1", "10.9.0.7", "10.9.0.9"]


@pytest.mark.parametrize("endpoints", [[], [endpoint("10.9.0.1", hostname="db-0", ready=False)]])
@pytest.mark.parametrize("kind", [Type.A, Type.AAAA, Type.SRV])
def test_2_4_1_without_ready_endpoints_there_is_no_such_name(endpoints: list[dict[str, object]], kind: Type) -> None:
    zone = zone_of(DB, slice_object("x", "shop", "db", "west", endpoints))
    for name in ("db.shop.svc", "_http._tcp.db.shop.svc", "db-0.west.db.shop.svc"):
        assert said(zone, name, kind) == "NXDOMAIN"


def test_2_4_2_n_endpoints_and_m_named_ports_are_n_times_m_srv_records() -> None:
    hosts = ["db-0.east.db.shop.svc", "db-0.west.db.shop.svc", "db-1.west.db.shop.svc"]
    assert said(ZONE, "_http._tcp.db.shop.svc", Type.SRV) == [f"80 {host}" for host in hosts]
    assert said(ZONE, "_metrics._tcp.db.shop.svc", Type.SRV) == [f"9090 {host}" for host in hosts]


def test_2_4_2_unnamed_ports_have_no_srv_record() -> None:
    ports = [{"port": 80, "protocol": "TCP"}]
    zone = zone_of(DB, slice_object("x", "shop", "db", "west", [endpoint("10.9.0.1")], ports=ports))
    assert said(zone, "_tcp.db.shop.svc", Type.SRV) == "NXDOMAIN"
    assert said(zone, "db.shop.svc") == ["10.9.0.1"]


def test_2_4_2_the_additional_section_has_the_addresses() -> None:
    answer = ask(ZONE, "_http._tcp.db.shop.svc", Type.SRV)
    assert {str(one.data) for one in answer.additional} == {"10.8.0.1", "10.9.0.1", "10.9.0.2", "fd09::1"}


def test_2_4_3_a_ready_endpoint_has_a_ptr_record() -> None:
    assert said(ZONE, "1.0.8.10.in-addr.arpa.", Type.PTR) == ["db-0.east.db.shop.svc"]
    assert said(ZONE, "2.0.8.10.in-addr.arpa.", Type.PTR) == "REFUSED"


def test_2_4_4_no_record_leads_to_a_single_cluster() -> None:
    """The name has no records, but others are below it: it must not be said not to be there (RFC 8020)."""
    for kind in (Type.A, Type.AAAA, Type.SRV, Type.ANY):
        assert said(ZONE, "west.db.shop.svc", kind) == "NODATA"
    assert said(ZONE, "north.db.shop.svc") == "NXDOMAIN"
    assert said(ZONE, "_http._tcp.west.db.shop.svc", Type.SRV) == "NXDOMAIN"
