"""Objects and members as the checks' tests need them."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from mcnet.codec import cluster as cluster_codec
from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec.broker import BrokerCredential, encode_secret
from mcnet.diagnose.broker import Broker, Holding
from mcnet.diagnose.site import Site
from mcnet.model.cluster import Cluster, ClusterId
from mcnet.model.endpoint import Endpoint
from mcnet.model.member import SYSTEM_NAMESPACE, Member
from tests.fakes.api import FakeServer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EAST, WEST = ClusterId("east"), ClusterId("west")
MEMBER = Member(WEST, (ip_network("10.2.0.0/16"),), (ip_network("10.102.0.0/16"),))
CREDENTIAL = BrokerCredential("https://broker:6443", b"", "token", expires=NOW + timedelta(days=20))


def site(server: FakeServer, member: Member = MEMBER) -> Site:
    return Site(server.api(), member)


def cluster(name: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """A Cluster object whose pods are 10.NUMBER.0.0/16."""
    made = Cluster(ClusterId(name), (ip_network(f"10.{number}.0.0/16"),), (ip_network(f"10.{100 + number}.0.0/16"),))
    return cluster_codec.encode(made, namespace=SYSTEM_NAMESPACE) | more


def endpoint(cluster_id: str, gateway: str, rail: int = 0) -> dict[str, Any]:
    made = Endpoint(ClusterId(cluster_id), gateway, rail, (ip_address("192.0.2.1"),))
    return endpoint_codec.encode(made, namespace=SYSTEM_NAMESPACE)


def lease(name: str, holder: str = "", *, renewed: datetime | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {"holderIdentity": holder, "leaseDurationSeconds": 60}
    if renewed:
        spec["renewTime"] = renewed.isoformat().replace("+00:00", "Z")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE},
        "spec": spec,
    }


def node(name: str, *, gateway: bool = False, ready: bool = True, address: str = "192.0.2.10") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"mcnet.dev/gateway": "true"} if gateway else {}},
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def bare(kind: str, name: str) -> dict[str, Any]:
    """An object of ours without anything in it."""
    metadata = {"name": name, "namespace": SYSTEM_NAMESPACE}
    return {"apiVersion": "mcnet.dev/v1alpha1", "kind": kind, "metadata": metadata}


def broker(**held: Any) -> Broker:
    """A broker that can be read, as of NOW; `context` is the context that leads to it."""
    context = held.pop("context", "hub")
    return Broker(CREDENTIAL, held=Holding(clock=(NOW, NOW), version="v1.37.2", **held), context=context)


def broker_secret(credential: BrokerCredential = CREDENTIAL) -> dict[str, Any]:
    return encode_secret(credential)


def jwt(issued: datetime, expires: datetime) -> str:
    """A token with these claims and a signature that nobody looks at."""
    claims = f'{{"iat":{int(issued.timestamp())},"exp":{int(expires.timestamp())}}}'
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b"{}", claims.encode(), b"s"))


def pod(name: str, *, labels: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": SYSTEM_NAMESPACE, "labels": dict(labels or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}, "status": {}} | more
