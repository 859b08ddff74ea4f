"""A look at a node: what a throw-away pod there is asked to do, and what it saw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mcnet.model.kernel import Address, Network
from mcnet.model.ownership import DEFAULT_PORT_BASE, LIBRESWAN_DEVICE_PREFIX, WIREGUARD_DEVICE_PREFIX

_HIDING = {WIREGUARD_DEVICE_PREFIX: "wireguard", LIBRESWAN_DEVICE_PREFIX: "libreswan"}
"""By the beginning of a cable's device."""


class Tunnel(StrEnum):
    """Which of the two tunnels a path belongs to."""

    OVERLAY = "overlay"
    CABLE = "cable"


@dataclass(frozen=True, slots=True)
class Path:
    """A path to try: ICMP echo to `target` over `device` from `source`. Its packets travel from `outer_source` to
    `outer_target`, UDP `port`. `peer` is the other end: a node, or `CLUSTER.GATEWAY`."""

    tunnel: Tunnel
    peer: str
    device: str
    target: Address
    source: Address
    outer_source: Address
    outer_target: Address
    port: int
    back_port: int = 0
    """UDP port that the answers go to, 0 for the same."""

    @property
    def driver(self) -> str:
        """What its packets are on the way: "wireguard" and "libreswan" hide what is inside, "vxlan" does not."""
        return next((driver for prefix, driver in _HIDING.items() if self.device.startswith(prefix)), "vxlan")


@dataclass(frozen=True, slots=True)
class Order:
    """What a node is asked: paths to try, sysctls to read, ports that must be free or ours."""

    node: str
    paths: tuple[Path, ...] = ()
    sysctls: tuple[str, ...] = ()
    udp_ports: tuple[int, ...] = ()
    """To be held by the kernel's own tunnels."""
    tcp_ports: tuple[int, ...] = ()
    """To be held by our daemons."""
    gateway: bool = False
    cable_devices: tuple[str, ...] = ()
    """Our devices that its cables need."""
    port_base: int = DEFAULT_PORT_BASE
    peer_port_bases: tuple[int, ...] = ()
    """Of the gateways of other clusters."""
    families: tuple[int, ...] = ()
    """Of pods."""
    underlay: tuple[int, ...] = ()
    """Families of overlay and cables outside."""
    pods: tuple[Network, ...] = ()
    """This cluster's pod prefixes."""
    remote: tuple[Network, ...] = ()
    """The other clusters' prefixes."""
    drivers: tuple[str, ...] = ()
    """Of the cluster's cables."""
    delivery: str = "overlay"
    """How remote packets come to the node: Member.delivery."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How a path did: echoes sent and answered, and the largest IP packet (bytes) inside the tunnel that was
    answered, None if none was. `device_mtu` is what the device promises, 0 without the device; `refused` is what
    the node's own kernel said when it would not send ("" if it sent)."""

    tunnel: Tunnel
    peer: str
    sent: int
    answered: int
    device_mtu: int
    largest: int | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """Tunnel packets that passed the node's interfaces, before its firewall on the way in and after it on the way
    out; `requests` and `replies` count those that carry an ICMP echo. `fragment` is the length in bytes of the
    largest first fragment, 0 if none was fragmented."""

    outgoing: bool
    source: Address
    target: Address
    port: int
    packets: int = 0
    requests: int = 0
    replies: int = 0
    fragment: int = 0


@dataclass(frozen=True, slots=True)
class Missing:
    """A kernel feature that the node lacks (mcnet.kernel.features)."""

    name: str
    since: str
    required: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Device:
    """A network device of the node."""

    name: str
    mtu: int
    carrier: bool
    addresses: tuple[str, ...] = ()
    """With prefix lengths."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Packets of ours that a chain of another program drops; `remedy` is the command that lets them through."""

    chain: str
    packets: tuple[str, ...]
    """Named as in mcnet.plan.ports, or mcnet.plan.host_firewall."""
    why: str
    certain: bool
    remedy: str


@dataclass(frozen=True, slots=True)
class Translation:
    """A chain that gives packets of pods to remote prefixes another source before ours can keep it."""

    chain: str
    priority: int
    source: str
    """A pod prefix."""
    target: str
    """A remote prefix."""
    why: str
    certain: bool
    remedy: str


@dataclass(frozen=True, slots=True)
class NodeLook:
    """What was seen on a node. `began` and `ended` are seconds since the epoch, of the time in which it was listened
    to tunnels: by the node's own clock, until mcnet.plan.watches has made it ours. `faults` says by part what could
    not be looked at."""

    node: str
    began: float
    ended: float
    release: str = ""
    missing: tuple[Missing, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[Device, ...] = ()
    taken_ports: tuple[str, ...] = ()
    """Ports of ours that another program holds: "TCP 4581"."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """Our nft tables: "whole", "edited" or "missing" by name."""
    tried: tuple[Tried, ...] = ()
    seen: tuple[Seen, ...] = ()
    drops: tuple[Drop, ...] = ()
    translations: tuple[Translation, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
