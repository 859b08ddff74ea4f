"""What gateways and route agents report of themselves: cables, problems, readiness."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mcnet.diagnose.check import Check
from mcnet.diagnose.site import Site
from mcnet.model.diagnosis import Finding, Judgement, Verdict
from mcnet.model.errors import McnetError
from mcnet.model.node import NodeState
from mcnet.plan.cluster_view import ClusterView, kubectl
from mcnet.plan.views.connections import CONNECTED, UNKNOWN, connection_rows
from mcnet.plan.views.gateways import READY, gateway_rows
from mcnet.show.gather import read_member


@dataclass(frozen=True, slots=True)
class Evidence:
    """The member as `mcnet show` sees it, and its nodes' reports; `nodes` are all there are."""

    view: ClusterView
    states: tuple[NodeState, ...] = ()
    nodes: frozenset[str] = field(default_factory=frozenset)


async def gather(site: Site) -> Evidence:
    view = await site.once("view", lambda: read_member(site.api))
    if view is None:
        raise McnetError(f"{site.member.cluster} has just left the clusterset")
    nodes = frozenset(node.name for node in await site.nodes())
    return Evidence(view, await site.node_states(), nodes)


def judge(evidence: Evidence) -> Judgement:
    rows = connection_rows(evidence.view)
    findings = [
        *(_row(_connection(row), row) for row in rows if row["state"] != CONNECTED),
        *(
            _row(f"gateway {row['gateway']}", row)
            for row in gateway_rows(evidence.view)
            if row["state"] != READY
        ),
        *_nodes(evidence),
    ]  # fmt: skip
    up = sum(row["state"] == CONNECTED for row in rows)
    looked = f"{up} of {len(rows)} {'connection' if len(rows) == 1 else 'connections'} up"
    return Judgement(looked if rows else "no other member yet", tuple(findings))


def _connection(row: dict[str, object]) -> str:
    by = f" ({row['gateway']} → {row['remoteGateway']})" if row["remoteGateway"] else ""
    return f"{row['cluster']} → {row['remoteCluster']}{by}"


def _row(about: str, row: dict[str, object]) -> Finding:
    verdict = Verdict.UNKNOWN if row["state"] == UNKNOWN else Verdict.WRONG
    return Finding(verdict, about, f"{row['state']}: {row['why']}", str(row["next"]))


def _nodes(evidence: Evidence) -> Iterable[Finding]:
    reported = {state.node for state in evidence.states}
    logs = f"{kubectl(evidence.view)} logs -l app.kubernetes.io/component=route-agent --tail 20"
    for node in sorted(evidence.nodes - reported):
        yield Finding(Verdict.WRONG, f"node {node}", "its route agent has not reported", logs)
    for state in evidence.states:
        if state.node not in evidence.nodes or (state.ready and not state.problems):
            continue  # reports of nodes that are gone are the check endpoints'
        said = "; ".join(state.problems) or "its route agent is not ready"
        verdict = Verdict.WARNING if state.ready else Verdict.WRONG
        yield Finding(verdict, f"node {state.node}", said, logs)


CHECK = Check(
    name="connections",
    title="Connections",
    matters="traffic to a cluster that no cable reaches is rejected",
    gather=gather,
    judge=judge,
)
