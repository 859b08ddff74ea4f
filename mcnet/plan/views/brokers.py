"""The brokers: those that could be read, and those that members speak of but no context leads to."""

from typing import Final

from mcnet.model.cluster import PROTOCOL_VERSION
from mcnet.plan import versions
from mcnet.plan.cluster_view import BrokerView, Picture, Row
from mcnet.plan.views.known import brokers_of

READY: Final = "ready"
NOT_READY: Final = "not ready"
ELSEWHERE: Final = "elsewhere"
"""No context of the kubeconfig leads to this broker: nothing is known of it but its members' word."""


def rows(picture: Picture) -> list[Row]:
    """One row for each broker."""
    return [_row(broker) for broker in picture.brokers] + _elsewhere(picture)


def _row(broker: BrokerView) -> Row:
    problems, following = _problems(broker)
    clusterset = broker.clusterset
    return {
        "context": broker.context,
        "state": NOT_READY if problems else READY,
        "server": broker.server,
        "members": sorted(cluster.id for cluster in broker.clusters),
        "driver": clusterset.default_driver if clusterset else "",
        "protocolVersion": clusterset.protocol_version if clusterset else None,
        "policy": broker.policy,
        "created": broker.created,
        "kubernetes": broker.kubernetes,
        "why": "; ".join(problems),
        "next": following,
    }


def _problems(broker: BrokerView) -> tuple[list[str], str]:
    deploy = f"mcnet deploy-broker --context {broker.context}"
    problems, following = [], ""
    if broker.clusterset is None:
        problems.append("the ClusterSet is missing, so nobody can join")
        following = deploy
    elif broker.clusterset.protocol_version > PROTOCOL_VERSION:
        problems.append(
            f"its clusterset speaks protocol version {broker.clusterset.protocol_version}, this command knows "
            f"{PROTOCOL_VERSION}"
        )
        following = "install a newer mcnet here"
    if not broker.policy:
        problems.append("the admission policy mcnet-broker-ownership is missing: members can write others' objects")
        following = deploy
    version = versions.parse(broker.kubernetes)
    if version is not None and version < versions.BROKER_MINIMUM:
        problems.append(f"it runs Kubernetes {broker.kubernetes}, a broker needs {versions.BROKER_MINIMUM} or newer")
        following = following or "upgrade that cluster"
    return problems, following


def _elsewhere(picture: Picture) -> list[Row]:
    lost: dict[str, list[str]] = {}
    for view in picture.members:
        if view.broker_server and not brokers_of(picture, view):
            lost.setdefault(view.broker_server, []).append(view.cluster)
    return [
        {
            "context": "",
            "state": ELSEWHERE,
            "server": server,
            "members": sorted(members),
            "note": f"no context of this kubeconfig could be read as the broker {server} of {', '.join(members)}",
        }
        for server, members in sorted(lost.items())
    ]
