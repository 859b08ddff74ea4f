"""What `join` finds out and decides before it changes anything: the way to the broker, the cluster's facts, the
verdict on them, the manifests. Making the changes is `join`'s.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcnet import __version__
from mcnet.codec import cluster as cluster_codec
from mcnet.codec import identity as identity_codec
from mcnet.codec import member as member_codec
from mcnet.codec.batch import decode_all
from mcnet.install import broker_access, rights
from mcnet.install.apply import SYSTEM_LABELS
from mcnet.install.broker_access import Access
from mcnet.install.discover import discover
from mcnet.install.preflight import ProbeRequest, probe
from mcnet.install.progress import Progress
from mcnet.install.pull_secrets import secret_names
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import JsonObject
from mcnet.model.broker import BrokerInfo, JoinToken
from mcnet.model.cluster import Cluster, ClusterId, Identity
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.kernel import Network
from mcnet.model.member import IDENTITY_SECRET, MEMBER_NAME, SYSTEM_NAMESPACE, Member
from mcnet.model.ownership import DEFAULT_PORT_BASE
from mcnet.plan import gateway_choice, preflight, versions
from mcnet.plan.cluster_id import derive_cluster_id, parse_cluster_id
from mcnet.plan.discovered import ClusterFacts
from mcnet.render.engine import render, sort_objects
from mcnet.render.values import MemberValues


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """What the user asked for. Empty values mean: find out, or the default."""

    info: BrokerInfo
    image: str
    context: str | None = None
    kubeconfig: Path | None = None
    cluster_id: str = ""
    token: JoinToken | None = None
    broker_context: str = ""
    gateways: int = 1
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    """NAMESPACE/NAME of registry secrets."""
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    pod_prefixes: tuple[Network, ...] = ()
    service_prefixes: tuple[Network, ...] = ()
    port_base: int = DEFAULT_PORT_BASE
    delivery: str = ""
    """How gateways hand packets to nodes; "" for what an earlier join said."""
    manage_host_firewall: bool | None = None
    """Whether nodes change other programs' chains; None for what an earlier join said."""
    timeout: float = 180.0
    probe: bool = True
    """Whether a throw-away pod looks at a gateway node first."""


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """Everything that was found out and decided, before anything is changed."""

    request: JoinRequest
    facts: ClusterFacts
    cluster: ClusterId
    member: Member
    record: Cluster
    """The Cluster for the broker, without identity."""
    others: tuple[Cluster, ...]
    registered: bool
    """Whether the broker has this cluster's record already."""
    gateways: tuple[str, ...]
    findings: tuple[preflight.Finding, ...]

    def manifests(self) -> tuple[JsonObject, ...]:
        """What is applied to the cluster, secrets excepted."""
        request = self.request
        member = member_codec.encode(self.member)
        member["metadata"]["labels"] = dict(SYSTEM_LABELS)
        values = MemberValues(
            cluster=self.cluster,
            image=request.image,
            pull_policy=request.pull_policy,
            pull_secrets=secret_names(request.pull_secrets),
            node_selector=request.node_selector,
            tolerations=request.tolerations,
            member=member,
            version=__version__,
        )
        return sort_objects(render("crds") + render("member", values))


async def prepare(api: Api, access: Access, request: JoinRequest, progress: Progress) -> JoinPlan:
    """Finds out and judges; changes nothing. Raises McnetError with the first reason against joining, after
    telling all of them."""
    member = await current_member(api)
    cluster = choose_id(request, member, api.context)
    progress.doing("Looking at the cluster")
    facts = await discover(api)
    versions.require(facts.version, versions.MEMBER_MINIMUM, f"the cluster {api.context or api.server}")
    progress.done(describe(facts))
    if facts.pods_from_nodes and not request.pod_prefixes and facts.pod_prefixes:
        progress.warn("the pod CIDRs are those of today's nodes; is the cluster's range larger? --pod-cidr")
    progress.doing("Reading the clusterset at the broker")
    unreadable: list[str] = []
    listed = await access.reader.list(kinds.CLUSTER, access.info.namespace)
    members = decode_all(cluster_codec.decode, listed, unreadable)
    for problem in unreadable:
        progress.warn(f"a cluster at the broker can't be read: {problem}")
    question = preflight.Question(
        cluster=cluster,
        pod_prefixes=request.pod_prefixes or facts.pod_prefixes,
        service_prefixes=request.service_prefixes or facts.service_prefixes,
        others=tuple(one for one in members if one.id != cluster),
        mine=next((one for one in members if one.id == cluster), None),
        identity=await public_identity(api),
        member=member,
        cni=facts.cni,
        nodes=facts.nodes,
        gateways=gateway_choice.choose_gateways(facts.nodes, request.gateways, request.node_selector),
        from_admin=access.admin is not None,
        delivery=request.delivery or (member.delivery if member else "overlay"),
    )
    verdict = preflight.judge(question)
    report(verdict.findings, progress)
    return JoinPlan(
        request=request,
        facts=facts,
        cluster=cluster,
        member=Member(
            cluster=cluster,
            pod_prefixes=question.pod_prefixes,
            service_prefixes=question.service_prefixes,
            port_base=request.port_base,
            delivery=question.delivery,
            manage_host_firewall=_manages_firewall(request, member),
            cni=facts.cni,
            kube_proxy_mode=facts.kube_proxy_mode,
            distribution=facts.distribution,
        ),
        record=Cluster(cluster, question.pod_prefixes, verdict.advertised),
        others=question.others,
        registered=question.mine is not None,
        gateways=question.gateways,
        findings=verdict.findings,
    )


def _manages_firewall(request: JoinRequest, member: Member | None) -> bool:
    if request.manage_host_firewall is not None:
        return request.manage_host_firewall
    return member is not None and member.manage_host_firewall


async def try_out(api: Api, plan: JoinPlan, progress: Progress) -> None:
    """Runs the probe pods, except where the daemons run already. Raises McnetError for what speaks against it."""
    request = plan.request
    running = await api.find(kinds.DAEMON_SET, "mcnet-gateway", SYSTEM_NAMESPACE)
    if running or not request.probe:
        return
    probing = ProbeRequest(
        node=plan.gateways[0],
        image=request.image,
        info=request.info,
        port_base=request.port_base,
        pull_policy=request.pull_policy,
        pull_secrets=request.pull_secrets,
        host_firewalls=not plan.member.manage_host_firewall,
    )
    report(await probe(api, probing, progress), progress)


async def _same_broker(api: Api, info: BrokerInfo) -> None:
    """Raises UsageError if the cluster is a member of another clusterset. The broker's URL may have changed, its
    certificate authority tells brokers apart."""
    stored = await broker_access.stored_credential(api)
    if stored and stored.ca != info.ca:
        raise UsageError(
            f"this cluster has joined another clusterset, whose broker is {stored.server}, not {info.server}",
            f"take it out there first: mcnet leave --context {api.context}",
        )


async def _named_admin(request: JoinRequest) -> Access | None:
    """The broker as its admin, where the user names a context for it."""
    if not request.broker_context:
        return None
    admin = await from_kubeconfig(context=request.broker_context, kubeconfig=request.kubeconfig)
    return await broker_access.by_admin(request.info, admin)


async def open_access(api: Api, request: JoinRequest) -> Access:
    """The way to the broker: what an earlier join left, the join token, or the broker's admin.

    Raises UsageError if there is none, or token and broker don't fit.
    """
    cluster = choose_id(request, await current_member(api), api.context)
    if request.token:
        broker_access.check_token(request.info, request.token, cluster)
    await _same_broker(api, request.info)
    as_admin = await _named_admin(request)
    try:
        existing = await broker_access.by_existing(api, request.info, cluster)
    except BaseException:
        if as_admin:
            await as_admin.close()
        raise
    if as_admin:
        return broker_access.both(existing, as_admin) if existing else as_admin
    if existing:
        return existing
    if request.token:
        return await broker_access.by_token(request.info, request.token, cluster)
    found_admin = await broker_access.admin_context(request.info, request.kubeconfig)
    if found_admin:
        return await broker_access.by_admin(request.info, found_admin)
    raise UsageError(
        f"joining takes a token, since no context of the kubeconfig leads to the broker {request.info.server}",
        f"ask the broker's admin for one (mcnet token create {cluster}) and give it with --token-file",
    )


def choose_id(request: JoinRequest, member: Member | None, context: str) -> ClusterId:
    """The cluster ID: as asked for, else of the earlier join, of the token, or derived from the context's name."""
    if request.cluster_id:
        return parse_cluster_id(request.cluster_id)
    if member:
        return member.cluster
    if request.token:
        return request.token.cluster
    derived = derive_cluster_id(context)
    if not derived:
        why = f"no cluster ID can be made of the context name {context!r}"
        raise UsageError(why, "choose one: --cluster-id west")
    return parse_cluster_id(derived)


def report(findings: tuple[preflight.Finding, ...], progress: Progress) -> None:
    """Tells all findings and raises McnetError for the first that stops."""
    blockers = [finding for finding in findings if finding.stops]
    for finding in findings:
        if finding not in blockers[:1]:
            progress.warn(finding.message + (f" ({finding.hint})" if finding.hint else ""))
    if blockers:
        raise McnetError(blockers[0].message, blockers[0].hint)


def describe(facts: ClusterFacts) -> str:
    """One line about the cluster."""
    networks = ", ".join(map(str, facts.pod_prefixes)) or "unknown"
    services = ", ".join(map(str, facts.service_prefixes)) or "unknown"
    nodes = "1 node" if len(facts.nodes) == 1 else f"{len(facts.nodes)} nodes"
    return (
        f"Kubernetes {facts.version} ({facts.distribution}), {nodes}, CNI {facts.cni}, kube-proxy "
        f"{facts.kube_proxy_mode}; pods {networks}; services {services}"
    )


async def current_member(api: Api) -> Member | None:
    """The settings of an earlier join; None before the first."""
    found = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    return member_codec.decode(found) if found else None


async def require_rights(api: Api) -> None:
    """Raises ForbiddenError if the caller lacks rights in the joining cluster."""
    await rights.require(api, rights.member_rights(), "join")


async def public_identity(api: Api) -> Identity | None:
    """The public half of the identity that the cluster has; None before its first join."""
    secret = await api.find(kinds.SECRET, IDENTITY_SECRET, SYSTEM_NAMESPACE)
    return identity_codec.decode_secret(secret).public if secret else None
