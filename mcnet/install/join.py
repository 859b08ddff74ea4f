"""Joins a cluster: find out, judge, then change - in an order that a second run can finish or `leave` undo.

1. nothing lasting: `join_plan`
2. in the cluster: namespace, kinds, identity keys, the broker's credential; only then the join token is spent
3. at the broker: the Cluster; in the cluster: gateway labels and daemons
"""

import asyncio
from dataclasses import dataclass, field, replace

from mcnet.codec import identity as identity_codec
from mcnet.install import broker_access, cluster_dns, dns_daemon, identity, mcs_kinds
from mcnet.install.apply import SYSTEM_LABELS, Applied, Outcome, apply_all, summary
from mcnet.install.broker_access import Access
from mcnet.install.cluster_dns import Connected, Preview
from mcnet.install.join_plan import JoinPlan, public_identity
from mcnet.install.leave import remove_objects
from mcnet.install.manifests import first_and_rest
from mcnet.install.members import read_members, record_of
from mcnet.install.progress import Progress
from mcnet.install.pull_secrets import copies
from mcnet.install.registration import TakenError, register
from mcnet.install.removal import remove, utc_now
from mcnet.install.rollout import await_connections, await_rollout
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.errors import McnetError
from mcnet.model.member import BROKER_SECRET, IDENTITY_SECRET, SYSTEM_NAMESPACE
from mcnet.model.node import GATEWAY_LABEL
from mcnet.plan import gateway_choice
from mcnet.plan.cluster_dns import LeftAlone
from mcnet.plan.member_view import described
from mcnet.plan.reach import Reach


@dataclass(frozen=True, slots=True)
class Joined:
    """The outcome: what changed, and what the gateways are connected to (nothing for the first member)."""

    plan: JoinPlan
    changes: tuple[Applied, ...]
    reach: Reach = field(default_factory=Reach)
    dns: tuple[LeftAlone, ...] = ()
    """What of the cluster's DNS its owner has to change."""


async def carry_out(api: Api, access: Access, plan: JoinPlan, progress: Progress) -> Joined:
    """Makes the changes, waits for the daemons and, unless it is the first member, for the connections.

    Raises TakenError if another cluster was faster to take the ID; then nothing of this join is left.
    """
    first, _ = first_and_rest(plan.manifests())
    first += await mcs_kinds.to_apply(api)
    changes = await apply_all(api, first, told=lambda name: progress.doing(f"Applying {name}"))
    changes += await apply_all(api, await copies(api, plan.member.pull_secrets))
    private = await _keep_identity(api, changes)
    account = await broker_access.with_account(await _make_room(access, plan, progress), plan.cluster)
    try:
        await _open_account(api, account, plan, changes, progress)
        try:
            changes += await register(account, replace(plan.record, identity=private.public))
        except TakenError as error:
            raise await _undone(api, account, plan, error) from error
        changes += await _label_gateways(api, plan)
        progress.done(f"Gateways: {', '.join(plan.gateways)}")
        rest = first_and_rest(plan.manifests(await cluster_dns.daemon(api)))[1]
        changes += await apply_all(api, rest, told=lambda name: progress.doing(f"Applying {name}"))
        progress.done(f"Objects: {summary(changes)}")
        await await_rollout(api, gateways=len(plan.gateways), timeout=plan.request.timeout, progress=progress)
        dns = await _connect_dns(api, progress)
        reached = await _connect(api, account, plan, progress)
        await _retire_daemon(api, dns, progress)
    finally:
        if account is not access:
            await account.reader.close()
    return Joined(plan, tuple(changes), reached, dns.left)


async def _make_room(access: Access, plan: JoinPlan, progress: Progress) -> Access:
    """Removes the member that is replaced; what its account could, the new one's must not."""
    if plan.replaced is None:
        return access
    assert access.admin is not None
    await remove(
        access.admin, plan.replaced, alive=bool(plan.living), namespace=access.info.namespace, told=progress.doing
    )
    progress.done(f"The broker holds nothing of the {plan.cluster} that was replaced")
    return access


async def _undone(api: Api, access: Access, plan: JoinPlan, error: TakenError) -> TakenError:
    """Takes back what this join made, and says who has the ID. The account at the broker is the other's now."""
    members = await read_members(access.reader, access.info.namespace, accounts=False)
    holder = record_of(members, plan.cluster)
    by = f": {described(holder, utc_now())}" if holder else ""
    if plan.first:
        await remove_objects(api)
        return TakenError(error.message + by, f"{error.hint}; nothing of this join is left")
    if access.fresh:  # it is the other's account: leaving with it would take the other out
        await api.delete(kinds.SECRET, BROKER_SECRET, SYSTEM_NAMESPACE)
    return TakenError(error.message + by, f"take this cluster out first: mcnet leave --force --context {api.context}")


async def dry_run(api: Api, access: Access, plan: JoinPlan) -> Preview:
    """What `carry_out` would change; asks the servers, changes nothing."""
    manifests = plan.manifests(await cluster_dns.daemon(api, imports=True))
    applied = await apply_all(api, (*manifests, *await mcs_kinds.to_apply(api)), dry_run=True)
    dns = await cluster_dns.preview(api)
    applied += dns.applied
    for secret, there in ((IDENTITY_SECRET, await public_identity(api)), (BROKER_SECRET, not access.fresh)):
        applied.append(Applied("Secret", secret, Outcome.UNCHANGED if there else Outcome.CREATED))
    missing = set(plan.gateways) - set(gateway_choice.labelled_gateways(plan.facts.nodes))
    field = f"metadata.labels.{GATEWAY_LABEL}"
    applied += [Applied("Node", node, Outcome.CHANGED, (field,)) for node in sorted(missing)]
    if plan.replaced and plan.replaced.identity:
        applied.append(Applied("Cluster", f"{plan.cluster} (at the broker)", Outcome.CHANGED, ("replaced",)))
        return Preview(tuple(applied), dns.left)
    here = Outcome.UNCHANGED if plan.registered else Outcome.CREATED
    return Preview((*applied, Applied("Cluster", f"{plan.cluster} (at the broker)", here)), dns.left)


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


async def _label_gateways(api: Api, plan: JoinPlan) -> list[Applied]:
    labelled = gateway_choice.labelled_gateways(plan.facts.nodes)
    applied = []
    for node in plan.gateways:
        if node not in labelled:
            await api.merge_patch(kinds.NODE, node, {"metadata": {"labels": {GATEWAY_LABEL: "true"}}})
            applied.append(Applied("Node", node, Outcome.CHANGED))
    return applied


async def _connect_dns(api: Api, progress: Progress) -> Connected:
    """A join does not fail for names: addresses work without."""
    if not await cluster_dns.has_imports(api):
        return Connected()
    progress.doing("Connecting the cluster's DNS")
    try:
        connected = await cluster_dns.connect(api, progress.doing)
    except McnetError as error:
        progress.warn(f"the cluster's DNS does not know clusterset.local: {error.message}; {error.hint}")
        return Connected()
    if not connected.left:
        soon = ", as soon as it has read its new configuration (two minutes at most)" if connected.changed else ""
        progress.done(f"The cluster's DNS answers clusterset.local{soon}")
    return connected


async def _retire_daemon(api: Api, dns: Connected, progress: Progress) -> None:
    """The DNS daemon goes where the cluster's DNS no longer asks it: after an upgrade of CoreDNS."""
    if dns.left or not dns.itself or not await dns_daemon.is_there(api):
        return
    if dns.changed:
        progress.doing("Waiting until the cluster's DNS has read its new configuration: then mcnet-dns goes")
        await asyncio.sleep(cluster_dns.READ_WITHIN)
    await dns_daemon.remove(api)
    progress.done("mcnet-dns is removed: the cluster's DNS answers clusterset.local by itself")


async def _connect(api: Api, access: Access, plan: JoinPlan, progress: Progress) -> Reach:
    """Waits for the connections to all other members that have a gateway."""
    endpoints = await access.reader.list(kinds.ENDPOINT, access.info.namespace)
    others = {str(found["spec"].get("cluster")) for found in endpoints} - {plan.cluster}
    silent = {one.id for one in plan.others} - others
    if silent:
        progress.warn(f"{', '.join(sorted(silent))} has no gateway at the moment")
    if not others:
        return Reach()
    if plan.replaced and plan.replaced.identity:
        progress.warn(
            f"the others know {plan.cluster} by its old keys and don't connect until their admins say so, in each: "
            f"mcnet member trust {plan.cluster} --context CONTEXT"
        )
        return Reach()
    return await await_connections(
        api, nodes=plan.gateways, timeout=plan.request.timeout, progress=progress, others=tuple(sorted(others))
    )


def _account_text(access: Access) -> str:
    expires = access.credential.expires if access.credential else None
    until = f", valid until {expires:%Y-%m-%d}, renewed by itself" if expires else ""
    return f"Account at the broker{until}" + ("" if access.fresh else " (as before)")
