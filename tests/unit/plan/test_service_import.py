"""What an importing cluster believes, and what it makes of it."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from mcnet.model.service import MergedService, Port, ServiceEndpoint, ServiceSlice, ServiceType
from mcnet.plan.service_import import Imported, imported, is_believable
from mcnet.plan.service_merge import merge
from tests.fakes.services import EAST, HTTP, NORTH, WEST, exported, importer, sliced

DNS = Port("dns", "UDP", 53)


def merged_of(*records: Any) -> MergedService:
    merged = merge(records)
    assert merged is not None
    return merged


def addresses(made: Imported) -> set[str]:
    return {str(one) for _, found in made.slices for end in found.endpoints for one in end.addresses}


def test_the_endpoints_of_all_clusters_are_there() -> None:
    merged = merged_of(exported(EAST), exported(WEST, 1))
    made = imported(importer(), merged, {EAST: [sliced(EAST, 1, 2)], WEST: [sliced(WEST, 1)]})
    assert addresses(made) == {"10.1.0.1", "10.1.0.2", "10.2.0.1"}
    assert (made.clusters, made.families, made.problems) == ((EAST, WEST), ("IPv4",), ())


def test_slices_without_an_export_are_not_imported() -> None:
    made = imported(importer(), merged_of(exported(EAST)), {EAST: [sliced(EAST, 1)], NORTH: [sliced(NORTH, 1)]})
    assert addresses(made) == {"10.1.0.1"}


def test_who_is_a_member() -> None:
    assert importer().members == {EAST, WEST, NORTH}
    assert replace(importer(), prefixes={EAST: ()}).members == {EAST, WEST}
    assert replace(importer(), prefixes={}).members == frozenset(), "not known yet"


BELIEVABLE = [
    ("10.1.0.1", True),
    ("10.2.0.1", False),
    ("fd00::1", True),
    ("fd01::1", False),
    ("127.0.0.1", False),
    ("::1", False),
    ("169.254.169.254", False),
    ("fe80::1", False),
    ("224.0.0.1", False),
    ("ff02::1", False),
    ("0.0.0.0", False),
    ("::", False),
    ("255.255.255.255", False),
    ("::ffff:10.1.0.1", False),
]


@pytest.mark.parametrize(("text", "believed"), BELIEVABLE)
def test_which_addresses_are_believed(text: str, believed: bool) -> None:
    prefixes = (ip_network("10.1.0.0/16"), ip_network("fd00::/64"))
    assert is_believable(ip_address(text), prefixes) == believed


@pytest.mark.parametrize("text", ["127.0.0.1", "169.254.169.254", "::", "fe80::1"])
def test_what_no_prefix_and_no_cluster_makes_believable(text: str) -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert not is_believable(ip_address(text), everything)
    assert not is_believable(ip_address(text), None)


def test_an_address_of_another_cluster_is_left_out_and_told() -> None:
    foreign = replace(sliced(EAST, 1), endpoints=(*sliced(EAST, 1).endpoints, *sliced(NORTH, 7).endpoints))
    made = imported(importer(), merged_of(exported(EAST)), {EAST: [foreign]})
    assert addresses(made) == {"10.1.0.1"}
    (problem,) = made.problems
    assert "east" in problem
    assert "10.3.0.7" in problem


def test_many_of_them_are_told_in_one_sentence() -> None:
    many = ServiceSlice("east.x", "IPv4", (HTTP,), tuple(ServiceEndpoint((ip_address(n + 1),)) for n in range(1000)))
    made = imported(importer(), merged_of(exported(EAST)), {EAST: [many]})
    (problem,) = made.problems
    assert problem.endswith("and 997 more")
    assert len(problem) < 200


def test_host_network_pods_of_the_own_cluster_are_its_own_affair() -> None:
    made = imported(importer(EAST), merged_of(exported(EAST)), {EAST: [sliced(NORTH, 7)]})
    assert addresses(made) == {"10.3.0.7"}


def test_a_lost_cluster_has_no_endpoints_but_still_its_export() -> None:
    merged = merged_of(exported(EAST), exported(NORTH))
    made = imported(
        importer(lost=frozenset({EAST})), merged, {EAST: [sliced(EAST, 1)], NORTH: [sliced(NORTH, 1)]}
    )  # fmt: skip
    assert addresses(made) == {"10.3.0.1"}
    assert made.clusters == (EAST, NORTH)


def test_preferring_the_own_cluster_looks_at_what_is_ready() -> None:
    merged = merged_of(exported(EAST, traffic="prefer-local"), exported(WEST, 1))
    there = {EAST: [sliced(EAST, 1)], WEST: [sliced(WEST, 1)]}
    assert addresses(imported(importer(), merged, there)) == {"10.2.0.1"}
    assert addresses(imported(importer(), merged, there | {WEST: [sliced(WEST, 1, ready=False)]})) == {
        "10.1.0.1",
        "10.2.0.1",
    }
    assert addresses(imported(importer(), merged, there, traffic="remote-only")) == {"10.1.0.1"}


def test_weights_leave_endpoints_out() -> None:
    merged = merged_of(exported(EAST, traffic="weights=east:80,west:20"), exported(WEST, 1))
    there = {EAST: [sliced(EAST, 1, 2, 3, 4)], WEST: [sliced(WEST, 1, 2, 3, 4)]}
    made = imported(importer(), merged, there)
    assert {cluster: len(found.endpoints) for cluster, found in made.slices} == {EAST: 4, WEST: 1}
    assert (made.clusters, made.problems) == ((EAST, WEST), ())
    made = imported(importer(), merged, {EAST: [sliced(EAST, 1)], WEST: [sliced(WEST, 1)]})
    assert addresses(made) == {"10.1.0.1", "10.2.0.1"}
    assert "east 50% and not 80%" in made.problems[0]
    made = imported(importer(lost=frozenset({EAST})), merged, there)
    assert addresses(made) == {f"10.2.0.{last}" for last in (1, 2, 3, 4)}
    local = replace(merged, internal_traffic_policy="Local")
    assert addresses(imported(importer(), local, there)) == {f"10.2.0.{last}" for last in (1, 2, 3, 4)}


def test_weights_mean_nothing_for_a_headless_service() -> None:
    """The exporter is told of its own annotation, this cluster of that on its ServiceImport."""
    merged = merged_of(exported(EAST, type=ServiceType.HEADLESS, traffic="weights=west:1"))
    there = {EAST: [sliced(EAST, 1, 2)]}
    made = imported(importer(), merged, there)
    assert (addresses(made), made.problems) == ({"10.1.0.1", "10.1.0.2"}, ())
    made = imported(importer(), merged, there, traffic="weights=west:1,east:1")
    assert addresses(made) == {"10.1.0.1", "10.1.0.2"}
    assert made.problems == (
        "the weights of mcnet.dev/traffic mean nothing for a headless service: its name leads to all endpoints",
    )


def test_the_internal_policy_local_is_the_own_cluster() -> None:
    merged = merged_of(exported(EAST, internal_traffic_policy="Local"), exported(WEST, 1))
    there = {EAST: [sliced(EAST, 1)], WEST: [sliced(WEST, 1)]}
    assert addresses(imported(importer(), merged, there)) == {"10.2.0.1"}
    assert addresses(imported(importer(EAST), merged, there)) == {"10.1.0.1"}


def test_ports_have_the_names_of_the_derived_service() -> None:
    merged = merged_of(exported(EAST, 0), exported(WEST, 1, (Port("web", "TCP", 80), DNS)))
    west = sliced(WEST, 1, ports=(Port("web", "TCP", 8000), Port("dns", "UDP", 5353), Port("other", "TCP", 1)))
    made = imported(importer(), merged, {WEST: [west]})
    assert made.ports == (HTTP, DNS)
    ((_, found),) = made.slices
    assert [(port.name, port.port) for port in found.ports] == [("http", 8000), ("dns", 5353)]


def test_a_port_without_name_gets_one_where_there_are_several() -> None:
    merged = merged_of(exported(EAST, 0, (Port("", "TCP", 80),)), exported(WEST, 1, (DNS,)))
    made = imported(importer(), merged, {EAST: [sliced(EAST, 1, ports=(Port("", "TCP", 8080),))]})
    assert made.ports == (Port("tcp-80", "TCP", 80), DNS)
    ((_, found),) = made.slices
    assert found.ports == (Port("tcp-80", "TCP", 8080),)
    assert merged.ports[0].name == ""


def test_an_only_port_may_go_without() -> None:
    only = (Port("", "TCP", 80),)
    merged = merged_of(exported(EAST, 0, only), exported(WEST, 1, (Port("named", "TCP", 80),)))
    west = sliced(WEST, 1, ports=(Port("named", "TCP", 8080),))
    made = imported(importer(), merged, {WEST: [west]})
    assert made.ports == only
    assert made.slices[0][1].ports == (Port("", "TCP", 8080),)


def test_ports_of_a_headless_service_stay_as_they_are() -> None:
    headless = {"type": ServiceType.HEADLESS}
    merged = merged_of(exported(EAST, 0, **headless), exported(WEST, 1, (Port("web", "TCP", 80),), **headless))
    found = sliced(WEST, 1, ports=(Port("web", "TCP", 8000), Port("more", "TCP", 1)))
    made = imported(importer(), merged, {WEST: [found]})
    assert made.slices[0][1].ports == found.ports


def test_only_families_that_the_cluster_has() -> None:
    six = merged_of(exported(EAST, ip_families=("IPv6",)))
    both = merged_of(exported(EAST, ip_families=("IPv6", "IPv4")))
    assert imported(importer(), six, {}).families == ()
    assert imported(importer(), both, {}).families == ("IPv4",)
