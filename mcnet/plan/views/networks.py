"""The networks of each cluster: its own prefixes on their way from found to advertised, and which of the others'
it routes or refuses.
"""

from typing import Final

from mcnet.model.cluster import Cluster, ClusterId, Requested
from mcnet.model.kernel import Network
from mcnet.plan.cluster_view import ClusterView, Picture, Row, logs
from mcnet.plan.remote import accept, families
from mcnet.plan.views.known import overlap

FOUND: Final = "found"
REQUESTED: Final = "requested"
APPROVED: Final = "approved"
ADVERTISED: Final = "advertised"
ROUTED: Final = "routed"
REFUSED: Final = "refused"
UNUSED: Final = "not used"
"""Of a family that this cluster's pods do not have."""


def rows(picture: Picture) -> list[Row]:
    """For each cluster first its own prefixes, then the others'."""
    return [row for view in picture.members for row in (*own_rows(view), *remote_rows(view))]


def own_rows(view: ClusterView) -> list[Row]:
    """One row for each prefix that the cluster has, asks for, is approved for or advertises."""
    record = next((one for one in view.clusters if one.id == view.cluster), Cluster(view.cluster, (), ()))
    request = view.requests.get(view.cluster, Requested())
    member = view.member
    kinds = (
        ("pods", (member.pod_prefixes, request.pod_prefixes, record.pod_prefixes)),
        ("services", (member.service_prefixes, request.service_prefixes, record.service_prefixes)),
    )
    return [
        _own_row(
            view, kind, prefix,
            found=prefix in stages[0], requested=prefix in stages[1], approved=prefix in stages[2],
        )
        for kind, stages in kinds
        for prefix in dict.fromkeys(prefix for stage in stages for prefix in stage)
    ]  # fmt: skip


def _own_row(view: ClusterView, kind: str, prefix: Network, *, found: bool, requested: bool, approved: bool) -> Row:
    own = [endpoint for endpoint in view.endpoints if endpoint.cluster == view.cluster]
    advertised = any(prefix in endpoint.prefixes for endpoint in own)
    clash = overlap(prefix, (one for one in view.clusters if one.id != view.cluster))
    state = ADVERTISED if advertised else APPROVED if approved else REQUESTED if requested else FOUND
    why = following = note = ""
    if clash and not approved:
        state = REFUSED
        text = f"{prefix} overlaps {clash[1]} of cluster {clash[0]}"
        if kind == "pods":
            why = f"{text}: the others can't reach these pods"
            following = "give one of the two clusters another pod CIDR"
        else:
            note = f"{text}: it is not advertised, the others reach these services only through their pods"
    elif not approved:
        why = f"the broker's admin has not approved {prefix} ({kind})"
        following = f"mcnet member approve {view.cluster}, by the broker's admin"
    elif not advertised and own:
        why = f"{prefix} is approved, but no gateway advertises it"
        following = logs(view, "gateway")
    elif not advertised:
        why = f"{prefix} is approved, but {view.cluster} has no gateway that could advertise it"
        following = f"mcnet show gateways --context {view.context}"
    elif not found:
        note = f"{prefix} is advertised, but the cluster's Member does not name it"
    stages = {"found": found, "requested": requested, "approved": approved, "advertised": advertised}
    return _row(view, view.cluster, kind, prefix, state) | stages | {"why": why, "next": following, "note": note}


def remote_rows(view: ClusterView) -> list[Row]:
    """One row for each prefix of another cluster, and one for each refusal that concerns no single prefix."""
    remotes = accept(view.member, view.clusters, view.endpoints)
    routed = {(remote.cluster, prefix) for remote in remotes.clusters for prefix in remote.prefixes}
    problems = list(remotes.problems)
    found = []
    for cluster in sorted(view.clusters, key=lambda one: one.id):
        if cluster.id != view.cluster:
            for kind, prefix in _prefixes(view, cluster):
                taken = (cluster.id, prefix) in routed
                found.append(_remote_row(view, cluster.id, kind, prefix, routed=taken, problems=problems))
    return found + [
        _row(view, "", "", None, REFUSED) | {"why": problem, "next": "mcnet show endpoints"} for problem in problems
    ]


def _remote_row(
    view: ClusterView, owner: ClusterId, kind: str, prefix: Network, *, routed: bool, problems: list[str]
) -> Row:
    """Takes the sentences about this prefix out of `problems`."""
    about = [
        text for text in problems if text.startswith((f"{prefix} of cluster {owner} ", f"{prefix} of endpoint "))
    ]
    about = [text for text in about if f"cluster {owner}" in text]
    for text in about:
        problems.remove(text)
    note = ""
    if about:
        state = REFUSED
    elif routed:
        state = ROUTED
    elif prefix.version not in families(view.member):
        state, note = UNUSED, f"the pods of {view.cluster} have no IPv{prefix.version} addresses"
    else:
        state, note = UNUSED, f"no gateway of {owner} advertises {prefix}"
    following = f"mcnet show networks, in {owner}'s context" if about else ""
    return _row(view, owner, kind, prefix, state) | {"why": "; ".join(about), "next": following, "note": note}


def _prefixes(view: ClusterView, cluster: Cluster) -> list[tuple[str, Network]]:
    """Approved ones, and what its endpoints advertise beyond them."""
    pairs = [("pods", prefix) for prefix in cluster.pod_prefixes]
    pairs += [("services", prefix) for prefix in cluster.service_prefixes]
    said = [prefix for one in view.endpoints if one.cluster == cluster.id for prefix in one.prefixes]
    within = cluster.prefixes
    return pairs + [("advertised", prefix) for prefix in dict.fromkeys(said) if prefix not in within]


def _row(view: ClusterView, owner: str, kind: str, prefix: Network | None, state: str) -> Row:
    return {
        "cluster": view.cluster,
        "networkOf": owner,
        "kind": kind,
        "prefix": str(prefix or ""),
        "family": prefix.version if prefix else None,
        "state": state,
        "cni": view.member.cni,
        "kubeProxyMode": view.member.kube_proxy_mode,
        "distribution": view.member.distribution,
    }
