"""Delivery by the CNI (`join --delivery cni`): by which devices remote packets come in, and their rp_filter.

A gateway hands packets from a cable to the CNI's own routes; the answers still leave by the overlay. So a node sees
remote sources come in by a device that it would not send to them by, which a strict rp_filter drops. The kernel
takes the larger of `all` and the device's own value (Documentation/networking/ip-sysctl.rst): 2 is loose. IPv6 has
no such sysctl. Which routes a gateway has is mcnet.plan.route_agent's.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from mcnet.model.kernel import HostFacts, Sysctl
from mcnet.model.node import Node

ALL: Final = "ipv4/conf/all/rp_filter"
_PREFIX: Final = "ipv4/conf/"
_SUFFIX: Final = "/rp_filter"
_STRICT: Final = 1
_TUNNELS: Final = (
    "cilium_vxlan", "cilium_geneve", "flannel.1", "flannel-v6.1", "vxlan.calico", "wireguard.cali", "tunl0",
    "weave", "kube-bridge", "antrea-gw0",
)  # fmt: skip
"""Devices by which CNIs take packets of other nodes in, for nodes whose routes don't show it."""


def incoming(host: HostFacts, me: Node, nodes: Iterable[Node]) -> frozenset[str]:
    """The devices by which packets of other nodes for this node's pods come in: those by which it reaches the
    others' pods, the one with the node's own address, and the tunnels of known CNIs."""
    pods = [prefix for node in nodes if node.name != me.name for prefix in node.pod_prefixes]
    by_route = {
        route.device
        for route in host.routes
        if any(route.prefix.version == pod.version and route.prefix.overlaps(pod) for pod in pods)
    }
    own = {link.name for link in host.links if any(address.ip in me.addresses for address in link.addresses)}
    there = {link.name for link in host.links if not link.name.startswith("mcnet-")}
    # Without other nodes' pods in the routes only names are left to go by.
    return frozenset((by_route | own | set(_TUNNELS)) & there)


def path(device: str) -> str:
    """The sysctl of a device."""
    return f"{_PREFIX}{device}{_SUFFIX}"


def is_noted(name: str) -> bool:
    """Whether the note `name` is the original of a device's reverse-path check."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def observed(devices: Iterable[str], noted: Iterable[str]) -> frozenset[str]:
    """The paths to be read: of the devices, those noted before, and the one for all."""
    return frozenset({ALL, *map(path, devices), *filter(is_noted, noted)})


def originals(
    *, wanted: Iterable[str], noted: Mapping[str, str], live: Mapping[str, str], accepting: bool
) -> dict[str, str]:
    """What to remember: per device that is strict now or was before us. Devices that are gone are forgotten, and
    so is what has been put back."""
    kept = {
        name: value
        for name, value in noted.items()
        if is_noted(name) and name in live and (accepting or live[name] != value)
    }
    if accepting:
        kept |= {
            name: live[name]
            for name in map(path, wanted)
            if name not in kept and name in live and _effective(live, name) == _STRICT
        }
    return kept


def sysctls(*, wanted: Iterable[str], originals: Mapping[str, str], accepting: bool) -> frozenset[Sysctl]:
    """Loose where packets come in; the original where they do no more."""
    loose = set(map(path, wanted)) if accepting else set()
    return frozenset(
        Sysctl(name, "2" if name in loose else value) for name, value in originals.items() if is_noted(name)
    )


def _effective(live: Mapping[str, str], name: str) -> int:
    values = [int(live[one]) for one in (ALL, name) if live.get(one, "").isdigit()]
    return max(values, default=0)
