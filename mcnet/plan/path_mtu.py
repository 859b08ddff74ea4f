"""What size a tunnel's path carries, against what its device promises: black holes and fragments told apart.

A router that must split or throw away a large packet tells nobody of it inside the tunnel: the outer packets allow
fragments (IPv4), and where fragments or the ICMP errors about them are filtered, large packets vanish.
"""

from dataclasses import dataclass
from typing import Final

from mcnet.model.look import NodeLook, Path
from mcnet.plan.largest import STEP
from mcnet.plan.mtu import CABLE_OVERHEAD, MINIMUM, VXLAN_OVERHEAD

SMALLEST: Final = {family: MINIMUM + overhead for family, overhead in VXLAN_OVERHEAD.items()}
"""The smallest underlay by family of the outer addresses: inside of it IPv6 must fit."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """A path that carries less than its device promises. `underlay` is the MTU in bytes that the network between
    has, as far as it was measured; `lost`: larger packets vanish, else they come in fragments."""

    lost: bool
    promised: int
    carried: int
    underlay: int

    @property
    def settable(self) -> bool:
        """Whether tunnels fit into it at all."""
        return self.underlay >= min(SMALLEST.values())


def narrow(path: Path, near: NodeLook, far: NodeLook | None) -> Narrow | None:
    """How the path of `near` is too narrow, None if it is not, or was not answered. `far` is the other end's look:
    fragments are seen where they arrive."""
    family = path.outer_source.version
    overhead = CABLE_OVERHEAD[path.driver][family]
    tried = next((one for one in near.tried if (one.tunnel, one.peer) == (path.tunnel, path.peer)), None)
    if tried is None or not tried.answered:
        return None
    largest = tried.largest or 0
    if largest + STEP <= tried.device_mtu:
        return Narrow(True, tried.device_mtu, largest, largest + overhead)
    fragments = [
        seen.fragment
        for look, outgoing_from, port in (
            (far, path.outer_source, path.port),
            (near, path.outer_target, path.back_port or path.port),
        )
        for seen in (look.seen if look else ())
        if not seen.outgoing and seen.fragment and seen.port == port and seen.source == outgoing_from
        and {seen.source, seen.target} == {path.outer_source, path.outer_target}
    ]  # fmt: skip
    if fragments:
        return Narrow(False, tried.device_mtu, min(fragments) - overhead, min(fragments))
    return None
