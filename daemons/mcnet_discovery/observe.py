"""What the discovery daemon sees: the member's own objects, and the broker's through the session. Decides nothing."""

from collections.abc import Callable
from dataclasses import replace

import mcnet
from mcnet.codec import broker as broker_codec
from mcnet.codec import cluster as cluster_codec
from mcnet.codec import clusterset as clusterset_codec
from mcnet.codec import endpoint as endpoint_codec
from mcnet.codec import member as member_codec
from mcnet.codec import pins as pins_codec
from mcnet.codec.batch import decode_all
from mcnet.codec.broker import BrokerCredential
from mcnet.codec.errors import DecodeError
from mcnet.kube.api import Api
from mcnet.kube.kinds import CLUSTER, CLUSTERSET, CONFIG_MAP, ENDPOINT, MEMBER, SECRET, JsonObject, Kind
from mcnet.kube.store import Store
from mcnet.model.cluster import PROTOCOL_VERSION
from mcnet.model.member import BROKER_SECRET, MEMBER_NAME, Member
from mcnet.model.trust import PINS_NAME
from mcnet.plan import trust
from mcnet.plan.mirror import Faults, Objects, Place, World, remote_clusters
from mcnet.plan.service_import import Importer
from mcnet_discovery.session import Session


class Local:
    """The stores of the own API server."""

    def __init__(self, api: Api, namespace: str, trigger: Callable[[str], None]) -> None:
        self.namespace = namespace
        self._member = self._store(api, MEMBER, trigger, MEMBER_NAME)
        self._secret = self._store(api, SECRET, trigger, BROKER_SECRET)
        self._pins = self._store(api, CONFIG_MAP, trigger, PINS_NAME)
        self._clustersets, self._clusters, self._endpoints = (
            self._store(api, kind, trigger) for kind in (CLUSTERSET, CLUSTER, ENDPOINT)
        )

    def _store(self, api: Api, kind: Kind, trigger: Callable[[str], None], name: str = "") -> Store:
        reason = f"local {kind.plural}"
        fields = f"metadata.name={name}" if name else ""
        return Store(api, kind, namespace=self.namespace, fields=fields, on_change=lambda: trigger(reason))

    @property
    def stores(self) -> tuple[Store, ...]:
        return self._member, self._secret, self._pins, self._clustersets, self._clusters, self._endpoints

    @property
    def waiting(self) -> list[str]:
        """Plurals of the kinds that have not been listed yet."""
        return [store.kind.plural for store in self.stores if not store.synced]

    @property
    def member_object(self) -> JsonObject | None:
        return self._member.get(MEMBER_NAME)

    @property
    def secret_object(self) -> JsonObject | None:
        return self._secret.get(BROKER_SECRET)

    @property
    def pins_object(self) -> JsonObject | None:
        return self._pins.get(PINS_NAME)

    def member(self) -> tuple[Member | None, str]:
        """The settings, or None and why there are none."""
        obj = self.member_object
        if obj is None:
            return None, "there is no Member: this cluster has not joined"
        try:
            return member_codec.decode(obj), ""
        except DecodeError as error:
            return None, f"the Member is not usable: {error}"

    def credential(self) -> tuple[BrokerCredential | None, str]:
        """The broker's credential, or None and why there is none."""
        obj = self.secret_object
        if obj is None:
            return None, f"there is no Secret {BROKER_SECRET}"
        try:
            return broker_codec.decode_secret(obj), ""
        except DecodeError as error:
            return None, f"the Secret {BROKER_SECRET} is not usable: {error}"

    def objects(self) -> Objects:
        return _objects(self._clustersets, self._clusters, self._endpoints)


async def world(local: Local, session: Session, member: Member) -> World:
    """The inputs of the mirror's plan, of a session that knows the broker. Raises UnreachableError if that is away
    when it has to be asked for a farewell: nothing is judged without."""
    objects = local.objects()
    broker = _objects(session.clustersets, session.clusters, session.endpoints)
    lost = session.reachable and session.clusters.get(member.cluster) is None
    status = cluster_codec.encode_status(
        version=mcnet.__version__,
        requested_pod_prefixes=member.pod_prefixes,
        requested_service_prefixes=member.service_prefixes,
    )
    found = World(
        cluster=member.cluster,
        local=objects,
        broker=broker,
        namespace=local.namespace,
        broker_namespace=session.namespace,
        status=status,
        owner=await session.owner() if lost else None,
        faults=faults(objects, broker),
        pins=local.pins_object,
    )
    others = trust.changed(remote_clusters(found), pins_codec.decode(found.pins))
    return replace(found, farewells={cluster: await session.farewells(cluster) for cluster in others})


def importer(local: Local, member: Member) -> Importer:
    """The own cluster as one that services are imported into, and that reaches all others."""
    clusters = decode_all(cluster_codec.decode, local.objects().clusters, [])  # faults are the mirror's to tell
    return Importer(
        cluster=member.cluster,
        families=tuple(dict.fromkeys(f"IPv{prefix.version}" for prefix in member.service_prefixes)),
        prefixes={cluster.id: cluster.prefixes for cluster in clusters},
    )


def newer(session: Session) -> dict[str, str]:
    """Which of the broker's objects ask for more than this version knows, and what."""
    found = {}
    for obj in session.clustersets.objects:
        try:
            wanted = clusterset_codec.decode(obj).protocol_version
        except DecodeError:
            continue  # named among the faults
        if wanted > PROTOCOL_VERSION:
            found[f"ClusterSet {obj['metadata']['name']} (broker)"] = (
                f"it asks for protocol version {wanted}, this cluster speaks {PROTOCOL_VERSION}: upgrade mcnet here"
            )
    return found


def faults(local: Objects, broker: Objects) -> Faults:
    """Which objects can't be understood, and why."""
    found = {}
    for place, objects in ((Place.LOCAL, local), (Place.BROKER, broker)):
        for obj in (*objects.clustersets, *objects.clusters, *objects.endpoints):
            try:
                _decode(obj)
            except DecodeError as error:
                found[place, obj["kind"], obj["metadata"]["name"]] = f"{error.field}: {error.why}"
    return found


def _decode(obj: JsonObject) -> None:
    match obj["kind"]:
        case "Cluster":
            cluster_codec.decode(obj)
        case "Endpoint":
            endpoint_codec.decode(obj)
        case _:
            clusterset_codec.decode(obj)


def _objects(clustersets: Store, clusters: Store, endpoints: Store) -> Objects:
    return Objects(tuple(clustersets.objects), tuple(clusters.objects), tuple(endpoints.objects))
