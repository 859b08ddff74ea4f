"""The way to the broker, the credential for it, names inside of a cluster, and NetworkPolicies in the way."""

import json
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import yaml

from tests.e2e.clusterset import Clusterset
from tests.e2e.faults.daemons import kubectl
from tests.e2e.faults.fault import Fault, command

TABLE: Final = "lab_fault"
"""nft table (family inet) of whoever blocks a way."""
NODES: Final = ("west/n1", "west/n2")


@asynccontextmanager
async def way_blocked(clusterset: Clusterset) -> AsyncIterator[None]:
    """A firewall on west's nodes that lets nothing of pods through to the broker."""
    content = yaml.safe_load(clusterset.lab.kubeconfig.read_text())
    server = next(one["cluster"]["server"] for one in content["clusters"] if one["name"] == "east")
    host, port = urlsplit(server).hostname or "", urlsplit(server).port
    family = "ip6" if ":" in host else "ip"
    rules = (
        f"add table inet {TABLE}; "
        f"add chain inet {TABLE} forward {{ type filter hook forward priority -10; }}; "
        f"add rule inet {TABLE} forward {family} daddr {host} tcp dport {port} drop"
    )
    try:
        for node in NODES:
            done = await clusterset.node(node, "nft", rules)
            assert done.status == 0, done.errors
        yield
    finally:
        for node in NODES:
            await clusterset.node(node, "nft", "delete", "table", "inet", TABLE)


@asynccontextmanager
async def credential_worthless(clusterset: Clusterset) -> AsyncIterator[None]:
    """West's credential is one that the broker never gave."""
    patch = json.dumps({"stringData": {"token": "revoked"}})
    await kubectl(clusterset, "west", f"patch secret mcnet-broker --type merge --patch {shlex.quote(patch)}")
    yield


@asynccontextmanager
async def no_dns(clusterset: Clusterset) -> AsyncIterator[None]:
    """CoreDNS is scaled to nothing; at the end it has as many replicas as the lab gave it."""
    scale = "kubectl --context west -n kube-system scale deployment/coredns --replicas"
    status, output, errors = await command(clusterset, f"{scale}=0")
    assert status == 0, output + errors
    try:
        yield
    finally:
        await command(clusterset, f"{scale}=1")


@asynccontextmanager
async def default_deny(clusterset: Clusterset) -> AsyncIterator[None]:
    """A policy as hardening guides have it. Both it and what the remedy applies are taken away at the end."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }
    text = shlex.quote(json.dumps(policy))
    status, output, errors = await command(
        clusterset, f"echo {text} | kubectl --context west -n mcnet-system apply -f -"
    )
    assert status == 0, output + errors
    try:
        yield
    finally:
        await kubectl(clusterset, "west", "delete networkpolicy default-deny mcnet-discovery --ignore-not-found")


FAULTS: Final = (
    Fault(
        check="broker",
        title="A firewall keeps pods from the broker",
        cluster="west",
        about="^broker https://",
        said="it can't be reached from the pods of west: no connection to .* within 10 s",
        remedy="^open the way from the nodes and pods of west to https://",
        make=way_blocked,
        mends=False,
    ),
    Fault(
        check="broker",
        title="The broker no longer accepts a member's credential",
        cluster="west",
        about="^credential of west$",
        said="the broker does not accept it: .*the credential is not accepted",
        remedy="^mcnet member renew west --context east --member-context west$",
        make=credential_worthless,
    ),
    Fault(
        check="dns",
        title="The cluster's DNS was scaled to nothing",
        cluster="west",
        about="^DNS in west$",
        said="kubernetes.default.svc is not answered: .*; the Deployment coredns is scaled to 0",
        remedy="^kubectl --context west -n kube-system scale deployment/coredns --replicas=\\d$",
        make=no_dns,
        patience=90.0,
    ),
    Fault(
        check="network-policies",
        title="A NetworkPolicy denies everything in our namespace",
        cluster="west",
        about="^NetworkPolicy default-deny$",
        said="discovery.s pods may not reach DNS .*, its own API server .*, the broker ",
        remedy="apply -f -$",
        make=default_deny,
    ),
)
