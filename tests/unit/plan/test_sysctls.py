"""Sysctls of our own devices: cables are looked at by our table, not by the kernel's reverse-path look-up."""

import pytest

from mcnet.model.kernel import Sysctl
from mcnet.model.ownership import CABLE_DEVICES
from mcnet.plan.sysctls import DEVICE_PATHS, named_paths, wanted

CV, VX = "ipv4/conf/mcnet-cv", "ipv4/conf/mcnet-vx"


def held(everywhere: str, *devices: str) -> set[Sysctl]:
    return set(wanted(node_uid="u", families=(4,), devices=devices, originals={}, everywhere=everywhere))


@pytest.mark.parametrize("everywhere", ["1", "2", ""])
def test_where_the_node_checks_reverse_paths_a_cable_is_checked_loosely(everywhere: str) -> None:
    """The kernel takes the larger of `all` and the device's value: 0 would be strict where `all` is 1."""
    assert held(everywhere, "mcnet-cv", "eth0") == {Sysctl(f"{CV}/rp_filter", "2"), Sysctl(f"{CV}/accept_local", "0")}


def test_where_it_checks_none_a_cable_does_without() -> None:
    assert held("0", "mcnet-cv") == {Sysctl(f"{CV}/rp_filter", "0"), Sysctl(f"{CV}/accept_local", "1")}


@pytest.mark.parametrize("everywhere", ["0", "1"])
def test_the_overlay_is_checked_loosely_always(everywhere: str) -> None:
    assert held(everywhere, "mcnet-vx") == {Sysctl(f"{VX}/rp_filter", "2")}


def test_all_that_is_held_of_devices_is_looked_at() -> None:
    found = held("0", "mcnet-vx", *CABLE_DEVICES)
    assert {sysctl.path for sysctl in found} == DEVICE_PATHS


def test_libreswan_cables_are_held_and_looked_at_as_the_others() -> None:
    devices = ("ipsec1811939330", "ipsec1", "mcnet-cv", "eth0")
    path = "ipv4/conf/ipsec1811939330"
    assert named_paths(devices) == {f"{path}/rp_filter", f"{path}/accept_local"}
    assert held("0", *devices) - held("0", "mcnet-cv") == {
        Sysctl(f"{path}/rp_filter", "0"),
        Sysctl(f"{path}/accept_local", "1"),
    }


def test_devices_that_are_not_there_have_none() -> None:
    assert held("0") == set()
