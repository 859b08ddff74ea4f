"""What the route agent writes at its API server: its NodeState, events, and what a former gateway leaves behind."""

from mcnet.codec import node_state
from mcnet.codec.load_balancer import NODE_LABEL, mark_of
from mcnet.kube import events
from mcnet.kube.api import Api
from mcnet.kube.kinds import ENDPOINT, ENDPOINT_SLICE, GATEWAY, NODE_STATE, SERVICE, JsonObject
from mcnet.model.cluster import ClusterId
from mcnet.model.endpoint import endpoint_name
from mcnet.model.node import NodeState
from mcnet.plan.gateway_events import Told


class Publisher:
    """Writes objects of this node, owned by the Node, so that they go when it is deleted."""

    def __init__(self, api: Api, *, namespace: str, instance: str) -> None:
        self._api = api
        self._namespace = namespace
        self._instance = instance

    async def report(self, wanted: NodeState, node: JsonObject) -> None:
        """Write the NodeState: its being there, then its status."""
        if await self._api.find(NODE_STATE, wanted.node, self._namespace) is None:
            body = node_state.bare(node=wanted.node, namespace=self._namespace)
            metadata = node["metadata"]
            body["metadata"]["ownerReferences"] = [
                {"apiVersion": "v1", "kind": "Node", "name": metadata["name"], "uid": metadata["uid"]}
            ]
            await self._api.apply(body)
        await self._api.apply(node_state.encode(wanted, namespace=self._namespace), subresource="status")

    async def retire_gateway(self, cluster: ClusterId, node_name: str) -> None:
        """Take back Endpoint and report of a node that is no gateway any more. Its rail is reclaimed by others."""
        await self._api.delete(ENDPOINT, endpoint_name(cluster, node_name), self._namespace)
        await self._api.delete(GATEWAY, node_name, self._namespace)
        for kind in (SERVICE, ENDPOINT_SLICE):
            for obj in await self._api.list(kind, self._namespace, labels=f"{NODE_LABEL}={mark_of(node_name)}"):
                await self._api.delete(kind, obj["metadata"]["name"], self._namespace)

    async def told(self, state: JsonObject, what: Told) -> bool:
        """An event about the NodeState: a gateway that this node has left, or uses again; whether it was written."""
        return await events.emit(
            self._api,
            regarding=state,
            reason=what.reason,
            message=what.note,
            type="Warning" if what.warning else "Normal",
            component="route-agent",
            instance=self._instance,
        )

    async def repaired(self, state: JsonObject | None, note: str) -> bool:
        """An event about the NodeState: what somebody else had changed in the kernel; whether it was written."""
        return state is not None and await events.emit(
            self._api,
            regarding=state,
            reason="Repaired",
            message=note,
            type="Warning",
            component="route-agent",
            instance=self._instance,
        )
