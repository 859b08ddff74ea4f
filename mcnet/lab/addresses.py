"""How a lab's address block is divided: pure arithmetic, the same answer every time.

Each lab has one block index. Its IPv4 block is 10.(64+index).0.0/16, its IPv6 block a /48 of one ULA prefix:

    part                          IPv4 in the /16         IPv6 in the /48
    wan links, routed in the wan  .0.0/19   /31 each      :0000 + cluster, /127 each
    links behind a NAT router     .32.0/19  /31 each      :0100 + cluster, /127 each
    cluster networks              .64.0/19  /24 each      :0200 + cluster, /64 each
    services                      .96.0/19  /22 each      :0300 + cluster, /112 each
    pods                          .128.0/17 /20, /24 node :8000 + 256 x cluster, /56, /64 per node
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from mcnet.lab.spec import Family

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

BLOCKS = 64
_FIRST_V4 = 64
# A fixed ULA prefix: the 40 bits after fd are the letters "mcnet" without the last one, and the block index.
_ULA = 0xFD6D636E65 << 88
# The last link subnet (cluster numbers end at 7) holds the link to the host's root namespace.
_HOST_SUBNET = 31
# Link 0 would give a node an address ending in .0, which some tools refuse.
_FIRST_LINK = 1


@dataclass(frozen=True, slots=True)
class Block:
    """The part of the private address space that one lab has for itself."""

    index: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < BLOCKS:
            raise ValueError(f"block index {self.index} is not in 0..{BLOCKS - 1}")

    def network(self, family: Family) -> Network:
        """The whole block."""
        if family == 4:
            return IPv4Network((f"10.{_FIRST_V4 + self.index}.0.0", 16))
        return IPv6Network((_ULA | self.index << 80, 48))

    def wan(self, family: Family) -> Network:
        """What the host routes into the lab: the links that meet in the wan."""
        base = int(self.network(family).network_address)
        if family == 4:
            return IPv4Network((base, 19))
        return IPv6Network((base, 56))

    def wan_link(self, family: Family, cluster: int, link: int, *, inside_nat: bool = False) -> Network:
        """The two addresses of a point-to-point link of a cluster: the router's, then the machine's."""
        base = int(self.network(family).network_address)
        if family == 4:
            subnet = cluster + (32 if inside_nat else 0)
            return IPv4Network((base | subnet << 8 | (_FIRST_LINK + link) * 2, 31))
        subnet = cluster + (0x100 if inside_nat else 0)
        return IPv6Network((base | subnet << 64 | (_FIRST_LINK + link) * 2, 127))

    def host_link(self, family: Family) -> Network:
        """The link between the wan and the host's root namespace."""
        return self.wan_link(family, _HOST_SUBNET, 0)

    def cluster_network(self, family: Family, cluster: int) -> Network:
        """The network of a cluster's nodes and its API server."""
        base = int(self.network(family).network_address)
        if family == 4:
            return IPv4Network((base | (64 + cluster) << 8, 24))
        return IPv6Network((base | (0x200 + cluster) << 64, 64))

    def services(self, family: Family, cluster: int) -> Network:
        """A cluster's service CIDR."""
        base = int(self.network(family).network_address)
        if family == 4:
            return IPv4Network((base | (96 + 4 * cluster) << 8, 22))
        return IPv6Network((base | (0x300 + cluster) << 64, 112))

    def pods(self, family: Family, cluster: int) -> Network:
        """A cluster's pod CIDR, from which each node gets its own."""
        base = int(self.network(family).network_address)
        if family == 4:
            return IPv4Network((base | (128 + 16 * cluster) << 8, 20))
        return IPv6Network((base | (0x8000 + 0x100 * cluster) << 64, 56))

    def node_pods(self, family: Family, cluster: int, node: int) -> Network:
        """The pod CIDR of one node (`node` counts from 1)."""
        whole = self.pods(family, cluster)
        size = 24 if family == 4 else 64
        base = int(whole.network_address) | node << (whole.max_prefixlen - size)
        return IPv4Network((base, size)) if family == 4 else IPv6Network((base, size))


def interface(network: Network, offset: int) -> Interface:
    """The address `offset` places into `network`, with the network's prefix length."""
    number = int(network.network_address) + offset
    if isinstance(network, IPv4Network):
        return IPv4Interface((number, network.prefixlen))
    return IPv6Interface((number, network.prefixlen))
