"""The MTU of a cable is what its packets leave room for: not a byte less, and nothing is cut in pieces on the way."""

import pytest

from tests.netns.namespaces import shell
from tests.vm.gateways import POD, Gateway

HEADERS = 28
"""Bytes of IPv4 and ICMP in a ping."""
BLOCK = 16
"""Bytes: WireGuard fills packets up to a multiple of it, as far as the device's MTU lets it."""
NO_FRAGMENTS = """
table netdev whole {
  chain arriving {
    type filter hook ingress device "wan0" priority 0
    ip frag-off & 0x3fff != 0 drop
    meta protocol ip6 exthdr frag exists drop
  }
}
"""


async def passes(source: str, target: str, size: int) -> bool:
    """Whether an IP packet of `size` bytes that may not be cut gets there, and its answer back."""
    wait = f"ping -n -M do -c 3 -i 0.2 -W 2 -s {size - HEADERS} -I {source} {target}"
    return "bytes from" in await shell(f"{wait} || true")


@pytest.mark.parametrize(("outer", "mtu"), [(4, 1440), (6, 1420)], indirect=["outer"])
def test_a_cable_carries_its_mtu_and_no_byte_more(gateways: tuple[Gateway, Gateway], mtu: int) -> None:
    east, west = gateways
    for one in gateways:
        assert {(link.name, link.mtu, link.userspace) for link in one.state.links} == {("mcnet-cw0a", mtu, False)}
        one.namespace.run(shell(f"echo '{NO_FRAGMENTS}' | nft -f -"))
    way = POD[east.cluster], POD[west.cluster]
    assert east.namespace.run(passes(*way, mtu))
    assert not east.namespace.run(passes(*way, mtu + 1)), "the device refuses it"
    with east.paused(), west.paused():
        for one in gateways:
            one.namespace.run(shell(f"ip link set mcnet-cw0a mtu {mtu + 1}"))
        assert east.namespace.run(passes(*way, mtu // BLOCK * BLOCK))
        assert not east.namespace.run(passes(*way, mtu + 1)), "the underlay has no room for it"
