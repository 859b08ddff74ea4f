"""What the gateway daemon writes at its API server: rail Lease, Endpoint, Gateway report, events."""

from datetime import UTC, datetime
from pathlib import Path

from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import gateway as gateway_codec
from mcnet.codec import identity, load_balancer
from mcnet.kube import events
from mcnet.kube.api import Api
from mcnet.kube.kinds import ENDPOINT_SLICE, GATEWAY, LEASE, SERVICE, JsonObject
from mcnet.loop.log import Log
from mcnet.model.endpoint import Endpoint
from mcnet.model.errors import ConflictError, McnetError
from mcnet.model.gateway import Gateway
from mcnet.model.member import IDENTITY_SECRET, rail_lease_name
from mcnet.model.node import GATEWAY_LABEL
from mcnet.model.ownership import MAX_RAILS
from mcnet.plan import rail as rails
from mcnet.plan.gateway_events import Told

log = Log("gateway")


def utc_now() -> str:
    """The time as RFC 3339 text, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Publisher:
    """Writes objects of this gateway, each owned by its Node, so that they go when the node is deleted."""

    def __init__(self, api: Api, *, node: str, namespace: str, keys: Path, instance: str) -> None:
        self._api = api
        self._node = node
        self._namespace = namespace
        self._keys = keys
        self._instance = instance
        self._balanced: list[JsonObject] | None = None
        """What this process has written for its load balancer last; None before the first time."""

    async def rail(self, holders: dict[int, str], gateways: frozenset[str], node: JsonObject) -> int | None:
        """This gateway's rail, claimed if it has none; None if that has to be tried again. Raises McnetError if
        there is none to have."""
        match rails.decide(holders, self._node, gateways):
            case rails.Hold(rail, surplus):
                for other in surplus:
                    await self._api.delete(LEASE, rail_lease_name(other), self._namespace)
                return rail
            case rails.Reclaim(rail, holder):
                log.info("rail reclaimed", rail=rail, holder=holder, reason="its node is no gateway any more")
                await self._api.delete(LEASE, rail_lease_name(rail), self._namespace)
                return None
            case rails.Claim(rail):
                return await self._claim(rail, node)
            case rails.Full():
                raise McnetError(
                    f"node {self._node} can't be a gateway: all {MAX_RAILS} rails are held by other gateways",
                    f"kubectl label node {self._node} {GATEWAY_LABEL}-",
                )

    async def _claim(self, rail: int, node: JsonObject) -> int | None:
        lease = {
            "metadata": {"name": rail_lease_name(rail), "ownerReferences": [_owner(node)]},
            "spec": {"holderIdentity": self._node, "acquireTime": _micro_time()},
        }
        try:
            await self._api.create(LEASE, lease, self._namespace)
        except ConflictError:
            return None  # another gateway was quicker: look again
        log.info("rail claimed", rail=rail)
        return rail

    def identity(self) -> identity.PrivateIdentity | None:
        """The cluster's private keys, None where they can't be read: the Secret may be on its way."""
        try:
            return identity.PrivateIdentity(
                signing=(self._keys / "signing").read_bytes(), agreement=(self._keys / "agreement").read_bytes()
            )
        except (OSError, ValueError):
            return None

    async def endpoint(self, wanted: Endpoint, node: JsonObject) -> None:
        """Sign `wanted` (its sequence is set already) and publish it."""
        keys = self.identity()
        if keys is None:
            raise McnetError(
                f"the keys of {wanted.cluster} can't be read from {self._keys}: its Endpoint can't be signed",
                f"kubectl -n {self._namespace} get secret {IDENTITY_SECRET}; mcnet join makes a new one",
            )
        body = endpoint_codec.encode(identity.sign(wanted, keys), namespace=self._namespace)
        body["metadata"]["ownerReferences"] = [_owner(node)]
        await self._api.apply(body)
        log.info(
            "endpoint published", endpoint=wanted.name, rail=wanted.rail, sequence=wanted.sequence,
            addresses=",".join(str(address) for address in wanted.private_addresses),
        )  # fmt: skip

    async def report(self, wanted: Gateway, node: JsonObject) -> None:
        """Write the Gateway object: its being there, then its status."""
        if await self._api.find(GATEWAY, wanted.node, self._namespace) is None:
            body = gateway_codec.bare(node=wanted.node, namespace=self._namespace)
            body["metadata"]["ownerReferences"] = [_owner(node)]
            await self._api.apply(body)
        await self._api.apply(gateway_codec.encode(wanted, namespace=self._namespace), subresource="status")

    async def load_balancer(self, own: Endpoint, node: JsonObject, *, wanted: bool) -> None:
        """Keep the gateway's Service of type LoadBalancer, or see that it has none. Written again only where it, or
        what it is made of, has changed."""
        objects = load_balancer.encode(own, namespace=self._namespace, owner=_owner(node))
        if self._balanced == (objects if wanted else []):
            return
        if wanted:
            for obj in objects:
                await self._api.apply(obj)
            log.info("load balancer asked for", service=load_balancer.name_of(own.rail))
        else:
            labels = f"{load_balancer.NODE_LABEL}={load_balancer.mark_of(self._node)}"
            for kind in (SERVICE, ENDPOINT_SLICE):
                for obj in await self._api.list(kind, self._namespace, labels=labels):
                    await self._api.delete(kind, obj["metadata"]["name"], self._namespace)
        self._balanced = objects if wanted else []

    async def told(self, regarding: JsonObject, what: Told) -> bool:
        """An Event about the Gateway that drains, or no longer, or has another weight, or about one of its cables;
        whether it was written."""
        return await events.emit(
            self._api,
            regarding=regarding,
            reason=what.reason,
            message=what.note,
            type="Warning" if what.warning else "Normal",
            component="gateway",
            instance=self._instance,
        )

    async def repaired(self, report: JsonObject | None, note: str) -> bool:
        """An event about the Gateway: what somebody else had changed in the kernel; whether it was written."""
        return report is not None and await events.emit(
            self._api,
            regarding=report,
            reason="Repaired",
            message=note,
            type="Warning",
            component="gateway",
            instance=self._instance,
        )


def _owner(node: JsonObject) -> JsonObject:
    return {"apiVersion": "v1", "kind": "Node", "name": node["metadata"]["name"], "uid": node["metadata"]["uid"]}


def _micro_time() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
