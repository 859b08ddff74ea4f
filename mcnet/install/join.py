"""Joins a cluster: find out, judge, then change - in an order that a second run can finish or `leave` undo.

1. read only: rights, discovery, access to the broker, the members there; then the verdict (mcnet.plan.preflight)
2. in the cluster: namespace, kinds, identity keys, the broker's credential; only then the join token is spent
3. at the broker: the Cluster; in the cluster: gateway labels and daemons
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcnet import __version__
from mcnet.codec import cluster as cluster_codec
from mcnet.codec import identity as identity_codec
from mcnet.codec import member as member_codec
from mcnet.codec.broker import member_account
from mcnet.install import broker_access, identity, rights
from mcnet.install.apply import SYSTEM_LABELS, Applied, Outcome, apply_all, summary
from mcnet.install.broker_access import Access
from mcnet.install.discover import discover
from mcnet.install.progress import Progress
from mcnet.install.rollout import await_connection, await_rollout
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.kube.connect import from_kubeconfig
from mcnet.kube.kinds import JsonObject
from mcnet.model.broker import BrokerInfo, JoinToken
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.errors import ConflictError, McnetError, UsageError
from mcnet.model.gateway import Gateway
from mcnet.model.kernel import Network
from mcnet.model.member import IDENTITY_SECRET, MANAGED_LABEL, MEMBER_NAME, SYSTEM_NAMESPACE, Member
from mcnet.model.node import GATEWAY_LABEL
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
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    pod_prefixes: tuple[Network, ...] = ()
    service_prefixes: tuple[Network, ...] = ()
    port_base: int = DEFAULT_PORT_BASE
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
            pull_secrets=request.pull_secrets,
            node_selector=request.node_selector,
            tolerations=request.tolerations,
            member=member,
            version=__version__,
        )
        return sort_objects(render("crds") + render("member", values))


@dataclass(frozen=True, slots=True)
class Joined:
    """The outcome: what changed, and the gateways' reports (empty for the first member)."""

    plan: JoinPlan
    changes: tuple[Applied, ...]
    gateways: tuple[Gateway, ...] = ()


async def prepare(api: Api, access: Access, request: JoinRequest, progress: Progress) -> JoinPlan:
    """Finds out and judges; changes nothing. Raises McnetError with the first reason against joining, after
    telling all of them."""
    member = await current_member(api)
    cluster = choose_id(request, member, api.context)
    progress.doing("Looking at the cluster")
    facts = await discover(api)
    versions.require(facts.version, versions.MEMBER_MINIMUM, f"the cluster {api.context or api.server}")
    progress.done(describe(facts))
    progress.doing("Reading the clusterset at the broker")
    members = [cluster_codec.decode(found) for found in await access.reader.list(kinds.CLUSTER, access.info.namespace)]
    question = preflight.Question(
        cluster=cluster,
        pod_prefixes=request.pod_prefixes or facts.pod_prefixes,
        service_prefixes=request.service_prefixes or facts.service_prefixes,
        others=tuple(one for one in members if one.id != cluster),
        mine=next((one for one in members if one.id == cluster), None),
        identity=await _public_identity(api),
        member=member,
        cni=facts.cni,
        nodes=facts.nodes,
        gateways=gateway_choice.choose_gateways(facts.nodes, request.gateways, request.node_selector),
        from_admin=access.admin is not None,
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


async def open_access(api: Api, request: JoinRequest) -> Access:
    """The way to the broker: what an earlier join left, the join token, or the broker's admin.

    Raises UsageError if there is none, or token and broker don't fit.
    """
    cluster = choose_id(request, await current_member(api), api.context)
    if request.token:
        broker_access.check_token(request.info, request.token, cluster)
    existing = await broker_access.by_existing(api, request.info, cluster)
    if request.broker_context:
        admin = await from_kubeconfig(context=request.broker_context, kubeconfig=request.kubeconfig)
        found = await broker_access.by_admin(request.info, admin)
        return broker_access.both(existing, found) if existing else found
    if existing:
        return existing
    if request.token:
        return await broker_access.by_token(request.info, request.token, cluster)
    found_admin = await broker_access.admin_context(request.info, request.kubeconfig)
    if found_admin:
        return await broker_access.by_admin(request.info, found_admin)
    raise UsageError(
        f"joining takes a token, since no context of the kubeconfig leads to the broker {request.info.server}",
        f"ask the broker's admin for: mcnet token create {cluster}, and give it with --token, or name --broker-context",
    )


async def carry_out(api: Api, access: Access, plan: JoinPlan, progress: Progress) -> Joined:
    """Makes the changes, waits for the daemons and, unless it is the first member, for the first connection."""
    objects = plan.manifests()
    first = [obj for obj in objects if obj["kind"] in (kinds.NAMESPACE.kind, kinds.CRD.kind)]
    rest = [obj for obj in objects if obj not in first]
    changes = await apply_all(api, first, told=lambda name: progress.doing(f"Applying {name}"))
    private = await _keep_identity(api, changes)
    account = await broker_access.with_account(access, plan.cluster)
    try:
        await _open_account(api, account, plan, changes, progress)
        await _register(account, plan, private, changes)
        changes += await _label_gateways(api, plan)
        progress.done(f"Gateways: {', '.join(plan.gateways)}")
        changes += await apply_all(api, rest, told=lambda name: progress.doing(f"Applying {name}"))
        progress.done(f"Objects: {summary(changes)}")
        await await_rollout(api, gateways=len(plan.gateways), timeout=plan.request.timeout, progress=progress)
        gateways = await _connect(api, account, plan, progress)
    finally:
        if account is not access:
            await account.reader.close()
    return Joined(plan, tuple(changes), gateways)


async def dry_run(api: Api, access: Access, plan: JoinPlan) -> list[Applied]:
    """What `carry_out` would change; asks the servers, changes nothing."""
    applied = await apply_all(api, plan.manifests(), dry_run=True)
    for secret, there in ((IDENTITY_SECRET, await _public_identity(api)), ("mcnet-broker", not access.fresh)):
        applied.append(Applied("Secret", secret, Outcome.UNCHANGED if there else Outcome.CREATED))
    missing = set(plan.gateways) - set(gateway_choice.labelled_gateways(plan.facts.nodes))
    applied += [Applied("Node", node, Outcome.CHANGED, (f"metadata.labels.{GATEWAY_LABEL}",)) for node in sorted(missing)]
    here = Outcome.UNCHANGED if plan.registered else Outcome.CREATED
    return [*applied, Applied("Cluster", f"{plan.cluster} (at the broker)", here)]


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
        raise UsageError(f"no cluster ID can be made of the context name {context!r}", "choose one: --cluster-id west")
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
    return (
        f"Kubernetes {facts.version} ({facts.distribution}), {len(facts.nodes)} nodes, CNI {facts.cni}, kube-proxy "
        f"{facts.kube_proxy_mode}; pods {networks}; services {services}"
    )


async def current_member(api: Api) -> Member | None:
    """The settings of an earlier join; None before the first."""
    found = await api.find(kinds.MEMBER, MEMBER_NAME, SYSTEM_NAMESPACE)
    return member_codec.decode(found) if found else None


async def require_rights(api: Api) -> None:
    """Raises ForbiddenError if the caller lacks rights in the joining cluster."""
    await rights.require(api, rights.member_rights(), "join")


async def _public_identity(api: Api) -> Any:
    secret = await api.find(kinds.SECRET, IDENTITY_SECRET, SYSTEM_NAMESPACE)
    return identity_codec.decode_secret(secret).public if secret else None


async def _keep_identity(api: Api, changes: list[Applied]) -> identity_codec.PrivateIdentity:
    """The cluster's identity: the one it has, else a new one."""
    secret = await api.find(kinds.SECRET, IDENTITY_SECRET, SYSTEM_NAMESPACE)
    if secret:
        return identity_codec.decode_secret(secret)
    private = identity.generate()
    made = identity_codec.encode_secret(private)
    made["metadata"]["labels"] = dict(SYSTEM_LABELS)
    await api.create(kinds.SECRET, made, SYSTEM_NAMESPACE)
    changes.append(Applied("Secret", IDENTITY_SECRET, Outcome.CREATED))
    return private


async def _open_account(
    api: Api, access: Access, plan: JoinPlan, changes: list[Applied], progress: Progress
) -> None:
    """Keeps the credential in the cluster, and only then spends the join token: nothing is lost in between."""
    assert access.credential is not None
    if access.fresh:
        changes += await apply_all(api, [broker_access.credential_secret(access.credential, plan.cluster)])
    await broker_access.spend(access, plan.cluster)
    progress.done(_account_text(access))


async def _register(
    access: Access, plan: JoinPlan, private: identity_codec.PrivateIdentity, changes: list[Applied]
) -> None:
    """Writes the Cluster at the broker: as admin whenever it differs, as member only once."""
    assert access.member is not None
    namespace = access.info.namespace
    account = await access.member.get(kinds.SERVICE_ACCOUNT, member_account(plan.cluster), namespace)
    record = Cluster(plan.cluster, plan.record.pod_prefixes, plan.record.service_prefixes, private.public)
    obj = cluster_codec.encode(record, namespace=namespace)
    obj["metadata"]["labels"][MANAGED_LABEL] = "mcnet"
    obj["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "name": account["metadata"]["name"],
            "uid": account["metadata"]["uid"],
        }
    ]
    if access.admin:
        changes += await apply_all(access.admin, [obj])
    elif not plan.registered:
        try:
            await access.member.create(kinds.CLUSTER, obj, namespace)
        except ConflictError:
            return  # another run of join was faster
        changes.append(Applied("Cluster", plan.cluster, Outcome.CREATED))


async def _label_gateways(api: Api, plan: JoinPlan) -> list[Applied]:
    labelled = gateway_choice.labelled_gateways(plan.facts.nodes)
    applied = []
    for node in plan.gateways:
        if node not in labelled:
            await api.merge_patch(kinds.NODE, node, {"metadata": {"labels": {GATEWAY_LABEL: "true"}}})
            applied.append(Applied("Node", node, Outcome.CHANGED))
    return applied


async def _connect(api: Api, access: Access, plan: JoinPlan, progress: Progress) -> tuple[Gateway, ...]:
    """Waits for the first connection if any other member has a gateway."""
    endpoints = await access.reader.list(kinds.ENDPOINT, access.info.namespace)
    others = {str(found["spec"].get("cluster")) for found in endpoints} - {plan.cluster}
    silent = {one.id for one in plan.others} - others
    if silent:
        progress.warn(f"{', '.join(sorted(silent))} has no gateway at the moment")
    if not others:
        return ()
    return await await_connection(
        api, timeout=plan.request.timeout, progress=progress, others=tuple(sorted(others))
    )


def _account_text(access: Access) -> str:
    expires = access.credential.expires if access.credential else None
    until = f", valid until {expires:%Y-%m-%d}, renewed by itself" if expires else ""
    return f"Account at the broker{until}" + ("" if access.fresh else " (as before)")
