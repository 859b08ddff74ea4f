"""Approves a member's prefixes at the broker, as its admin. What speaks against it is mcnet.plan.approval's; a member
itself only asks, by what its cluster has (Member, carried to the Cluster's status by discovery)."""

from dataclasses import dataclass

from mcnet.codec.fields import texts
from mcnet.install.members import others, read_members, record_of
from mcnet.kube import kinds
from mcnet.kube.api import Api
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import ConflictError, McnetError, UsageError
from mcnet.model.kernel import Network
from mcnet.model.member import BROKER_NAMESPACE
from mcnet.plan.approval import Verdict, judge
from mcnet.plan.member_view import MemberRecord


@dataclass(frozen=True, slots=True)
class Proposal:
    """What approving would mean, of the record as it was read."""

    record: MemberRecord
    verdict: Verdict
    version: str
    """The Cluster's resource version."""


async def propose(
    api: Api, cluster: ClusterId, *, pods: tuple[Network, ...] = (), services: tuple[Network, ...] = ()
) -> Proposal:
    """Reads and judges; changes nothing. Raises UsageError if there is no such member, McnetError that says what
    speaks against it."""
    members = await read_members(api, accounts=False)
    record = record_of(members, cluster)
    obj = await api.find(kinds.CLUSTER, cluster, BROKER_NAMESPACE)
    if record is None or record.cluster is None or obj is None:
        known = ", ".join(one.id for one in members) or "none"
        raise UsageError(f"{cluster} is no member of this clusterset; there are: {known}", "mcnet member list")
    verdict = judge(record.cluster, record.requested, others(members, cluster), pods=pods, services=services)
    if verdict.refusal:
        raise McnetError(verdict.refusal, verdict.hint)
    return Proposal(record, verdict, str(obj["metadata"]["resourceVersion"]))


async def approve(api: Api, proposal: Proposal) -> None:
    """Writes what was proposed. Raises ConflictError if the record has changed since it was read."""
    record = proposal.verdict.record
    patch = {
        "metadata": {"resourceVersion": proposal.version},
        "spec": {"podPrefixes": texts(record.pod_prefixes), "servicePrefixes": texts(record.service_prefixes)},
    }
    try:
        await api.merge_patch(kinds.CLUSTER, record.id, patch, BROKER_NAMESPACE)
    except ConflictError as error:
        raise ConflictError(
            f"the record of {record.id} was changed by somebody else meanwhile",
            f"look again: mcnet member show {record.id}",
            status=409,
        ) from error
