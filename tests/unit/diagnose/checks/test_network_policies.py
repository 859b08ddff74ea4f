"""NetworkPolicies: who is kept from what, the policy that mends it, and kinds that are not understood."""

import json
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from mcnet.diagnose.checks.network_policies import MANAGED, OURS, Evidence, dns_destinations, endpoints, gather, judge
from mcnet.kube import kinds
from mcnet.model.diagnosis import Verdict
from mcnet.plan.network_policy import Destination
from mcnet.render.engine import render
from mcnet.render.values import NodePodValues
from tests.fakes.api import FakeServer
from tests.unit.diagnose.world import broker_secret, pod, site

LABELS = OURS | MANAGED | {"app.kubernetes.io/component": "discovery"}
API = Destination("its own API server", ip_address("192.0.2.1"), 6443)
BROKER = Destination("the broker", ip_address("192.0.2.9"), 443)


def policy(name: str = "deny-all", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "mcnet-system"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]} | spec,
    }


WELL = Evidence(
    kubectl="kubectl --context w -n mcnet-system",
    pods={"mcnet-discovery-x": LABELS, "mcnet-discovery-y": LABELS},
    destinations=(API, BROKER),
    foreign={"ciliumnetworkpolicies.cilium.io": 0},
)


def test_without_policies_all_is_fine() -> None:
    assert judge(WELL).findings == ()
    assert judge(WELL).looked == "0 policies in mcnet-system, 2 pods of ours"


def test_a_policy_that_denies_everything() -> None:
    (finding,) = judge(replace(WELL, policies=(policy(),))).findings
    assert (finding.verdict, finding.about) == (Verdict.WRONG, "NetworkPolicy deny-all")
    assert finding.said == (
        "discovery's pods may not reach its own API server (192.0.2.1, TCP 6443), the broker (192.0.2.9, TCP 443)"
    )


def test_the_remedy_applies_a_policy_with_which_all_is_fine() -> None:
    (finding,) = judge(replace(WELL, policies=(policy(),))).findings
    before, made, after = finding.remedy.split("'")
    assert (before, after) == ("echo ", " | kubectl --context w -n mcnet-system apply -f -")
    assert judge(replace(WELL, policies=(policy(), json.loads(made)))).findings == ()


def test_the_remedy_is_for_the_throw_away_pods_too() -> None:
    (once,) = render("node", NodePodValues(name="x", image="i", module="m"))
    assert once["metadata"]["labels"].items() >= MANAGED.items()


def test_only_what_is_blocked_is_said() -> None:
    rules = [{"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}]
    (finding,) = judge(replace(WELL, policies=(policy(egress=rules),))).findings
    assert finding.said == "discovery's pods may not reach the broker (192.0.2.9, TCP 443)"


def test_ingress_and_other_pods_do_not_matter() -> None:
    other = policy(podSelector={"matchLabels": {"app": "other"}})
    assert judge(replace(WELL, policies=(policy(policyTypes=["Ingress"]), other))).findings == ()


def test_other_kinds_are_unknown() -> None:
    (finding,) = judge(replace(WELL, foreign={"ciliumnetworkpolicies.cilium.io": 2})).findings
    assert (finding.verdict, finding.about) == (Verdict.UNKNOWN, "ciliumnetworkpolicies.cilium.io")
    assert finding.remedy == "kubectl --context w -n mcnet-system get ciliumnetworkpolicies.cilium.io"


def endpoint_slice(name: str, namespace: str, label: tuple[str, str], address: str, *ports: tuple[int, str]) -> Any:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": dict([label])},
        "endpoints": [{"addresses": [address]}],
        "ports": [{"port": port, "protocol": protocol} for port, protocol in ports],
    }


def test_dns_servers_are_the_pods_behind_the_slices() -> None:
    slices = [endpoint_slice("d", "kube-system", ("k8s-app", "kube-dns"), "10.2.0.10", (53, "UDP"), (9153, "TCP"))]
    server = pod("coredns-x", labels={"k8s-app": "kube-dns"}, status={"podIP": "10.2.0.10"})
    server["spec"] = {"containers": [{"ports": [{"name": "dns", "containerPort": 53}]}]}
    (found,) = dns_destinations(slices, [server], {"name": "kube-system"})
    assert (found.port, found.protocol, found.labels, found.ports) == (
        53,
        "UDP",
        {"k8s-app": "kube-dns"},
        {"dns": 53},
    )
    (bare,) = dns_destinations(slices, [], {})
    assert bare.labels is None


def test_odd_slices() -> None:
    odd: list[dict[str, Any]] = [
        {}, {"endpoints": None, "ports": None}, {"endpoints": [{}], "ports": [{}]},
        {"endpoints": [{"addresses": ["x"]}], "ports": [{"port": 1}]},
        {"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": None}]},
    ]  # fmt: skip
    assert list(endpoints(odd)) == []


async def test_gathered_with_the_addresses_behind_services() -> None:
    server = FakeServer()
    server.add(
        policy(),
        pod("mcnet-discovery-x", labels=LABELS),
        pod("mcnet-gateway-x", labels=OURS, spec={"hostNetwork": True}),
        pod("once", labels={"app.kubernetes.io/name": "mcnet-once"}),
        endpoint_slice("k", "default", ("kubernetes.io/service-name", "kubernetes"), "192.0.2.1", (6443, "TCP")),
    )
    evidence = await gather(site(server))
    assert set(evidence.pods) == {"mcnet-discovery-x"}
    assert evidence.destinations == (API,)
    assert [finding.about for finding in judge(evidence).findings] == ["NetworkPolicy deny-all"]
    server.add(broker_secret())  # a broker by name, whose address a pod would have to look up
    server.remove(kinds.NETWORK_POLICY, "deny-all", "mcnet-system")
    assert (await gather(site(server))).destinations == ()
