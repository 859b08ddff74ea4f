"""Which sysctls a node needs, and what they were before: the one thing that has to be remembered.

The original values stand in our nft table (dies with a reboot, as the sysctls do) and in NodeState (survives a
flush of the table); the live value is read only while neither holds one, else our own value would be taken for
the original. Sources: Documentation/networking/ip-sysctl.rst.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping

from mcnet.model.kernel import Sysctl
from mcnet.model.ownership import CABLE_DEVICES, LIBRESWAN_DEVICE_PATTERN, OVERLAY_DEVICE
from mcnet.plan.delivery import path as rp_filter

FORWARD4 = "ipv4/ip_forward"
FORWARD6 = "ipv6/conf/all/forwarding"
HASH_POLICY4 = "ipv4/fib_multipath_hash_policy"
HASH_POLICY6 = "ipv6/fib_multipath_hash_policy"
HASH_SEED = "ipv4/fib_multipath_hash_seed"

GLOBAL_PATHS = frozenset({FORWARD4, FORWARD6, HASH_POLICY4, HASH_POLICY6, HASH_SEED})
"""All node-wide sysctls that mcnet may write; each is put back by leave."""
DEVICE_PATHS = frozenset(
    {rp_filter(device) for device in (OVERLAY_DEVICE, *CABLE_DEVICES)}
    | {f"ipv4/conf/{device}/accept_local" for device in CABLE_DEVICES}
)
"""Sysctls of our own devices: they come and go with the device, so there is nothing to restore. Those of
`named_paths` come on top."""


def named_paths(devices: Iterable[str]) -> frozenset[str]:
    """Likewise of those of `devices` that are Libreswan's cables, of which there may be any."""
    found = _libreswan(devices)
    return frozenset(path for device in found for path in (rp_filter(device), f"ipv4/conf/{device}/accept_local"))


def _libreswan(devices: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(device for device in devices if LIBRESWAN_DEVICE_PATTERN.fullmatch(device)))


def settled(live: Mapping[str, str], families: Collection[int]) -> dict[str, str]:
    """Live values that may be taken for originals; `families` are those in which the CNI has given the node an
    address.

    Without one the CNI has not started here: most CNIs switch forwarding on when they do. A 0 from before, put
    back by leave, would cut off the pods of a node that joined the cluster later than mcnet.
    """
    early = {path for family, path in ((4, FORWARD4), (6, FORWARD6)) if family not in families}
    return {path: value for path, value in live.items() if not (path in early and value == "0")}


def originals(
    noted: Mapping[str, str], reported: Mapping[str, str], live: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Original values by path, sorted: from the nft table's notes, else from NodeState, else as they are now."""
    known = {**{path: value for path, value in live.items() if path in GLOBAL_PATHS}, **reported, **noted}
    return tuple(sorted((path, value) for path, value in known.items() if path in GLOBAL_PATHS))


def wanted(
    *,
    node_uid: str,
    families: Collection[int],
    devices: Collection[str],
    originals: Mapping[str, str],
    everywhere: str = "",
) -> frozenset[Sysctl]:
    """Values to hold. Only paths with a known original (so: that exist) are written; `devices` that exist get
    loose reverse-path checks, because what comes from a cable or the overlay has its way back elsewhere.
    `everywhere` is the value for all devices (mcnet.plan.delivery.ALL), "" if that is not known."""
    values = {FORWARD4: "1", HASH_POLICY4: "1"}
    if 6 in families:
        values |= {FORWARD6: "1", HASH_POLICY6: "1"}
    if originals.get(HASH_SEED) == "0":
        values[HASH_SEED] = str(_seed(node_uid))
    result = {Sysctl(path, value) for path, value in values.items() if path in originals}
    if OVERLAY_DEVICE in devices:
        result.add(Sysctl(rp_filter(OVERLAY_DEVICE), "2"))
    for device in (*CABLE_DEVICES, *_libreswan(devices)):
        if device in devices:
            result |= _of_cable(device, unchecked=everywhere == "0")
    return frozenset(result)


def _of_cable(device: str, *, unchecked: bool) -> set[Sysctl]:
    """Where the node checks no reverse paths of its own accord, a cable does without the look-up for it: our table
    lets each cable bring its cluster's sources only (mcnet.plan.gateway_firewall), the node's own not among them.
    With policy rules the kernel looks up even where rp_filter is 0, unless local sources are accepted
    (fib_validate_source); it is one of two look-ups per packet."""
    return {
        Sysctl(rp_filter(device), "0" if unchecked else "2"),
        Sysctl(f"ipv4/conf/{device}/accept_local", "1" if unchecked else "0"),
    }


def _seed(node_uid: str) -> int:
    # Namespaces of one kernel share one secret and would choose alike at node and gateway; 0 means "unset".
    return int.from_bytes(hashlib.sha256(f"mcnet/seed/{node_uid}".encode()).digest()[:4]) or 1
