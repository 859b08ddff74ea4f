"""What `join` finds out and decides before it changes anything: the way to the broker, the cluster's facts, the
verdict on them, the manifests. Making the changes is `join`'s.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import identity as identity_codec
from mcnet.codec import member as member_codec
from mcnet.codec.batch import decode_all
from mcnet.install import broker_access, rights
from mcnet.install.broker_access import Access
from mcnet.install.discover import discover
from mcnet.install.image import default_image
from mcnet.install.manifests import manifests
from mcnet.install.members import read_members, record_of
from mcnet.install.preflight import ProbeRequest, probe
from mcnet.install.progress import Progress
from mcnet.install.removal import refuse_living, utc_now
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import JsonObject
from mcnet.model.broker import BrokerInfo, JoinToken
from mcnet.model.cluster import Cluster, ClusterId, Identity
from mcnet.model.errors import McnetError, UsageError
from mcnet.model.kernel import Network
from mcnet.model.member import IDENTITY_SECRET, MEMBER_NAME, SYSTEM_NAMESPACE, GatewayCount, Member
from mcnet.model.public_address import Source
from mcnet.plan import gateway_choice, preflight, settings, versions
from mcnet.plan.cluster_id import derive_cluster_id, parse_cluster_id
from mcnet.plan.discovered import ClusterFacts
from mcnet.plan.member_view import MemberRecord, described, lines
from mcnet.plan.member_view import facts as facts_of
from mcnet.plan.networks import is_foreign_family
from mcnet.render.values import DnsValues


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """What the user asked for. Settings that are not given (None or empty) stay as an earlier join or `config set`
    made them, else are found out, or the default."""

    info: BrokerInfo
    image: str = ""
    context: str | None = None
    kubeconfig: Path | None = None
    cluster_id: str = ""
    token: JoinToken | None = None
    broker_context: str = ""
    gateways: GatewayCount | None = None
    pull_policy: str = ""
    pull_secrets: tuple[str, ...] = ()
    """NAMESPACE/NAME of registry secrets."""
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    pod_prefixes: tuple[Network, ...] = ()
    service_prefixes: tuple[Network, ...] = ()
    port_base: int | None = None
    public_sources: tuple[Source, ...] = ()
    air_gapped: bool | None = None
    load_balancer: bool | None = None
    delivery: str = ""
    """How gateways hand packets to nodes; "" for what an earlier join said."""
    manage_host_firewall: bool | None = None
    """Whether nodes change other programs' chains; None for what an earlier join said."""
    timeout: float = 180.0
    replace: bool = False
    """Whether the ID is taken over from the cluster that has it (this one, before it was rebuilt)."""
    force: bool = False
    """Whether that is done although it seems alive."""
    cables: tuple[str, ...] = ()
    """Gateways of other clusters that are connected with the one to be replaced."""
    probe: bool = True
    """Whether a throw-away pod looks at a gateway node first."""

    @property
    def given(self) -> dict[str, Any]:
        """The settings that were given, by key (mcnet.plan.settings)."""
        values = {
            "image": self.image,
            "image-pull-policy": self.pull_policy,
            "pull-secrets": self.pull_secrets,
            "node-selector": tuple(sorted(self.node_selector.items())),
            "tolerations": self.tolerations,
            "gateways": self.gateways,
            "pod-cidr": self.pod_prefixes,
            "service-cidr": self.service_prefixes,
            "port-base": self.port_base,
            "public-address": self.public_sources,
            "air-gapped": self.air_gapped,
            "load-balancer": self.load_balancer,
            "delivery": self.delivery,
            "manage-host-firewall": self.manage_host_firewall,
        }
        return {key: value for key, value in values.items() if value not in (None, "", ())}


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
    replaced: MemberRecord | None
    """The member whose place is taken, if there is one."""
    living: tuple[str, ...]
    """What says that it is alive."""
    first: bool
    """Whether there was nothing of mcnet in the cluster before."""
    gateways: tuple[str, ...]
    findings: tuple[preflight.Finding, ...]

    @property
    def discovery_on_host(self) -> bool:
        """Whether discovery reaches the broker from the nodes only, not from pods."""
        return self.member.discovery_on_nodes > 0

    def manifests(self, dns: DnsValues | None = None) -> tuple[JsonObject, ...]:
        """What is applied to the cluster, secrets excepted; with `dns`, mcnet's own DNS too."""
        return manifests(self.member, dns)


async def prepare(api: Api, access: Access, request: JoinRequest, progress: Progress) -> JoinPlan:
    """Finds out and judges; changes nothing. Raises McnetError with the first reason against joining, after
    telling all of them."""
    member = await current_member(api)
    cluster = choose_id(request, member, api.context)
    progress.doing("Looking at the cluster")
    facts = await discover(api)
    versions.require(facts.version, versions.MEMBER_MINIMUM, f"the cluster {api.context or api.server}")
    progress.done(describe(facts))
    merged = _with_discovery(settings.merged(_found(cluster, facts), member, request.given), request.info, facts)
    if facts.pods_from_nodes and "pod-cidr" not in merged.given and facts.pod_prefixes:
        progress.warn("the pod CIDRs are those of today's nodes; is the cluster's range larger? --pod-cidr")
    if merged.discovery_on_nodes:
        progress.warn(
            f"pods have no address of the family of {request.info.server}: discovery uses the nodes' network"
        )
    if member and member.image and merged.image != member.image and "image" not in request.given:
        progress.warn(
            f"the daemons change from the image {member.image} to {merged.image}; to keep the former one: "
            f"--image {member.image}"
        )
    progress.doing("Reading the clusterset at the broker")
    unreadable: list[str] = []
    listed = await access.reader.list(kinds.CLUSTER, access.info.namespace)
    clusters = decode_all(cluster_codec.decode, listed, unreadable)
    for problem in unreadable:
        progress.warn(f"a cluster at the broker can't be read: {problem}")
    identity = await public_identity(api)
    reader = access.admin or access.reader
    accounts = request.replace and access.admin is not None
    records = await read_members(reader, access.info.namespace, accounts=accounts)
    holder = _holder(record_of(records, cluster), identity, request, admin=access.admin is not None)
    question = preflight.Question(
        cluster=cluster,
        pod_prefixes=merged.pod_prefixes,
        service_prefixes=merged.service_prefixes,
        others=tuple(one for one in clusters if one.id != cluster),
        mine=next((one for one in clusters if one.id == cluster), None),
        replace=request.replace,
        holder=described(holder, utc_now()) if holder else "",
        identity=identity,
        member=member,
        cni=facts.cni,
        nodes=facts.nodes,
        gateways=gateway_choice.choose_gateways(facts.nodes, merged.gateways.number, dict(merged.node_selector)),
        from_admin=access.admin is not None,
        delivery=merged.delivery,
        driver=access.info.default_driver,
    )
    verdict = preflight.judge(question)
    report(verdict.findings, progress)
    living: tuple[str, ...] = ()
    if holder:
        again = "the same command with --force"
        living = refuse_living(holder, request.cables, force=request.force, command=again)
        _tell_replaced(holder, progress)
    return JoinPlan(
        request=request,
        facts=facts,
        cluster=cluster,
        member=merged,
        record=Cluster(cluster, question.pod_prefixes, verdict.advertised),
        others=question.others,
        registered=question.mine is not None and holder is None,
        replaced=holder,
        living=living,
        first=member is None and await broker_access.stored_credential(api) is None,
        gateways=question.gateways,
        findings=verdict.findings,
    )


def _found(cluster: ClusterId, facts: ClusterFacts) -> Member:
    """The settings as they are where nobody gave any."""
    return Member(
        cluster=cluster,
        pod_prefixes=facts.pod_prefixes,
        service_prefixes=facts.service_prefixes,
        cni=facts.cni,
        kube_proxy_mode=facts.kube_proxy_mode,
        distribution=facts.distribution,
        image=default_image(),
    )


def _with_discovery(member: Member, info: BrokerInfo, facts: ClusterFacts) -> Member:
    """Where pods have no address of the broker's family discovery goes to the nodes' network, where two of them need
    two nodes, for their port."""
    foreign = is_foreign_family(info.server, member.pod_prefixes)
    return replace(member, discovery_on_nodes=min(2, len(facts.nodes)) if foreign else 0)


def _holder(
    record: MemberRecord | None, identity: Identity | None, request: JoinRequest, *, admin: bool
) -> MemberRecord | None:
    """Who has the ID and is not this cluster: by other keys; or, where it is to be replaced, with an account only."""
    if record is None:
        return None
    if record.identity:
        return record if record.identity != identity else None
    return record if request.replace and admin and record.cluster is None else None


def _tell_replaced(record: MemberRecord, progress: Progress) -> None:
    """What goes, before it does."""
    row = facts_of(record, (), utc_now())
    progress.warn(f"{record.id} is replaced: what the broker holds of it is removed")
    for label, text in lines(row):
        if label not in ("cluster", "waiting"):
            progress.warn(f"  {label}: {text}")


async def try_out(api: Api, plan: JoinPlan, progress: Progress) -> None:
    """Runs the probe pods, except where the daemons run already. Raises McnetError for what speaks against it."""
    request = plan.request
    running = await api.find(kinds.DAEMON_SET, "mcnet-gateway", SYSTEM_NAMESPACE)
    if running or not request.probe:
        return
    probing = ProbeRequest(
        node=plan.gateways[0],
        image=plan.member.image,
        info=request.info,
        port_base=plan.member.port_base,
        pull_policy=plan.member.pull_policy,
        pull_secrets=plan.member.pull_secrets,
        host_firewalls=not plan.member.manage_host_firewall,
        discovery_on_host=plan.discovery_on_host,
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
        anew = request.replace and as_admin
        existing = None if anew else await broker_access.by_existing(api, request.info, cluster)
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
    if await broker_access.stored_credential(api, cluster):
        raise UsageError(
            f"the broker {request.info.server} no longer accepts the credential of {cluster}",
            f"ask the broker's admin for a new one (mcnet member renew {cluster}) and give it with --token-file",
        )
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
