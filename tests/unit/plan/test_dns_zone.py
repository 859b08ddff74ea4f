"""What names services bring: limits, Lighthouse's names, what is too long, who has which address."""

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.codec.dns import encode_name
from mcnet.codec.dns_objects import decode_import, decode_slice
from mcnet.model.dns import Srv, Type
from mcnet.plan.dns_zone import Options, Zone, service
from tests.fakes.dns_zones import said, zone_of
from tests.fakes.imports import HTTP, endpoint, headless_object, import_object, slice_object

DB = headless_object("db", "shop")


def hosts(cluster: str, count: int, *, family: int = 4) -> dict[str, Any]:
    address = "10.9.0.{}" if family == 4 else "fd09::{}"
    endpoints = [endpoint(address.format(number), hostname=f"{cluster}-{number}") for number in range(1, count + 1)]
    return slice_object(f"{cluster}-{family}", "shop", "db", cluster, endpoints, family=family)


def test_a_headless_answer_is_limited_and_takes_of_all_clusters_alike() -> None:
    zone = zone_of(DB, hosts("west", 50), hosts("east", 3), options=Options(hosts=10))
    targets = said(zone, "_http._tcp.db.shop.svc", Type.SRV)
    assert len(targets) == 10
    assert sum(".east." in target for target in targets) == 3


def test_a_and_aaaa_are_of_the_same_endpoints() -> None:
    zone = zone_of(DB, hosts("west", 50), hosts("west", 50, family=6), options=Options(hosts=10))
    four, six = said(zone, "db.shop.svc"), said(zone, "db.shop.svc", Type.AAAA)
    assert len(four) == 10
    assert {address.rpartition(".")[2] for address in four} == {address.rpartition(":")[2] for address in six}


def test_who_is_chosen_does_not_depend_on_the_order_of_slices() -> None:
    slices = [hosts("west", 50), hosts("east", 50), hosts("north", 50)]
    options = Options(hosts=10)
    one, other = zone_of(DB, *slices, options=options), zone_of(DB, *reversed(slices), options=options)
    assert one.services == other.services


def test_no_limit_is_all() -> None:
    assert len(said(zone_of(DB, hosts("west", 200), options=Options(hosts=0)), "db.shop.svc")) == 200
    assert len(said(zone_of(DB, hosts("west", 200)), "db.shop.svc")) == 100


def test_weights_share_a_hundred() -> None:
    for count, weight in ((1, 100), (4, 25), (100, 1), (150, 1)):
        zone = zone_of(DB, hosts("west", count), options=Options(hosts=0))
        records = zone.services["shop", "db"].names["_http", "_tcp"][Type.SRV]
        assert {one.data.weight for one in records if isinstance(one.data, Srv)} == {weight}


def test_a_clusterset_ip_that_is_still_to_come_is_no_missing_name() -> None:
    zone = zone_of(import_object("web", "shop", ips=[]))
    assert said(zone, "web.shop.svc") == "NODATA"
    assert said(zone, "_http._tcp.web.shop.svc", Type.SRV) == "NXDOMAIN"


def test_a_slice_without_import_is_nothing() -> None:
    assert said(zone_of(hosts("west", 1)), "db.shop.svc") == "NXDOMAIN"


def test_a_cluster_id_of_two_labels() -> None:
    zone = zone_of(DB, slice_object("x", "shop", "db", "west.set", [endpoint("10.9.0.1", hostname="db-0")]))
    assert said(zone, "db-0.west.set.db.shop.svc") == ["10.9.0.1"]
    assert said(zone, "set.db.shop.svc") == "NODATA"


LIGHTHOUSE = Options(cluster_names=True)


def test_lighthouses_names_of_a_headless_service() -> None:
    zone = zone_of(DB, hosts("west", 2), hosts("east", 1), options=LIGHTHOUSE)
    assert said(zone, "west.db.shop.svc") == ["10.9.0.1", "10.9.0.2"]
    assert said(zone, "west.db.shop.svc", Type.AAAA) == "NODATA"
    assert said(zone, "north.db.shop.svc") == "NXDOMAIN"
    assert said(zone, "_http._tcp.east.db.shop.svc", Type.SRV) == ["80 east-1.east.db.shop.svc"]
    assert said(zone, "east.db.shop.svc", Type.SRV) == ["80 east-1.east.db.shop.svc"]
    assert len(said(zone, "db.shop.svc", Type.SRV)) == 3


def test_lighthouses_names_of_a_service_with_a_clusterset_ip() -> None:
    west = slice_object("w", "shop", "web", "west", [endpoint("10.9.0.1")], ports=[{"name": "http", "port": 8080}])
    zone = zone_of(import_object("web", "shop", ips=["10.1.2.3"]), west, options=LIGHTHOUSE)
    assert said(zone, "web.shop.svc") == ["10.1.2.3"]
    assert said(zone, "west.web.shop.svc") == ["10.9.0.1"]
    assert said(zone, "_http._tcp.west.web.shop.svc", Type.SRV) == ["8080 west.web.shop.svc"]
    assert said(zone, "web.shop.svc", Type.SRV) == ["80 web.shop.svc"]


LONG = "x" * 63


def test_names_that_are_too_long_for_dns_are_left_out_and_named() -> None:
    imported = decode_import(headless_object(LONG, LONG))
    own = decode_slice(
        slice_object("x", LONG, LONG, LONG, [endpoint("10.9.0.1", hostname=LONG), endpoint("10.9.0.2")])
    )
    made = service(imported, [own], LIGHTHOUSE)
    assert any("is longer than names in DNS can be" in problem for problem in made.problems)
    assert len(made.names[()][Type.A]) == 2
    for name, records in made.names.items():
        for one in (record for each in records.values() for record in each):
            assert len(encode_name(one.name)) <= 255, name
            assert not isinstance(one.data, Srv) or len(encode_name(one.data.target)) <= 255
    assert all(len(encode_name(name)) <= 255 for _, name in made.reverse)


def test_an_address_that_several_claim_has_always_the_same_name() -> None:
    one, two = (import_object(name, "shop", ips=["10.1.2.3"]) for name in ("a", "b"))
    assert (
        zone_of(one, two).reverse
        == zone_of(two, one).reverse
        == {IPv4Address("10.1.2.3"): ("a", "shop", "svc", "clusterset", "local")}
    )
    left = zone_of(one, two).changed({("shop", "a"): None}, ["shop"])
    assert left.reverse[IPv4Address("10.1.2.3")][0] == "b"


def test_a_service_is_there_before_its_namespace_is_told_of() -> None:
    zone = zone_of(import_object("web", "shop", ips=["10.1.2.3"]), namespaces=[])
    assert (said(zone, "web.shop.svc"), said(zone, "shop.svc")) == (["10.1.2.3"], "NODATA")
    assert said(zone.changed({("shop", "web"): None}, []), "shop.svc") == "NXDOMAIN"


OBJECTS = [
    import_object("web", "shop", ips=["10.1.2.3"]), import_object("web", "other", ips=["10.1.2.4"], ports=[HTTP]),
    DB, import_object("x", "shop", ips=["10.1.2.3"]),
]  # fmt: skip


@given(st.lists(st.sets(st.integers(0, 3)), min_size=1, max_size=5))
def test_a_zone_that_was_changed_is_as_one_made_anew(steps: list[set[int]]) -> None:
    zone = Zone()
    every = zone_of(*OBJECTS, hosts("west", 2)).services
    for chosen in steps:
        names = {(OBJECTS[index]["metadata"]["namespace"], OBJECTS[index]["metadata"]["name"]) for index in chosen}
        zone = zone.changed({key: every[key] if key in names else None for key in every}, ["shop"])
    fresh = Zone().changed({key: every[key] for key in every if key in names}, ["shop"])
    assert zone == fresh


@pytest.mark.parametrize("ready", [True, None])
def test_what_says_nothing_of_being_ready_is(ready: bool | None) -> None:
    zone = zone_of(DB, slice_object("x", "shop", "db", "west", [endpoint("10.9.0.1", ready=ready)]))
    assert said(zone, "db.shop.svc") == ["10.9.0.1"]
