"""OpenShift's DNS operator: one entry of `spec.servers`."""

from ipaddress import ip_address
from typing import Any

import pytest

from mcnet.plan import openshift_dns

FOUR, SIX = ip_address("172.30.7.8"), ip_address("fd00::7")
THEIRS: dict[str, Any] = {
    "name": "foo-server",
    "zones": ["example.com"],
    "forwardPlugin": {"policy": "Random", "upstreams": ["1.1.1.1", "2.2.2.2:5353"]},
}


@pytest.mark.parametrize("servers", [[], [THEIRS], [THEIRS, {"name": "bar-server", "zones": ["b.c", "d.e"]}]])
def test_the_entry_is_added_and_taken_away(servers: list[dict[str, Any]]) -> None:
    made = openshift_dns.with_server(servers, FOUR)
    assert made.servers == (*servers, openshift_dns.entry(FOUR))
    assert openshift_dns.with_server(made.servers, FOUR) == made
    assert openshift_dns.without_server(made.servers) == tuple(servers)


def test_another_address_changes_the_entry_in_its_place() -> None:
    made = openshift_dns.with_server([openshift_dns.entry(FOUR), THEIRS], SIX)
    assert made.servers == (openshift_dns.entry(SIX), THEIRS)
    assert made.servers[0]["forwardPlugin"]["upstreams"] == ["[fd00::7]:53"]


def test_somebody_elses_entry_for_the_zone_is_left_alone() -> None:
    servers = [{"name": "lighthouse", "zones": ["clusterset.local"]}, {"name": "odd", "zones": None}]
    found = openshift_dns.with_server(servers, FOUR)
    assert found.servers == tuple(servers)
    assert "lighthouse" in found.why
