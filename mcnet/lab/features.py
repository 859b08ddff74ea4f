"""What the kernel must be able to do for a lab: tried out in a namespace that vanishes with the trial."""

from dataclasses import dataclass

from mcnet.lab import processes
from mcnet.model.errors import KernelError


@dataclass(frozen=True, slots=True)
class Feature:
    """Something the kernel can or can't. `trial` is a shell command that succeeds if it can."""

    name: str
    option: str
    """The kernel's configuration option."""
    trial: str


FEATURES = (
    Feature("veth pairs", "VETH", "ip link add f0 type veth peer name f1"),
    Feature("bridges", "BRIDGE", "ip link add f2 type bridge"),
    Feature(
        "nftables with NAT",
        "NFT_MASQ",
        "nft 'add table inet f; add chain inet f c { type nat hook postrouting priority 0; };"
        " add rule inet f c masquerade'",
    ),
    Feature("iptables rules by nftables", "NFT_COMPAT", "iptables-nft -A OUTPUT -m comment --comment f -j ACCEPT"),
    Feature("the overlay file system", "OVERLAY_FS", "modprobe -q overlay; grep -qw overlay /proc/filesystems"),
    # Not a device but a module that nothing loads by itself.
    Feature(
        "packet filters on bridges",
        "BRIDGE_NETFILTER",
        "modprobe -q br_netfilter; test -e /proc/sys/net/bridge/bridge-nf-call-iptables",
    ),
)


async def require_features() -> None:
    """Raises KernelError naming what this kernel lacks."""
    script = "\n".join(f"({each.trial}) >/dev/null 2>&1 || echo {each.option}" for each in FEATURES)
    done = await processes.call(["unshare", "--net", "sh", "-c", script], mark="MCNET_LAB=")
    if done.status:
        raise KernelError(
            f"this process may not make network namespaces: {done.errors.strip()}",
            "run it as root on the machine itself",
        )
    check(done.output.split())


def check(lacking: list[str]) -> None:
    """Raises KernelError if `lacking`, options of `FEATURES`, is not empty."""
    if lacking:
        named = " and ".join(f"{each.name} (CONFIG_{each.option})" for each in FEATURES if each.option in lacking)
        raise KernelError(f"this kernel has no {named}", "run the lab on a kernel with it, such as Debian's")
