"""Whether a cluster may join, judged from what was found out: every reason against it, each with its remedy.

Gathering is mcnet.install's. A finding that stops is an error; others tell what the user loses.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcnet.model.cluster import Cluster, ClusterId, Identity, cluster_number
from mcnet.model.kernel import Network
from mcnet.model.member import Member
from mcnet.model.node import NAT_MARK
from mcnet.plan import approval
from mcnet.plan.driver import DRIVERS, VXLAN

REFUSED_CNIS: Final = {"ovn-kubernetes": "it does not route pods by the node's routing table"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that speaks against joining (`stops`) or that the user should know."""

    message: str
    hint: str = ""
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """What `judge` looks at. `others` are the members at the broker, `mine` this cluster's record there."""

    cluster: ClusterId
    pod_prefixes: tuple[Network, ...]
    service_prefixes: tuple[Network, ...]
    others: tuple[Cluster, ...]
    mine: Cluster | None = None
    identity: Identity | None = None
    """The identity that this cluster has already; None before its first join."""
    member: Member | None = None
    """The settings of an earlier join, if there was one."""
    cni: str = "unknown"
    nodes: tuple[dict[str, Any], ...] = ()
    gateways: tuple[str, ...] = ()
    replace: bool = False
    """Whether the user wants to take the ID over from the cluster that has it."""
    holder: str = ""
    """That cluster in words, for a sentence."""
    from_admin: bool = False
    """Whether the broker's admin joins, who may change an approved record."""
    delivery: str = "overlay"
    driver: str = DRIVERS[0]
    """The clusterset's cable driver."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings, and the service prefixes that may be advertised."""

    findings: tuple[Finding, ...]
    advertised: tuple[Network, ...]

    @property
    def blockers(self) -> tuple[Finding, ...]:
        """Those that stop the join."""
        return tuple(finding for finding in self.findings if finding.stops)


def judge(question: Question) -> Verdict:
    """Every finding at once, so that the user fixes them in one go."""
    advertised, lost = _services(question)
    findings = (
        *_identity(question),
        *_networks(question),
        *lost,
        *_record(question, advertised),
        *_nodes(question),
        *_delivery(question),
    )
    return Verdict(tuple(findings), advertised)


def _delivery(question: Question) -> Iterable[Finding]:
    """With delivery by the CNI pods of other clusters appear in the nodes' own network."""
    if question.delivery == "cni":
        yield Finding(
            "with --delivery cni gateways send packets with the addresses of other clusters' pods to the other nodes "
            "by the CNI's routes: where that is not a tunnel, the network must allow it",
            "switch off the source/destination check of the gateways' interfaces (AWS: aws ec2 "
            "modify-instance-attribute --no-source-dest-check; GCP: canIpForward; Azure: IP forwarding; OpenStack: "
            "allowed address pairs)",
            stops=False,
        )


def _identity(question: Question) -> Iterable[Finding]:
    """The ID: this cluster's own, free, and with a number of its own."""
    before = question.member.cluster if question.member else question.cluster
    if before != question.cluster:
        yield Finding(
            f"this cluster is already the member {before}, it can't also be {question.cluster}",
            f"join again with --cluster-id {before}, or take it out first: mcnet leave",
        )
    taken = question.mine
    if taken and taken.identity and taken.identity != question.identity:
        yield from _taken(question)
    for other in question.others:
        if cluster_number(other.id) == cluster_number(question.cluster):
            yield Finding(
                f"the cluster ID {question.cluster} has the same number as the member {other.id}",
                "choose another one with --cluster-id",
            )


def _taken(question: Question) -> Iterable[Finding]:
    if not question.replace:
        yield Finding(
            f"the cluster ID {question.cluster} is taken by another cluster of this clusterset"
            + (f": {question.holder}" if question.holder else ""),
            "choose another one with --cluster-id; if it is this cluster's own from before it was rebuilt: "
            "join --replace",
        )
    elif not question.from_admin:
        yield Finding(
            f"replacing the member {question.cluster} is the broker's admin's to decide",
            f"join with --broker-context, or with a token made by: mcnet token create {question.cluster} --replace",
        )


def _networks(question: Question) -> Iterable[Finding]:
    if not question.pod_prefixes:
        yield Finding("the cluster's pod CIDRs could not be found out", "say them with --pod-cidr")
    if not question.service_prefixes:
        yield Finding("the cluster's service CIDRs could not be found out", "say them with --service-cidr")
    for clash in approval.pod_clashes(question.pod_prefixes, question.others):
        yield Finding(
            str(clash),
            "clusters with overlapping pod CIDRs can't be joined by this version: re-create one of them "
            "with another range",
        )


def _services(question: Question) -> tuple[tuple[Network, ...], list[Finding]]:
    """Those service prefixes that overlap with nothing, and what is lost with the others."""
    advertised, lost = approval.advertised(question.cluster, question.service_prefixes, question.others)
    hint = "services will be reached by name once exported"
    return advertised, [Finding(text, hint, stops=False) for text in lost]


def _record(question: Question, advertised: Sequence[Network]) -> Iterable[Finding]:
    """A record that the broker has approved is changed by its admin only: the cluster goes on with what it has."""
    mine = question.mine
    if mine is None or question.from_admin or (mine.identity and mine.identity != question.identity):
        return
    change = approval.difference(mine.prefixes, (*question.pod_prefixes, *advertised))
    hint = f"the broker's admin: mcnet member approve {question.cluster}"
    if change.added:
        yield Finding(
            f"{_texts(change.added)} waits for approval by the broker's admin: until then other clusters don't "
            "reach it",
            hint,
            stops=False,
        )
    if change.removed:
        yield Finding(
            f"the broker still has {_texts(change.removed)} approved, which the cluster no longer has",
            hint,
            stops=False,
        )


def _nodes(question: Question) -> Iterable[Finding]:
    if why := REFUSED_CNIS.get(question.cni):
        yield Finding(f"the CNI {question.cni} is not supported: {why}")
    if not question.gateways:
        yield Finding(
            "no node can be a gateway" if not question.nodes else "no node fits --node-selector as a gateway",
            "kubectl get nodes",
        )
    for node in question.nodes:
        metadata = node["metadata"]
        kind = (metadata.get("labels") or {}).get(NAT_MARK) or (metadata.get("annotations") or {}).get(NAT_MARK)
        if kind and metadata["name"] in question.gateways and question.driver == VXLAN:
            yield Finding(
                f"cluster {question.cluster} is behind NAT ({kind}, says node {metadata['name']}), which the vxlan "
                "cable driver can't cross",
                "choose one that can: mcnet config set default-driver wireguard --broker-context CONTEXT",
            )


def _texts(prefixes: Iterable[Network]) -> str:
    return ", ".join(map(str, prefixes)) or "nothing"
