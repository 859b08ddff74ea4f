"""Joins a cluster: find out, judge, then change - in an order that a second run can finish or `leave` undo.

1. nothing lasting: `join_plan`
2. in the cluster: namespace, kinds, identity keys, the broker's credential; only then the join token is spent
3. at the broker: the Cluster; in the cluster: gateway labels and daemons
"""

from dataclasses import dataclass

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import identity as identity_codec
from mcnet.codec.broker import member_account
from mcnet.install import broker_access, identity
from mcnet.install.apply import SYSTEM_LABELS, Applied, Outcome, apply_all, summary
from mcnet.install.broker_access import Access
from mcnet.install.join_plan import JoinPlan, public_identity
from mcnet.install.progress import Progress
from mcnet.install.pull_secrets import copies
from mcnet.install.rollout import await_connection, await_rollout
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.cluster import Cluster
from mcnet.model.errors import ConflictError
from mcnet.model.gateway import Gateway
from mcnet.model.member import BROKER_SECRET, IDENTITY_SECRET, MANAGED_LABEL, SYSTEM_NAMESPACE
from mcnet.model.node import GATEWAY_LABEL
from mcnet.plan import gateway_choice


@dataclass(frozen=True, slots=True)
class Joined:
    """The outcome: what changed, and the gateways' reports (empty for the first member)."""

    plan: JoinPlan
    changes: tuple[Applied, ...]
    gateways: tuple[Gateway, ...] = ()


async def carry_out(api: Api, access: Access, plan: JoinPlan, progress: Progress) -> Joined:
    """Makes the changes, waits for the daemons and, unless it is the first member, for the first connection."""
    objects = plan.manifests()
    first = [obj for obj in objects if obj["kind"] in (kinds.NAMESPACE.kind, kinds.CRD.kind)]
    rest = [obj for obj in objects if obj not in first]
    changes = await apply_all(api, first, told=lambda name: progress.doing(f"Applying {name}"))
    changes += await apply_all(api, await copies(api, plan.request.pull_secrets))
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
    for secret, there in ((IDENTITY_SECRET, await public_identity(api)), (BROKER_SECRET, not access.fresh)):
        applied.append(Applied("Secret", secret, Outcome.UNCHANGED if there else Outcome.CREATED))
    missing = set(plan.gateways) - set(gateway_choice.labelled_gateways(plan.facts.nodes))
    field = f"metadata.labels.{GATEWAY_LABEL}"
    applied += [Applied("Node", node, Outcome.CHANGED, (field,)) for node in sorted(missing)]
    here = Outcome.UNCHANGED if plan.registered else Outcome.CREATED
    return [*applied, Applied("Cluster", f"{plan.cluster} (at the broker)", here)]


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


async def _open_account(api: Api, access: Access, plan: JoinPlan, changes: list[Applied], progress: Progress) -> None:
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
    return await await_connection(api, timeout=plan.request.timeout, progress=progress, others=tuple(sorted(others)))


def _account_text(access: Access) -> str:
    expires = access.credential.expires if access.credential else None
    until = f", valid until {expires:%Y-%m-%d}, renewed by itself" if expires else ""
    return f"Account at the broker{until}" + ("" if access.fresh else " (as before)")
