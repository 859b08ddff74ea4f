"""Waiting for daemons and for connections: what is told, and why it gives up."""

from typing import Any

import pytest

from mcnet.codec import gateway as gateway_codec
from mcnet.install import rollout
from mcnet.install.progress import Silent
from mcnet.install.rollout import DNS, WORKLOADS, await_connections, await_rollout
from mcnet.model.cluster import ClusterId
from mcnet.model.errors import McnetError
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.plan.reach import Reach
from tests.fakes.api import FakeServer

NAMESPACE = "mcnet-system"


def workload(name: str, kind: str, ready: int) -> dict[str, Any]:
    counts = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": ready}
    if kind == "Deployment":
        counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": ready}
    metadata = {"name": name, "namespace": NAMESPACE, "generation": 1}
    status = {"observedGeneration": 1, **counts}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"replicas": 2}, "status": status}


def server(ready: int) -> FakeServer:
    made = FakeServer(context="west")
    made.add(*(workload(one.name, one.kind.kind, ready) for one in WORKLOADS))
    return made


class Told(Silent):
    """Keeps the live line."""

    def __init__(self) -> None:
        self.live: list[str] = []
        self.lasting: list[str] = []

    def doing(self, text: str) -> None:
        self.live.append(text)

    def done(self, text: str) -> None:
        self.lasting.append(text)


async def test_ready_daemons() -> None:
    told = Told()
    await await_rollout(server(2).api(), gateways=2, timeout=5, progress=told)
    assert told.lasting == ["Daemons run: discovery 2/2, route-agent 2/2, gateway 2/2, cable 2/2"]


async def test_the_dns_daemon_is_awaited_where_it_is_there() -> None:
    made, told = server(2), Told()
    made.add(workload(DNS.name, DNS.kind.kind, 2))
    await await_rollout(made.api(), gateways=2, timeout=5, progress=told)
    assert told.lasting == ["Daemons run: discovery 2/2, route-agent 2/2, gateway 2/2, cable 2/2, dns 2/2"]
    made.add(workload(DNS.name, DNS.kind.kind, 1))
    with pytest.raises(McnetError, match="the daemons don't all run"):
        await await_rollout(made.api(), gateways=2, timeout=0.05, progress=told)


async def test_the_number_of_gateways_counts() -> None:
    with pytest.raises(McnetError, match=r"the daemons don't all run after 0\.05 s, though no pod says why"):
        await await_rollout(server(2).api(), gateways=3, timeout=0.05, progress=Silent())


async def test_a_pod_that_does_not_start_is_named() -> None:
    made = server(0)
    labels = {"app.kubernetes.io/name": "mcnet"}
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "denied"}}}
    pod = {"name": "mcnet-gateway-x", "namespace": NAMESPACE, "labels": labels}
    status = {"phase": "Pending", "containerStatuses": [waiting]}
    spec = {"nodeName": "n1"}
    made.add({"apiVersion": "v1", "kind": "Pod", "metadata": pod, "spec": spec, "status": status})
    told = Told()
    with pytest.raises(McnetError, match="pod mcnet-gateway-x on n1: ImagePullBackOff: denied") as caught:
        await await_rollout(made.api(), gateways=2, timeout=0.05, progress=told)
    assert caught.value.hint == "kubectl --context west -n mcnet-system describe pod mcnet-gateway-x"
    assert any("gateway 0/2" in line for line in told.live)


async def test_a_daemon_that_is_not_ready_is_quoted() -> None:
    made = server(0)
    labels = {"app.kubernetes.io/name": "mcnet", "app.kubernetes.io/component": "gateway"}
    status = {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}
    metadata = {"name": "mcnet-gateway-x", "namespace": NAMESPACE, "labels": labels}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "n1"}, "status": status}
    report = Gateway("n1", ClusterId("west"), 0, problems=("nft does not know ipv6-icmp",))
    made.add(pod, gateway_codec.encode(report, namespace=NAMESPACE))
    with pytest.raises(McnetError, match="running, but not ready; nft does not know ipv6-icmp") as caught:
        await await_rollout(made.api(), gateways=2, timeout=0.05, progress=Silent())
    assert caught.value.hint == "kubectl --context west -n mcnet-system logs mcnet-gateway-x --tail 20"


def report(node: str, state: CableState, reason: str = "") -> dict[str, Any]:
    cable = Cable(ClusterId("east"), "e1", 0, state, "vxlan", reason=reason)
    return gateway_codec.encode(Gateway(node, ClusterId("west"), 0, (cable,)), namespace=NAMESPACE)


def reports(state: CableState, reason: str = "") -> FakeServer:
    made = FakeServer(context="west")
    made.add(report("n1", state, reason))
    return made


async def connection(
    made: FakeServer,
    others: tuple[str, ...] = ("east",),
    nodes: tuple[str, ...] = ("n1",),
    progress: Silent | None = None,
) -> Reach:
    return await await_connections(
        made.api(), nodes=nodes, timeout=0.05, progress=progress or Silent(), others=others
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "CONNECTION_INTERVAL", 0.01)
    monkeypatch.setattr(rollout, "SETTLING", 0.2)


async def test_a_connection() -> None:
    found = await connection(reports(CableState.CONNECTED))
    assert [(gateway.node, cable.gateway) for gateway, cable in found.connected] == [("n1", "e1")]
    assert not found.missing


async def test_the_other_gateway_may_take_longer_than_the_first() -> None:
    made = reports(CableState.CONNECTED)
    made.add(report("n2", CableState.CONNECTING))

    class ConnectsLater(Told):
        def doing(self, text: str) -> None:
            super().doing(text)
            if len(self.live) == 8:  # past the timeout of 0.05 s, which is the first connection's
                made.add(report("n2", CableState.CONNECTED))

    told = ConnectsLater()
    found = await connection(made, nodes=("n1", "n2"), progress=told)
    assert [gateway.node for gateway, _ in found.connected] == ["n1", "n2"]
    assert told.live[0] == "Waiting for the connections to east: n2 is not connected to east (e1): connecting"


async def test_a_gateway_elsewhere_that_is_down_does_not_fail_the_join() -> None:
    made = reports(CableState.CONNECTED)
    made.add(report("n2", CableState.ERROR, "3 probes lost"))
    found = await connection(made, nodes=("n1", "n2"))
    assert [gateway.node for gateway, _ in found.connected] == ["n1"]
    assert found.missing == ("n2 is not connected to east (e1): 3 probes lost",)


async def test_no_connection_says_what_the_gateway_says() -> None:
    with pytest.raises(McnetError, match=r"n1 is not connected to east \(e1\): 3 probes lost") as caught:
        await connection(reports(CableState.ERROR, "3 probes lost"))
    assert caught.value.hint == "mcnet show connections --context west"


async def test_a_cable_to_a_member_that_has_left_is_none() -> None:
    with pytest.raises(McnetError, match="no cable to north was connected"):
        await connection(reports(CableState.CONNECTED), ("north",))


async def test_no_gateway_at_all() -> None:
    with pytest.raises(McnetError, match="n1 has not reported yet"):
        await connection(FakeServer())
