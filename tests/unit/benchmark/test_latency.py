"""A run against API servers in memory whose pods answer as the real ones do."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from mcnet.benchmark import latency, members
from mcnet.benchmark.latency import Request, measure
from mcnet.codec.latency_samples import decode_order, encode_series
from mcnet.kube.api import Api
from mcnet.kube.kinds import POD, JsonObject
from mcnet.model.errors import McnetError, UnreachableError, UsageError
from mcnet.model.latency import Series, Way
from tests.fakes.kubelet import FakeKubelet, Ran


@dataclass
class Steps:
    """What was told."""

    lines: list[str] = field(default_factory=list)

    def doing(self, text: str) -> None:
        self.lines.append(text)

    done = warn = doing


def own(kind: str, name: str, **parts: Any) -> JsonObject:
    metadata = {"name": name, "namespace": "mcnet-system"}
    return {"apiVersion": "mcnet.dev/v1alpha1", "kind": kind, "metadata": metadata, **parts}


def node(name: str, address: str, *, gateway: bool) -> JsonObject:
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"mcnet.dev/gateway": "true"} if gateway else {}},
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }  # fmt: skip


def series(way: Way) -> str:
    ats = tuple(number / 100 for number in range(400))
    trips = tuple((150.0 if way is Way.PODS else 100.0) + number % 7 for number in range(400))
    return "\n".join(encode_series(Series(protocol, 4, way, ats, trips) for protocol in ("icmp", "tcp")))


class Cluster(FakeKubelet):
    """A member of two nodes, the first of them a gateway connected with `remote`."""

    def __init__(self, name: str, remote: str, number: int, state: str = "connected") -> None:
        super().__init__(server=f"https://{name}", context=name, play=self._play)
        cable = {"cluster": remote, "gateway": "n1", "rail": 0, "state": state, "driver": "vxlan"}
        self.add(
            own("Member", "mcnet", spec={"cluster": name, "podCIDRs": [f"10.{number}.0.0/16"], "serviceCIDRs": []}),
            own("Gateway", "n1", status={"cluster": name, "rail": 0, "cables": [cable]}),
            node("n1", f"192.0.2.{number}1", gateway=True),
            node("n2", f"192.0.2.{number}2", gateway=False),
            {
                "apiVersion": "apps/v1", "kind": "DaemonSet",
                "metadata": {"name": "mcnet-route-agent", "namespace": "mcnet-system"},
                "spec": {"template": {"spec": {
                    "imagePullSecrets": [{"name": "registry"}],
                    "containers": [{"image": "mcnet:9", "imagePullPolicy": "Always"}],
                }}},
            },
        )  # fmt: skip
        self.number = number
        self.orders: list[Any] = []

    def _play(self, pod: JsonObject) -> Ran:
        spec = pod["spec"]
        (container,) = spec["containers"]
        address = f"192.0.2.{self.number}1" if spec["hostNetwork"] else f"10.{self.number}.0.9"
        listening = json.dumps({"port": 4000, "addresses": [f"198.51.100.{self.number}"]})
        if container["command"][-1] == "mcnet.probe.ping_pong":
            return Ran("Running", listening, addresses=(address,))
        order = decode_order(container["args"][0])
        self.orders.append(order)
        if order.follower is None:
            return Ran("Running", listening, addresses=(address,))
        # The leader's end is the follower's, too.
        name = pod["metadata"]["name"].replace("nodes-client", "pods-client")
        self.become(name, Ran(output=listening + "\n" + series(Way.PODS)))
        return Ran(output=series(Way.NODES))


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> dict[str, Cluster]:
    made = {"east": Cluster("east", "west", 1), "west": Cluster("west", "east", 2)}

    async def open_api(*, context: str, kubeconfig: object) -> Api:
        if context not in made:
            raise UnreachableError(f"{context} does not answer")
        return made[context].api()

    monkeypatch.setattr(members, "from_kubeconfig", open_api)
    monkeypatch.setattr(latency, "all_contexts", lambda kubeconfig: ["away", *made])
    return made


async def test_gateways_and_other_nodes_of_both_clusters(clusters: dict[str, Cluster]) -> None:
    steps = Steps()
    report = await measure(Request(duration=4, interval=0.01), steps)
    paths = [(one.path.source.node, one.path.target.node) for one in report.results]
    assert paths == [("n1", "n1"), ("n2", "n2")]
    for result in report.results:
        assert [(one.protocol, one.family) for one in result.measures] == [("icmp", 4), ("tcp", 4)]
        for one in result.measures:
            assert one.pods.sent == one.nodes.sent == 400
            assert 1.4 < one.ratios["p50"].value < 1.6
    assert any("context away could not be read: away does not answer" in line for line in steps.lines)
    assert [cluster.all(POD) for cluster in clusters.values()] == [[], []]


async def test_pods_are_where_they_were_asked_with_the_daemons_image(clusters: dict[str, Cluster]) -> None:
    await measure(Request(source="east/n2", target="west/n1", duration=4), Steps())
    made = [(pod["spec"]["nodeName"], pod["spec"]["hostNetwork"]) for pod in clusters["east"].pods]
    assert made == [("n2", False), ("n2", True)]
    made = [(pod["spec"]["nodeName"], pod["spec"]["hostNetwork"]) for pod in clusters["west"].pods]
    assert sorted(made) == [("n1", False), ("n1", True)]
    for pod in (*clusters["east"].pods, *clusters["west"].pods):
        (container,) = pod["spec"]["containers"]
        assert (container["image"], container["imagePullPolicy"]) == ("mcnet:9", "Always")
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        assert 60 < pod["spec"]["activeDeadlineSeconds"] < 400
        added = container["securityContext"]["capabilities"].get("add", [])
        assert added == (["NET_RAW"] if "latency" in container["command"][-1] else [])


async def test_the_leader_knows_both_ways(clusters: dict[str, Cluster]) -> None:
    await measure(Request(source="east/n1", target="west/n1", duration=4), Steps())
    follower, leader = clusters["east"].orders
    assert (follower.way, leader.way) == (Way.PODS, Way.NODES)
    (nodes,) = leader.targets
    # The node's own address, and the one that its packets to other networks bear.
    assert list(map(str, nodes.addresses)) == ["192.0.2.21", "198.51.100.2"]
    (pods,) = leader.follower_targets
    assert (str(pods.addresses[0]), pods.port) == ("10.2.0.9", 4000)
    assert str(leader.follower.addresses[0]) == "10.1.0.9"


async def test_a_pod_that_fails_ends_the_run_and_all_pods(clusters: dict[str, Cluster]) -> None:
    play: Callable[[JsonObject], Ran] = lambda pod: Ran("Failed", "no such module")  # noqa: E731
    clusters["west"].play = play
    with pytest.raises(McnetError, match="the benchmark's pod on node n1 has ended: no such module"):
        await measure(Request(source="east/n1", target="west/n1", duration=4), Steps())
    assert [cluster.all(POD) for cluster in clusters.values()] == [[], []]


async def test_clusters_that_are_not_connected(clusters: dict[str, Cluster]) -> None:
    clusters["east"] = Cluster("east", "west", 1, state="error")
    with pytest.raises(McnetError, match="east and west are not connected") as caught:
        await measure(Request(source="east", target="west"), Steps())
    assert caught.value.hint == "mcnet show connections"
    assert clusters["east"].pods == []


async def test_inside_of_a_cluster_no_connection_is_needed(clusters: dict[str, Cluster]) -> None:
    clusters["east"] = Cluster("east", "west", 1, state="error")
    report = await measure(Request(source="east", target="east", duration=4), Steps())
    assert [(one.path.source.node, one.path.target.node) for one in report.results] == [("n1", "n2")]


async def test_a_named_context_that_does_not_answer(clusters: dict[str, Cluster]) -> None:
    with pytest.raises(UnreachableError, match="away does not answer"):
        await measure(Request(source="away"), Steps())


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (Request(interval=0.004), "an interval of 4 ms is too short"),
        (Request(duration=10000), "1e[+]06 samples"),
        (Request(source="north"), "'north' names no context"),
    ],
)
async def test_what_is_refused_at_once(clusters: dict[str, Cluster], request_: Request, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        await measure(request_, Steps())
    assert clusters["east"].requests == []
