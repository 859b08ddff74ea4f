"""A cluster whose gateways are changed by `mcnet gateway`, on an API server in memory, with daemons that follow."""

from dataclasses import replace
from typing import Any

from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import gateway as gateway_codec
from mcnet.codec import member as member_codec
from mcnet.kube import kinds
from mcnet.model.gateway import Cable, CableState, Gateway
from mcnet.model.member import SYSTEM_NAMESPACE, GatewayCount
from tests.fakes.api import FakeServer
from tests.fakes.node_daemons import node_object
from tests.fakes.worlds import EAST, EAST_0, EAST_1, MEMBER, WEST, WEST_0

READY = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running",
         "containerStatuses": [{"state": {"running": {}}}]}  # fmt: skip
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "members.mcnet.dev"},
    "status": {"conditions": [{"type": "Established", "status": "True"}]},
}
WEST_SENDS = Cable(EAST, "n1", 0, CableState.CONNECTED, "vxlan", active=True)


def node(number: int, *, gateway: bool) -> dict[str, Any]:
    made = node_object(number, gateway=gateway)
    made["status"]["conditions"] = READY["conditions"]
    return made


class East(FakeServer):
    """A cluster of three nodes, the first of `count` being gateways, whose daemons work."""

    def __init__(self, count: int, nodes: int = 3) -> None:
        super().__init__(context="east")
        self.stuck = False
        self.add(member_codec.encode(replace(MEMBER, gateways=GatewayCount(count))), CRD)
        self.add(*(node(at, gateway=at <= count) for at in range(1, nodes + 1)))
        self.add(endpoint_codec.encode(WEST_0, namespace=SYSTEM_NAMESPACE))
        self.act()

    def metadata(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self.all(kinds.NODE) if one["metadata"]["name"] == name)
        return found["metadata"]

    def marks(self, name: str) -> dict[str, str]:
        return dict(self.metadata(name).get("annotations") or {})

    @property
    def gateways(self) -> list[str]:
        return [one["metadata"]["name"] for one in self.all(kinds.NODE) if one["metadata"].get("labels")]

    @property
    def count(self) -> int:
        return member_codec.decode(self.all(kinds.MEMBER)[0]).gateways.number

    def act(self) -> None:
        """What the daemons do once they have seen the nodes."""
        if self.stuck:
            return
        for at, name in enumerate(["n1", "n2", "n3"]):
            end = replace(EAST_0 if at == 0 else EAST_1, gateway=name, rail=at)
            if name in self.gateways:
                drained = "mcnet.dev/gateway-drain" in self.marks(name)
                self.add(
                    endpoint_codec.encode(replace(end, weight=0 if drained else 100), namespace=SYSTEM_NAMESPACE),
                    gateway_codec.encode(
                        Gateway(name, EAST, at, (Cable(WEST, "n1", 0, CableState.CONNECTED, "vxlan"),)),
                        namespace=SYSTEM_NAMESPACE,
                    ),
                    pod(name),
                )
            elif end.name in [one["metadata"]["name"] for one in self.all(kinds.ENDPOINT)]:
                self.remove(kinds.ENDPOINT, end.name, SYSTEM_NAMESPACE)
                self.remove(kinds.GATEWAY, name, SYSTEM_NAMESPACE)


def pod(name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "mcnet", "app.kubernetes.io/component": "gateway"}
    metadata = {"name": f"gateway-{name}", "namespace": SYSTEM_NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": name}, "status": READY}


class West(FakeServer):
    """The other cluster, whose gateway sends by n1 of east until it is told to leave."""

    def __init__(self, *, sends: bool) -> None:
        super().__init__(server="https://west", context="west")
        self.add(member_codec.encode(replace(MEMBER, cluster=WEST)))
        self.report(sends=sends)

    def report(self, *, sends: bool) -> None:
        cable = replace(WEST_SENDS, active=sends)
        self.add(gateway_codec.encode(Gateway("n1", WEST, 0, (cable,)), namespace=SYSTEM_NAMESPACE))
