"""Packet filter rules that the lab itself sets: pod egress on nodes, the NAT routers. Pure texts.

kube-proxy's rules and mcnet's are not the lab's.
"""

from collections.abc import Iterator

from mcnet.lab.addresses import Network
from mcnet.lab.spec import NatKind, RuleSyntax
from mcnet.lab.topology import WAN, Cluster, Router

MASQUERADE_TABLE = "pod_masquerade"
_MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}


def masquerade_commands(cluster: Cluster, syntax: RuleSyntax) -> Iterator[tuple[list[str], str]]:
    """Commands, with their standard input, that give pods the node's address outside of the cluster.

    As real CNIs do it (Flannel's --ip-masq, kubenet): what leaves the *cluster's* pod CIDR, not the node's.
    """
    match syntax:
        case RuleSyntax.NFTABLES:
            yield ["nft", "-f", "-"], _masquerade_table(cluster.pod_cidrs)
        case RuleSyntax.IPTABLES:
            for cidr in cluster.pod_cidrs:
                program = "iptables-nft-restore" if cidr.version == 4 else "ip6tables-nft-restore"
                yield [program, "--noflush"], _masquerade_chain(cidr)


def _masquerade_table(cidrs: tuple[Network, ...]) -> str:
    rules = "".join(
        f"    {_word(cidr)} saddr {cidr} {_word(cidr)} daddr != {{ {cidr}, {_MULTICAST[cidr.version]} }} masquerade\n"
        for cidr in cidrs
    )
    return (
        f"table inet {MASQUERADE_TABLE} {{\n"
        "  chain postrouting {\n"
        "    type nat hook postrouting priority srcnat; policy accept;\n"
        f"{rules}"
        "  }\n"
        "}\n"
    )


def _masquerade_chain(cidr: Network) -> str:
    comment = '-m comment --comment "pods leaving the cluster"'
    return (
        "*nat\n"
        ":POD-MASQUERADE - [0:0]\n"
        f"-A POSTROUTING -s {cidr} {comment} -j POD-MASQUERADE\n"
        f"-A POD-MASQUERADE -d {cidr} -j RETURN\n"
        f"-A POD-MASQUERADE -d {_MULTICAST[cidr.version]} -j RETURN\n"
        "-A POD-MASQUERADE -j MASQUERADE\n"
        "COMMIT\n"
    )


def router_rules(router: Router) -> str:
    """A NAT router's table: masquerade outwards, nothing unsolicited inwards.

    Unsolicited packets to the router itself are dropped too: a stray connection entry of theirs would force
    another outside port on the inside host that meant to use it.
    """
    ports = " fully-random" if router.kind is NatKind.SYMMETRIC else ""
    return f"""table inet nat_router {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{WAN}" masquerade{ports}
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    iifname != "{WAN}" accept
    ct state established,related accept
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname "{WAN}" ct state new,invalid drop
  }}
}}
"""


def _word(cidr: Network) -> str:
    return "ip" if cidr.version == 4 else "ip6"
