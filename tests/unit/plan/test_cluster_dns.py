"""Which DNS a cluster has, who answers in the end, and what is changed for it; and all of it back."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from mcnet.plan import cluster_dns, coredns_custom, corefile, kube_dns, openshift_dns
from mcnet.plan.cluster_dns import COREDNS, COREFILE, CUSTOM, KUBE_DNS, MICROSHIFT, NODE_LOCAL, ConfigMap, Found, Plan
from tests.fakes import corefiles

ADDRESS = ip_address("10.96.7.8")
OLD, NEW = "registry.k8s.io/coredns/coredns:v1.11.3", "registry.k8s.io/coredns/coredns:v1.12.2"
KUBEADM = {COREFILE: corefiles.KUBEADM}
OTHERS = {"upstreamNameservers": '["8.8.8.8"]'}
SERVER: Mapping[str, Any] = {
    "name": "foo-server",
    "zones": ["example.com"],
    "forwardPlugin": {"upstreams": ["1.1.1.1"]},
}

CASES: dict[str, tuple[Found, list[tuple[ConfigMap, str]]]] = {
    "kubeadm, new": (Found({COREDNS: KUBEADM}, NEW), [(COREDNS, COREFILE)]),
    "kubeadm, old": (Found({COREDNS: KUBEADM}, OLD), [(COREDNS, COREFILE)]),
    "kubeadm with NodeLocal": (
        Found({COREDNS: KUBEADM, NODE_LOCAL: {COREFILE: corefiles.NODE_LOCAL}}, OLD),
        [(COREDNS, COREFILE), (NODE_LOCAL, COREFILE)],
    ),
    "AKS": (Found({COREDNS: {COREFILE: corefiles.AKS}, CUSTOM: {"x.server": "a {\n}\n"}}, NEW),
            [(CUSTOM, coredns_custom.KEY)]),
    "K3s": (Found({COREDNS: {COREFILE: corefiles.K3S}}, OLD), [(CUSTOM, coredns_custom.KEY)]),
    "GKE": (Found({KUBE_DNS: OTHERS}, kube_dns=True), [(KUBE_DNS, kube_dns.KEY)]),
    "GKE without ConfigMap": (Found(kube_dns=True), [(KUBE_DNS, kube_dns.KEY)]),
    "OpenShift": (Found({MICROSHIFT: {COREFILE: corefiles.OPENSHIFT}}, "quay.io/x@sha256:0", servers=(SERVER,)), []),
    "MicroShift": (Found({MICROSHIFT: {COREFILE: corefiles.OPENSHIFT}}), [(MICROSHIFT, COREFILE)]),
}  # fmt: skip


def applied(found: Found, plan: Plan) -> Found:
    """The cluster after these changes."""
    maps = {place: dict(data) for place, data in found.maps.items()}
    for edit in plan.edits:
        data = maps.setdefault(edit.place, {})
        if edit.value is None:
            del data[edit.key]
        else:
            data[edit.key] = edit.value
    return replace(found, maps=maps, servers=plan.servers if plan.servers is not None else found.servers)


def address_for(found: Found) -> Any:
    return ADDRESS if cluster_dns.needs_daemon(found) else None


@pytest.mark.parametrize("name", CASES)
def test_what_is_changed_and_that_it_is_changed_once(name: str) -> None:
    found, places = CASES[name]
    made = cluster_dns.plan(found, address_for(found))
    assert [(edit.place, edit.key) for edit in made.edits] == places
    assert made.left == ()
    assert cluster_dns.plan(applied(found, made), address_for(found)) == Plan()


@pytest.mark.parametrize("name", CASES)
def test_afterwards_all_is_as_before(name: str) -> None:
    found, _ = CASES[name]
    after = applied(found, cluster_dns.plan(found, address_for(found)))
    back = applied(after, cluster_dns.undo(after))
    assert {place: data for place, data in back.maps.items() if data} == dict(found.maps)
    assert back.servers == found.servers
    assert cluster_dns.undo(back) == Plan()


@pytest.mark.parametrize("name", CASES)
def test_who_answers(name: str) -> None:
    found, _ = CASES[name]
    assert cluster_dns.needs_daemon(found) is (name not in ("kubeadm, new", "AKS"))


def test_a_coredns_that_lies_about_beside_kube_dns_is_not_asked() -> None:
    assert cluster_dns.needs_daemon(Found({COREDNS: KUBEADM}, NEW, kube_dns=True))


def test_an_upgrade_changes_from_forwarding_to_answering() -> None:
    old, _ = CASES["kubeadm, old"]
    new = replace(applied(old, cluster_dns.plan(old, ADDRESS)), image=NEW)
    (edit,) = cluster_dns.plan(new, None).edits
    assert edit.value == corefile.with_zone(corefiles.KUBEADM, None).text


def test_openshifts_operator_gets_an_entry() -> None:
    found, _ = CASES["OpenShift"]
    assert cluster_dns.plan(found, ADDRESS) == Plan(servers=(SERVER, openshift_dns.entry(ADDRESS)))


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (Found({COREDNS: {COREFILE: "odd"}}, OLD), "ConfigMap kube-system/coredns"),
        (Found({COREDNS: KUBEADM, NODE_LOCAL: {COREFILE: "odd"}}, OLD), "ConfigMap kube-system/node-local-dns"),
        (Found({KUBE_DNS: {kube_dns.KEY: "odd"}}, kube_dns=True), "ConfigMap kube-system/kube-dns"),
        (Found(servers=({"name": "x", "zones": ["clusterset.local"]},)), "dns.operator.openshift.io default"),
        (Found(), "the cluster's DNS"),
    ],
)
def test_what_is_left_alone_is_told_with_its_lines(found: Found, place: str) -> None:
    made = cluster_dns.plan(found, ADDRESS)
    (left,) = made.left
    assert left.place == place
    assert left.why
    assert "clusterset.local" in left.lines
    assert made.servers is None
