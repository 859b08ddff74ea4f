"""What a user asks of a lab: names, sizes, families, modes; parsed and checked, nothing computed.

Addresses and namespaces follow from it in topology.py; nothing here looks at the machine.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from mcnet.model.errors import UsageError

DEFAULT_NAME = "lab"
MAX_CLUSTERS = 8
MAX_NODES = 15
# The lab's interface in the host's root namespace is `mcl-NAME`; IFNAMSIZ leaves 15 characters.
MAX_LAB_NAME = 11
# The far ends of links are named CLUSTER-n15 at the longest, and a cluster's name is also a DNS label.
MAX_CLUSTER_NAME = 10
# What stands where a cluster's name could in `mcnet lab exec`, or in a namespace's name.
RESERVED_NAMES = frozenset({"wan", "host"})

_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")

Family = Literal[4, 6]


class IpFamily(StrEnum):
    """The IP families that something has."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    DUAL = "dual"

    @property
    def versions(self) -> tuple[Family, ...]:
        """IP versions, the primary one first."""
        match self:
            case IpFamily.IPV4:
                return (4,)
            case IpFamily.IPV6:
                return (6,)
            case IpFamily.DUAL:
                return (4, 6)


@dataclass(frozen=True, slots=True)
class Families:
    """The IP families of one cluster.

    `pods`: of pods and services; `underlay`: of wan links, default routes and the nodes' InternalIPs.
    """

    pods: IpFamily
    underlay: IpFamily


class RuleSyntax(StrEnum):
    """How kube-proxy, or the masquerading of pod traffic, writes its rules."""

    NFTABLES = "nftables"
    IPTABLES = "iptables"


class NatKind(StrEnum):
    """How the router in front of a cluster maps source ports.

    `eim`: the same outside port for every destination, as far as it is free (Linux's masquerade keeps the
    source port); `symmetric`: a random one per destination.
    """

    EIM = "eim"
    SYMMETRIC = "symmetric"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSpec:
    """A lab as asked for. Constructing one checks it; `UsageError` says what is wrong."""

    name: str = DEFAULT_NAME
    clusters: tuple[str, ...] = ("east", "west")
    nodes: int = 2
    ip_family: IpFamily = IpFamily.IPV4
    """Of pods and services, and of what carries them unless `underlay_family` says otherwise."""
    underlay_family: IpFamily | None = None
    """Of wan links, default routes and the nodes' InternalIPs; None: as `ip_family`."""
    kube_proxy_mode: RuleSyntax = RuleSyntax.NFTABLES
    masquerade: RuleSyntax = RuleSyntax.IPTABLES
    overlapping_cidrs: bool = False
    nat: tuple[tuple[str, NatKind], ...] = ()
    """Clusters behind a NAT router of their own."""
    cluster_families: tuple[tuple[str, Families], ...] = ()
    """Clusters that differ from the others."""
    added: tuple[tuple[str, int], ...] = ()
    """Nodes beyond `nodes`, as cluster and number."""
    removed: tuple[tuple[str, int], ...] = ()
    """Those of the first `nodes` that were taken out."""

    def __post_init__(self) -> None:
        _check_name(self.name, "lab", MAX_LAB_NAME)
        for cluster in self.clusters:
            _check_name(cluster, "cluster", MAX_CLUSTER_NAME)
            if cluster in RESERVED_NAMES:
                raise UsageError(f"a cluster can't be called {cluster!r}: the lab uses that name itself")
        if not 1 <= len(self.clusters) <= MAX_CLUSTERS:
            raise UsageError(f"a lab has 1 to {MAX_CLUSTERS} clusters, not {len(self.clusters)}")
        if len(set(self.clusters)) != len(self.clusters):
            raise UsageError(f"cluster names repeat in {','.join(self.clusters)!r}")
        if not 1 <= self.nodes <= MAX_NODES:
            raise UsageError(f"a cluster of the lab has 1 to {MAX_NODES} nodes, not {self.nodes}")
        for cluster, _ in self.nat:
            if cluster not in self.clusters:
                raise UsageError(f"--nat names cluster {cluster!r}, which is not among {','.join(self.clusters)!r}")
        if len({cluster for cluster, _ in self.nat}) != len(self.nat):
            raise UsageError("--nat names a cluster twice")
        for cluster, _ in self.cluster_families:
            if cluster not in self.clusters:
                raise UsageError(
                    f"--cluster-family names cluster {cluster!r}, which is not among {','.join(self.clusters)!r}"
                )
        if len({cluster for cluster, _ in self.cluster_families}) != len(self.cluster_families):
            raise UsageError("--cluster-family names a cluster twice")

    def numbers(self, cluster: str) -> tuple[int, ...]:
        """The numbers of the cluster's nodes."""
        first = {number for number in range(1, self.nodes + 1) if (cluster, number) not in self.removed}
        return tuple(sorted(first | {number for name, number in self.added if name == cluster}))

    def with_node(self, cluster: str) -> tuple["LabSpec", int]:
        """With one node more, and its number: the lowest that no node has. Raises UsageError at the limit."""
        if cluster not in self.clusters:
            raise UsageError(
                f"lab {self.name!r} has no cluster {cluster!r}", f"use one of {', '.join(self.clusters)}"
            )
        free = next((number for number in range(1, MAX_NODES + 1) if number not in self.numbers(cluster)), None)
        if free is None:
            raise UsageError(
                f"cluster {cluster} has {MAX_NODES} nodes, more is not possible", "mcnet lab remove-node"
            )
        added = tuple(sorted({*self.added, (cluster, free)} if free > self.nodes else self.added))
        return replace(self, added=added, removed=_without(self.removed, (cluster, free))), free

    def without_node(self, cluster: str, number: int) -> "LabSpec":
        """Without this node. Raises UsageError for the last one of a cluster."""
        if self.numbers(cluster) == (number,):
            raise UsageError(f"{cluster}-n{number} is the last node of its cluster", "mcnet lab down")
        gone = ((cluster, number),) if number <= self.nodes else ()
        return replace(
            self, added=_without(self.added, (cluster, number)), removed=tuple(sorted({*self.removed, *gone}))
        )

    def nat_of(self, cluster: str) -> NatKind | None:
        """The NAT in front of `cluster`, None where its nodes have routed addresses."""
        return dict(self.nat).get(cluster)

    def families_of(self, cluster: str) -> Families:
        """The IP families of `cluster`."""
        usual = Families(self.ip_family, self.underlay_family or self.ip_family)
        return dict(self.cluster_families).get(cluster, usual)

    @property
    def versions(self) -> tuple[Family, ...]:
        """All IP versions of the lab."""
        pods = {version for cluster in self.clusters for version in self.families_of(cluster).pods.versions}
        return tuple(version for version in IpFamily.DUAL.versions if version in pods | set(self.wan_versions))

    @property
    def wan_versions(self) -> tuple[Family, ...]:
        """IP versions that some cluster's wan links have: the wan itself and the host's link have them all."""
        used = {version for cluster in self.clusters for version in self.families_of(cluster).underlay.versions}
        return tuple(version for version in IpFamily.DUAL.versions if version in used)


def _without(pairs: tuple[tuple[str, int], ...], pair: tuple[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(one for one in pairs if one != pair)


def parse_clusters(text: str) -> tuple[str, ...]:
    """`east,west` -> ("east", "west")."""
    return tuple(part.strip() for part in text.split(","))


def parse_nat(text: str) -> tuple[str, NatKind]:
    """`west` or `west:symmetric` -> cluster and kind; without a kind the friendlier `eim`."""
    cluster, colon, kind = text.partition(":")
    if not colon:
        return cluster, NatKind.EIM
    try:
        return cluster, NatKind(kind)
    except ValueError:
        raise UsageError(f"--nat {text!r} names the unknown kind {kind!r}", "use eim or symmetric") from None


def parse_cluster_family(text: str) -> tuple[str, Families]:
    """`west:ipv6` or `west:ipv4/ipv6` -> cluster, family of pods and services, family of the underlay."""
    cluster, _, families = text.partition(":")
    pods, slash, underlay = families.partition("/")
    try:
        return cluster, Families(IpFamily(pods), IpFamily(underlay if slash else pods))
    except ValueError:
        raise UsageError(
            f"--cluster-family {text!r} is not CLUSTER:FAMILY or CLUSTER:FAMILY/UNDERLAY",
            "families are ipv4, ipv6 and dual: west:ipv4/ipv6",
        ) from None


def _check_name(name: str, kind: str, longest: int) -> None:
    if len(name) > longest or not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not usable as the name of a {kind}",
            f"use at most {longest} small letters, digits and dashes, starting with a letter",
        )
