"""The daemons: workloads that are gone or not complete, pods that are not ready or restart."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcnet.diagnose.checks import pods
from mcnet.diagnose.checks.pods import Evidence
from mcnet.model.diagnosis import Finding, Verdict
from tests.fakes.api import FakeServer
from tests.fakes.corefiles import KUBEADM
from tests.unit.diagnose.world import site

JOIN = "mcnet join broker-info.mcnet --context west"


def daemon_set(name: str, *, wanted: int = 2, ready: int = 2) -> dict[str, Any]:
    status = {"desiredNumberScheduled": wanted, "updatedNumberScheduled": wanted, "numberReady": ready}
    return {"kind": "DaemonSet", "metadata": {"name": name}, "spec": {}, "status": status | {"observedGeneration": 1}}


def deployment(replicas: int = 2) -> dict[str, Any]:
    status = {"updatedReplicas": replicas, "readyReplicas": replicas, "replicas": replicas, "observedGeneration": 1}
    metadata = {"name": "mcnet-discovery"}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas}, "status": status}


def workloads(**changed: Any) -> dict[str, Any]:
    return {
        "mcnet-discovery": deployment(),
        "mcnet-route-agent": daemon_set("mcnet-route-agent"),
        "mcnet-gateway": daemon_set("mcnet-gateway"),
        "mcnet-cable": daemon_set("mcnet-cable"),
    } | {name.replace("_", "-"): value for name, value in changed.items()}


def pod(name: str, *, ready: bool = True, **container: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"phase": "Running", "conditions": conditions, "containerStatuses": [container] if container else []}
    return {"metadata": {"name": name}, "spec": {"nodeName": "n1"}, "status": status}


def found(evidence: Evidence) -> list[tuple[Verdict, str, str, str]]:
    return [(one.verdict, one.about, one.said, one.remedy) for one in pods.judge(evidence).findings]


def test_all_run() -> None:
    assert found(Evidence("kubectl", JOIN, workloads(), (pod("a"), pod("b")))) == []
    assert pods.judge(Evidence("kubectl", JOIN, workloads(), (pod("a"),))).looked == "1 of 1 pods are ready"


def test_a_workload_that_is_gone_or_not_wanted() -> None:
    changed = workloads(mcnet_gateway=None, mcnet_discovery=deployment(0))
    assert found(Evidence("kubectl", JOIN, changed, ())) == [
        (Verdict.WRONG, "Deployment mcnet-discovery", "no pod is wanted: scaled to 0, or no node fits", JOIN),
        (Verdict.WRONG, "DaemonSet mcnet-gateway", "it is not there", JOIN),
    ]


def test_the_dns_daemon_counts_where_it_is_wanted() -> None:
    changed = workloads(mcnet_dns=None)
    assert found(Evidence("kubectl", JOIN, changed, ())) == [
        (Verdict.WRONG, "Deployment mcnet-dns", "it is not there", JOIN)
    ]


OLD, NEW = "registry.k8s.io/coredns/coredns:v1.11.3", "registry.k8s.io/coredns/coredns:v1.12.2"


@pytest.mark.parametrize(
    ("image", "there", "looked_at"),
    [(OLD, False, True), (OLD, True, True), (NEW, False, False), (NEW, True, True), ("", False, False)],
)
async def test_when_the_dns_daemon_is_looked_at(image: str, there: bool, looked_at: bool) -> None:
    """Where it runs, and where the cluster's CoreDNS, an old one, asks it. Without ServiceImports nobody does."""
    server = FakeServer()
    if image:
        server.add(*cluster_dns(image))
    if there:
        metadata = {"name": "mcnet-dns", "namespace": "mcnet-system"}
        server.add({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {}})
    evidence = await pods.gather(site(server))
    assert ("mcnet-dns" in evidence.workloads) is looked_at
    assert (evidence.workloads.get("mcnet-dns") is not None) is there


def cluster_dns(image: str) -> list[dict[str, Any]]:
    """The cluster's CoreDNS, and the kind ServiceImport."""
    here = {"name": "coredns", "namespace": "kube-system"}
    pod_spec = {"containers": [{"name": "coredns", "image": image}]}
    crd = {"name": "serviceimports.multicluster.x-k8s.io"}
    return [
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": crd},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": here, "data": {"Corefile": KUBEADM}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": here | {"labels": {"k8s-app": "kube-dns"}},
         "spec": {"template": {"spec": pod_spec}}},
    ]  # fmt: skip


def test_a_workload_that_is_not_complete() -> None:
    changed = workloads(mcnet_gateway=daemon_set("mcnet-gateway", ready=1))
    assert found(Evidence("kubectl", JOIN, changed, ())) == [
        (
            Verdict.WRONG,
            "DaemonSet mcnet-gateway",
            "1 of 2 pods are ready and of the current version",
            "kubectl get pods -o wide",
        )
    ]


def test_a_pod_that_will_never_start_is_put_back_by_join() -> None:
    stuck = pod("mcnet-gateway-x", ready=False, state={"waiting": {"reason": "ImagePullBackOff", "message": "none"}})
    assert found(Evidence("kubectl", JOIN, workloads(), (stuck,))) == [
        (Verdict.WRONG, "pod mcnet-gateway-x on n1", "ImagePullBackOff: none", JOIN)
    ]
    slow = pod("mcnet-gateway-x", ready=False)
    assert found(Evidence("kubectl", JOIN, workloads(), (slow,))) == [
        (Verdict.WRONG, "pod mcnet-gateway-x on n1", "running, but not ready", "kubectl describe pod mcnet-gateway-x")
    ]


def test_a_pod_that_restarts() -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    (one,) = pods.judge(
        Evidence("kubectl", JOIN, workloads(), (pod("p", restartCount=7, lastState=ended, state={"running": {}}),))
    ).findings
    assert one == Finding(
        Verdict.WARNING,
        "pod p on n1",
        "it has been restarted 7 times, the last time with status 137 (OOMKilled)",
        "kubectl logs p --previous --tail 20",
    )
    assert found(Evidence("kubectl", JOIN, workloads(), (pod("p", restartCount=2),))) == []


@given(st.dictionaries(st.sampled_from(["conditions", "containerStatuses", "phase"]), st.none(), max_size=3))
def test_a_pod_without_a_status_is_told(status: dict[str, Any]) -> None:
    bare = {"metadata": {"name": "p"}, "status": status}
    assert found(Evidence("kubectl", JOIN, workloads(), (bare,)))
