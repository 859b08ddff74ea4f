"""The probe pods of preflight: where they run, what their answers mean, and that their namespace goes."""

import json
from dataclasses import replace
from typing import Any

import pytest

from mcnet.install.preflight import ProbeRequest, probe
from mcnet.install.progress import Silent
from mcnet.kube.kinds import NAMESPACE, POD, SECRET
from mcnet.model.broker import BrokerInfo
from mcnet.model.errors import UsageError
from mcnet.plan.preflight import Finding
from tests.fakes.kubelet import FakeKubelet, Ran

INFO = BrokerInfo("https://broker:6443", b"PEM", "id")
REQUEST = ProbeRequest(node="n1", image="image:1", info=INFO, port_base=4600, pull_secrets=("default/registry",))
REGISTRY = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "registry", "namespace": "default"},
    "type": "kubernetes.io/dockerconfigjson",
    "data": {".dockerconfigjson": "e30="},
}


def answer(problems: list[str], notes: list[str]) -> Ran:
    return Ran(output=json.dumps({"problems": problems, "notes": notes}) + "\n")


async def findings(
    node: Ran | None = None, broker: Ran | None = None, kubelet: FakeKubelet | None = None
) -> tuple[Finding, ...]:
    good = answer([], [])
    server = kubelet or FakeKubelet()
    server.play = lambda pod: (node or good) if pod["metadata"]["name"].endswith("node") else (broker or good)
    server.add(REGISTRY)
    found = await probe(server.api(), REQUEST, Silent())
    assert server.all(POD) == []
    assert server.all(NAMESPACE) == []
    return found


async def test_all_is_well_and_nothing_stays() -> None:
    kubelet = FakeKubelet()
    assert await findings(kubelet=kubelet) == ()
    on_node, inside = sorted(kubelet.pods, key=lambda pod: "nodeName" not in pod["spec"])
    assert on_node["spec"]["nodeName"] == "n1"
    assert on_node["spec"]["hostNetwork"]
    assert on_node["spec"]["containers"][0]["args"] == ["node", "4620,4800,4801", "4581,4582", "4600", "vxlan"]
    assert not inside["spec"]["hostNetwork"]
    assert inside["spec"]["containers"][0]["args"] == ["broker", "https://broker:6443", "UEVN"]
    assert all(pod["spec"]["imagePullSecrets"] == [{"name": "registry"}] for pod in kubelet.pods)


async def test_what_the_node_lacks() -> None:
    (finding,) = await findings(node=answer(["the kernel lacks VXLAN devices (Linux 3.7): no"], []))
    assert finding == Finding("node n1: the kernel lacks VXLAN devices (Linux 3.7): no")


async def test_what_works_less_well_does_not_stop() -> None:
    (finding,) = await findings(node=answer([], ["the kernel lacks resilient next-hop groups"]))
    assert not finding.stops


async def test_the_broker_can_not_be_reached_from_inside() -> None:
    (finding,) = await findings(broker=answer(["no connection to broker:6443: refused"], []))
    where = "the broker https://broker:6443 can't be reached from inside the cluster: "
    assert finding.message == where + "no connection to broker:6443: refused"
    assert "--server" in finding.hint


async def test_an_image_that_can_not_be_pulled_is_told_once() -> None:
    waiting = Ran("Pending", waiting={"reason": "ErrImagePull", "message": "denied"})
    (finding,) = await findings(node=waiting, broker=waiting)
    assert finding.message == "the image image:1 can't be run: ErrImagePull: denied"
    assert "--pull-secret" in finding.hint


@pytest.mark.parametrize("output", ["", "gibberish", "[]", '{"problems": []}'])
async def test_an_unreadable_answer_stops(output: str) -> None:
    (finding,) = await findings(node=Ran(output=output))
    assert "said nothing that can be read" in finding.message


async def test_a_probe_that_crashes_stops() -> None:
    (finding,) = await findings(node=Ran("Failed", "ImportError: no module"))
    assert finding.message == "node n1: the probe pod failed: ImportError: no module"


async def test_a_missing_pull_secret_leaves_no_namespace() -> None:
    kubelet = FakeKubelet()
    with pytest.raises(UsageError, match="the pull secret default/registry does not exist"):
        await probe(kubelet.api(), REQUEST, Silent())
    assert kubelet.all(NAMESPACE) == []


async def test_a_secret_that_is_no_registrys() -> None:
    kubelet = FakeKubelet()
    kubelet.add({**REGISTRY, "type": "Opaque"})
    with pytest.raises(UsageError, match="is of type Opaque, not a registry's"):
        await probe(kubelet.api(), REQUEST, Silent())
    assert [found["metadata"]["namespace"] for found in kubelet.all(SECRET)] == ["default"]


@pytest.mark.parametrize("reference", ["registry", "/registry", "default/", "a/b/c"])
async def test_a_secret_that_is_not_named_in_full(reference: str) -> None:
    request: Any = ProbeRequest(node="n1", image="i", info=INFO, port_base=4500, pull_secrets=(reference,))
    with pytest.raises(UsageError, match="does not name a pull secret"):
        await probe(FakeKubelet().api(), request, Silent())


async def test_the_broker_is_looked_for_from_where_discovery_will_be() -> None:
    kubelet = FakeKubelet()
    kubelet.play = lambda _: answer([], [])
    kubelet.add(REGISTRY)
    assert await probe(kubelet.api(), replace(REQUEST, discovery_on_host=True), Silent()) == ()
    on_node, broker = sorted(kubelet.pods, key=lambda pod: "nodeName" not in pod["spec"])
    assert broker["spec"]["hostNetwork"]
    assert broker["spec"]["containers"][0]["args"][0] == "broker"
    assert on_node["spec"]["containers"][0]["args"][2] == "4581,4582,4583"
