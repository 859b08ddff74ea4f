"""The Service of type LoadBalancer before one gateway: what asks a cloud for an address that leads to it.

It has no selector: one pod of a DaemonSet can't be selected. An EndpointSlice of ours names the node instead, and
`externalTrafficPolicy: Local` has the load balancer send to that node only, and keeps the senders' addresses.
"""

import hashlib
from collections.abc import Iterable

from mcnet.codec.fields import JsonObject
from mcnet.model.endpoint import Endpoint
from mcnet.model.kernel import Address
from mcnet.model.member import MANAGED_LABEL
from mcnet.model.ownership import MAX_RAILS, NAT_DISCOVERY_PORT, wireguard_port

NODE_LABEL = "mcnet.dev/gateway-node"
"""On both objects: whose they are, as a hash, since a label holds less than a node's name may have."""


def mark_of(node: str) -> str:
    """The label's value for a node."""
    return hashlib.sha256(node.encode()).hexdigest()[:20]


def name_of(rail: int) -> str:
    """Of the Service and of the EndpointSlices, less their family: `mcnet-gateway-0`."""
    return f"mcnet-gateway-{rail}"


def encode(endpoint: Endpoint, *, namespace: str, owner: JsonObject) -> list[JsonObject]:
    """The Service and an EndpointSlice for each family of the gateway's own addresses."""
    labels = {MANAGED_LABEL: "mcnet", NODE_LABEL: mark_of(endpoint.gateway)}
    name, ports = name_of(endpoint.rail), _ports(endpoint.port_base)
    service: JsonObject = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner]},
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Local",
            "ipFamilyPolicy": "PreferDualStack",
            "ports": [{"name": one, "protocol": "UDP", "port": port, "targetPort": port} for one, port in ports],
        },
    }
    return [service, *(_slice(endpoint, address, namespace, owner, labels) for address in endpoint.private_addresses)]


def _slice(endpoint: Endpoint, address: Address, namespace: str, owner: JsonObject, labels: JsonObject) -> JsonObject:
    name = name_of(endpoint.rail)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-ipv{address.version}",
            "namespace": namespace,
            "labels": labels
            | {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "mcnet.dev"},
            "ownerReferences": [owner],
        },
        "addressType": f"IPv{address.version}",
        "endpoints": [{"addresses": [str(address)], "nodeName": endpoint.gateway, "conditions": {"ready": True}}],
        "ports": [{"name": one, "protocol": "UDP", "port": port} for one, port in _ports(endpoint.port_base)],
    }


def _ports(base: int) -> Iterable[tuple[str, int]]:
    cables = [
        (f"cable-{rail}{letter}", wireguard_port(base, rail, slot))
        for rail in range(MAX_RAILS)
        for slot, letter in enumerate("ab")
    ]
    return [("nat-discovery", NAT_DISCOVERY_PORT), *cables]


def addresses(service: JsonObject) -> list[str]:
    """The addresses and host names that it has been given from outside; [] where nobody has yet. A host name and an
    address of one entry are the same place: the address counts."""
    given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    found = [str(one.get("ip") or one.get("hostname") or "") for one in given if isinstance(one, dict)]
    return [one for one in found if one]
