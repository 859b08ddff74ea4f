"""The two files that pluto reads, and what it answers when asked for its status.

Everything that could differ between two versions or builds is said: suites, lifetimes, what happens to a dead peer.
pluto is started and asked by mcnet_cable; the files are written by mcnet.kernel.libreswan.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from mcnet.codec.errors import DecodeError
from mcnet.model.kernel import Address
from mcnet.model.libreswan import IkeConnection, IkeEnd, PlutoStatus

CONFIG: Final = "ipsec.conf"
SECRETS: Final = "ipsec.secrets"
CONTROL: Final = "pluto.ctl"
"""The socket that pluto makes beside them when it starts."""

_SETUP: Final = ("config setup", "ikev1-policy=drop", "dnssec-enable=no", "audit-log=no")

_COMMON: Final = (
    "ikev2=insist",
    "type=tunnel",
    "authby=secret",
    # One suite each, authenticated encryption only (RFC 5282, RFC 4106), with a new exchange for each rekeying.
    "ike=aes_gcm256-sha2_512-dh19",
    "esp=aes_gcm256-null-dh19",
    "pfs=yes",
    # At each rekeying of a Child SA packets of one direction are lost for about a round trip.
    "ikelifetime=24h",
    "salifetime=8h",
    "rekeymargin=30m",
    "keyingtries=0",
    "fragmentation=yes",
    "mobike=no",
    "encapsulation=yes",
    "nat-keepalive=yes",
    # The former cable to the same gateway has the same selectors, until the new one carries all.
    "overlapip=yes",
    "leftupdown=%disabled",
    # Sooner, and a peer that is only slow gets the same request twice, which 4.10 does not always take for one.
    "retransmit-interval=1000",
    "retransmit-timeout=5s",
    "auto=ignore",
)
# Only one side rekeys and asks whether the other is alive: where both do, their requests cross, and 4.10 may end with
# a Child SA that only one of them has.
_BEGINS: Final = ("rekey=yes", "dpddelay=2s", "dpdaction=restart")
_WAITS: Final = ("rekey=no",)
_EVERYTHING: Final = {4: "0.0.0.0/0", 6: "::/0"}


def config(connections: Iterable[IkeConnection]) -> str:
    """The configuration: the same text for the same connections. `left` is always this side."""
    sections = ["\n    ".join(_SETUP)]
    sections += [
        "\n    ".join(_section(connection))
        for connection in sorted(connections, key=lambda connection: connection.name)
    ]
    return "\n\n".join(sections) + "\n"


def _section(connection: IkeConnection) -> list[str]:
    everything = _EVERYTHING[connection.family]
    return [
        f"conn {connection.name}",
        *_end("left", connection.local, everything),
        *_end("right", connection.remote, everything),
        f"ipsec-interface={connection.if_id}",
        *_COMMON,
        *(_BEGINS if connection.begins else _WAITS),
    ]


def _end(side: str, end: IkeEnd, subnet: str) -> list[str]:
    return [
        f"{side}={end.address}",
        f"{side}id=@{end.identity}",
        f"{side}ikeport={end.port}",
        f"{side}subnet={subnet}",
    ]


def secrets(connections: Iterable[IkeConnection]) -> str:
    """The secrets, one line for each pair of identities. To be written where nobody else reads."""
    lines = {
        f"@{connection.local.identity} @{connection.remote.identity} : PSK 0x{connection.secret.hex()}\n"
        for connection in connections
    }
    return "".join(sorted(lines))


_CONNECTION = re.compile(r'000 "([^"]+)": .*; eroute owner: #\d+')
_STATE = re.compile(r'000 #\d+: "([^"]+)":\d+ STATE_(\w+) \(([^)]*)\)')
_PENDING = re.compile(r'000 #\d+: (pending CHILD SA) for "([^"]+)"')
_INTERFACE = re.compile(r"000 interface \S+ UDP \[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})$")
_CHILD: Final = "V2_ESTABLISHED_CHILD_SA"
_IKE: Final = "V2_ESTABLISHED_IKE_SA"


def parse_status(text: str) -> PlutoStatus:
    """What `whack --status` prints. Raises DecodeError where it is not whole."""
    connections: set[str] = set()
    established: set[str] = set()
    under_way: dict[str, str] = {}
    listening: set[tuple[Address, int]] = set()
    for line in text.splitlines():
        if found := _CONNECTION.match(line):
            connections.add(found[1])
        elif found := _STATE.match(line):
            if found[2] == _CHILD:
                established.add(found[1])
            elif found[2] != _IKE:
                under_way[found[1]] = found[3]
        elif found := _PENDING.match(line):
            under_way.setdefault(found[2], found[1])
        elif found := _INTERFACE.match(line):
            with suppress(ValueError):
                listening.add((ip_address(found[1]), int(found[2])))
    if "config setup options:" not in text:
        raise DecodeError("status of pluto", why="it is cut off")
    return PlutoStatus(
        connections=frozenset(connections),
        established=frozenset(established),
        under_way=tuple(sorted((name, phase) for name, phase in under_way.items() if name not in established)),
        listening=frozenset(listening),
    )
